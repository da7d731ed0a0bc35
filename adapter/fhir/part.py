"""What a body is cut into: its resources, each with its own bytes and its place."""

import msgspec

from adapter.assertion import ItemKind, Resource
from adapter.errors import Problem
from adapter.fhir.sorting import LeftOut


class Panel(msgspec.Struct, frozen=True):
    """What the results of one sample of one patient share word for word: equal ones of a body are one object."""

    elements: Resource


class Stage(msgspec.Struct, frozen=True):
    """The version and status of some results, and what they make of it: equal ones of a body are one object."""

    elements: Resource
    clock_us: int
    rank: int


class Assay(msgspec.Struct, frozen=True):
    """What was measured: code, category, range and flag, and what follows from them alone."""

    elements: Resource
    sorted_as: ItemKind | LeftOut
    key: str
    """The end of a key: `test|`."""


class _Entry(msgspec.Struct, gc=False):
    resource: msgspec.Raw


class _Entries(msgspec.Struct):
    entry: list[_Entry]


_ENTRIES = msgspec.json.Decoder(_Entries)


class Page:
    """A Bundle that was decoded at one go: the bytes of its entries are sought only when they are asked for."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._entries: list[_Entry] = []

    def entry(self, number: int) -> bytes:
        """The bytes of the resource of that entry."""
        if not self._entries:
            self._entries = _ENTRIES.decode(self._body).entry
        return bytes(self._entries[number].resource)


class Part(msgspec.Struct, frozen=True):
    """One resource of a body. Its bytes and its pointer are made when they are asked for."""

    own: "bytes | msgspec.Raw | Page"
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
    is_judged: bool = False
    """Whether it is known to hold no modifier extension, too."""
    panel: Panel | None = None
    """Of a plain laboratory result, with `stage` and `assay`: what it has in common with others."""
    stage: Stage | None = None
    assay: Assay | None = None

    @property
    def raw(self) -> bytes:
        """Its own bytes."""
        return self.own.entry(self.entry) if isinstance(self.own, Page) else bytes(self.own)

    @property
    def at(self) -> str:
        """JSON pointer from the body (`/entry/3/resource`), for NDJSON after `line 2`."""
        return self.place if self.entry < 0 else f"{self.place}/entry/{self.entry}/resource"


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """What of a body could not be used, with its own bytes, so that it can be kept for a person."""

    raw: bytes
    at: str
    """JSON pointer as in Part: of a resource, or of a whole entry."""


class Deletion(msgspec.Struct, frozen=True):
    """A resource that its server has deleted: a Bundle entry whose request is DELETE."""

    name: str
    """`Observation/123`."""
    clock_us: int
    """Since when; what was said of it until then counts no longer."""

    @property
    def is_of_patient(self) -> bool:
        """Of a whole record, as HL7 v2 A29."""
        return self.name.startswith("Patient/")


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A body in its pieces."""

    parts: list[Part] = []
    rejected: list[Rejected] = []
    problems: list[Problem] = []
    deletions: list[Deletion] = []
    roots: set[str] | None = None
    """What the full URLs of all parts begin with, before type and id; None where nobody has looked."""
