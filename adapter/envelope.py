"""What a source hands to the inbox, and what the pipeline takes from it: bytes, and where they came from."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


def utc_us(moment: datetime) -> int:
    """Microseconds since 1970 UTC of an aware time: how times are stored and compared."""
    return int(moment.timestamp() * 1_000_000)


class Media(StrEnum):
    """The language of a body. The receiver knows it from the transport, never by guessing at the content."""

    HL7V2 = "hl7v2"
    FHIR = "fhir"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One message as a source received it, before it has an inbox id."""

    feed: str
    """The name of the source in the trust file."""
    media: Media
    received_at: datetime
    """Aware; an arrival fact, never used for order."""
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One message from the inbox."""

    inbox_id: int
    """Never reused; the only name of a message that may be logged."""
    feed: str
    media: Media
    received_at: datetime
    body: bytes
