"""Derived CSOR rows: the projection as last settled, sealed, with what version of each CSOR has accepted."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from adapter.store.sql import run, run_many, select_in


class CsorRow(NamedTuple):
    """One row of the record, in column order, so that many go to the driver as they are."""

    record_id: bytes
    """HMAC of row kind and source natural key."""
    person_id: int
    kind: str
    """A row kind of the data dictionary."""
    version: int
    """From 1, up with each change of content; an arrival fact."""
    sent_version: int
    """What CSOR has accepted; 0 for nothing. `upsert_many` leaves a stored row's as it is."""
    deleted: int
    """1 if the live assertions no longer yield it; CSOR must hear that."""
    digest: bytes
    """Hash of the content and of all that made it, keyed."""
    first_seen_us: int
    """`upsert_many` leaves a stored row's as it is."""
    changed_us: int
    key_id: bytes
    sealed: bytes


_COLUMNS = ", ".join(CsorRow._fields)
UNSENT = "version <> sent_version AND (deleted = 0 OR sent_version > 0)"
"""What CSOR must hear of: not that a row is gone of which it never knew."""
_KEPT = ("record_id", "sent_version", "first_seen_us")
_VALUES = f"INSERT INTO csor_row ({_COLUMNS}) VALUES ({', '.join('?' * len(CsorRow._fields))})"
_INSERT = f"{_VALUES} ON CONFLICT (record_id) DO NOTHING"
_UPSERT = f"{_VALUES} ON CONFLICT (record_id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in CsorRow._fields if name not in _KEPT
)


def get_many(conn: Connection, record_ids: Sequence[bytes]) -> dict[bytes, CsorRow]:
    """Stored rows among these, by record id."""
    statement = f"SELECT {_COLUMNS} FROM csor_row WHERE record_id IN ({{}})"
    return {row[0]: CsorRow._make(row) for row in select_in(conn, statement, record_ids)}


def insert_many(conn: Connection, new: Sequence[tuple[Any, ...]]) -> bool:
    """Insert rows that are all believed to be new; False, and nothing changed, if any of them is stored already.

    In the order of CsorRow, for which there is no need to make one of each.
    """
    run(conn, "SAVEPOINT new_rows")
    is_new = run_many(conn, _INSERT, new) == len(new)
    if not is_new:
        run(conn, "ROLLBACK TO SAVEPOINT new_rows")
    run(conn, "RELEASE SAVEPOINT new_rows")
    return is_new


def upsert_many(conn: Connection, rows: Sequence[CsorRow]) -> None:
    """Insert or replace in one call of the driver; what CSOR has accepted and when a row was first seen stay."""
    run_many(conn, _UPSERT, rows)


def of_person(conn: Connection, person_id: int, *, kind: str | None = None) -> list[CsorRow]:
    """A child's rows, deleted ones too, in no particular order."""
    statement = f"SELECT {_COLUMNS} FROM csor_row WHERE person_id = ?" + (" AND kind = ?" if kind else "")
    parameters = (person_id, kind) if kind else (person_id,)
    return [CsorRow._make(row) for row in run(conn, statement, parameters)]


def persons_with_rows(conn: Connection, *, after_person: int = 0, limit: int = 1000) -> list[int]:
    """Persons that have rows, by id, page by page."""
    statement = "SELECT DISTINCT person_id FROM csor_row WHERE person_id > ? ORDER BY person_id LIMIT ?"
    return [number for (number,) in run(conn, statement, (after_person, limit))]


def unsent(conn: Connection, *, limit: int, after_person: int = 0) -> list[int]:
    """Published persons, by id, with rows CSOR has not accepted and without a delivery under way or refused.

    Not those whom a doubt about who they are blocks.
    """
    statement = (
        "SELECT DISTINCT person_id FROM csor_row r JOIN person p ON p.id = r.person_id"
        f" WHERE {UNSENT} AND person_id > ? AND p.published = 1 AND p.blocked = '' AND NOT EXISTS"
        " (SELECT 1 FROM delivery d WHERE d.person_id = r.person_id AND d.state <> 'accepted')"
        " ORDER BY person_id LIMIT ?"
    )
    return [number for (number,) in run(conn, statement, (after_person, limit))]


def unsent_of(conn: Connection, person_id: int, *, limit: int) -> list[CsorRow]:
    """A child's rows that CSOR has not accepted in their present version, oldest change first."""
    statement = (
        f"SELECT {_COLUMNS} FROM csor_row WHERE {UNSENT} AND person_id = ? ORDER BY changed_us, record_id LIMIT ?"
    )
    return [CsorRow._make(row) for row in run(conn, statement, (person_id, limit))]


def mark_sent(conn: Connection, sent: Sequence[tuple[bytes, int]]) -> None:
    """CSOR has accepted `(record id, version)`; an older receipt never lowers a newer one."""
    statement = "UPDATE csor_row SET sent_version = ? WHERE record_id = ? AND sent_version < ?"
    run_many(conn, statement, [(version, record_id, version) for record_id, version in sent])


def move_person(conn: Connection, *, before: int, after: int) -> None:
    """A person was merged away: its rows belong to another from now on; settling decides which of them live."""
    run(conn, "UPDATE csor_row SET person_id = ? WHERE person_id = ?", (after, before))


def delete_of(conn: Connection, person_ids: Sequence[int]) -> int:
    """Delete all rows of persons whose hold has ended; the count."""
    return run_many(conn, "DELETE FROM csor_row WHERE person_id = ?", [(number,) for number in person_ids])
