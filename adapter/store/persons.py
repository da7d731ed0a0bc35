"""Persons: connected components of identifiers, with what settling last decided about them."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from adapter.store.faults import StateConflict
from adapter.store.sql import run, run_many, select_in
from adapter.store.states import PersonState


class PersonRow(NamedTuple):
    """One person. The id is the local id that operators see; it leaves no trust."""

    id: int
    state: str
    """A PersonState."""
    blocked: str
    """The ProblemCode that blocks publishing, or empty."""
    csor_id: bytes | None
    """The keyed pseudonym under which rows left."""
    published: bool
    """Whether rows of this person may be offered for delivery at all."""
    hold_until_us: int | None
    key_id: bytes | None
    sealed: bytes | None
    """Summary: birth, cases and their reasons, as settling last computed it."""


_COLUMNS = ", ".join(PersonRow._fields)


def create(conn: Connection, *, state: PersonState = PersonState.HELD, hold_until_us: int | None = None) -> PersonRow:
    """A new person, of whom nothing is decided yet."""
    statement = "INSERT INTO person (state, blocked, published, hold_until_us) VALUES (?, '', 0, ?) RETURNING id"
    number = int(run(conn, statement, (state.value, hold_until_us)).scalar_one())
    return PersonRow(number, state, "", None, False, hold_until_us, None, None)


def by_ids(conn: Connection, person_ids: Sequence[int]) -> dict[int, PersonRow]:
    """Persons by id."""
    statement = f"SELECT {_COLUMNS} FROM person WHERE id IN ({{}})"
    return {row[0]: _person(row) for row in select_in(conn, statement, person_ids)}


def by_id(conn: Connection, person_id: int) -> PersonRow | None:
    """One person."""
    return by_ids(conn, [person_id]).get(person_id)


def all_of(
    conn: Connection, *, state: PersonState | None = None, after_id: int = 0, limit: int = 1000
) -> list[PersonRow]:
    """Persons by id, page by page."""
    statement = f"SELECT {_COLUMNS} FROM person WHERE id > ?" + (" AND state = ?" if state else "")
    parameters = (after_id, state.value, limit) if state else (after_id, limit)
    return [_person(row) for row in run(conn, statement + " ORDER BY id LIMIT ?", parameters)]


def update(conn: Connection, rows: Sequence[PersonRow]) -> None:
    """Write all columns of these persons."""
    statement = (
        "UPDATE person SET state = ?, blocked = ?, csor_id = ?, published = ?, hold_until_us = ?, key_id = ?,"
        " sealed = ? WHERE id = ?"
    )
    values = [
        (r.state, r.blocked, r.csor_id, int(r.published), r.hold_until_us, r.key_id, r.sealed, r.id) for r in rows
    ]
    changed = run_many(conn, statement, values)
    if changed != len(rows):
        raise StateConflict(f"{len(rows) - changed} of {len(rows)} persons to update do not exist")


def delete(conn: Connection, person_ids: Sequence[int]) -> None:
    """Delete persons left without identifiers, rows, deliveries and dirty marks; refused otherwise."""
    for table in ("csor_row", "dirty"):
        left = select_in(conn, f"SELECT DISTINCT person_id FROM {table} WHERE person_id IN ({{}})", person_ids)
        if (found := next(left, None)) is not None:
            raise StateConflict(f"person {found[0]} cannot be deleted: {table} still refers to it")
    run_many(conn, "DELETE FROM person WHERE id = ?", [(number,) for number in person_ids])


def _person(row: tuple[object, ...]) -> PersonRow:
    values = PersonRow._make(row)
    return values._replace(published=bool(values.published))
