"""Reads a FHIR server by search: what has changed since the last time, page after page, each on disk before the next.

    memory: where it stands ─▶ page ─▶ inbox, durably ─▶ memory: where it stands now ─▶ next link … ─▶ cursor moves

Killed anywhere it goes on at the page that is not in memory; what then comes twice is the same message. The cursor
moves only when the last page is in, and each search begins an overlap before it (behaviours 18 and 19).
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple, Protocol
from urllib.parse import urlencode

import structlog

from adapter.envelope import Media, Received
from adapter.errors import Declined, NotNow, PagingExpired, SourceError, SourceFault
from adapter.sources.fhir_http import FhirServer
from adapter.sources.fhir_page import Entry, Page, body_of, read_page, to_keep
from adapter.sources.folder import KeepAll

_log = structlog.get_logger()

_ALIKE = 100
"""An empty page may have a next link (behaviour 22); so many in a row, or so many the same, have no end."""
_RESTARTS = 3
"""How often a search may begin again in one turn because its links expired."""


class Search(NamedTuple):
    """One search of a source: all resources of a type, or those with one value of a parameter."""

    resource_type: str
    parameters: tuple[tuple[str, str], ...] = ()
    patient_id: str = ""
    """All of one patient's, whenever it was changed."""

    @property
    def name(self) -> str:
        """`Observation?category=laboratory`: how it is remembered. Never a patient's."""
        return self.resource_type + ("?" + urlencode(self.parameters, safe=":,|") if self.parameters else "")

    def url(self, base_url: str, *, since: datetime, count: int) -> str:
        """Its first page."""
        return f"{base_url}/{self.resource_type}?{urlencode(self._asked(since, count))}"

    def _asked(self, since: datetime, count: int) -> list[tuple[str, str]]:
        if not self.patient_id:
            # Seconds suffice: `ge` takes the whole second (FHIR R4, search, date).
            changed = ("_lastUpdated", f"ge{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
            return [*self.parameters, changed, ("_sort", "_lastUpdated"), ("_count", str(count))]
        if self.resource_type == "Patient":
            return [("_id", self.patient_id)]  # behaviour 14: some servers take no other parameter beside it
        return [*self.parameters, ("patient", self.patient_id), ("_count", str(count))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where one search stands."""

    first: datetime
    """Nothing before it is asked for."""
    cursor: datetime | None = None
    """Up to here all is in; None before the first search came to its end."""
    link: str = ""
    """The page that comes next; empty: the first one."""
    began: datetime | None = None
    """When the search under way asked for its first page."""
    reached: datetime | None = None
    """The latest change seen by it."""
    in_order: bool = True
    """Whether its pages came in the order of their changes, as asked."""
    complete: datetime | None = None
    """Set by the last page: when its first page was asked for. All that was there then is in."""

    def since(self, overlap: timedelta) -> datetime:
        """From when on its first page asks; whole seconds."""
        start = self.first if self.cursor is None else max(self.first, self.cursor - overlap)
        # Links expire while a long first load goes on: where the server kept the order, it need not begin at its start.
        if self.in_order and self.reached is not None:
            start = max(start, self.reached - overlap)
        return start.replace(microsecond=0)

    def beginning(self, now: datetime) -> "Position":
        """Where it stands when its next page is about to be asked for."""
        return self if self.began is not None else replace(self, began=now, complete=None)

    def after(self, page: Page) -> "Position":
        """Where it stands when this page is in."""
        # What is included may have changed at any time: the search is for the matches.
        times = [entry.updated for entry in page.entries if entry.updated is not None and not entry.is_include]
        in_order = (
            self.in_order and times == sorted(times) and (not times or not self.reached or times[0] >= self.reached)
        )
        reached = max([*times, *([self.reached] if self.reached else [])], default=None)
        if page.next_link:
            return replace(self, link=page.next_link, reached=reached, in_order=in_order)
        if reached is not None and self.began is not None:
            # A change dated in the future, by a wrong clock, must not hide the changes until then.
            reached = min(reached, self.began)
        moved = [moment for moment in (self.cursor, reached) if moment is not None]
        return Position(first=self.first, cursor=max(moved, default=None), complete=self.began)

    def again(self) -> "Position":
        """The links lead nowhere any more: from its first page, or from where the order lets it go on."""
        return replace(self, link="", reached=self.reached if self.in_order else None, in_order=True)


class Memory(Protocol):
    """What outlives a restart, for one source. Digests are SHA-256; who stores them keys them."""

    def position(self, search: Search) -> Position:
        """Where it stands."""

    def known(self, search: Search, entries: Sequence[Entry]) -> set[bytes]:
        """Digests of those that are in already."""

    def page_in(self, search: Search, position: Position, entries: Sequence[Entry], counts: Mapping[str, int]) -> None:
        """In one transaction: where it stands now, what is in now, what is to be counted."""

    def trouble(self, search: Search, fault: SourceFault) -> None:
        """Why it could not go on; where it stands is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How its searches are made."""

    overlap: timedelta
    count: int
    now: Callable[[], datetime]


def _may_pass(error: SourceError) -> bool:
    return isinstance(error, NotNow)


class _Circle:
    """Watches for pages without end (behaviour 21)."""

    def __init__(self) -> None:
        self._followed: set[str] = set()
        self._last: list[bytes] = []
        self._alike = 0

    def is_closed_by(self, page: Page) -> bool:
        """Whether its link was followed before, or its entries are those of many pages before it, or none."""
        digests = [entry.digest for entry in page.entries]
        self._alike = self._alike + 1 if not digests or digests == self._last else 0
        self._last = digests
        if page.next_link in self._followed or self._alike >= _ALIKE:
            return True
        self._followed.add(page.next_link)
        return False


class FhirSearches:
    """All searches of one source. Not to be shared between threads."""

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

    def turn(self, stop: threading.Event) -> list[SourceFault]:
        """Every search to its end; what kept single ones from it. NotNow and Halted speak of the server as a whole."""
        faults = []
        for search in self._searches:
            if stop.is_set():
                break
            try:
                self._to_its_end(search, stop)
            except SourceError as error:
                self._memory.trouble(search, error.fault)
                if error.fault is not SourceFault.STOPPED:
                    _log.error("search failed", feed=self._feed, search=search.name, reason=str(error))
                if not isinstance(error, Declined):
                    raise
                faults.append(error.fault)
        return faults

    def _to_its_end(self, search: Search, stop: threading.Event) -> None:
        position = self._memory.position(search).beginning(self._rules.now())
        self._server.check_granted(search.resource_type)
        circle = _Circle()
        restarts = pages = 0
        while True:
            try:
                page = self._page(search, position, stop)
            except PagingExpired as error:
                restarts += 1
                position, circle = self._again(search, position), _Circle()
                if restarts > _RESTARTS:
                    text = "the server's links expire before the search comes to its end"
                    raise Declined(error.fault, text) from None
                continue
            except SourceError as error:
                # A link that leads nowhere twice, or to somewhere it must not, is not kept for the next turn.
                if position.link and error.fault is not SourceFault.STOPPED and (not pages or not _may_pass(error)):
                    self._again(search, position)
                raise
            position = self._take(search, position, page)
            pages += 1
            if not page.next_link:
                return
            if circle.is_closed_by(page):
                self._again(search, position)
                raise Declined(SourceFault.ENDLESS_PAGING, "the server's next links lead round in a circle")

    def _again(self, search: Search, position: Position) -> Position:
        _log.info("the search begins again", feed=self._feed, search=search.name)
        position = position.again()
        self._memory.page_in(search, position, [], {"restarts": 1})
        return position

    def _page(self, search: Search, position: Position, stop: threading.Event) -> Page:
        rules = self._rules
        url = position.link or search.url(self._server.base_url, since=position.since(rules.overlap), count=rules.count)
        return self._server.get(url, read=partial(read_page, url=url), stop=stop, is_link=bool(position.link))

    def _take(self, search: Search, position: Position, page: Page) -> Position:
        """Keep what is new on a page, then note that it is in."""
        known = self._memory.known(search, page.entries)
        fresh = to_keep(page.entries, known)
        if fresh:
            body = body_of(fresh, timestamp=page.timestamp)
            self._keep([Received(feed=self._feed, media=Media.FHIR, received_at=self._rules.now(), body=body)])
        counts = {"pages": 1, "resources": len(fresh), "unchanged": len(page.entries) - len(fresh)}
        for issue in page.issues:
            counts[f"outcome.{issue.severity}"] = counts.get(f"outcome.{issue.severity}", 0) + 1
            _log.warning("the server remarks", feed=self._feed, search=search.name, issue=issue.code)
        position = position.after(page)
        self._memory.page_in(search, position, fresh, counts)
        return position
