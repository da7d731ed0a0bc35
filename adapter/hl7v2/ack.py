"""Acknowledgements: built from MSH alone, and read back by who sends.

HL7 v2.5.1 §2.9.2 (original mode) and §2.9.3 (enhanced mode, which a sender asks for by MSH-15 or MSH-16).
Knows no storage and no clock: our control id and the time are arguments.
"""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Literal

import msgspec

from adapter.hl7v2.escapes import unescape
from adapter.hl7v2.header import Delimiters, Header, read_header


class AckCode(StrEnum):
    """HL7 table 0008: three outcomes, in the words of original mode and in those of an accept acknowledgement."""

    ACCEPT = "AA"
    """The message is on our disk."""
    ERROR = "AE"
    """Not kept: send it again."""
    REJECT = "AR"
    """Sending it again cannot help."""
    COMMIT_ACCEPT = "CA"
    COMMIT_ERROR = "CE"
    COMMIT_REJECT = "CR"


Outcome = Literal[AckCode.ACCEPT, AckCode.ERROR, AckCode.REJECT]

_COMMIT = {
    AckCode.ACCEPT: AckCode.COMMIT_ACCEPT,
    AckCode.ERROR: AckCode.COMMIT_ERROR,
    AckCode.REJECT: AckCode.COMMIT_REJECT,
}


@lru_cache(maxsize=256)
def codes_asked_for(accept_ack: bytes, application_ack: bytes, outcome: Outcome) -> tuple[AckCode, ...]:
    """Which answers a sender with these MSH-15 and MSH-16 wants to this outcome, in order; there may be none.

    HL7 v2.5.1 §2.9.3, table 0155. Neither of them (or nothing that the table knows): original mode. A message that is
    on the disk is all that our application answers for, so an application acknowledgement follows at once. After a
    refusal nothing follows: it is said once, in the words that were asked for.
    """
    accept, application = accept_ack.strip(), application_ack.strip()
    if accept not in _CONDITIONS and application not in _CONDITIONS:
        return (outcome,)
    codes = [_COMMIT[outcome]] if _is_asked(accept, outcome) else []
    if _is_asked(application, outcome) and (outcome is AckCode.ACCEPT or not codes):
        codes.append(outcome)
    return tuple(codes)


_CONDITIONS = frozenset({b"AL", b"NE", b"ER", b"SU"})


def _is_asked(condition: bytes, outcome: Outcome) -> bool:
    return condition == b"AL" or condition == (b"SU" if outcome is AckCode.ACCEPT else b"ER")


class AckError(msgspec.Struct, frozen=True):
    """What went wrong: a code of HL7 table 0357, its name, and words for who reads the sender's queue."""

    code: str
    name: str
    text: str
    field: int = 0
    """The field of MSH that it is about; 0: none in particular."""


NO_HEADER = AckError("100", "Segment sequence error", "no readable MSH segment: not an HL7 v2 message")
EMPTY_BLOCK = AckError("100", "Segment sequence error", "empty message")
NOT_STORED = AckError("207", "Application internal error", "not stored: send the message again")


def too_large(length: int, *, limit: int) -> AckError:
    """The refusal of a message over the size limit, with both numbers."""
    return AckError("207", "Application internal error", f"message of {length} bytes is over the limit of {limit}")


class Ack(msgspec.Struct, frozen=True):
    """An acknowledgement as received."""

    code: str
    """MSA-1, as sent: one of AA AE AR, or CA CE CR in enhanced mode."""
    control_id: str
    """MSA-2: which message it answers."""
    text: str
    """MSA-3, else the user message of ERR."""

    @property
    def is_accepted(self) -> bool:
        """The receiver has taken responsibility for the message."""
        return self.code in ("AA", "CA")


