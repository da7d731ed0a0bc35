"""From bytes to text and back to byte positions: MSH-18, a configured override, or UTF-8, and nothing lost silently."""

import codecs
from functools import lru_cache
from typing import NamedTuple

# HL7 table 0211. Encodings with shift states (ISO IR14 …) are left out: their byte positions cannot be recovered.
TABLE_0211 = {
    "ASCII": "ascii",
    # Windows calls its own set by this name; it is the same in every character that can be printed.
    "8859/1": "cp1252",
    **{f"8859/{part}": f"iso8859-{part}" for part in (*range(2, 12), 13, 14, 15, 16)},
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
    "GB 18030-2000": "gb18030",
    "BIG-5": "big5",
    "KS X 1001": "euc-kr",
}


class Decoded(NamedTuple):
    """The text of a message, and how it was won."""

    text: str
    encoding: str
    fault: str
    """Empty where every byte decoded as declared; else what went wrong, in words."""
    escaped: str
    """Where bytes were undecodable: the same text with each such byte as a lone surrogate, so that positions and bytes
    can still be recovered; else the text itself."""


def decode(raw: bytes, declared: bytes, override: str | None) -> Decoded:
    """Decode by override, else MSH-18, else UTF-8. Undecodable bytes become U+FFFD, one each, and are told of."""
    encoding, fault = chosen_codec(declared[:40], override)
    try:
        text = raw.decode(encoding)
        return Decoded(text, encoding, fault, text)
    except UnicodeDecodeError:
        pass
    if not override and encoding == "utf-8" and not declared:
        try:
            text = raw.decode("cp1252")
            return Decoded(text, "cp1252", "bytes are not UTF-8 and MSH-18 is empty; read as Windows-1252", text)
        except UnicodeDecodeError:
            pass
    escaped = raw.decode(encoding, "surrogateescape")
    text = "".join("\ufffd" if "\udc80" <= character <= "\udcff" else character for character in escaped)
    return Decoded(
        text, encoding, "bytes that are not text in the declared character set; they show as U+FFFD", escaped
    )


def byte_length(escaped: str, encoding: str) -> int:
    """How many bytes of the raw message this piece of decoded text came from."""
    return len(escaped) if escaped.isascii() else len(escaped.encode(encoding, "surrogateescape"))


@lru_cache(maxsize=64)
def chosen_codec(declared: bytes, override: str | None) -> tuple[str, str]:
    """The codec and, where MSH-18 could not be followed, why."""
    if override:
        return _codec(override), ""
    name = declared.decode("latin-1").strip().upper()
    known = TABLE_0211.get(name)
    # Senders that declare ASCII, or nothing, often send UTF-8 or Windows-1252.
    if known == "ascii" or not name:
        return "utf-8", ""
    return (known, "") if known else ("utf-8", "MSH-18 names a character set that is not known; read as UTF-8")


def _codec(name: str) -> str:
    return codecs.lookup(TABLE_0211.get(name.strip().upper(), name)).name
