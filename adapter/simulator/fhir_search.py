"""Answers searches: selects, sorts, cuts into pages that opaque links lead through."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from secrets import token_hex, token_urlsafe
from typing import Any
from urllib.parse import urlencode

import msgspec

from adapter.simulator.fhir_cases import INFORMATION, Cases, patients_of, survivor_of
from adapter.simulator.fhir_outcomes import Note, Refused, outcome, stated
from adapter.simulator.fhir_parameters import clinical_time, elements
from adapter.simulator.fhir_query import NEWEST, Search, understood
from adapter.simulator.fhir_rules import Asked, Breach, Parameters
from adapter.simulator.fhir_settings import Settings, Unknown
from adapter.simulator.fhir_versions import Archive, Resource, Version, encode, instant
from adapter.simulator.moments import LONDON

__all__ = ["Desk", "Page", "Parameters", "Refused", "Search", "outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page, and where it stands in its search."""

    search: Search
    number: int
    """From 1."""
    bundle: dict[str, Any]
    again: str
    """A fresh link to this same page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    search: Search
    start: int
    number: int
    found: list[Version] | None
    """As at the first page; None where the server searches anew for each page."""
    opened: int
    """How many pages the server had served when this link was given."""
    notes: tuple[Note, ...] = ()


class Desk:
    """Answers searches and remembers the links it gave."""

    def __init__(self, archive: Archive, settings: Settings, *, base: str, cases: Cases | None = None) -> None:
        self._archive = archive
        self._settings = settings
        self._mode = settings.mode
        self._base = base
        self._cases = cases or Cases(mode=settings.mode)
        self._sessions: dict[str, _Session] = {}
        self._served = 0

    def first(self, resource_type: str, parameters: Parameters, *, overlooked: Parameters = ()) -> Page:
        """Answer a search with its first page; what was overlooked stood where the server does not look.

        Raises Refused.
        """
        asked = Asked(
            resource_type=resource_type,
            parameters=parameters,
            overlooked=tuple(name for name, _ in overlooked),
        )
        try:
            return self._answered(asked)
        except Refused as refused:
            if refused.breach is not None:
                self._cases.broken(refused.breach, resource_type, asked.names)
            raise

    def _answered(self, asked: Asked) -> Page:
        search = understood(asked, self._settings)
        if search.breach is not None:
            self._cases.broken(search.breach, search.resource_type, search.ignored)
        self._cases.spend(search.resource_type, self._archive.now.astimezone(LONDON).date())
        found = self._found(search)
        self._check_ceiling(search, found)
        patients = patients_of(found) | ({search.patient_id} if search.patient_id else set())
        notes = list(self._notes(search, found, patients))
        if restriction := self._cases.restriction(patients):
            refusal = self._cases.deny(restriction, search.resource_type, urlencode(search.used))
            if restriction != INFORMATION:
                raise refusal
            found, notes = [], [self._mode.codes.note(restriction, "forbidden", "the patient is restricted")]
        kept = found if self._settings.is_paging_stable or restriction else None
        session = _Session(search=search, start=0, number=1, found=kept, opened=self._served, notes=tuple(notes))
        return self._page(session, found)

    def next(self, link: str) -> Page:
        """The page behind an opaque link. Raises Refused where the link is none of ours or too old."""
        session = self._sessions.get(link)
        life = self._settings.link_life_pages
        if session is None or (life is not None and self._served - session.opened >= life):
            note = self._mode.codes.note("expired", "expired", "the paging session has expired: search again")
            raise Refused(self._mode.expired_status, note)
        return self._page(session, self._found(session.search) if session.found is None else session.found)

    def forget(self) -> None:
        """Let every link given so far expire."""
        self._sessions.clear()

    def found_by(self, resource_type: str, parameters: Parameters) -> list[Version]:
        """What a search finds, all pages together; it counts for nothing. Raises Refused."""
        return self._found(understood(Asked(resource_type=resource_type, parameters=parameters), self._settings))

    def _found(self, search: Search) -> list[Version]:
        current = self._archive.current(search.resource_type, patient_id=search.patient_id)
        found = [version for version in current if all(matches(version.resource) for matches in search.filters)]
        hides = self._mode.hides
        if hides is not None and (self._mode.hides_from_ids or not search.is_by_id):
            found = [version for version in found if not hides(version.resource)]
        if self._mode.redirects_merged:
            found = [version for version in found if not survivor_of(version.resource)]
        return _sorted(found, search.sort)

    def _check_ceiling(self, search: Search, found: list[Version]) -> None:
        most = self._mode.most_patients
        if search.resource_type != "Patient" or most is None or len(found) <= most:
            return
        row = "Patient search ceiling"
        self._cases.broken(Breach("too-many-patients", row, ""), "Patient", (name for name, _ in search.used))
        status = 422 if not self._mode.codes.of else 400
        refusal = Refused(status, self._mode.codes.note("too-many", "too-costly", f"more than {most} patients"))
        if self._mode.codes.of:
            beside = self._mode.codes.note("59133", "processing", "processing issues")
            refusal.outcome["issue"] += stated(beside)["issue"]
        raise refusal

    def _notes(self, search: Search, found: list[Version], patients: set[str]) -> Iterator[Note]:
        codes = self._mode.codes
        if search.ignored and self._settings.on_unknown is Unknown.WARN:
            text = f"unknown parameters were ignored: {', '.join(search.ignored)}"
            note = codes.note("ignored", "not-supported", text)
            yield note if note.vendor_code else note._replace(severity="warning")
        if not found and "nothing-found" in codes.of:
            yield codes.note("nothing-found", "processing", "the request returns no results")
        if patients & self._cases.incomplete:
            yield codes.note("incomplete", "processing", "additional data may be present for the patient")

    def _page(self, session: _Session, found: list[Version]) -> Page:
        self._served += 1
        search = session.search
        end = session.start + self._length(session)
        shown = [] if search.is_counted_only else found[session.start : end]
        links = [{"relation": "self", "url": self._self_link(search)}]
        if end < len(found) and not search.is_counted_only:
            following = replace(session, start=end, number=session.number + 1)
            links.append({"relation": "next", "url": self._link(following)})
        stale = self._stale(session, found) if self._mode.shows_stale else []
        bundle: dict[str, Any] = {
            "resourceType": "Bundle",
            "id": token_hex(12),
            "meta": {"lastUpdated": instant(self._archive.now)},
            "type": "searchset",
            "total": len(found),
            "link": links,
            "entry": list(self._entries(search, [*stale, *shown], session.notes)),
        }
        if not self._settings.has_total:
            del bundle["total"]
        if not bundle["entry"]:
            del bundle["entry"]
        if self._mode.a_page_takes:
            self._archive.advance(self._archive.now + self._mode.a_page_takes)
        return Page(search=search, number=session.number, bundle=bundle, again=self._link(session))

    def _length(self, session: _Session) -> int:
        """How many matches this page is given."""
        place = session.number % 3 if self._mode.is_uneven else 1
        if place == 2:
            return 0
        return max(1, session.search.count // 2) if place == 0 else session.search.count

    def _stale(self, session: _Session, found: list[Version]) -> list[Version]:
        """The last row before this page that has changed, as it was before."""
        former = (self._archive.former(version.key) for version in reversed(found[: session.start]))
        return [version for version in former if version is not None][:1]

    def _entries(self, search: Search, shown: Iterable[Version], notes: tuple[Note, ...]) -> Iterator[dict[str, Any]]:
        included: dict[tuple[str, str], Version] = {}
        matched = set()
        for version in shown:
            matched.add(version.key)
            yield self._entry(version, mode="match")
            for path in search.includes:
                included.update((one.key, one) for one in self._referenced(version.resource, path))
        yield from (self._entry(one, mode="include") for key, one in included.items() if key not in matched)
        yield from ({"resource": stated(note), "search": {"mode": "outcome"}} for note in notes)

    def _entry(self, version: Version, *, mode: str) -> dict[str, Any]:
        shape = self._mode.shape
        raw = version.raw if shape is None else msgspec.Raw(encode(shape(version.resource, self._archive.read)))
        return {"fullUrl": f"{self._base}/{'/'.join(version.key)}", "resource": raw, "search": {"mode": mode}}

    def _referenced(self, resource: Resource, path: str) -> Iterator[Version]:
        for element in elements(resource, path):
            kind, _, resource_id = element.get("reference", "").partition("/")
            version = self._archive.read(kind, resource_id)
            if version is not None and not version.is_deleted:
                yield version

    def _self_link(self, search: Search) -> str:
        return f"{self._base}/{search.resource_type}?{urlencode(search.used)}"

    def _link(self, session: _Session) -> str:
        key = token_urlsafe(18)
        self._sessions[key] = replace(session, opened=self._served)
        root = "/" + self._base.split("/", 3)[3] if self._settings.is_next_relative else self._base
        return f"{root}?_getpages={key}&_bundletype=searchset"


def _sorted(found: list[Version], order: str) -> list[Version]:
    if order == NEWEST:
        return sorted(found, key=_when, reverse=True)
    if order.endswith("_lastUpdated"):
        return sorted(found, key=lambda version: version.updated_at, reverse=order.startswith("-"))
    return sorted(found, key=lambda version: version.key) if order == "_id" else found


def _when(version: Version) -> datetime:
    return clinical_time(version.resource) or version.updated_at
