"""From the limits of a FHIR source to what keeps all who ask it within them, over restarts."""

from collections.abc import Callable
from datetime import datetime

from adapter import config
from adapter.config import FhirSearchSource, TrustSettings
from adapter.config.fhir_limits import Window
from adapter.service.assembly import utc_now
from adapter.sources.pace import Allowance, Hours, Pace, Refusal, Wish
from adapter.store import pacing
from adapter.store.database import Database


class StoredBook:
    """What was asked of one source (see adapter.sources.pace.Book); threads may share it."""

    def __init__(self, database: Database, *, source: str) -> None:
        self._database = database
        self._source = source

    def take(self, wish: Wish) -> Refusal | None:
        """Write one more request down; None where it may be made."""
        with self._database.write() as conn:
            more = pacing.OneMore(wish.day, wish.per_day, wish.now_us, wish.next_us, wish.farthest_us)
            is_taken = pacing.take(conn, self._source, more)
            if is_taken:
                return None
            found = pacing.standing(conn, self._source)
        next_us, not_before_us = found.next_us or 0, found.not_before_us or 0
        is_used_up = wish.per_day is not None and found.day == wish.day and found.requests >= wish.per_day
        if next_us > wish.farthest_us:
            next_us = 0
        return Refusal(
            is_used_up=is_used_up, until_us=max(next_us, not_before_us), is_asked_for=not_before_us > wish.now_us
        )

    def leave_alone(self, until_us: int) -> None:
        """The server wants to be left alone until then."""
        with self._database.write() as conn:
            pacing.leave_alone(conn, self._source, until_us=until_us)


def pace_of(
    source: FhirSearchSource, settings: TrustSettings, database: Database, *, now: Callable[[], datetime] = utc_now
) -> Pace:
    """To be made once for a source in a process: `parallel` counts the requests of one object."""
    return Pace(
        allowance_of(source, settings),
        book=StoredBook(database, source=source.name),
        now=now,
        timezone=settings.site.timezone,
    )


def allowance_of(source: FhirSearchSource, settings: TrustSettings) -> Allowance:
    """Its limits, or those of its vendor, in the form `sources` takes."""
    limits = config.rules_of(source, settings.fhir_search).limits
    return Allowance(
        per_second=limits.requests_per_second,
        parallel=limits.parallel,
        peak=Hours(*limits.peak.hours) if limits.peak else None,
        peak_per_second=limits.peak.requests_per_second if limits.peak else None,
        per_day=limits.requests_per_day,
        blackout=tuple(_hours(window) for window in limits.blackout),
        patience_s=source.retry.longest_s,
    )


def _hours(window: Window) -> Hours:
    return Hours(*window.hours, days=window.days)
