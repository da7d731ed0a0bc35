"""Counts and ages for status and health: no patient data, no unsealing."""

from dataclasses import dataclass

from sqlalchemy import Connection

from adapter.store import dirty, messages
from adapter.store.rows import UNSENT
from adapter.store.sql import run


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFacts:
    """How much there is of each thing, by state."""

    messages: dict[str, int]
    oldest_parked_us: int | None
    """When the longest parked message was received."""
    persons: dict[str, int]
    blocked_persons: int
    dirty_persons: int
    rows: dict[str, int]
    """Live rows by kind."""
    held_rows: dict[str, int]
    """Rows by kind that something keeps inside the trust until it is mapped or decided."""
    unsent_rows: int
    deliveries: dict[str, int]
    watched_since_us: int | None
    """When the first message of all was received."""
    last_confirmed_us: int | None
    """When the newest child of the cohort was first confirmed."""
    oldest_open_delivery_us: int | None
    """When the oldest delivery that CSOR has not accepted was frozen."""


def facts(conn: Connection) -> StoreFacts:
    """All at one moment, if `conn` is in one transaction."""
    return StoreFacts(
        messages=_messages(conn),
        oldest_parked_us=_one(
            conn,
            f"SELECT min(received_us) FROM message WHERE {messages.INDEXED} AND state = 'parked'",
        ),
        persons=_counts(conn, "SELECT state, count(*) FROM person GROUP BY state"),
        blocked_persons=_one(conn, "SELECT count(*) FROM person WHERE blocked <> ''") or 0,
        dirty_persons=dirty.depth(conn),
        rows=_counts(conn, "SELECT kind, count(*) FROM csor_row WHERE deleted = 0 GROUP BY kind"),
        held_rows=_counts(conn, "SELECT kind, count(*) FROM csor_row WHERE deleted = 2 GROUP BY kind"),
        unsent_rows=_one(conn, f"SELECT count(*) FROM csor_row WHERE {UNSENT}") or 0,
        deliveries=_counts(conn, "SELECT state, count(*) FROM delivery GROUP BY state"),
        watched_since_us=_one(conn, "SELECT received_us FROM message ORDER BY id LIMIT 1"),
        last_confirmed_us=_one(conn, "SELECT max(first_seen_us) FROM csor_row WHERE kind = 'infant' AND deleted = 0"),
        oldest_open_delivery_us=_one(conn, "SELECT min(created_us) FROM delivery WHERE state <> 'accepted'"),
    )


def _messages(conn: Connection) -> dict[str, int]:
    return _counts(conn, "SELECT state, count(*) FROM message GROUP BY state")


def _counts(conn: Connection, statement: str) -> dict[str, int]:
    return {row[0]: row[1] for row in run(conn, statement)}


def _one(conn: Connection, statement: str) -> int | None:
    value: int | None = run(conn, statement).scalar()
    return value


def size_bytes(conn: Connection) -> int:
    """Bytes of the database as it stands, without its write-ahead log."""
    if conn.dialect.name == "sqlite":
        pages: int = run(conn, "PRAGMA page_count").scalar_one()
        return pages * int(run(conn, "PRAGMA page_size").scalar_one())
    return int(run(conn, "SELECT pg_database_size(current_database())").scalar_one())
