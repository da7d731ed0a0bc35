"""Patients whom a person has named before any message told of them: to be looked up at a FHIR server, once.

Nobody is enrolled by being named. What names them is sealed under a key of their own, which goes when they were found,
or were looked for in vain for long enough.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from adapter.store.sql import run, run_many

DUE = "due"


class SoughtRow(NamedTuple):
    """One patient at one source, in column order."""

    id: int
    source: str
    state: str
    """`due`, or what came of it: a word of ours."""
    named_us: int
    due_us: int
    key_id: bytes | None
    sealed: bytes | None


_COLUMNS = ", ".join(SoughtRow._fields)


def name(conn: Connection, rows: Sequence[tuple[str, bytes, int, bytes, bytes]]) -> list[bytes]:
    """`(source, blind, named_us, key_id, sealed)`; the keys of those who were named before, who stay as they are."""
    statement = (
        "INSERT INTO sought (source, blind, state, named_us, due_us, key_id, sealed) VALUES (?, ?, 'due', ?, ?, ?, ?)"
        " ON CONFLICT (source, blind) DO NOTHING RETURNING id"
    )
    known = []
    for source, blind, named_us, key_id, sealed in rows:
        values = (source, blind, named_us, named_us, key_id, sealed)
        if run(conn, statement, values).first() is None:
            known.append(key_id)
    return known


def due(conn: Connection, source: str, *, now_us: int, limit: int) -> list[SoughtRow]:
    """Whom to look up now, in the order in which they were named."""
    statement = f"SELECT {_COLUMNS} FROM sought WHERE source = ? AND state = ? AND due_us <= ? ORDER BY id LIMIT ?"
    return [SoughtRow._make(row) for row in run(conn, statement, (source, DUE, now_us, limit))]


def later(conn: Connection, sought_id: int, *, due_us: int) -> None:
    """Not found yet: once more then."""
    run(conn, "UPDATE sought SET due_us = ? WHERE id = ?", (due_us, sought_id))


def ended(conn: Connection, row: SoughtRow, *, state: str) -> None:
    """What came of it; what named the patient is erased, and its key is to be destroyed after the commit."""
    run(conn, "UPDATE sought SET state = ?, key_id = NULL, sealed = NULL WHERE id = ?", (state, row.id))
    if row.key_id is not None:
        run_many(conn, "INSERT INTO pending_key (key_id) VALUES (?) ON CONFLICT (key_id) DO NOTHING", [(row.key_id,)])


def counts(conn: Connection) -> dict[str, dict[str, int]]:
    """By source, how many stand how."""
    found: dict[str, dict[str, int]] = {}
    statement = "SELECT source, state, count(*) FROM sought GROUP BY source, state ORDER BY source, state"
    for source, state, count in run(conn, statement):
        found.setdefault(source, {})[state] = count
    return found
