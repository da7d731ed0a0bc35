"""What was asked of each polled server: on which day how often, when next, and until when it wants to be left alone.

Several threads or processes may ask one server: one statement decides and writes.
"""

from typing import NamedTuple

from sqlalchemy import Connection

from adapter.store.sql import run

_TAKE = (
    "INSERT INTO polled_source (source, day, requests, next_us, trouble) VALUES (?, ?, 1, ?, '')"
    " ON CONFLICT (source) DO UPDATE SET day = excluded.day, next_us = excluded.next_us,"
    " requests = CASE WHEN polled_source.day = excluded.day THEN polled_source.requests + 1 ELSE 1 END"
    " WHERE (polled_source.next_us IS NULL OR polled_source.next_us <= ? OR polled_source.next_us > ?)"
    " AND (polled_source.not_before_us IS NULL OR polled_source.not_before_us <= ?)"
    " AND (polled_source.day <> excluded.day OR polled_source.requests < ?)"
    " RETURNING requests"
)
_NO_LIMIT = 2**31 - 1


class OneMore(NamedTuple):
    """One more request."""

    day: str
    per_day: int | None
    now_us: int
    next_us: int
    farthest_us: int
    """A next time beyond it that stands there does not count: a clock that was put back since wrote it."""


class Standing(NamedTuple):
    """Of one server, in column order."""

    day: str
    requests: int
    """On that day."""
    next_us: int | None
    """Before this, no other request."""
    not_before_us: int | None


def take(conn: Connection, source: str, more: OneMore) -> bool:
    """One more request on its day, if one may be made now; then none before its next time."""
    limit = _NO_LIMIT if more.per_day is None else more.per_day
    values = (source, more.day, more.next_us, more.now_us, more.farthest_us, more.now_us, limit)
    return run(conn, _TAKE, values).first() is not None


def standing(conn: Connection, source: str) -> Standing:
    """How it stands; of an unknown one that it was never asked."""
    statement = "SELECT day, requests, next_us, not_before_us FROM polled_source WHERE source = ?"
    row = run(conn, statement, (source,)).first()
    return Standing("", 0, None, None) if row is None else Standing._make(row)


def leave_alone(conn: Connection, source: str, *, until_us: int) -> None:
    """Not to be asked before; of two times the later one stands."""
    statement = (
        "INSERT INTO polled_source (source, day, requests, not_before_us, trouble) VALUES (?, '', 0, ?, '')"
        " ON CONFLICT (source) DO UPDATE SET not_before_us = excluded.not_before_us"
        " WHERE polled_source.not_before_us IS NULL OR polled_source.not_before_us < excluded.not_before_us"
    )
    run(conn, statement, (source, until_us))
