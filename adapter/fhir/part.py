"""What a body is cut into: its resources, each with its own bytes and its place."""

import msgspec

from adapter.assertion import ItemKind, Resource
from adapter.errors import Problem
from adapter.fhir.sorting import LeftOut


class Panel(msgspec.Struct, frozen=True):
    """What the results of one sample of one patient share word for word: equal ones of a body are one object."""

    elements: Resource


class Stage(msgspec.Struct, frozen=True):
    """The version and status of some results: equal ones of a body are one object."""

    elements: Resource


class Assay(msgspec.Struct, frozen=True):
    """What was measured: code, category, range and flag, and what follows from them alone."""

    elements: Resource
    sorted_as: ItemKind | LeftOut
    key: str
    """The end of a key: `test|`."""


class Plain(msgspec.Struct, frozen=True, gc=False):
    """Of a plain laboratory result: what it has in common with others."""

    panel: Panel
    stage: Stage
    assay: Assay


class Part(msgspec.Struct, frozen=True):
    """One resource of a body. Its bytes and its pointer are made when they are asked for."""

    own: bytes | msgspec.Raw
    resource: Resource
    place: str
    """JSON pointer, or that of the Bundle where it is an entry of one."""
    entry: int = -1
    full_url: str = ""
    timestamp: str = ""
    """`Bundle.timestamp` of the Bundle it came in."""
    key: str = ""
    """`Patient/123`; empty where the resource has no id."""
    is_sound: bool = False
    """Whether it is known to have the form of its kind."""
    plain: Plain | None = None

    @property
    def raw(self) -> bytes:
        """Its own bytes."""
        return bytes(self.own)

    @property
    def at(self) -> str:
        """JSON pointer from the body (`/entry/3/resource`), for NDJSON after `line 2`."""
        return self.place if self.entry < 0 else f"{self.place}/entry/{self.entry}/resource"


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """What of a body could not be used, with its own bytes, so that it can be kept for a person."""

    raw: bytes
    at: str
    """JSON pointer as in Part: of a resource, or of a whole entry."""


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A body in its pieces."""

    parts: list[Part] = []
    rejected: list[Rejected] = []
    problems: list[Problem] = []
