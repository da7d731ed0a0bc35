"""From when on all data of a source are here: since it was first listened to, or from where its history begins.

What a child had before that time was never told to us: an analyst must not take the first film or value that we have
for the first there was (ruling R15).
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from adapter.store import cursors
from adapter.store.database import Connection

_CURSOR = "coverage."


def begin(conn: Connection, feeds: Iterable[str], *, now: datetime) -> None:
    """These are listened to from now on, unless they are already."""
    for feed in feeds:
        if cursors.get(conn, _CURSOR + feed) is None:
            cursors.set(conn, _CURSOR + feed, now.isoformat())


def extend(conn: Connection, feed: str, *, day: date, timezone: ZoneInfo) -> datetime:
    """History reaches back to the beginning of this day; what reaches further back stays. From when on all is here."""
    begins = datetime.combine(day, time.min, timezone)
    known = cursors.get(conn, _CURSOR + feed)
    since = begins if known is None else min(begins, datetime.fromisoformat(known))
    cursors.set(conn, _CURSOR + feed, since.isoformat())
    return since


def of(conn: Connection) -> Mapping[str, str]:
    """By source, ISO 8601."""
    found = cursors.of_prefix(conn, _CURSOR)
    return {name.removeprefix(_CURSOR): since for name, since in found.items()}