def acknowledge(
    header: Header | None, code: AckCode, *, control_id: bytes, at: bytes, error: AckError | None = None
) -> bytes:
    """The answer to one message, unframed; a missing header is answered with default delimiters.

    `control_id` is our own MSH-10 and `at` our MSH-7 as HL7 writes times (`20260301120000+0000`).
    """
    known = _ANONYMOUS if header is None else header
    # Delimiters, type, parties, MSH-11 and MSH-12 are the same for most of a feed; only the control id is not.
    before, between, after = _frame_of(code, known[:2], known[3:9])
    plain = b"".join((before, at, between, control_id, after, known.control_id))
    if error is None:
        return plain + b"\r"
    return plain + _error_part(error, known)


_ANONYMOUS = Header(Delimiters("|"), b"", b"", b"", b"", b"", b"", b"P", b"2.4", b"", b"", b"")


@lru_cache(maxsize=512)
def _frame_of(code: AckCode, form: tuple[Delimiters, bytes], parties: tuple[bytes, ...]) -> tuple[bytes, bytes, bytes]:
    """What is the same in all such answers: before our MSH-7, between it and our MSH-10, and from there to MSA-2."""
    d, kind = form
    sending_application, sending_facility, receiving_application, receiving_facility, processing_id, version = parties
    separator = d.field.encode()
    encoding = (d.component + d.repetition + d.escape + d.subcomponent + d.truncation).encode()
    ours = (receiving_application, receiving_facility)
    before = separator.join((b"MSH" + separator + encoding, *ours, sending_application, sending_facility, b""))
    between = separator * 2 + _type_of(kind, version, d.component.encode()) + separator
    after = separator.join((b"", processing_id, version + b"\rMSA", code.encode(), b""))
    return before, between, after


def _type_of(kind: bytes, version: bytes, component: bytes) -> bytes:
    """MSH-9 of the answer: the event is copied; the structure, its third component, came with version 2.3.1."""
    event = kind.partition(b"^")[2]
    if not event:
        return b"ACK"
    old = version[:3] in (b"2.1", b"2.2") or version.partition(component)[0] == b"2.3"
    return component.join((b"ACK", event) if old else (b"ACK", event, b"ACK"))


def _error_part(error: AckError, header: Header) -> bytes:
    """MSA-3 and an ERR segment: ERR-1 up to version 2.4, ERR-2, -3, -4 and -8 from 2.5 (v2.5.1 §2.15.5)."""
    d = header.delimiters
    separator, text = d.field, _escape(error.text, d)
    coded = [error.code, _escape(error.name, d), "HL70357"]
    place = ["MSH", "1", str(error.field)] if error.field else ["", "", ""]
    if _is_before_2_5(header.version):
        segment = separator.join(("ERR", d.component.join((*place, d.subcomponent.join(coded)))))
    else:
        location = d.component.join(place) if error.field else ""
        segment = separator.join(("ERR", "", location, d.component.join(coded), "E", "", "", "", text))
    return f"{separator}{text}\r{segment}\r".encode("ascii", "replace")


def _is_before_2_5(version: bytes) -> bool:
    return re.match(rb"2\.[0-4](\D|$)", version) is not None


def _escape(text: str, d: Delimiters) -> str:
    names = {d.field: "F", d.component: "S", d.subcomponent: "T", d.repetition: "R", d.escape: "E"}
    return "".join(f"{d.escape}{names[sign]}{d.escape}" if d.escape and sign in names else sign for sign in text)


def parse_ack(raw: bytes) -> Ack | None:
    """Read an acknowledgement; None where the bytes hold no MSH and MSA."""
    header = read_header(raw)
    if header is None:
        return None
    d = header.delimiters
    answer: list[str] = []
    remark = ""
    for segment in re.split(rb"[\r\n]+", raw):
        fields = segment.decode("utf-8", "replace").split(d.field)
        if fields[0] == "MSA" and not answer:
            answer = [*fields[1:4], "", "", ""]
        elif fields[0] == "ERR" and len(fields) > 8:
            remark = remark or fields[8]
    if not answer or not answer[0]:
        return None
    return Ack(answer[0].strip(), answer[1], unescape(answer[2] or remark, d.escape, d.literals))
