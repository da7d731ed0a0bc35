"""Resource types that a FHIR server does not want to be asked for before the next local day (behaviour 39)."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from adapter.store import cursors
from adapter.store.database import Database

_PAUSED = "crawl.paused."
"""A position by source and resource type: the local day."""


class Pauses:
    """Of one source."""

    def __init__(self, database: Database, *, source: str, timezone: ZoneInfo, now: Callable[[], datetime]) -> None:
        self._database = database
        self._prefix = f"{_PAUSED}{source}."
        self._timezone = timezone
        self._now = now

    def types(self) -> set[str]:
        """Those that are not to be asked for today."""
        today = self._here().date().isoformat()
        with self._database.read() as conn:
            found = cursors.of_prefix(conn, self._prefix)
        return {name.removeprefix(self._prefix) for name, day in found.items() if day == today}

    def pause(self, resource_types: Iterable[str]) -> None:
        """These have been refused for today."""
        today = self._here().date().isoformat()
        if names := sorted(set(resource_types)):
            with self._database.write() as conn:
                for name in names:
                    cursors.set(conn, self._prefix + name, today)

    def end_us(self) -> int:
        """When the day is over."""
        midnight = (self._here() + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return int(midnight.timestamp()) * 1_000_000

    def _here(self) -> datetime:
        return self._now().astimezone(self._timezone)
