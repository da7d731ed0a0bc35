"""The assertion log: sealed canonical statements under the identifier they arrived with, never overwritten."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from adapter.store.sql import run, run_many, select_in
from adapter.store.states import AssertionKind

_ORDINAL_BITS = 20


class AssertionRow(NamedTuple):
    """One assertion, in column order, so that many go to the driver as they are."""

    id: int
    """From `new_id`: the message it came in is part of it."""
    identifier_id: int
    kind: str
    """An AssertionKind."""
    clock_us: int
    """The least clock under which the same content came; the sealed form leaves it out."""
    stampless: bytes
    """Keyed hash of feed, subject and content without MSH-7 and MSH-10: equal means the same assertion."""
    key_id: bytes
    sealed: bytes


_COLUMNS = ", ".join(AssertionRow._fields)
_INSERT = (
    f"INSERT INTO assertion ({_COLUMNS}) VALUES ({', '.join('?' * len(AssertionRow._fields))})"
    " ON CONFLICT (stampless) DO NOTHING"
)


def new_id(message_id: int, ordinal: int) -> int:
    """The id of the `ordinal`-th assertion of a message: known before the insert, and as little reused as inbox ids."""
    if not 0 <= ordinal < 1 << _ORDINAL_BITS:
        raise ValueError(f"one message holds at most {1 << _ORDINAL_BITS} assertions")
    return message_id << _ORDINAL_BITS | ordinal


def message_of(assertion_id: int) -> int:
    """The message an assertion came in."""
    return assertion_id >> _ORDINAL_BITS


def insert_many(conn: Connection, rows: Sequence[AssertionRow]) -> list[int]:
    """Append; the id of each row, in order: its own, or that of the equal assertion stored before (see lower_clock)."""
    if run_many(conn, _INSERT, rows) == len(rows):
        return [row.id for row in rows]
    ids = ids_of(conn, [row.stampless for row in rows])
    return [ids[row.stampless] for row in rows]


def ids_of(conn: Connection, stampless: Sequence[bytes]) -> dict[bytes, int]:
    """Stored assertions among these, by the hash of their content."""
    statement = "SELECT stampless, id FROM assertion WHERE stampless IN ({})"
    return {row[0]: row[1] for row in select_in(conn, statement, stampless)}


def lower_clock(conn: Connection, assertion_id: int, *, clock_us: int) -> bool:
    """The same content came with an earlier stamp: keep the least. True if that changed anything."""
    statement = "UPDATE assertion SET clock_us = ? WHERE id = ? AND clock_us > ?"
    return run(conn, statement, (clock_us, assertion_id, clock_us)).rowcount == 1


def rehome(conn: Connection, rows: Sequence[AssertionRow]) -> None:
    """Put assertions, sealed anew, under the identifier to which an identity event moved what they speak of."""
    statement = "UPDATE assertion SET identifier_id = ?, key_id = ?, sealed = ? WHERE id = ?"
    run_many(conn, statement, [(row.identifier_id, row.key_id, row.sealed, row.id) for row in rows])


def of_identifiers(
    conn: Connection, identifier_ids: Sequence[int], *, kind: AssertionKind | None = None
) -> list[AssertionRow]:
    """All assertions under these identifiers, or those of one kind; in no particular order."""
    statement = f"SELECT {_COLUMNS} FROM assertion WHERE identifier_id IN ({{}})"
    if kind is None:
        return [AssertionRow._make(row) for row in select_in(conn, statement, identifier_ids)]
    rows = select_in(conn, statement + " AND kind = ?", identifier_ids, after=(kind.value,))
    return [AssertionRow._make(row) for row in rows]


def by_ids(conn: Connection, assertion_ids: Sequence[int]) -> list[AssertionRow]:
    """These assertions; in no particular order."""
    statement = f"SELECT {_COLUMNS} FROM assertion WHERE id IN ({{}})"
    return [AssertionRow._make(row) for row in select_in(conn, statement, assertion_ids)]


def of_message(conn: Connection, message_id: int) -> list[AssertionRow]:
    """What one message asserted, by ordinal; not what it merely repeated."""
    statement = f"SELECT {_COLUMNS} FROM assertion WHERE id BETWEEN ? AND ? ORDER BY id"
    bounds = (message_id << _ORDINAL_BITS, ((message_id + 1) << _ORDINAL_BITS) - 1)
    return [AssertionRow._make(row) for row in run(conn, statement, bounds)]


def ids_of_identifiers(
    conn: Connection, identifier_ids: Sequence[int], *, kind: AssertionKind | None = None
) -> list[int]:
    """Only the ids, ascending: for marking a whole history dirty, or erasing it."""
    statement = "SELECT id FROM assertion WHERE identifier_id IN ({})" + (" AND kind = ?" if kind else "")
    return sorted({i for (i,) in select_in(conn, statement, identifier_ids, after=(kind.value,) if kind else ())})


def delete_of(conn: Connection, identifier_ids: Sequence[int]) -> int:
    """Delete all assertions of identifiers whose hold has ended; the count."""
    return run_many(conn, "DELETE FROM assertion WHERE identifier_id = ?", [(i,) for i in identifier_ids])
