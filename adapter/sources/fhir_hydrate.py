"""Reads what resources refer to and a search did not bring (behaviour 30): each once, so far and no farther.

A reference is resolved by the rule of its form or told as unresolved, never guessed (behaviour 31): relative, absolute,
with a version, `urn:uuid`, contained, logical.
"""

import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

import msgspec

from adapter.errors import Declined, SourceFault
from adapter.sources.fhir_filter import is_of_another
from adapter.sources.fhir_http import FhirServer
from adapter.sources.fhir_page import Entry
from adapter.sources.fhir_request import DEFAULT, Style, follow, search

_NAME = re.compile(r"([A-Z][A-Za-z]{2,40})/([A-Za-z0-9.-]{1,64})")
_LONGEST_MEMORY = 20_000
_IDS_AT_ONCE = 50
_MOST_PAGES = 20
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Path(NamedTuple):
    """An element that refers to what is needed with it."""

    resource_type: str
    steps: tuple[str, ...]
    depth: int = 1
    """How many references in a row: what was read is followed in its turn."""
    by_search: bool = False
    """Many at once by `_id`."""


class Whose(NamedTuple):
    """Whose resources are read."""

    patient_id: str = ""
    """Nobody else's are kept; empty: anybody's."""
    shared: MutableMapping[str, Entry] | None = None
    """Of NOBODYS types, what was read for others; who gives it also says when it is too old."""


NOBODYS = frozenset({"Location", "Medication", "Organization", "Practitioner"})
"""Types that name no patient."""
_ANYBODYS = Whose()


class Filled(NamedTuple):
    """A page with what it refers to."""

    entries: list[Entry]
    fetched: int
    """Asked for, and not remembered from a page before."""
    unresolved: Counter[str]
    """How many references could not be followed, by the reason."""
    strangers: int
    """That turned out to be another patient's, and are not kept."""


class Target(NamedTuple):
    """What a reference means."""

    name: str = ""
    """`Observation/1` of this server; empty where it is nothing that could be read there."""
    problem: str = ""
    """Why it cannot be followed; empty where it can, or need not."""


def target_of(reference: Mapping[str, Any], *, base_url: str, local: Mapping[str, Any]) -> Target:
    """What a Reference means. `local`: what stands on the page under a full URL, and inside under `#id`."""
    written = reference.get("reference")
    if not isinstance(written, str) or not written.strip():
        return Target(problem="logical" if reference.get("identifier") else "")
    text = written.strip()
    if text in local:
        return Target()
    if text.startswith("#"):
        return Target(problem="not-contained")
    if text.startswith("urn:"):
        return Target(problem="not-in-the-bundle")
    # The version that a reference names is not asked for: servers need not keep any but the current one.
    path = text.partition("/_history/")[0].removeprefix(f"{base_url}/")
    if _NAME.fullmatch(path):
        return Target(name=path)
    return Target(problem="elsewhere" if "://" in path else "malformed")


