"""Documents inside OBX (PDF and the like): put together, checked, and taken out of the results (behaviour 132).

A document is never a value and is never sent on. What a feed's `documents` rule decides is how much of it the record
holds: `drop` its type alone, `keep-inside` the whole. The sealed message has the bytes either way, sound or not.

Seen in the United Kingdom: one base64 text cut over several OBX of type ED (UCLH), a PDF in an OBX of type CE
(Manchester), and data that goes on in further components.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

from adapter.assertion import Resource
from adapter.errors import Problem, ProblemCode
from adapter.hl7v2.escapes import unescape
from adapter.hl7v2.header import Delimiters

SIGNATURE = "JVBERi0"
"""How every PDF begins in base64: `%PDF-`."""
_PDF, _PDF_TYPE, _UNKNOWN_TYPE = b"%PDF-", "application/pdf", "application/octet-stream"
_NEAR = 1024
"""Within how many bytes of either end the marks of a PDF stand (ISO 32000-1 annex H, notes 13 and 18)."""
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_ORDERS = ("OBR", "TXA", "PID")
_BLANK = "OBX"
_CORRUPT = "a document that does not decode; its bytes stay in the sealed message as they were sent"
_NO_PDF = "a document that should be a PDF and is none, or is cut short; its bytes stay in the sealed message as sent"


class Document(NamedTuple):
    """One document, whole."""

    line: int
    """Of its first OBX."""
    group: int
    """The line of the OBR or TXA it belongs to; -1 for none."""
    code: str
    """OBX-3.1 and OBX-4: which of the documents of its order it is."""
    title: str
    attachment: Resource
    """Without data where the rule is `drop`, or where it is not sound."""


class _Piece(NamedTuple):
    line: int
    group: int
    kind: str
    test: str
    sub_id: str
    value: str


def may_hold(text: str, delimiters: Delimiters) -> bool:
    """Whether a message can hold a document at all: asked of every message."""
    return SIGNATURE in text or _of_type_ed(delimiters.field)(text) is not None


@cache
def _of_type_ed(separator: str) -> Callable[[str], re.Match[str] | None]:
    # Where every other character is a separator, `in` takes twice as long as this.
    return re.compile(re.escape(f"{separator}ED{separator}")).search


def taken_out(
    lines: Sequence[str], delimiters: Delimiters, *, keeps_data: bool, keeps_ed: bool = False
) -> tuple[list[str], list[Document], list[Problem]]:
    """The lines without what held documents, the documents, and what was wrong with them.

    `keeps_ed`: each stays as an OBX of type ED; its value is none, but a Bundle shows it.
    """
    pieces = list(_pieces(lines, delimiters))
    left = list(lines)
    for piece in pieces:
        left[piece.line] = _as_ed(left[piece.line], piece, delimiters) if keeps_ed else _BLANK
    documents, problems = [], []
    numbers = list(accumulate(line.startswith("OBX") for line in lines))
    for group in _together(pieces, delimiters):
        attachment, fault = _attachment(group, delimiters, keeps_data=keeps_data)
        first = group[0]
        if fault:
            at = f"OBX[{numbers[first.line]}]-5"
            problems.append(Problem(code=ProblemCode.BAD_DOCUMENT, text=fault, at=at))
        if attachment:
            code, _, rest = first.test.partition(delimiters.component)
            title = rest.partition(delimiters.component)[0] or code
            # Pieces that are numbered by OBX-4 are one document, so the number tells nothing of it.
            sub_id = first.sub_id if len(group) == 1 else ""
            documents.append(Document(first.line, first.group, f"{code}|{sub_id}", title, attachment))
    return left, documents, problems


def _as_ed(line: str, piece: _Piece, delimiters: Delimiters) -> str:
    if piece.kind == "ED":
        return line
    fields = str(line).split(delimiters.field)
    fields[2], fields[5] = "ED", delimiters.component.join(("", "application", "pdf", "Base64", SIGNATURE))
    return delimiters.field.join(fields)


def _pieces(lines: Sequence[str], delimiters: Delimiters) -> "list[_Piece]":
    found: list[_Piece] = []
    group = -1
    for index, line in enumerate(lines):
        if line[:3] in _ORDERS:
            group = index if line[:3] != "PID" else -1
        elif line[:3] == "OBX":
            fields = [*str(line).split(delimiters.field, 6), "", "", "", "", "", ""]
            piece = _Piece(index, group, fields[2].strip(), fields[3], fields[4], fields[5])
            last = found[-1] if found and found[-1].line == index - 1 else None
            if piece.kind == "ED" or _begins(piece, delimiters) or (last and _goes_on(last, piece, delimiters)):
                found.append(piece)
    return found


def _begins(piece: _Piece, delimiters: Delimiters) -> bool:
    return SIGNATURE in piece.value and any(
        each.startswith(SIGNATURE) for each in piece.value.split(delimiters.component)
    )


def _goes_on(last: _Piece, piece: _Piece, delimiters: Delimiters) -> bool:
    """A further piece of a document in a type that is not made for one: the same test, and nothing but base64."""
    is_same = (last.kind, last.test, last.group) == (piece.kind, piece.test, piece.group)
    if not is_same or piece.kind == "ED":
        return False
    return _BASE64.fullmatch(_data(piece, delimiters)) is not None


def _together(pieces: Sequence[_Piece], delimiters: Delimiters) -> "list[list[_Piece]]":
    """Pieces of one document: of the same test, one after the other, until another one begins."""
    groups: list[list[_Piece]] = []
    for piece in pieces:
        last = groups[-1][-1] if groups else None
        is_next = (
            last is not None and last.line == piece.line - 1 and (last.group, last.test) == (piece.group, piece.test)
        )
        if last is not None and is_next and not _begins(piece, delimiters) and _takes(groups[-1][0], piece, delimiters):
            groups[-1].append(piece)
        else:
            groups.append([piece])
    return groups


def _takes(first: _Piece, piece: _Piece, delimiters: Delimiters) -> bool:
    """Whether a piece that begins no PDF goes on with one: unless it says of itself that it is something else."""
    declared = [*piece.value.split(delimiters.component), "", ""] if piece.kind == "ED" else []
    return _begins(first, delimiters) and (not declared or _type(declared, "") in (_PDF_TYPE, _UNKNOWN_TYPE))


def _data(piece: _Piece, delimiters: Delimiters) -> str:
    """What of OBX-5 is the document: of ED from the fifth component on (HL7 v2.5.1 §2.A.24), else where it begins."""
    parts = piece.value.split(delimiters.component)
    begins = next((n for n, each in enumerate(parts) if each.startswith(SIGNATURE)), None)
    if begins is not None:
        parts = parts[begins:]
    elif piece.kind == "ED" and len(parts) > 4:
        parts = parts[4:]
    else:
        parts = [max(parts, key=len)]
    text = unescape("".join(parts), delimiters.escape, delimiters.literals)
    return "".join(text.replace(delimiters.repetition or " ", " ").split())


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _attachment(group: Sequence[_Piece], delimiters: Delimiters, *, keeps_data: bool) -> tuple[Resource, str]:
    """Empty where there is no document; and what is wrong with it."""
    sent = [_data(piece, delimiters) for piece in group]
    text = "".join(sent)
    first = [*group[0].value.split(delimiters.component), "", "", "", ""]
    kind = _type(first, text) if group[0].kind == "ED" else _PDF_TYPE
    if not text or (group[0].kind == "ED" and not first[4] and SIGNATURE not in group[0].value):
        return {}, ""
    body = _body(text, sent, encoding=first[3].strip().upper() if group[0].kind == "ED" else "BASE64")
    attachment: Resource = {"contentType": kind}
    if body is None:
        return attachment, _CORRUPT
    if kind == _PDF_TYPE and (_PDF not in body[:_NEAR] or b"%%EOF" not in body[-_NEAR:]):
        return attachment, _NO_PDF
    if keeps_data:
        digest = base64.b64encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode()
        attachment |= {"data": base64.b64encode(body).decode(), "size": len(body), "hash": digest}
    return attachment, ""


def _body(text: str, sent: Sequence[str], *, encoding: str) -> bytes | None:
    """Some senders encode each piece by itself, most cut one encoded text."""
    if encoding == "HEX":
        try:
            return bytes.fromhex(text)
        except ValueError:
            return None
    if encoding == "A":
        return text.encode()
    whole = _decoded(text + "=" * (-len(text) % 4))
    if whole is not None or len(sent) == 1:
        return whole
    each = [_decoded(piece) for piece in sent]
    return b"".join(piece or b"" for piece in each) if all(each) else None


def _type(components: Sequence[str], text: str) -> str:
    """`application/pdf`, whatever the sender writes for it; else type and subtype as sent."""
    kind, subtype = components[1].strip(), components[2].strip()
    if text.startswith(SIGNATURE) or "pdf" in f"{kind} {subtype}".lower():
        return _PDF_TYPE
    return f"{kind}/{subtype}".lower() if kind and subtype else _UNKNOWN_TYPE


def as_json(document: Document) -> dict[str, Any]:
    """Its attachment, with its title where the record holds it."""
    is_held = document.title and "data" in document.attachment
    return {**document.attachment, "title": document.title} if is_held else dict(document.attachment)
