"""Counts that outlive a restart: messages by type, problems by code. Names are words of ours, never of a message."""

from collections.abc import Mapping

from sqlalchemy import Connection

from adapter.store.sql import run, run_many

_BUMP = (
    "INSERT INTO counter (name, value) VALUES (?, ?)"
    " ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value"
)


def bump(conn: Connection, name: str, by: int = 1) -> None:
    """Count one thing."""
    run(conn, _BUMP, (name, by))


def bump_many(conn: Connection, counts: Mapping[str, int]) -> None:
    """Count many things at once; sorted, so that two workers never lock each other out."""
    run_many(conn, _BUMP, sorted(counts.items()))


def all_counts(conn: Connection) -> dict[str, int]:
    """Every counter by name."""
    return {row[0]: row[1] for row in run(conn, "SELECT name, value FROM counter ORDER BY name")}
