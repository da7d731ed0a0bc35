"""What the definition of FHIR R4B has against resources of the register's children, and which were not held to it yet.

The verdict is worked out after the rows, and never a reason to lose a resource. Type and rule are words of FHIR and of
the validator; the place in the resource is sealed, as an unknown element may have any name.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from adapter.store.sql import run, run_many, select_in


class VerdictRow(NamedTuple):
    """One thing that R4B has against one resource, in column order."""

    assertion_id: int
    number: int
    """Among those of the assertion."""
    type: str
    """Of the resource."""
    rule: str
    """`extra_forbidden`, `missing`."""
    key_id: bytes
    sealed: bytes
    """The resource's name and the JSON pointer in it."""


_COLUMNS = ", ".join(VerdictRow._fields)
_DUE = "INSERT INTO verdict_due (assertion_id) VALUES (?) ON CONFLICT DO NOTHING"


def due(conn: Connection, assertion_ids: Iterable[int]) -> None:
    """These are to be held to it."""
    run_many(conn, _DUE, [(number,) for number in assertion_ids])


def due_of(conn: Connection, identifier_ids: Sequence[int]) -> None:
    """All that came over FHIR under these identifiers."""
    statement = (
        "SELECT a.id FROM assertion a JOIN message m ON m.id = a.id / 1048576"
        " WHERE a.identifier_id IN ({}) AND m.media = 'fhir'"
    )
    due(conn, [number for (number,) in select_in(conn, statement, identifier_ids)])


def take(conn: Connection, *, limit: int) -> list[int]:
    """The next of them, oldest first; they stay until `judged`."""
    found = run(conn, "SELECT assertion_id FROM verdict_due ORDER BY assertion_id LIMIT ?", (limit,))
    return [number for (number,) in found]


def judged(conn: Connection, assertion_ids: Sequence[int], rows: Sequence[VerdictRow]) -> None:
    """Their verdicts; those that stood before give way."""
    each = [(number,) for number in assertion_ids]
    run_many(conn, "DELETE FROM verdict_due WHERE assertion_id = ?", each)
    run_many(conn, "DELETE FROM verdict WHERE assertion_id = ?", each)
    run_many(conn, f"INSERT INTO verdict ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", rows)


def of_assertions(conn: Connection, assertion_ids: Sequence[int]) -> list[VerdictRow]:
    """What it has against these."""
    statement = f"SELECT {_COLUMNS} FROM verdict WHERE assertion_id IN ({{}})"
    return sorted({VerdictRow._make(row) for row in select_in(conn, statement, assertion_ids)})


def counts(conn: Connection) -> dict[str, int]:
    """How many resources, by type and rule: `Observation extra_forbidden`."""
    statement = "SELECT type, rule, count(DISTINCT assertion_id) FROM verdict GROUP BY type, rule ORDER BY type, rule"
    return {f"{kind} {rule}": number for kind, rule, number in run(conn, statement)}


def waiting(conn: Connection) -> int:
    """How many assertions have no verdict yet."""
    return int(run(conn, "SELECT count(*) FROM verdict_due").scalar_one())


def forget(conn: Connection, assertion_ids: Sequence[int]) -> None:
    """Assertions that are erased."""
    for table in ("verdict", "verdict_due"):
        run_many(conn, f"DELETE FROM {table} WHERE assertion_id = ?", [(number,) for number in assertion_ids])
