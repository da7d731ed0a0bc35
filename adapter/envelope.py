"""What a source hands to the inbox: bytes, and where they came from."""

from datetime import datetime
from enum import StrEnum

import msgspec


def utc_us(moment: datetime) -> int:
    """Microseconds since 1970 UTC of an aware time: how times are stored and compared."""
    return int(moment.timestamp() * 1_000_000)


class Media(StrEnum):
    """The language of a body. The receiver knows it from the transport, never by guessing at the content."""

    HL7V2 = "hl7v2"
    FHIR = "fhir"


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One message as a source received it, before it has an inbox id."""

    feed: str
    """The name of the source in the trust file."""
    media: Media
    received_at: datetime
    """Aware; an arrival fact, never used for order."""
    body: bytes
