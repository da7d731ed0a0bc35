"""What CSOR last accepted of each row, as a keyed hash of what left: version apart, everything that CSOR would see."""

from collections.abc import Sequence

from sqlalchemy import Connection

from adapter.store.sql import run_many, select_in


def contents(conn: Connection, record_ids: Sequence[bytes]) -> dict[bytes, bytes]:
    """The hash of what was last accepted, for those of which anything was."""
    found = select_in(conn, "SELECT record_id, content FROM accepted WHERE record_id IN ({})", record_ids)
    return dict(found)


def note(conn: Connection, accepted: Sequence[tuple[bytes, bytes]]) -> None:
    """CSOR has accepted `(record id, hash)`, in the transaction that stores the receipt."""
    statement = (
        "INSERT INTO accepted (record_id, content) VALUES (?, ?)"
        " ON CONFLICT (record_id) DO UPDATE SET content = excluded.content"
    )
    run_many(conn, statement, accepted)
