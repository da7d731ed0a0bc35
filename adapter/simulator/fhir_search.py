"""Answers searches: reads the parameters, selects, sorts, cuts into pages that opaque links lead through."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from secrets import token_hex, token_urlsafe
from typing import Any
from urllib.parse import urlencode

from adapter.simulator.fhir_parameters import INCLUDES, PARAMETERS, BadValue, compiled, elements
from adapter.simulator.fhir_settings import Settings, Unknown
from adapter.simulator.fhir_versions import Archive, Resource, Version, instant

Parameters = Sequence[tuple[str, str]]
_NO_FILTERS = frozenset({"_count", "_sort", "_include", "_total", "_format", "_summary"})
_SORTS = frozenset({"_lastUpdated", "-_lastUpdated", "_id"})


class Refused(Exception):
    """No answer but an OperationOutcome."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.outcome = outcome(code, text)


def outcome(code: str, text: str, *, severity: str = "error") -> dict[str, Any]:
    """An OperationOutcome with one issue."""
    issue = {"severity": severity, "code": code, "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search as the server understood it."""

    resource_type: str
    filters: tuple[Callable[[Resource], bool], ...]
    patient_id: str | None
    sort: str
    count: int
    includes: tuple[str, ...]
    used: Parameters
    ignored: tuple[str, ...]
    is_counted_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page, and where it stands in its search."""

    search: Search
    number: int
    """From 1."""
    bundle: dict[str, Any]
    again: str
    """A fresh link to this same page."""


@dataclass(slots=True, kw_only=True)
class _Session:
    search: Search
    start: int
    number: int
    found: list[Version] | None
    """As at the first page; None where the server searches anew for each page."""
    opened: int
    """How many pages the server had served when this link was given."""


class Desk:
    """Answers searches and remembers the links it gave."""

    def __init__(self, archive: Archive, settings: Settings, *, base: str) -> None:
        self._archive = archive
        self._settings = settings
        self._base = base
        self._sessions: dict[str, _Session] = {}
        self._served = 0

    def first(self, resource_type: str, parameters: Parameters) -> Page:
        """Answer a search with its first page. Raises Refused."""
        search = understood(resource_type, parameters, self._settings)
        found = self._found(search)
        is_kept = self._settings.is_paging_stable
        return self._page(
            _Session(search=search, start=0, number=1, found=found if is_kept else None, opened=self._served), found
        )

    def next(self, link: str) -> Page:
        """The page behind an opaque link. Raises Refused where the link is none of ours or too old."""
        session = self._sessions.get(link)
        life = self._settings.link_life_pages
        if session is None or (life is not None and self._served - session.opened >= life):
            raise Refused(410, "expired", "the paging session has expired: search again")
        return self._page(session, self._found(session.search) if session.found is None else session.found)

    def forget(self) -> None:
        """Let every link given so far expire."""
        self._sessions.clear()

    def _found(self, search: Search) -> list[Version]:
        current = self._archive.current(search.resource_type, patient_id=search.patient_id)
        found = [version for version in current if all(matches(version.resource) for matches in search.filters)]
        if search.sort.endswith("_lastUpdated"):
            found.sort(key=lambda version: version.updated_at, reverse=search.sort.startswith("-"))
        elif search.sort == "_id":
            found.sort(key=lambda version: version.key)
        return found

    def _page(self, session: _Session, found: list[Version]) -> Page:
        self._served += 1
        search = session.search
        end = session.start + search.count
        shown = [] if search.is_counted_only else found[session.start : end]
        links = [{"relation": "self", "url": self._self_link(search)}]
        if end < len(found) and not search.is_counted_only:
            links.append({"relation": "next", "url": self._link(session, start=end, number=session.number + 1)})
        bundle: dict[str, Any] = {
            "resourceType": "Bundle",
            "id": token_hex(12),
            "meta": {"lastUpdated": instant(self._archive.now)},
            "type": "searchset",
            "total": len(found),
            "link": links,
            "entry": list(self._entries(search, shown)),
        }
        if not self._settings.has_total:
            del bundle["total"]
        if not bundle["entry"]:
            del bundle["entry"]
        again = self._link(session, start=session.start, number=session.number)
        return Page(search=search, number=session.number, bundle=bundle, again=again)

    def _entries(self, search: Search, shown: Iterable[Version]) -> Iterator[dict[str, Any]]:
        included: dict[tuple[str, str], Version] = {}
        matched = set()
        for version in shown:
            matched.add(version.key)
            yield self._entry(version, mode="match")
            for path in search.includes:
                included.update((one.key, one) for one in self._referenced(version.resource, path))
        yield from (self._entry(one, mode="include") for key, one in included.items() if key not in matched)
        if search.ignored and self._settings.on_unknown is Unknown.WARN:
            text = f"unknown parameters were ignored: {', '.join(search.ignored)}"
            warning = outcome("not-supported", text, severity="warning")
            yield {"resource": warning, "search": {"mode": "outcome"}}

    def _entry(self, version: Version, *, mode: str) -> dict[str, Any]:
        return {"fullUrl": f"{self._base}/{'/'.join(version.key)}", "resource": version.raw, "search": {"mode": mode}}

    def _referenced(self, resource: Resource, path: str) -> Iterator[Version]:
        for element in elements(resource, path):
            kind, _, resource_id = element.get("reference", "").partition("/")
            version = self._archive.read(kind, resource_id)
            if version is not None and not version.is_deleted:
                yield version

    def _self_link(self, search: Search) -> str:
        return f"{self._base}/{search.resource_type}?{urlencode(search.used)}"

    def _link(self, session: _Session, *, start: int, number: int) -> str:
        key = token_urlsafe(18)
        self._sessions[key] = _Session(
            search=session.search, start=start, number=number, found=session.found, opened=self._served
        )
        root = "/" + self._base.split("/", 3)[3] if self._settings.is_next_relative else self._base
        return f"{root}?_getpages={key}&_bundletype=searchset"


def understood(resource_type: str, parameters: Parameters, settings: Settings) -> Search:
    """The parameters as a search. Raises Refused for what the server does not take."""
    known = PARAMETERS.get(resource_type)
    if known is None:
        raise Refused(404, "not-supported", f"unknown resource type {resource_type}")
    used = [(name, value) for name, value in parameters if name in known or name in _NO_FILTERS]
    ignored = tuple(name for name, _ in parameters if name not in known and name not in _NO_FILTERS)
    if ignored and settings.on_unknown is Unknown.REFUSE:
        raise Refused(400, "not-supported", f"unknown search parameter {ignored[0]} for {resource_type}")
    _check_needed(resource_type, {name for name, _ in used}, settings)
    return Search(
        resource_type=resource_type,
        filters=tuple(_filters(resource_type, used)),
        patient_id=_patient_id(used),
        sort=_sort(used, settings),
        count=_count(used, settings),
        includes=tuple(_includes(resource_type, used)),
        used=used,
        ignored=ignored,
        is_counted_only=("_summary", "count") in used or ("_count", "0") in used,
    )


def _check_needed(resource_type: str, names: set[str], settings: Settings) -> None:
    is_about_one = names & {"patient", "subject", "_id", "identifier"}
    if resource_type in settings.patient_needed and not is_about_one:
        raise Refused(400, "required", f"a search of {resource_type} needs patient, subject or _id")
    if any(pair <= names for pair in settings.exclusive):
        raise Refused(400, "invalid", "these parameters cannot be combined")


def _filters(resource_type: str, used: Parameters) -> Iterator[Callable[[Resource], bool]]:
    known = PARAMETERS[resource_type]
    for name, value in used:
        if name in known:
            try:
                yield compiled(known[name], value)
            except BadValue:
                raise Refused(400, "value", f"the value of {name} is not as FHIR writes it") from None


def _patient_id(used: Parameters) -> str | None:
    """Of the one patient that is asked for, so that only what is theirs is looked through."""
    values = [value.removeprefix("Patient/") for name, value in used if name in {"patient", "subject"}]
    return values[0] if len(values) == 1 and not set(values[0]) & {",", "/"} else None


def _sort(used: Parameters, settings: Settings) -> str:
    sorts = [value for name, value in used if name == "_sort"]
    if not sorts:
        return settings.default_sort
    if sorts[0] not in _SORTS:
        raise Refused(400, "not-supported", f"cannot sort by {sorts[0]}")
    return sorts[0]


def _count(used: Parameters, settings: Settings) -> int:
    counts = [value for name, value in used if name == "_count"]
    if not counts:
        return settings.page_size
    if not counts[0].isdigit():
        raise Refused(400, "value", "_count is not a number")
    # A server may give fewer than it was asked for, never more (R4 §3.1.1.5.3).
    return max(1, min(int(counts[0]), settings.page_size_limit))


def _includes(resource_type: str, used: Parameters) -> Iterator[str]:
    for name, value in used:
        if name == "_include":
            path = INCLUDES.get(":".join(value.split(":")[:2])) if value.startswith(f"{resource_type}:") else None
            if path is None:
                raise Refused(400, "not-supported", f"cannot include {value}")
            yield path
