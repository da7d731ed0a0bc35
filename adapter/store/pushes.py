"""What FHIR servers told of changes, until it is read: which resources, and how each Subscription stands.

Resources stand keyed and sealed; names are those of the trust file. Times in microseconds since 1970 UTC.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from adapter.store.sql import run, run_many


class Hint(NamedTuple):
    """Something to be read, in column order."""

    id: int
    heard_us: int
    """When last told of: who has read it since forgets it only if that is still so."""
    tries: int
    key_id: bytes | None
    """None where all of the source is meant."""
    sealed: bytes | None


class Standing(NamedTuple):
    """One Subscription of one source, in column order."""

    source: str
    name: str
    heard_us: int | None
    """When the server last spoke."""
    looked_us: int | None
    """When its state was last read from the server."""
    server_id: str
    """As the server names it."""
    state: str
    """As the server last said."""
    highest: int | None
    missing: str
    """Numbers of events that were not told of."""
    missing_us: int | None
    """Since when the oldest of them is missing."""
    alarm: str


_HINT = ", ".join(Hint._fields)
_STANDING = ", ".join(Standing._fields)


def unheard(source: str, name: str) -> Standing:
    """One that has not spoken yet."""
    return Standing(source, name, None, None, "", "", None, "", None, "")


def standing(conn: Connection, source: str, name: str) -> Standing:
    """How it stands."""
    row = run(conn, f"SELECT {_STANDING} FROM subscription WHERE source = ? AND name = ?", (source, name)).first()
    return unheard(source, name) if row is None else Standing._make(row)


def standings(conn: Connection, source: str) -> dict[str, Standing]:
    """All of a source that have spoken, or were looked at."""
    rows = run(conn, f"SELECT {_STANDING} FROM subscription WHERE source = ? ORDER BY name", (source,))
    return {row.name: row for row in map(Standing._make, rows)}


def heard(conn: Connection, row: Standing) -> None:
    """Write what a notification said. In one transaction with the look at it; alarms are left as they stand."""
    told = ("heard_us", "server_id", "state", "highest", "missing", "missing_us")
    changes = ", ".join(f"{name} = excluded.{name}" for name in told)
    places = ", ".join("?" * len(Standing._fields))
    statement = (
        f"INSERT INTO subscription ({_STANDING}) VALUES ({places}) ON CONFLICT (source, name) DO UPDATE SET {changes}"
    )
    run(conn, statement, tuple(row))


def looked(conn: Connection, source: str, name: str, *, state: str | None, now_us: int) -> None:
    """Write what the server says of it; None: it does not say."""
    statement = (
        "INSERT INTO subscription (source, name, looked_us, server_id, state, missing, alarm)"
        " VALUES (?, ?, ?, '', ?, '', '') ON CONFLICT (source, name) DO UPDATE SET looked_us = excluded.looked_us"
    )
    run(
        conn, statement + (", state = excluded.state" if state is not None else ""), (source, name, now_us, state or "")
    )


def set_alarm(conn: Connection, source: str, name: str, alarm: str) -> None:
    """Why it cannot be relied on; empty: it can."""
    statement = (
        "INSERT INTO subscription (source, name, server_id, state, missing, alarm) VALUES (?, ?, '', '', '', ?)"
        " ON CONFLICT (source, name) DO UPDATE SET alarm = excluded.alarm"
    )
    run(conn, statement, (source, name, alarm))


def gap_told(conn: Connection, row: Standing) -> bool:
    """What is missing is read because all is read; False where another number came, or went, meanwhile."""
    statement = "UPDATE subscription SET missing = '', missing_us = NULL WHERE source = ? AND name = ? AND missing = ?"
    return run(conn, statement, (row.source, row.name, row.missing)).rowcount == 1


def hint(conn: Connection, source: str, hints: Iterable[tuple[bytes, bytes, bytes]], *, heard_us: int) -> None:
    """`(blind, key_id, sealed)` of resources to be read now; told of twice, each stands once."""
    statement = (
        "INSERT INTO push_hint (source, blind, heard_us, due_us, tries, key_id, sealed) VALUES (?, ?, ?, ?, 0, ?, ?)"
        " ON CONFLICT (source, blind) DO UPDATE SET heard_us = excluded.heard_us, due_us = excluded.due_us, tries = 0,"
        " key_id = excluded.key_id, sealed = excluded.sealed"
    )
    rows = [(source, blind, heard_us, heard_us, key_id, sealed) for blind, key_id, sealed in hints]
    run_many(conn, statement, rows)


def hint_all(conn: Connection, source: str, *, heard_us: int) -> None:
    """All of the source is to be read now."""
    statement = (
        "INSERT INTO push_hint (source, blind, heard_us, due_us, tries) VALUES (?, ?, ?, ?, 0)"
        " ON CONFLICT (source, blind) DO UPDATE SET heard_us = excluded.heard_us"
    )
    run(conn, statement, (source, b"", heard_us, heard_us))


def is_due(conn: Connection, source: str, *, now_us: int) -> bool:
    """Whether anything is to be read now."""
    statement = "SELECT 1 FROM push_hint WHERE source = ? AND due_us <= ? LIMIT 1"
    return run(conn, statement, (source, now_us)).first() is not None


def all_hint(conn: Connection, source: str) -> Hint | None:
    """That all is to be read, where it is."""
    row = run(conn, f"SELECT {_HINT} FROM push_hint WHERE source = ? AND blind = ?", (source, b"")).first()
    return None if row is None else Hint._make(row)


def due_hints(conn: Connection, source: str, *, now_us: int, limit: int) -> list[Hint]:
    """Resources to be read now, oldest first."""
    statement = (
        f"SELECT {_HINT} FROM push_hint WHERE source = ? AND due_us <= ? AND key_id IS NOT NULL ORDER BY id LIMIT ?"
    )
    return [Hint._make(row) for row in run(conn, statement, (source, now_us, limit))]


def forget(conn: Connection, hints: Sequence[Hint]) -> int:
    """These were read, unless told of again meanwhile; how many are gone."""
    statement = "DELETE FROM push_hint WHERE id = ? AND heard_us = ?"
    return run_many(conn, statement, [(each.id, each.heard_us) for each in hints])


def put_off(conn: Connection, hints: Sequence[tuple[Hint, int]]) -> None:
    """`(hint, due_us)`: not there yet, tried again then; unless told of again meanwhile."""
    statement = "UPDATE push_hint SET due_us = ?, tries = tries + 1 WHERE id = ? AND heard_us = ?"
    run_many(conn, statement, [(due_us, each.id, each.heard_us) for each, due_us in hints])


def waiting(conn: Connection, source: str) -> int:
    """How many resources are to be read."""
    statement = "SELECT count(*) FROM push_hint WHERE source = ? AND key_id IS NOT NULL"
    count: int = run(conn, statement, (source,)).scalar_one()
    return count
