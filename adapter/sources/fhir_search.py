"""Reads a FHIR server by search: what has changed since the last time, page after page, each on disk before the next.

    memory: where it stands ─▶ page ─▶ inbox, durably ─▶ memory: where it stands now ─▶ next link … ─▶ cursor moves

Killed anywhere it goes on at the page that is not in memory; what then comes twice is the same message. The cursor
moves only when the last page is in, and each search begins an overlap before it (behaviours 18 and 19).
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

import structlog

from adapter.envelope import Media, Received
from adapter.errors import Declined, NotNow, PagingExpired, SourceError, SourceFault
from adapter.sources import fhir_request
from adapter.sources.fhir_filter import Asked
from adapter.sources.fhir_http import FhirServer
from adapter.sources.fhir_hydrate import Hydrator, Path, Whose
from adapter.sources.fhir_keeping import Keeping, Kept
from adapter.sources.fhir_page import Entry, Page, body_of, to_keep
from adapter.sources.fhir_position import Circle, Position, Search
from adapter.sources.fhir_request import DEFAULT, Style
from adapter.sources.folder import KeepAll

_log = structlog.get_logger()

_RESTARTS = 3
"""How often a search may begin again in one turn because its links expired."""


class Memory(Protocol):
    """What outlives a restart, for one source. Digests are SHA-256; who stores them keys them."""

    def position(self, search: Search) -> Position:
        """Where it stands."""

    def known(self, search: Search, entries: Sequence[Entry]) -> set[bytes]:
        """Digests of those that are in already."""

    def page_in(self, search: Search, position: Position, entries: Sequence[Entry], counts: Mapping[str, int]) -> None:
        """In one transaction: where it stands now, what is in now, what is to be counted."""

    def trouble(self, search: Search, error: SourceError) -> None:
        """Why it could not go on, or is not called whole; where it stands is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How searches are made that do not say otherwise themselves."""

    overlap: timedelta
    count: int
    now: Callable[[], datetime]
    max_pages: int | None = None
    hydrate: tuple[Path, ...] = ()
    """References whose targets are read where a search does not bring them (behaviour 30)."""
    hydrate_style: Style = DEFAULT
    shared: MutableMapping[str, Entry] = field(default_factory=dict)
    """What was read that is of no patient."""


def _may_pass(error: SourceError) -> bool:
    return isinstance(error, NotNow)


class FhirSearches:
    """All searches of one source, or of one patient. Not to be shared between threads."""

    def __init__(
        self,
        feed: str,
        searches: Sequence[Search],
        *,
        server: FhirServer,
        keep: KeepAll,
        memory: Memory,
        rules: Rules,
    ) -> None:
        self._feed = feed
        self._searches = searches
        self._server = server
        self._keep = keep
        self._memory = memory
        self._rules = rules
        self._hydrator: Hydrator | None = None

    def turn(self, stop: threading.Event) -> list[SourceFault]:
        """Every search to its end; what kept single ones from it. NotNow and Halted speak of the server as a whole."""
        faults: list[SourceFault] = []
        paused: set[str] = set()
        for search in self._searches:
            if stop.is_set():
                break
            if search.resource_type in paused:
                continue
            try:
                faults += self._to_its_end(search, stop)
            except SourceError as error:
                self._memory.trouble(search, error)
                if error.fault is not SourceFault.STOPPED:
                    _log.error("search failed", feed=self._feed, search=search.name, reason=str(error))
                if not isinstance(error, Declined):
                    raise
                if error.fault is SourceFault.PAUSED:
                    paused.add(search.resource_type)
                faults.append(error.fault)
        return faults

    def _to_its_end(self, search: Search, stop: threading.Event) -> list[SourceFault]:
        """What a person has to see to, though it came to its end."""
        position = self._memory.position(search).beginning(self._rules.now())
        self._server.check_granted(search.resource_type)
        asked = Asked(search.resource_type, self._pairs(search, position), search.patient_id)
        keeping = Keeping(asked, hydrator=self._hydrator_of(search, stop), feed=self._feed, search=search.name)
        circle = Circle()
        restarts = pages = 0
        while True:
            try:
                page = self._page(search, position, stop)
                position = self._take(search, position, page, keeping)
            except PagingExpired as error:
                restarts += 1
                position, circle = self._again(search, position), Circle()
                if restarts > _RESTARTS:
                    text = "the server's links expire before the search comes to its end"
                    raise Declined(error.fault, text) from None
                continue
            except SourceError as error:
                # A link that leads nowhere twice, or to somewhere it must not, is not kept for the next turn.
                if position.link and error.fault is not SourceFault.STOPPED and (not pages or not _may_pass(error)):
                    self._again(search, position)
                raise
            pages += 1
            if not page.next_link:
                return keeping.alarms
            self._refuse_endless(search, position, is_circle=circle.is_closed_by(page), pages=pages)

    def _refuse_endless(self, search: Search, position: Position, *, is_circle: bool, pages: int) -> None:
        most = search.max_pages or self._rules.max_pages
        if is_circle:
            self._again(search, position)
            raise Declined(SourceFault.ENDLESS_PAGING, "the server's next links lead round in a circle")
        if most is not None and pages >= most:
            self._again(search, position)
            raise Declined(SourceFault.PAGE_LIMIT, f"the search has more than {most} pages (`max_pages`)")

    def _again(self, search: Search, position: Position) -> Position:
        _log.info("the search begins again", feed=self._feed, search=search.name)
        position = position.again()
        self._memory.page_in(search, position, [], {"restarts": 1})
        return position

    def _page(self, search: Search, position: Position, stop: threading.Event) -> Page:
        if position.link:
            return self._server.page(fhir_request.follow(position.link), stop)
        pairs = self._pairs(search, position)
        request = fhir_request.search(self._server.base_url, search.resource_type, pairs, style=search.style)
        return self._server.page(request, stop)

    def _pairs(self, search: Search, position: Position) -> list[tuple[str, str]]:
        since = None if position.is_whole else position.since(search.overlap or self._rules.overlap)
        return search.asked(since, count=search.page_size or self._rules.count)

    def _hydrator_of(self, search: Search, stop: threading.Event) -> Hydrator:
        """One for all searches of a patient, which refer to each other."""
        if self._hydrator is None or not search.patient_id:
            rules = self._rules
            whose = Whose(search.patient_id, rules.shared)
            self._hydrator = Hydrator(
                rules.hydrate, server=self._server, stop=stop, style=rules.hydrate_style, whose=whose
            )
        return self._hydrator

    def take(self, search: Search, page: Page, *, body: bytes | None = None) -> None:
        """A page that was got otherwise, and is the only one; `body` is what of it goes to the inbox."""
        known = self._memory.known(search, page.entries)
        fresh = to_keep(page.entries, known)
        counts = Counter({"pages": 1, "resources": len(fresh), "unchanged": len(page.entries) - len(fresh)})
        position = self._memory.position(search).beginning(self._rules.now())
        self._keep_page(search, position, page, Kept(fresh, counts), body=body)

    def _take(self, search: Search, position: Position, page: Page, keeping: Keeping) -> Position:
        """Keep what is new on a page, with what that refers to, then note that it is in."""
        told = len(keeping.remarks)
        kept = keeping.kept(page, known=partial(self._memory.known, search), is_whole=position.is_whole)
        for remark in keeping.remarks[told:]:
            self._memory.trouble(search, remark)
        return self._keep_page(search, position, page, kept)

    def _keep_page(
        self, search: Search, position: Position, page: Page, kept: Kept, *, body: bytes | None = None
    ) -> Position:
        now = self._rules.now()
        if kept.entries:
            # Without `meta.lastUpdated` and `Bundle.timestamp` what was read later is newer.
            body = body or body_of(kept.entries, timestamp=page.timestamp or now.astimezone(UTC).isoformat())
            self._keep([Received(feed=self._feed, media=Media.FHIR, received_at=now, body=body)])
        position = position.after(page, is_by_creation=search.is_by_creation)
        self._memory.page_in(search, position, kept.entries, kept.counts)
        return position
