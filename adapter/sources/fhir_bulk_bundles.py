"""Resources of one patient, as the lines of an export give them, put into Bundles as search pages with `_include` are.

A search page carries what its matches refer to; an export gives each type in files of its own. So each Bundle here
takes along the Specimen, ServiceRequest, Medication, Location of what is in it, an ImagingStudy with its report, and
the DiagnosticReport that lists a result which names no order itself. Pure; each resource keeps its own bytes.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from adapter.fhir.sorting import CONTEXT_TYPES

RESOURCES_IN_BUNDLE = 200
WITHOUT_PATIENT = frozenset({"Location", "Medication"})
"""They go with whoever refers to them."""
PARTS_OF: Mapping[str, tuple[str, ...]] = {
    "Encounter": ("Location",),
    "Observation": ("Specimen", "ServiceRequest"),
    "DiagnosticReport": ("ServiceRequest",),
    "ImagingStudy": ("ServiceRequest",),
    "MedicationRequest": ("Medication",),
    "MedicationAdministration": ("Medication",),
}
"""What has to be asked for with a type, so that its rows are those of a search with `_include`."""

_NAME = re.compile(r"([A-Z][A-Za-z]{1,63}/[A-Za-z0-9.-]{1,64})(?:/_history/[^/]*)?")


class Line(NamedTuple):
    """One resource."""

    raw: bytes
    digest: bytes
    """Equal for the same version of the same resource."""
    resource_type: str
    name: str
    """`Observation/123`; empty where it has no id."""
    patient: str
    """`Patient/ID` whose it is; empty where that is not said by a plain reference."""
    version: tuple[datetime, int]
    """Of two of one name, the one with the greater is the newer."""
    parts: tuple[str, ...]
    """Names of what its rows are made with."""
    results: tuple[str, ...]
    """Of a report: names of the results it lists."""
    names_no_order: bool


class Whole(NamedTuple):
    """What a patient's lines come to."""

    bundles: list[list[bytes]]
    """Each as the resources in it, in an order that depends on nothing but them."""
    fresh: list[Line]
    """What of them was not in yet."""
    missing: frozenset[str]
    """Names that fresh ones refer to and nobody has."""
    doubles: int
    """Lines that told of a resource again, or of an older version of it."""


_NOTHING = msgspec.Raw(b"null")


class _Reference(msgspec.Struct, gc=False):
    reference: str | None = None


class _Meta(msgspec.Struct, gc=False):
    versionId: str | None = None
    lastUpdated: str | None = None


class _Whose(msgspec.Struct, gc=False):
    resourceType: str
    id: str | None = None
    subject: _Reference | None = None
    patient: _Reference | None = None


class _Resource(msgspec.Struct, gc=False):
    resourceType: str
    id: str | None = None
    meta: _Meta | None = None
    subject: _Reference | None = None
    patient: _Reference | None = None
    specimen: _Reference | list[_Reference] | None = None
    basedOn: _Reference | list[_Reference] | None = None
    medicationReference: _Reference | None = None
    partOf: _Reference | list[_Reference] | None = None
    imagingStudy: list[_Reference] | None = None
    result: list[_Reference] | None = None
    location: msgspec.Raw = _NOTHING


class _Place(msgspec.Struct):
    location: _Reference | None = None


_RESOURCE = msgspec.json.Decoder(_Resource)
_PLACES = msgspec.json.Decoder(list[_Place])
_ANYTHING = msgspec.json.Decoder(dict[str, Any])
_WHOSE = msgspec.json.Decoder(_Whose)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_OLDEST = datetime.min.replace(tzinfo=UTC)
_NAMES_KEPT = 10_000


class BadLine(ValueError):
    """A line that is no JSON object."""


class Whose(NamedTuple):
    """Of a line what decides where it goes."""

    resource_type: str
    name: str
    patient: str


