"""A message about several patients, as one message for each: no two children's data ever stand in one.

Laboratories report on several patients in one ORU, A17 swaps the beds of two, A40 merges many; each group begins with
its PID (HL7 v2.5.1 §3.3, §7.3). What stands before the first PID belongs to all.
"""

from adapter.hl7v2.message import Message, Span

_PATIENT = "PID"


def separate(message: Message) -> list[bytes]:
    """One message for each PID segment, of the sender's own bytes; none where there is but one patient."""
    lines = message.lines
    if sum(line[:3] == _PATIENT for line in lines) < 2:
        return []
    segments = message.segments
    starts = [
        message.bytes_of(Span(segment.offset, segment.offset)).start for segment in segments if segment.name == _PATIENT
    ]
    raw = message.raw
    common = raw[: starts[0]]
    ends = [*starts[1:], len(raw)]
    return [common + raw[start:end] for start, end in zip(starts, ends, strict=True)]
