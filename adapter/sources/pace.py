"""How often one server may be asked: rate, peak hours, requests at one time, hours of rest, a number for the day.

One `Pace` for one server, shared by all threads that ask it, whatever they ask for: pages, tokens, files. A request
stands in the store before it is made (`Book`), so that a restart with a backlog does not burst (behaviour 40), and so
does what the server itself wants (Retry-After, behaviour 35). Days and hours are by the wall clock of the trust.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as TimeOfDay
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from adapter.errors import NotNow, SourceFault

_EVERY_DAY = frozenset(range(7))
_MINUTE = timedelta(minutes=1)
_SHORT_S = 0.05
"""How long a thread waits for another's request to end before it looks whether it shall stop."""
_RESERVE_S = 5.0


class Hours(NamedTuple):
    """From one time of day to another, on some days; past midnight where the end is not the later."""

    begins: TimeOfDay
    ends: TimeOfDay
    days: frozenset[int] = _EVERY_DAY
    """On which they begin; Monday is 0."""

    def cover(self, here: datetime) -> bool:
        """Whether a moment of the wall clock is among them. An hour that comes twice is meant both times."""
        clock, day = here.time(), here.weekday()
        if self.begins < self.ends:
            return day in self.days and self.begins <= clock < self.ends
        return (day in self.days and clock >= self.begins) or ((day - 1) % 7 in self.days and clock < self.ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What the server's team has agreed to."""

    per_second: float
    parallel: int = 1
    peak: Hours | None = None
    peak_per_second: float | None = None
    per_day: int | None = None
    blackout: tuple[Hours, ...] = ()
    patience_s: float = 60.0
    """What the server wants beyond this is left to a later turn."""


class Wish(NamedTuple):
    """One request more, if it may be."""

    now_us: int
    next_us: int
    """Before this, no other."""
    farthest_us: int
    """A next time beyond it was written by a clock that has been put back since."""
    day: str
    per_day: int | None


class Refusal(NamedTuple):
    """Why it may not be now."""

    is_used_up: bool
    """The number of the day."""
    until_us: int
    is_asked_for: bool
    """By the server."""


class Book(Protocol):
    """What was asked of one server, kept over restarts."""

    def take(self, wish: Wish) -> Refusal | None:
        """Write one more request down; None where it may be made. Durable at return."""

    def leave_alone(self, until_us: int) -> None:
        """The server wants to be left alone until then."""


class Pace:
    """One server's; for any number of threads."""

    def __init__(
        self,
        allowance: Allowance,
        *,
        book: Book,
        now: Callable[[], datetime],
        timezone: ZoneInfo,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowance = allowance
        self._book = book
        self._now = now
        self._timezone = timezone
        self._clock = clock
        self._next = clock()
        self._turn = threading.Lock()
        self._places = threading.BoundedSemaphore(allowance.parallel)

    @contextmanager
    def turn(self, stop: threading.Event) -> Iterator[None]:
        """One request from its beginning to the last byte of its answer. Raises as `take` does."""
        while not self._places.acquire(timeout=_SHORT_S):
            _unless_stopped(stop)
        try:
            self.take(stop)
            yield
        finally:
            self._places.release()

    def take(self, stop: threading.Event) -> None:
        """Wait until one more request may begin.

        NotNow where the day's number is used up, nothing may be asked at this hour, the server wants to be left alone
        for long, or `stop` was set.
        """
        with self._turn:
            while (wait_s := self._wait_s(stop)) > 0:
                stop.wait(wait_s)

    def leave_alone(self, seconds: float) -> None:
        """The server has asked for it: nobody asks before, also after a restart."""
        self._book.leave_alone(_us(self._now() + timedelta(seconds=seconds)))

    def _wait_s(self, stop: threading.Event) -> float:
        """Zero once the request is written down."""
        _unless_stopped(stop)
        # Counted from when the last was let go, since to write it down may have taken long.
        if (early_s := self._next - self._clock()) > 0:
            return early_s
        now = self._now()
        here = now.astimezone(self._timezone)
        self._refuse_at_rest(now)
        between_s = 1 / self._per_second(here)
        refusal = self._book.take(self._wish(now, here, between_s))
        if refusal is None:
            self._next = self._clock() + between_s
            return 0.0
        if refusal.is_used_up:
            text = f"the {self._allowance.per_day} requests of today are used up"
            raise NotNow(SourceFault.DAILY_LIMIT, text, retry_after_s=_until_tomorrow_s(here))
        wait_s = (refusal.until_us - _us(now)) / 1_000_000
        if refusal.is_asked_for and wait_s > self._allowance.patience_s:
            raise NotNow(SourceFault.BUSY, "the server asks to be left alone for a while", retry_after_s=wait_s)
        return max(wait_s, 0.001)

    def _wish(self, now: datetime, here: datetime, between_s: float) -> Wish:
        slowest = min(self._allowance.per_second, self._allowance.peak_per_second or self._allowance.per_second)
        return Wish(
            now_us=_us(now),
            next_us=_us(now) + round(between_s * 1_000_000),
            farthest_us=_us(now) + round((1 / slowest + _RESERVE_S) * 1_000_000),
            day=here.date().isoformat(),
            per_day=self._allowance.per_day,
        )

    def _per_second(self, here: datetime) -> float:
        allowance = self._allowance
        is_peak = allowance.peak is not None and allowance.peak.cover(here)
        return allowance.peak_per_second if is_peak and allowance.peak_per_second else allowance.per_second

    def _refuse_at_rest(self, now: datetime) -> None:
        if not self._is_at_rest(now):
            return
        end = now.replace(second=0, microsecond=0) + _MINUTE
        # Minute by minute: on two days of the year the clock on the wall jumps.
        while self._is_at_rest(end) and end - now < timedelta(days=8):
            end += _MINUTE
        text = "nothing may be asked of the server at this hour"
        raise NotNow(SourceFault.BLACKOUT, text, retry_after_s=(end - now).total_seconds())

    def _is_at_rest(self, moment: datetime) -> bool:
        here = moment.astimezone(self._timezone)
        return any(hours.cover(here) for hours in self._allowance.blackout)


def _unless_stopped(stop: threading.Event) -> None:
    if stop.is_set():
        raise NotNow(SourceFault.STOPPED, "stopping")


def _until_tomorrow_s(here: datetime) -> float:
    midnight = (here + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    # By their offsets: two days a year are an hour longer or shorter.
    return midnight.timestamp() - here.timestamp()


def _us(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)
