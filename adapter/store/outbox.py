"""Deliveries: frozen batches, one child each, and where each stands on its way to CSOR."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from adapter.store.faults import StateConflict
from adapter.store.sql import run, run_many
from adapter.store.states import DELIVERY_MOVES, DeliveryState


class Delivery(NamedTuple):
    """One frozen batch."""

    id: int
    person_id: int
    state: str
    """A DeliveryState."""
    idempotency_key: bytes
    row_count: int
    attempts: int
    next_us: int
    """Not offered before."""
    reason: str
    """Why the last attempt did not succeed, in words of ours; never the answer's text."""
    created_us: int
    key_id: bytes | None
    sealed: bytes | None
    """The bytes as offered, with the record ids and versions in them. None once accepted: the rows hold the content."""


_COLUMNS = ", ".join(Delivery._fields)
_DUE = "state IN ('pending', 'retry', 'unsure') AND next_us <= ?"


def create(
    conn: Connection,
    *,
    person_id: int,
    idempotency_key: bytes,
    row_count: int,
    at_us: int,
    sealing: tuple[bytes, bytes],
) -> int:
    """Freeze a batch as `pending`, due at once; `sealing` is `(key_id, sealed)`. The id."""
    statement = (
        "INSERT INTO delivery (person_id, state, idempotency_key, row_count, attempts, next_us, reason, created_us,"
        " key_id, sealed) VALUES (?, 'pending', ?, ?, 0, ?, '', ?, ?, ?) RETURNING id"
    )
    return int(run(conn, statement, (person_id, idempotency_key, row_count, at_us, at_us, *sealing)).scalar_one())


def claim(conn: Connection, *, now_us: int) -> Delivery | None:
    """The delivery that is due longest, moved to `sending` with one attempt more; commit before offering it.

    Those of a blocked child wait: a doubt about who it is came up after they were frozen.
    """
    skip = "" if conn.dialect.name == "sqlite" else " FOR UPDATE SKIP LOCKED"
    statement = (
        f"UPDATE delivery SET state = 'sending', attempts = attempts + 1 WHERE id ="
        f" (SELECT id FROM delivery WHERE state <> 'accepted' AND {_DUE}"
        " AND NOT EXISTS (SELECT 1 FROM person p WHERE p.id = delivery.person_id AND p.blocked <> '')"
        f" ORDER BY next_us, id LIMIT 1{skip})"
        f" RETURNING {_COLUMNS}"
    )
    row = run(conn, statement, (now_us,)).first()
    return None if row is None else Delivery._make(row)


def transition(
    conn: Connection,
    delivery_id: int,
    *,
    before: DeliveryState,
    after: DeliveryState,
    next_us: int = 0,
    reason: str = "",
) -> None:
    """Move one delivery along DELIVERY_MOVES; StateConflict if it is not in `before`. Accepting drops the bytes."""
    if after not in DELIVERY_MOVES[before]:
        raise ValueError(f"no delivery moves from {before} to {after}")
    dropped = ", key_id = NULL, sealed = NULL" if after is DeliveryState.ACCEPTED else ""
    statement = f"UPDATE delivery SET state = ?, next_us = ?, reason = ?{dropped} WHERE id = ? AND state = ?"
    if run(conn, statement, (after.value, next_us, reason, delivery_id, before.value)).rowcount != 1:
        raise StateConflict(f"delivery {delivery_id} is not {before}")


def recover(conn: Connection, *, now_us: int) -> int:
    """At start-up: what was `sending` when the process died may have arrived, and becomes `unsure`; the count."""
    statement = (
        "UPDATE delivery SET state = 'unsure', next_us = ?, reason = 'stopped while sending'"
        " WHERE state <> 'accepted' AND state = 'sending'"
    )
    return run(conn, statement, (now_us,)).rowcount


def by_id(conn: Connection, delivery_id: int) -> Delivery | None:
    """One delivery."""
    row = run(conn, f"SELECT {_COLUMNS} FROM delivery WHERE id = ?", (delivery_id,)).first()
    return None if row is None else Delivery._make(row)


def open_of(conn: Connection, person_id: int) -> Delivery | None:
    """The delivery of this child that is not accepted yet; there is at most one."""
    statement = f"SELECT {_COLUMNS} FROM delivery WHERE state <> 'accepted' AND person_id = ? ORDER BY id LIMIT 1"
    row = run(conn, statement, (person_id,)).first()
    return None if row is None else Delivery._make(row)


def open_ids(conn: Connection) -> list[int]:
    """Ids of all deliveries that are not accepted yet."""
    # Sorted here: ORDER BY id would have SQLite read through all that was ever sent.
    return sorted(number for (number,) in run(conn, "SELECT id FROM delivery WHERE state <> 'accepted'"))


def next_due_us(conn: Connection) -> int | None:
    """When the next delivery is due, for the loop to wait until; None if none is open."""
    statement = (
        "SELECT min(next_us) FROM delivery WHERE state <> 'accepted' AND state IN ('pending', 'retry', 'unsure')"
    )
    moment: int | None = run(conn, statement).scalar()
    return moment


def refused(conn: Connection, *, limit: int = 1000) -> list[Delivery]:
    """Deliveries a person must look at, by id."""
    statement = f"SELECT {_COLUMNS} FROM delivery WHERE state <> 'accepted' AND state = 'refused' ORDER BY id LIMIT ?"
    return [Delivery._make(row) for row in run(conn, statement, (limit,))]


def move_person(conn: Connection, *, before: int, after: int) -> None:
    """A person was merged away: its deliveries belong to another from now on."""
    run(conn, "UPDATE delivery SET person_id = ? WHERE person_id = ?", (after, before))


def delete_of(conn: Connection, person_ids: Sequence[int]) -> int:
    """Delete the deliveries of persons that are erased; the count."""
    return run_many(conn, "DELETE FROM delivery WHERE person_id = ?", [(number,) for number in person_ids])
