r"""Escape sequences of HL7 v2 text, decoded in one pass after splitting (HL7 v2.5.1 §2.7).

What is known is decoded, everything else stays literally: an unknown sequence or a lone backslash (`C:\temp`) is text.
"""

import re
from collections.abc import Callable
from functools import lru_cache

_BREAKS = {".br": "\n", ".ce": "\n", ".fi": "", ".nf": "", "H": "", "N": ""}
r"""`\.fi\ \.nf\ \H\ \N\` (fill mode, highlighting) say how to show text, not what it is; `\.ce\` starts a new line."""

_KNOWN = r"[FSTREP]|[HN]|X(?:[0-9A-Fa-f]{2})+|\.(?:br|ce|fi|nf|sp\+?\d{0,9}|sk\+?\d{1,9}|in[+-]?\d{1,9}|ti[+-]?\d{1,9})"


def unescape(text: str, escape: str, literals: str, encoding: str = "utf-8") -> str:
    r"""Decode `text`; `literals` are the characters behind `\F\ \S\ \T\ \R\ \E\ \P\`, in that order.

    `\P\` (v2.7) is only known where the sender declares a fifth delimiter, so `literals` may have five characters.
    """
    if not escape or escape not in text:
        return text
    return _decoder(escape, literals, encoding)(text)


@lru_cache(maxsize=64)
def _decoder(escape: str, literals: str, encoding: str) -> Callable[[str], str]:
    pattern = re.compile(f"{re.escape(escape)}({_KNOWN}){re.escape(escape)}")
    table = _BREAKS | dict(zip("FSTREP", literals, strict=False))

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        known = table.get(name)
        if known is not None:
            return known
        if name[0] == "X":
            return _hexadecimal(bytes.fromhex(name[1:]), encoding) or match[0]
        if name[:3] == ".sp":
            return "\n" * min(int(name[3:].lstrip("+") or 1), 99)
        if name[:3] == ".sk":
            return " " * min(int(name[3:].lstrip("+")), 99)
        return "" if name[0] == "." else match[0]

    return lambda text: pattern.sub(replace, text)


def _hexadecimal(data: bytes, encoding: str) -> str:
    r"""`\Xdd..\` holds bytes in the encoding of the message; empty where they are no text in it."""
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return ""
