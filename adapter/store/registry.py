"""Who is known: patient identifiers by blind index, and the merge events between them. Persons are in persons.py."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from adapter.store.faults import StateConflict
from adapter.store.sql import run, run_many, select_in
from adapter.store.states import IdentifierState


class IdentifierRow(NamedTuple):
    """One patient identifier as received: an authority and a value, both only as a blind."""

    id: int
    blind: bytes
    """Keyed hash of authority and value."""
    person_id: int
    state: str
    """An IdentifierState."""
    nhs_blind: bytes | None
    """Keyed hash of the live NHS number asserted under it."""
    hold_until_us: int | None
    key_id: bytes
    """The key that seals all that arrived under this identifier; destroying it erases that."""
    sealed: bytes | None
    """Facts read from the patient, for identity."""


class MergeRow(NamedTuple):
    """One merge or un-merge event, between identifiers."""

    id: int
    survivor_id: int
    prior_id: int
    clock_us: int
    live: int
    """A MergeWord; 0 takes the pair apart."""
    message_id: int


_COLUMNS = ", ".join(IdentifierRow._fields)
_MERGE_COLUMNS = ", ".join(MergeRow._fields)


def by_blinds(conn: Connection, blinds: Sequence[bytes]) -> dict[bytes, IdentifierRow]:
    """Known identifiers among these, by blind."""
    statement = f"SELECT {_COLUMNS} FROM identifier WHERE blind IN ({{}})"
    return {row[1]: IdentifierRow._make(row) for row in select_in(conn, statement, blinds)}


def blinds_in(conn: Connection, state: IdentifierState) -> list[bytes]:
    """All identifiers that are in this state, as blinds."""
    return [blind for (blind,) in run(conn, "SELECT blind FROM identifier WHERE state = ?", (state.value,))]


def by_ids(conn: Connection, identifier_ids: Sequence[int]) -> dict[int, IdentifierRow]:
    """Identifiers by id."""
    statement = f"SELECT {_COLUMNS} FROM identifier WHERE id IN ({{}})"
    return {row[0]: IdentifierRow._make(row) for row in select_in(conn, statement, identifier_ids)}


def by_person(conn: Connection, person_ids: Sequence[int]) -> list[IdentifierRow]:
    """All identifiers of these persons, by id."""
    statement = f"SELECT {_COLUMNS} FROM identifier WHERE person_id IN ({{}})"
    return sorted({IdentifierRow._make(row) for row in select_in(conn, statement, person_ids)})


def by_nhs_blind(conn: Connection, nhs_blinds: Sequence[bytes]) -> list[IdentifierRow]:
    """All identifiers under which one of these NHS numbers is live, by id."""
    statement = f"SELECT {_COLUMNS} FROM identifier WHERE nhs_blind IN ({{}})"
    return sorted({IdentifierRow._make(row) for row in select_in(conn, statement, nhs_blinds)})


def borne(conn: Connection, nhs_blinds: Sequence[bytes]) -> set[bytes]:
    """Those of these NHS numbers that are live under any identifier."""
    statement = "SELECT nhs_blind FROM identifier WHERE nhs_blind IN ({})"
    return {blind for (blind,) in select_in(conn, statement, nhs_blinds)}


def create(
    conn: Connection,
    *,
    blind: bytes,
    person_id: int,
    state: IdentifierState,
    key_id: bytes,
    hold_until_us: int | None = None,
) -> IdentifierRow:
    """A new identifier, without facts yet; the caller has made sure that its key is in the key file."""
    statement = (
        "INSERT INTO identifier (blind, person_id, state, hold_until_us, key_id) VALUES (?, ?, ?, ?, ?) RETURNING id"
    )
    number = int(run(conn, statement, (blind, person_id, state.value, hold_until_us, key_id)).scalar_one())
    return IdentifierRow(number, blind, person_id, state, None, hold_until_us, key_id, None)


def update(conn: Connection, rows: Sequence[IdentifierRow]) -> None:
    """Write state, hold, NHS blind and sealed facts of these rows; blind, key and person stay as they are."""
    statement = "UPDATE identifier SET state = ?, nhs_blind = ?, hold_until_us = ?, sealed = ? WHERE id = ?"
    changed = run_many(conn, statement, [(r.state, r.nhs_blind, r.hold_until_us, r.sealed, r.id) for r in rows])
    if changed != len(rows):
        raise StateConflict(f"{len(rows) - changed} of {len(rows)} identifiers to update do not exist")


def move_identifiers(conn: Connection, identifier_ids: Sequence[int], *, person_id: int) -> None:
    """Put identifiers under another person: a merge, an un-merge, a shared NHS number."""
    run_many(conn, "UPDATE identifier SET person_id = ? WHERE id = ?", [(person_id, i) for i in identifier_ids])


def holds_ended(conn: Connection, *, now_us: int, limit: int) -> list[IdentifierRow]:
    """Held identifiers whose hold has ended and whose person has no other reason to be kept, oldest first.

    A person with news that is not settled yet may be about to become a case, and stays.
    """
    statement = (
        f"SELECT {', '.join('i.' + name for name in IdentifierRow._fields)}"
        " FROM identifier i JOIN person p ON p.id = i.person_id"
        " WHERE p.state = 'held' AND p.hold_until_us <= ? AND NOT EXISTS"
        " (SELECT 1 FROM dirty d WHERE d.person_id = p.id) ORDER BY p.hold_until_us, i.id LIMIT ?"
    )
    return [IdentifierRow._make(row) for row in run(conn, statement, (now_us, limit))]


def delete(conn: Connection, identifier_ids: Sequence[int]) -> None:
    """Forget identifiers with their merge events; their assertions must be gone. The caller then destroys the keys."""
    run_many(conn, "DELETE FROM merge_event WHERE survivor_id = ? OR prior_id = ?", [(i, i) for i in identifier_ids])
    run_many(conn, "DELETE FROM identifier WHERE id = ?", [(i,) for i in identifier_ids])


def add_merge(conn: Connection, *, survivor_id: int, prior_id: int, clock_us: int, live: int, message_id: int) -> bool:
    """Store one merge event; False if the same event is stored already."""
    statement = (
        "INSERT INTO merge_event (survivor_id, prior_id, clock_us, live, message_id) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (survivor_id, prior_id, clock_us, live) DO NOTHING"
    )
    return run(conn, statement, (survivor_id, prior_id, clock_us, int(live), message_id)).rowcount == 1


def merges_touching(conn: Connection, identifier_ids: Sequence[int]) -> list[MergeRow]:
    """Every merge event with one of these identifiers on either side, by id. One step; the caller closes over it."""
    found: set[MergeRow] = set()
    for side in ("survivor_id", "prior_id"):
        statement = f"SELECT {_MERGE_COLUMNS} FROM merge_event WHERE {side} IN ({{}})"
        for row in select_in(conn, statement, identifier_ids):
            found.add(MergeRow._make(row))
    return sorted(found)
