"""What of one search goes to the inbox: of its pages what is ours and new, with what that refers to."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import structlog

from adapter.errors import Declined, SourceFault
from adapter.sources.fhir_filter import Asked, Newest, Ours, keep_ours
from adapter.sources.fhir_hydrate import Hydrator
from adapter.sources.fhir_page import Entry, Page, to_keep

_log = structlog.get_logger()

_WITHHELD = frozenset({SourceFault.DENIED, SourceFault.REFUSED, SourceFault.PAUSED, SourceFault.NO_SCOPE})
"""Why something that is there, and that a resource refers to, was not to be had."""

Known = Callable[[Sequence[Entry]], Collection[bytes]]
"""Digests of those that are in already."""


class Kept(NamedTuple):
    """Of one page."""

    entries: list[Entry]
    """What goes to the inbox."""
    counts: Counter[str]


class Keeping:
    """Of one search, page after page."""

    def __init__(self, asked: Asked, *, hydrator: Hydrator, feed: str, search: str) -> None:
        """`feed` and `search` are names for the log."""
        self._asked = asked
        self._hydrator = hydrator
        self._names = {"feed": feed, "search": search}
        self._newest = Newest()
        self._remarks: dict[tuple[SourceFault, str], Declined] = {}
        self.alarms: list[SourceFault] = []
        """What a person has to see to at the server or in the settings."""

    @property
    def remarks(self) -> list[Declined]:
        """Why what came is not called all there is."""
        return list(self._remarks.values())

    def kept(self, page: Page, *, known: Known, is_whole: bool) -> Kept:
        """What to keep of a page. `is_whole`: what known resources refer to may have changed, too."""
        counts = Counter({"pages": 1})
        self._note_issues(page, counts)
        newest = page._replace(entries=self._newest.only(page.entries))
        # What was passed over on one page was passed over for the whole search, though it is said once.
        ours = keep_ours(newest, self._asked, is_unfiltered=SourceFault.UNFILTERED in self.alarms)
        self._note_filter(ours, counts)
        entries = ours.page.entries
        self._hydrator.remember(entries)
        fresh = to_keep(entries, known(entries))
        filled = self._hydrator.fill(entries if is_whole else fresh)
        self._note_references(filled.unresolved, filled.strangers, counts)
        here = {entry.digest for entry in entries}
        if added := [entry for entry in filled.entries if entry.digest not in here]:
            counts["fetched"] = filled.fetched
            fresh = to_keep([*entries, *added], known([*entries, *added]))
        counts["resources"] = len(fresh)
        counts["unchanged"] = len(page.entries) - len({entry.digest for entry in fresh} & here)
        return Kept(fresh, counts)

    def _note_issues(self, page: Page, counts: Counter[str]) -> None:
        unusual = {*page.unknown, *page.incomplete, *page.ignored}
        for issue in page.issues:
            counts[f"outcome.{issue.severity}"] += 1
            # What a rule calls harmless comes with every search that finds nothing.
            tell = _log.warning if issue.code in unusual else _log.info
            tell("the server remarks", **self._names, issue=issue.code)
        if page.unknown:
            counts["outcome.unknown"] = len(page.unknown)
        for code in page.incomplete:
            # Behaviour 27: what came is kept, and is not called all there is.
            text = f"the server says ({code}) that it may not show all"
            self._remark(SourceFault.INCOMPLETE, text, code=code, told=page.told)

    def _note_filter(self, ours: Ours, counts: Counter[str]) -> None:
        if ours.is_unfiltered:
            counts["filter.ignored"] += 1
            counts["filter.dropped"] += ours.dropped + ours.strangers
            if SourceFault.UNFILTERED not in self.alarms:
                self.alarms.append(SourceFault.UNFILTERED)
                _log.error(
                    "the server passes over a parameter of the search; its result is filtered here: correct `types`",
                    **self._names,
                )
        elif ours.strangers:
            self._note_strangers(ours.strangers, counts)

    def _note_references(self, unresolved: Counter[str], strangers: int, counts: Counter[str]) -> None:
        for reason, number in unresolved.items():
            counts[f"reference.unresolved.{reason}"] += number
            if reason in _WITHHELD:
                text = f"the server withholds ({reason}) what a resource refers to"
                self._remark(SourceFault.INCOMPLETE, text, code=f"reference-{reason}")
        if strangers:
            self._note_strangers(strangers, counts)

    def _note_strangers(self, number: int, counts: Counter[str]) -> None:
        counts["identity.other-patient"] += number
        text = "the server showed another patient's resource among one patient's: it was not kept"
        if SourceFault.OTHER_PATIENT not in self.alarms:
            self.alarms.append(SourceFault.OTHER_PATIENT)
            _log.error("IDENTITY: " + text, **self._names)
        self._remark(SourceFault.OTHER_PATIENT, text)

    def _remark(self, fault: SourceFault, text: str, *, code: str = "", told: bytes = b"") -> None:
        remark = self._remarks.setdefault((fault, code), Declined(fault, text, code=code))
        remark.told = remark.told or told
