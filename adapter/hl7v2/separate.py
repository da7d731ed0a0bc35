"""A message about several patients, as one message for each: no two children's data ever stand in one.

Laboratories report on several patients in one ORU, A17 swaps the beds of two, A40 merges many; each group begins with
its PID (HL7 v2.5.1 §3.3, §7.3). What stands before the first PID belongs to all.
"""

from adapter.hl7v2.message import Message

_PATIENT = "PID"


def separate(message: Message) -> list[bytes]:
    """One message for each PID segment, of the sender's own bytes; none where there is but one patient."""
    places = [at for line, at in zip(message.lines, message.starts, strict=True) if line[:3] == _PATIENT]
    if len(places) < 2:
        return []
    starts = message.byte_offsets(places)
    raw = message.raw
    common = raw[: starts[0]]
    ends = [*starts[1:], len(raw)]
    return [common + raw[start:end] for start, end in zip(starts, ends, strict=True)]
