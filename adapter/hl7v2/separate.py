"""A message about several patients, as one message for each: no two children's data ever stand in one.

Laboratories report on several patients in one ORU, A17 swaps the beds of two, A40 merges many; each group begins with
its PID (HL7 v2.5.1 §3.3, §7.3). What stands before the first PID belongs to all. A body with several MSH is as many
messages.
"""

import re

from adapter.errors import IdentityConflict, Problem, ProblemCode
from adapter.hl7v2.message import Message

_PATIENT, _HEADER = "PID", "MSH"
_MAY_BE_PATIENT = re.compile(r"(?<![\s\x00\ufeff])([\s\x00\ufeff]++)PID[|^]", re.IGNORECASE)
_LINE_ENDS = frozenset("\r\n\x0b\x0c\x85\u2028\u2029")
_HIDDEN = Problem(
    code=ProblemCode.NO_IDENTIFIER,
    text="a line that should be a PID is written as none: whose it is what follows cannot be told",
)


def may_be_several(body: bytes) -> bool:
    """Asked of every message: whether `separate` can find anything in it, however a further PID is written."""
    return body.upper().count(b"PID") > 1 or body.find(b"MSH", len(b"MSH")) >= 0


def separate(message: Message) -> list[bytes]:
    """One message for each PID segment, of the sender's own bytes; none where there is but one patient.

    IdentityConflict where a further PID is not read as one: what follows would be taken for the patient's before it.
    """
    if _has_hidden(message):
        raise IdentityConflict(_HIDDEN)
    raw = message.raw
    headers = _starts(message, _HEADER)
    if len(headers) > 1:
        ends = [*headers[1:], len(raw)]
        return [raw[start:end] for start, end in zip([0, *headers[1:]], ends, strict=True)]
    starts = _starts(message, _PATIENT)
    if len(starts) < 2:
        return []
    common = raw[: starts[0]]
    ends = [*starts[1:], len(raw)]
    return [common + raw[start:end] for start, end in zip(starts, ends, strict=True)]


def _places(message: Message, segment: str) -> list[int]:
    return [at for line, at in zip(message.lines, message.starts, strict=True) if line[:3] == segment]


def _starts(message: Message, segment: str) -> list[int]:
    return message.byte_offsets(_places(message, segment))


def _has_hidden(message: Message) -> bool:
    """Indented, in small letters, behind another end of line, or with other delimiters than the header names."""
    seen = set(_places(message, _PATIENT))
    found = (each for each in _MAY_BE_PATIENT.finditer(message.text) if not _LINE_ENDS.isdisjoint(each[1]))
    return any(each.end(1) not in seen for each in found)
