"""Which children must be settled again, and for which new assertions."""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from adapter.store.sql import run, run_many, select_in

WHOLE = 0
"""In place of an assertion id: everything of this person must be computed again (a merge, a release, a new mapping)."""

MOVED = -2
"""Beside WHOLE: assertions came or went though the numbers stayed the same, so that every result must be looked at."""

_MARK = (
    "INSERT INTO dirty (person_id, assertion_id, marked_us) VALUES (?, ?, ?)"
    " ON CONFLICT (person_id, assertion_id) DO NOTHING"
)


def mark(conn: Connection, marks: Iterable[tuple[int, int]], *, at_us: int) -> None:
    """Mark `(person id, assertion id or WHOLE)`; a mark that stands keeps its time."""
    run_many(conn, _MARK, [(person, assertion, at_us) for person, assertion in marks])


def take(
    conn: Connection, *, limit: int, quiet_since_us: int | None = None, waiting_since_us: int | None = None
) -> dict[int, list[int]]:
    """Up to `limit` persons, longest waiting first, with the assertion ids marked for each. Does not clear them.

    With `quiet_since_us` only persons whose last mark is not newer (the debounce), or whose first mark is not newer
    than `waiting_since_us` (so that a steady stream cannot put a child off for ever).
    """
    if quiet_since_us is None:
        statement = "SELECT person_id FROM dirty GROUP BY person_id ORDER BY min(marked_us), person_id LIMIT ?"
        parameters: tuple[int, ...] = (limit,)
    else:
        statement = (
            "SELECT person_id FROM dirty GROUP BY person_id HAVING max(marked_us) <= ? OR min(marked_us) <= ?"
            " ORDER BY min(marked_us), person_id LIMIT ?"
        )
        never = -1 if waiting_since_us is None else waiting_since_us
        parameters = (quiet_since_us, never, limit)
    taken: dict[int, list[int]] = {person: [] for (person,) in run(conn, statement, parameters)}
    marks = "SELECT person_id, assertion_id FROM dirty WHERE person_id IN ({}) ORDER BY person_id, assertion_id"
    for person, assertion in select_in(conn, marks, list(taken)):
        taken[person].append(assertion)
    return taken


def clear(conn: Connection, taken: Mapping[int, Sequence[int]]) -> None:
    """Remove exactly these marks, by person, in the transaction that writes what comes of them."""
    statement = "DELETE FROM dirty WHERE person_id = ? AND assertion_id = ?"
    run_many(conn, statement, [(person, assertion) for person, marks in taken.items() for assertion in marks])


def forget(conn: Connection, person_ids: Sequence[int]) -> None:
    """Remove all marks of persons that are merged away or erased."""
    run_many(conn, "DELETE FROM dirty WHERE person_id = ?", [(person,) for person in person_ids])


def depth(conn: Connection) -> int:
    """How many children wait to be settled."""
    return int(run(conn, "SELECT count(DISTINCT person_id) FROM dirty").scalar_one())
