"""Language 1, pure: HL7 v2 as it is written. Knows neither FHIR nor CSOR nor any mapping; does no I/O."""

from adapter.hl7v2.header import Delimiters, Header, content_without_stamp, read_header
from adapter.hl7v2.message import Message, Segment, Span

__all__ = ["Delimiters", "Header", "Message", "Segment", "Span", "content_without_stamp", "read_header"]
