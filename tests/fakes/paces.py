"""How often a test may ask: as often as it likes, unless it says otherwise; and a clock that a test moves."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adapter.sources.pace import Allowance, Pace, Refusal, Wish

LONDON = ZoneInfo("Europe/London")


class PaperBook:
    """What was asked, in memory (see adapter.sources.pace.Book)."""

    def __init__(self, *, day: str = "", requests: int = 0) -> None:
        self.day = day
        self.requests = requests
        self.next_us = self.quiet_us = 0
        self.taken: list[Wish] = []

    def take(self, wish: Wish) -> Refusal | None:
        requests = self.requests if wish.day == self.day else 0
        is_used_up = wish.per_day is not None and requests >= wish.per_day
        next_us = 0 if self.next_us > wish.farthest_us else self.next_us
        if is_used_up or max(next_us, self.quiet_us) > wish.now_us:
            return Refusal(is_used_up, max(next_us, self.quiet_us), self.quiet_us > wish.now_us)
        self.day, self.requests, self.next_us = wish.day, requests + 1, wish.next_us
        self.taken.append(wish)
        return None

    def leave_alone(self, until_us: int) -> None:
        self.quiet_us = max(self.quiet_us, until_us)


class Clock(threading.Event):
    """Time that passes only where somebody waits: the clock, and the sign to stop that is waited for."""

    def __init__(self, moment: datetime) -> None:
        super().__init__()
        self.moment = moment
        self.ran_s = 0.0

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.ran_s

    def wait(self, timeout: float | None = None) -> bool:
        if not self.is_set():
            self.pass_by(timeout or 0.0)
        return self.is_set()

    def pass_by(self, seconds: float) -> None:
        self.ran_s += seconds
        self.moment += timedelta(seconds=seconds)

    def pace(self, book: PaperBook | None = None, **allowed: Any) -> Pace:
        """One that goes by this clock."""
        allowance = Allowance(**{"per_second": 1000, **allowed})
        return Pace(allowance, book=book or PaperBook(), now=self.now, timezone=LONDON, clock=self.monotonic)


def a_pace(
    book: PaperBook | None = None,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    timezone: ZoneInfo = LONDON,
    **allowed: Any,
) -> Pace:
    """A thousand requests a second, unless said otherwise."""
    return Pace(Allowance(**{"per_second": 1000, **allowed}), book=book or PaperBook(), now=now, timezone=timezone)
