"""One search of a FHIR server, and where it stands: values only, moved along page by page."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from adapter.sources.fhir_page import Page
from adapter.sources.fhir_request import DEFAULT, Style

CHANGED = "_lastUpdated"
_ALIKE = 100
"""An empty page may have a next link (behaviour 22); so many in a row, or so many the same, have no end."""


class Search(NamedTuple):
    """One search of a source: all resources of a type, or those with one value of a parameter."""

    resource_type: str
    parameters: tuple[tuple[str, str], ...] = ()
    patient_id: str = ""
    """One patient's alone (behaviour 12)."""
    patient_param: str = "patient"
    since_param: str = CHANGED
    """What tells of what is new; empty: all is read each time."""
    is_by_creation: bool = False
    """`since_param` tells when a resource was made, never of a later change (behaviour 16)."""
    overlap: timedelta | None = None
    """These three where they differ from those of the source."""
    page_size: int | None = None
    max_pages: int | None = None
    style: Style = DEFAULT

    @property
    def name(self) -> str:
        """`Observation?category=laboratory`: how it is remembered. Never a patient's."""
        return self.resource_type + ("?" + urlencode(self.parameters, safe=":,|") if self.parameters else "")

    def asked(self, since: datetime | None, *, count: int) -> list[tuple[str, str]]:
        """The parameters of its first page; all there is where `since` is None."""
        pairs = [*self.parameters]
        if self.patient_id:
            pairs.append((self.patient_param, self.patient_id))
        if since is not None and self.since_param:
            # Seconds suffice: `ge` takes the whole second (FHIR R4, search, date).
            pairs.append((self.since_param, f"ge{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"))
        if not self.patient_id:
            # Of one patient neither Epic nor Oracle Health sorts; of a whole type the order lets a search go on.
            pairs.append(("_sort", CHANGED))
        return [*pairs, ("_count", str(count))]


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
    is_sorted: bool = True
    """Whether that order was asked for at all."""
    is_whole: bool = False
    """All there is is asked for, whenever it was changed."""

    def since(self, overlap: timedelta) -> datetime:
        """From when on its first page asks; whole seconds."""
        start = self.first if self.cursor is None else max(self.first, self.cursor - overlap)
        # Links expire while a long first load goes on: where the server kept the order, it need not begin at its start.
        if self.is_sorted and self.in_order and self.reached is not None:
            start = max(start, self.reached - overlap)
        return start.replace(microsecond=0)

    def beginning(self, now: datetime) -> "Position":
        """Where it stands when its next page is about to be asked for."""
        return self if self.began is not None else replace(self, began=now, complete=None)

    def after(self, page: Page, *, is_by_creation: bool = False) -> "Position":
        """Where it stands when this page is in."""
        # What is included may have changed at any time: the search is for the matches.
        times = [entry.updated for entry in page.entries if entry.updated is not None and not entry.is_include]
        in_order = (
            self.in_order and times == sorted(times) and (not times or not self.reached or times[0] >= self.reached)
        )
        reached = max([*times, *([self.reached] if self.reached else [])], default=None)
        if page.next_link:
            return replace(self, link=page.next_link, reached=reached, in_order=in_order)
        if is_by_creation:
            # What was made before the search began was there to be found; the overlap is for what was dated back.
            reached = self.began
        elif reached is not None and self.began is not None:
            # A change dated in the future, by a wrong clock, must not hide the changes until then.
            reached = min(reached, self.began)
        moved = [moment for moment in (self.cursor, reached) if moment is not None]
        return replace(
            self,
            cursor=max(moved, default=None),
            complete=self.began,
            link="",
            began=None,
            reached=None,
            in_order=True,
        )

    def again(self) -> "Position":
        """The links lead nowhere any more: from its first page, or from where the order lets it go on."""
        is_kept = self.is_sorted and self.in_order
        return replace(self, link="", reached=self.reached if is_kept else None, in_order=True)


class Circle:
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