class Hydrator:
    """For one search, or for all of one patient. Not to be shared between threads."""

    def __init__(
        self,
        paths: Iterable[Path],
        *,
        server: FhirServer,
        stop: threading.Event,
        style: Style = DEFAULT,
        whose: Whose = _ANYBODYS,
    ) -> None:
        """`style`: of searches by `_id`."""
        self._paths: dict[str, list[Path]] = {}
        for path in paths:
            self._paths.setdefault(path.resource_type, []).append(path)
        self._server = server
        self._stop = stop
        self._style = style
        self._patient_id = whose.patient_id
        self._shared: MutableMapping[str, Entry] = {} if whose.shared is None else whose.shared
        self._read: dict[str, Entry | str] = {}
        """By name: what it was, or why it could not be had."""

    def remember(self, entries: Iterable[Entry]) -> None:
        """What a search of the same patient has brought need not be read again."""
        if self._patient_id and self._paths:
            self._read.update((entry.name, entry._replace(is_include=True)) for entry in entries if entry.name)

    def fill(self, entries: Sequence[Entry]) -> Filled:
        """These, and what they refer to. NotNow and Halted fly, and what a person has to look at (PERSON)."""
        filled = Filled(list(entries), 0, Counter(), 0)
        if not self._paths:
            return filled
        self.remember(entries)
        here = {entry.name for entry in entries}
        left: list[tuple[Entry, int]] = [(entry, 0) for entry in entries]
        while left:
            wanted = self._wanted(left, filled.unresolved)
            wanted = {name: path for name, path in wanted.items() if name not in here}
            here |= set(wanted)
            if len(self._read) > _LONGEST_MEMORY:
                self._read.clear()
            fetched = self._fetch({name: path for name, (path, _) in wanted.items() if name not in self._read})
            filled = filled._replace(fetched=filled.fetched + fetched)
            left = []
            for name, (_, depth) in wanted.items():
                found = self._read[name]
                if isinstance(found, str):
                    filled.unresolved[found] += 1
                elif self._patient_id and is_of_another(found, self._patient_id):
                    filled = filled._replace(strangers=filled.strangers + 1)
                else:
                    filled.entries.append(found)
                    left.append((found, depth))
        return filled

    def _wanted(self, left: Sequence[tuple[Entry, int]], unresolved: Counter[str]) -> dict[str, tuple[Path, int]]:
        """By name: on which path it lies, and how much farther that one goes. 0 stands for a page's own resource."""
        wanted: dict[str, tuple[Path, int]] = {}
        addresses = {address: None for entry, _ in left if (address := _address(entry.raw))}
        for entry, depth in left:
            for path in self._paths.get(entry.name.partition("/")[0], ()):
                farther = (depth or path.depth + 1) - 1
                if farther < 1:
                    continue
                resource = _resource(entry.raw)
                local = addresses | {f"#{one}": None for one in _contained_ids(resource)}
                for reference in _referred(resource, path.steps):
                    target = target_of(reference, base_url=self._server.base_url, local=local)
                    if target.problem:
                        unresolved[target.problem] += 1
                    elif target.name and wanted.get(target.name, (path, 0))[1] < farther:
                        wanted[target.name] = (path, farther)
        return wanted

    def _fetch(self, wanted: Mapping[str, Path]) -> int:
        """Read what is not remembered; how many."""
        together: dict[str, list[str]] = {}
        asked = 0
        for name, path in wanted.items():
            kind, _, identity = name.partition("/")
            if name in self._shared:
                self._read[name] = self._shared[name]
                continue
            asked += 1
            if path.by_search:
                together.setdefault(kind, []).append(identity)
            else:
                self._read[name] = self._one(name)
        for kind, ids in together.items():
            for start in range(0, len(ids), _IDS_AT_ONCE):
                self._many(kind, ids[start : start + _IDS_AT_ONCE])
        for name in wanted:
            found = self._read[name]
            if name.partition("/")[0] in NOBODYS and not isinstance(found, str):
                self._shared[name] = found
        return asked

    def _one(self, name: str) -> Entry | str:
        try:
            self._server.check_granted(name.partition("/")[0])
            return self._server.resource(name, self._stop)
        except Declined as error:
            return _why(error)

    def _many(self, kind: str, ids: Sequence[str]) -> None:
        for identity in ids:
            self._read[f"{kind}/{identity}"] = SourceFault.NOT_FOUND.value
        pairs = [("_id", ",".join(ids)), ("_count", str(len(ids)))]
        request = search(self._server.base_url, kind, pairs, style=self._style)
        try:
            self._server.check_granted(kind)
            for _ in range(_MOST_PAGES):
                page = self._server.page(request, self._stop)
                for entry in page.entries:
                    if entry.name in self._read:
                        self._read[entry.name] = entry._replace(is_include=True)
                if not page.next_link:
                    return
                request = follow(page.next_link)
        except Declined as error:
            why = _why(error)
            for identity in ids:
                name = f"{kind}/{identity}"
                self._read[name] = why if isinstance(self._read[name], str) else self._read[name]


def _why(error: Declined) -> str:
    if error.fault is SourceFault.PERSON:
        raise error
    return error.fault.value


def _resource(raw: bytes) -> Mapping[str, Any]:
    try:
        resource = msgspec.json.decode(raw)["resource"]
    except (*_UNREADABLE, KeyError, TypeError):
        return {}
    return resource if isinstance(resource, dict) else {}


def _address(raw: bytes) -> str:
    try:
        address = msgspec.json.decode(raw).get("fullUrl")
    except (*_UNREADABLE, AttributeError):
        return ""
    return address if isinstance(address, str) else ""


def _contained_ids(resource: Mapping[str, Any]) -> Iterator[str]:
    inside = resource.get("contained")
    for one in inside if isinstance(inside, list) else ():
        if isinstance(one, dict) and isinstance(one.get("id"), str):
            yield one["id"]


def _referred(resource: Mapping[str, Any], steps: Sequence[str]) -> list[Mapping[str, Any]]:
    try:
        return list(_references(resource, steps))
    except RecursionError:  # lists in lists in lists: no FHIR
        return []


def _references(value: object, steps: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """The References at the end of a path, through lists on the way."""
    if isinstance(value, list):
        for one in value:
            yield from _references(one, steps)
    elif isinstance(value, dict):
        if not steps:
            yield value
        elif steps[0] in value:
            yield from _references(value[steps[0]], steps[1:])
