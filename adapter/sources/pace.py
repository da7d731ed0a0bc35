"""How often one server may be asked: a rate, and a number for the day that outlives restarts (behaviour 40)."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from adapter.errors import NotNow, SourceFault

CountRequest = Callable[[str], int]
"""Counts one more request of this day (`2026-11-22`), durably; how many there are now."""


class Pace:
    """One server's."""

    def __init__(
        self,
        *,
        per_second: float,
        per_day: int | None,
        count: CountRequest,
        now: Callable[[], datetime],
        timezone: ZoneInfo,
    ) -> None:
        self._between_s = 1 / per_second
        self._per_day = per_day
        self._count = count
        self._now = now
        self._timezone = timezone
        self._next = 0.0

    def take(self, stop: threading.Event) -> None:
        """Wait for the turn of one request. NotNow where the day's number is used up, or `stop` was set."""
        wait_s = self._next - time.monotonic()
        if (wait_s > 0 and stop.wait(wait_s)) or stop.is_set():
            raise NotNow(SourceFault.STOPPED, "stopping")
        self._next = time.monotonic() + self._between_s
        here = self._now().astimezone(self._timezone)
        count = self._count(here.date().isoformat())
        if self._per_day is not None and count > self._per_day:
            text = f"the {self._per_day} requests of today are used up"
            raise NotNow(SourceFault.DAILY_LIMIT, text, retry_after_s=_until_tomorrow_s(here))


def _until_tomorrow_s(here: datetime) -> float:
    midnight = (here + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    # By their offsets: two days a year are an hour longer or shorter.
    return midnight.timestamp() - here.timestamp()