class LineReader:
    """Reads the lines of one server's exports; what resources refer to again and again it looks at once."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url + "/"
        self._names: dict[str, str] = {}
        """By reference; empty where it leads to no resource of this server."""

    def whose(self, raw: bytes) -> Whose:
        """BadLine where it is broken."""
        try:
            read = _WHOSE.decode(raw)
        except msgspec.ValidationError:
            odd = _odd(raw)
            return Whose(odd.resource_type, odd.name, "")
        except _UNREADABLE:
            raise BadLine from None
        kind = read.resourceType
        name = f"{kind}/{read.id}" if read.id else ""
        return Whose(kind, name, self._patient(kind, name, read.subject or read.patient))

    def line(self, raw: bytes) -> Line:
        """BadLine where it is broken; what has an odd form goes on, for the pipeline to say why."""
        try:
            read = _RESOURCE.decode(raw)
        except msgspec.ValidationError:
            return _odd(raw)
        except _UNREADABLE:
            raise BadLine from None
        meta = read.meta or _Meta()
        kind = read.resourceType
        name = f"{kind}/{read.id}" if read.id else ""
        is_report = kind == "DiagnosticReport"
        return Line(
            raw=raw,
            digest=sha256(raw).digest(),
            resource_type=kind,
            name=name,
            patient=self._patient(kind, name, read.subject or read.patient),
            version=(_instant(meta.lastUpdated), _number(meta.versionId)),
            parts=tuple(dict.fromkeys(self._parts(kind, read))),
            results=tuple(self._all(read.result)) if is_report else (),
            names_no_order=kind == "Observation" and read.basedOn is None,
        )

    def _parts(self, kind: str, read: _Resource) -> list[str]:
        parts: list[str] = []
        for given in (read.specimen, read.basedOn, read.medicationReference):
            if given is not None:
                parts += self._all(given)
        if kind == "Encounter" and read.location != _NOTHING:
            parts += self._places(read.location)
        elif kind == "Location":
            parts += self._all(read.partOf)
        elif kind == "DiagnosticReport":
            parts += self._all(read.imagingStudy)
        return parts

    def _patient(self, kind: str, name: str, reference: _Reference | None) -> str:
        if kind == "Patient":
            return name
        found = "" if reference is None else self._name(reference.reference)
        return found if found.startswith("Patient/") else ""

    def _places(self, raw: msgspec.Raw) -> list[str]:
        try:
            return [name for each in _PLACES.decode(raw) for name in self._all(each.location)]
        except msgspec.MsgspecError:
            return []

    def _all(self, given: _Reference | list[_Reference] | None) -> list[str]:
        references = given if isinstance(given, list) else [given] if given is not None else []
        return [name for each in references if (name := self._name(each.reference))]

    def _name(self, reference: str | None) -> str:
        if not reference:
            return ""
        name = self._names.get(reference)
        if name is None:
            matched = _NAME.fullmatch(reference.removeprefix(self._base))
            name = matched[1] if matched else ""
            if len(self._names) >= _NAMES_KEPT:
                self._names.clear()
            self._names[reference] = name
        return name


def _odd(raw: bytes) -> Line:
    try:
        found = _ANYTHING.decode(raw)
    except _UNREADABLE:
        raise BadLine from None
    kind, identity = found.get("resourceType"), found.get("id")
    kind = kind if isinstance(kind, str) else ""
    name = f"{kind}/{identity}" if kind and isinstance(identity, str) else ""
    return Line(raw, sha256(raw).digest(), kind, name, "", (_OLDEST, 0), (), (), names_no_order=False)


def _instant(text: str | None) -> datetime:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return _OLDEST
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _number(version: str | None) -> int:
    return int(version) if version and version.isascii() and version.isdigit() and len(version) < 19 else 0


def newest(lines: Iterable[Line]) -> tuple[dict[str, Line], list[Line], int]:
    """By name, each in its newest version; those without a name; how many were left out (behaviour 46)."""
    found: dict[str, Line] = {}
    nameless: dict[bytes, Line] = {}
    doubles = 0
    for line in lines:
        before = nameless.get(line.digest) if not line.name else found.get(line.name)
        doubles += before is not None
        if not line.name:
            nameless.setdefault(line.digest, line)
        elif before is None or (line.version, line.digest) > (before.version, before.digest):
            found[line.name] = line
    return found, [nameless[digest] for digest in sorted(nameless)], doubles


def bundles_of(
    lines: Iterable[Line],
    *,
    known: Collection[bytes],
    shared: Mapping[str, Line],
    size: int = RESOURCES_IN_BUNDLE,
) -> Whole:
    """Of one patient's lines, those that are not in yet, and with them what they refer to.

    `known`: digests of what is in. `shared`: what names no patient, and what was read beside the export, by name.
    """
    found, nameless, doubles = newest(lines)
    report_of = _reports(found)
    fresh = {name: line for name, line in found.items() if line.digest not in known}
    fresh |= _leaning_on(fresh, found)
    carried = {name for line in fresh.values() for name in line.parts}
    # A part that goes along with what refers to it need not come by itself as well.
    told = [line for name, line in fresh.items() if name not in carried or line.resource_type not in CONTEXT_TYPES]
    told.sort(key=lambda line: (line.resource_type != "Patient", line.parts[:1], line.name))
    new_nameless = [line for line in nameless if line.digest not in known]
    missing: set[str] = set()
    bundles = [
        [line.raw for line in _with_parts(kind[place : place + size], found, shared, report_of, missing)]
        for kind in _apart(told, report_of)
        for place in range(0, len(kind), size)
    ]
    # One without an id may name its patient inside: by itself, so that it is nobody else's.
    bundles += [[line.raw] for line in new_nameless]
    return Whole(bundles, [*fresh.values(), *new_nameless], frozenset(missing), doubles)


def _reports(found: Mapping[str, Line]) -> dict[str, Line]:
    """The report that lists a result, by the name of the result; of several the first by name."""
    report_of: dict[str, Line] = {}
    for name in sorted(name for name, line in found.items() if line.results):
        for result in found[name].results:
            report_of.setdefault(result, found[name])
    return report_of


def _apart(told: Sequence[Line], report_of: Mapping[str, Line]) -> list[list[Line]]:
    """Results that need their report stand with it, all else without reports, as pages of their types do.

    A report tells of the results beside it what they were ordered as, also of those that say it themselves.
    """
    listed = [line for line in told if line.names_no_order and line.name in report_of]
    with_them = {report_of[line.name].name for line in listed}
    apart = {line.name for line in listed} | with_them
    rest = [line for line in told if line.name not in apart]
    reports = [line for line in rest if line.resource_type == "DiagnosticReport"]
    return [[line for line in rest if line.resource_type != "DiagnosticReport"], reports, listed]


def _leaning_on(fresh: Mapping[str, Line], found: Mapping[str, Line]) -> dict[str, Line]:
    """What is in already and refers to a part that is new: it must be read anew with it."""
    parts = {name for name, line in fresh.items() if line.resource_type in CONTEXT_TYPES}
    if not parts:
        return {}
    return {name: line for name, line in found.items() if name not in fresh and not parts.isdisjoint(line.parts)}


def _with_parts(
    chunk: Sequence[Line],
    found: Mapping[str, Line],
    shared: Mapping[str, Line],
    report_of: Mapping[str, Line],
    missing: set[str],
) -> Iterator[Line]:
    """These, and after each what it refers to that has not gone before."""
    gone: set[str] = set()
    waiting = list(reversed(chunk))
    while waiting:
        line = waiting.pop()
        if line.name in gone:
            continue
        gone.add(line.name)
        yield line
        following = []
        for name in line.parts:
            part = found.get(name) or shared.get(name)
            if part is None:
                missing.add(name)
            else:
                following.append(part)
        if line.names_no_order and line.name in report_of:
            following.append(report_of[line.name])
        waiting += reversed(following)


def body_of(resources: Sequence[bytes], *, base_url: str, timestamp: str) -> bytes:
    """What goes to the inbox: the resources as they came. `timestamp`: the clock of what has none of its own."""
    entries = b",".join(_entry(raw, base_url) for raw in resources)
    when = b"" if all(b'"lastUpdated"' in raw for raw in resources) else msgspec.json.encode(timestamp)
    stamp = b'"timestamp":' + when + b"," if when else b""
    return b'{"resourceType":"Bundle","type":"searchset",' + stamp + b'"entry":[' + entries + b"]}"


def _entry(raw: bytes, base_url: str) -> bytes:
    read = _RESOURCE_HEAD.decode(raw)
    if not isinstance(read.id, str) or not isinstance(read.resourceType, str):
        return b'{"resource":' + raw + b"}"
    address = msgspec.json.encode(f"{base_url}/{read.resourceType}/{read.id}")
    return b'{"fullUrl":' + address + b',"resource":' + raw + b"}"


class _Head(msgspec.Struct):
    resourceType: Any = None
    id: Any = None


_RESOURCE_HEAD = msgspec.json.Decoder(_Head)
