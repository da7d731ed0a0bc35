"""Which FHIR resources their servers have deleted, and in which assertions the resources of our children stand.

Both by keyed blinds of source, type and id. Where assertions hold a resource is written for the register's children
alone, and some time after the assertion: what is deleted counts no longer from the moment it is told, whether or not
it is written here (settle asks for the clocks); this only finds whom to settle again.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from adapter.store.sql import run, run_many, select_in


def tell(conn: Connection, deleted: Iterable[tuple[bytes, int]], *, message_id: int) -> None:
    """(blind, clock) of what was deleted; of two deletions of one resource the later stands."""
    statement = (
        "INSERT INTO fhir_deletion (blind, clock_us, message_id) VALUES (?, ?, ?)"
        " ON CONFLICT (blind) DO UPDATE SET clock_us = excluded.clock_us, message_id = excluded.message_id"
        " WHERE fhir_deletion.clock_us < excluded.clock_us"
    )
    run_many(conn, statement, [(blind, clock_us, message_id) for blind, clock_us in deleted])


def is_any(conn: Connection) -> bool:
    """Whether anything was ever deleted."""
    return run(conn, "SELECT 1 FROM fhir_deletion LIMIT 1").first() is not None


def clocks(conn: Connection, blinds: Sequence[bytes]) -> dict[bytes, int]:
    """Of these resources those that were deleted, and when."""
    statement = "SELECT blind, clock_us FROM fhir_deletion WHERE blind IN ({})"
    return {row[0]: row[1] for row in select_in(conn, statement, blinds)}


def place(conn: Connection, placed: Iterable[tuple[bytes, int]]) -> None:
    """(blind, assertion) of the resources that assertions hold."""
    statement = "INSERT INTO fhir_resource (blind, assertion_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
    run_many(conn, statement, list(placed))


def assertions_with(conn: Connection, blinds: Sequence[bytes]) -> dict[bytes, list[int]]:
    """Where these resources stand, as far as it is written."""
    found: dict[bytes, list[int]] = {}
    statement = "SELECT blind, assertion_id FROM fhir_resource WHERE blind IN ({})"
    for blind, assertion_id in sorted(set(select_in(conn, statement, blinds))):
        found.setdefault(blind, []).append(assertion_id)
    return found


def forget(conn: Connection, assertion_ids: Sequence[int]) -> None:
    """Assertions that are erased."""
    run_many(conn, "DELETE FROM fhir_resource WHERE assertion_id = ?", [(number,) for number in assertion_ids])
