"""What a feed takes, where its settings say so. Without a rule, anything with a readable MSH is taken (ruling R27)."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

from adapter.hl7v2.ack import AckError
from adapter.hl7v2.header import Header

READ_TYPES = frozenset(
    {"ADT", "BAR", "DFT", "MDM", "OMG", "OMI", "OML", "ORF", "ORM", "ORU", "OUL", "RAS", "RDE", "RDS", "RGV", "SIU"}
)
"""Message types (MSH-9.1) whose segments the mappings read; all others are of an unknown type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The lists of one feed; an empty one says nothing."""

    applications: tuple[str, ...] = ()
    """MSH-3, whole or its first component."""
    facilities: tuple[str, ...] = ()
    """MSH-4, likewise."""
    types: tuple[str, ...] = ()
    """MSH-9: `ADT^A01`, or `ADT^*` or `ADT` for all events."""
    versions: tuple[str, ...] = ()
    """MSH-12.1; `2.5*` covers 2.5 and 2.5.1."""
    processing: tuple[str, ...] = ()
    """MSH-11.1."""
    needs_control_id: bool = False
    refuses_unknown_types: bool = False


class Refusal(NamedTuple):
    """Why a message is not taken: what its sender is told, and what is counted."""

    error: AckError
    counted: str


class Door:
    """Judges the headers of one feed; each way of writing MSH is judged once and then looked up."""

    def __init__(self, accepted: Accepted) -> None:
        self._accepted = accepted
        self._known = lru_cache(maxsize=1024)(self._judge)

    def refusal(self, header: Header) -> Refusal | None:
        """None: it is taken."""
        # Everything but the control id, of which only its presence counts.
        return self._known(header._replace(control_id=b"x" if header.control_id else b""))

    def _judge(self, header: Header) -> Refusal | None:
        accepted, component = self._accepted, header.delimiters.component.encode()
        version = header.version.partition(component)[0]
        processing = header.processing_id.partition(component)[0]
        if not _is_named(header.sending_application, accepted.applications, component):
            return _NOT_APPLICATION
        if not _is_named(header.sending_facility, accepted.facilities, component):
            return _NOT_FACILITY
        if accepted.versions and not _is_like(version, accepted.versions):
            return _NOT_VERSION
        if accepted.processing and not _is_like(processing, accepted.processing):
            return _NOT_PROCESSING
        if accepted.needs_control_id and not header.control_id:
            return _NO_CONTROL_ID
        return self._judge_type(header.type.decode("latin-1"))

    def _judge_type(self, kind: str) -> Refusal | None:
        code, wanted = kind.partition("^")[0], self._accepted.types
        if wanted and not any(fnmatchcase(kind, each) or code == each.removesuffix("^*") for each in wanted):
            is_code_taken = any(fnmatchcase(code, each.partition("^")[0]) for each in wanted)
            return _NOT_EVENT if is_code_taken else _NOT_TYPE
        if self._accepted.refuses_unknown_types and code not in READ_TYPES:
            return _UNKNOWN_TYPE
        return None


def _is_named(field: bytes, names: tuple[str, ...], component: bytes) -> bool:
    """HL7 v2.5.1 §2.A.33: of a hierarchic designator the first component is the name, the others its authority."""
    return not names or not {_text(field), _text(field.partition(component)[0])}.isdisjoint(names)


def _is_like(field: bytes, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(_text(field), each) for each in patterns)


def _text(field: bytes) -> str:
    return field.decode("utf-8", "replace").strip()


def _refused(code: str, name: str, text: str, *, field: int, counted: str) -> Refusal:
    return Refusal(AckError(code, name, f"not taken here: {text}", field), f"refused_{counted}")


# The text never repeats what the sender wrote: it is logged.
_NOT_LISTED = ("103", "Table value not found")
_NOT_APPLICATION = _refused(*_NOT_LISTED, "the sending application (MSH-3)", field=3, counted="application")
_NOT_FACILITY = _refused(*_NOT_LISTED, "the sending facility (MSH-4)", field=4, counted="facility")
_NOT_TYPE = _refused("200", "Unsupported message type", "messages of this type (MSH-9)", field=9, counted="type")
_NOT_EVENT = _refused("201", "Unsupported event code", "this event (MSH-9)", field=9, counted="type")
_UNKNOWN_TYPE = _refused("200", "Unsupported message type", "an unknown type (MSH-9)", field=9, counted="type")
_NOT_PROCESSING = _refused(
    "202", "Unsupported processing id", "this processing id (MSH-11)", field=11, counted="processing"
)
_NOT_VERSION = _refused("203", "Unsupported version id", "this version (MSH-12)", field=12, counted="version")
_NO_CONTROL_ID = _refused(
    "101", "Required field missing", "messages without control id (MSH-10)", field=10, counted="control_id"
)
