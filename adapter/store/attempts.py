"""How often processing of one message was begun and not finished: the third crash parks it."""

from sqlalchemy import Connection

from adapter.store.database import Database
from adapter.store.sql import run


def note(database: Database, message_id: int) -> int:
    """Commit, before processing begins, that it does; the attempts so far, this one included."""
    statement = (
        "INSERT INTO attempt (message_id, attempts) VALUES (?, 1)"
        " ON CONFLICT (message_id) DO UPDATE SET attempts = attempt.attempts + 1 RETURNING attempts"
    )
    with database.write() as conn:
        return int(run(conn, statement, (message_id,)).scalar_one())


def of(conn: Connection, message_id: int) -> int:
    """Attempts noted for this message."""
    return int(run(conn, "SELECT attempts FROM attempt WHERE message_id = ?", (message_id,)).scalar() or 0)


def clear(conn: Connection, message_id: int) -> None:
    """It passed, or is parked: in the transaction that says so."""
    run(conn, "DELETE FROM attempt WHERE message_id = ?", (message_id,))
