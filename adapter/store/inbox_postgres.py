"""The inbox as a table of the one PostgreSQL database: deleting is part of the work transaction, no position is kept.

Ids of concurrent appenders become visible out of order, so a high-water mark would step over some.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from adapter.store.database import Database
from adapter.store.inbox_records import InboxFacts, InboxRow, QueuedMessage
from adapter.store.sql import run, run_many

_COLUMNS = ", ".join(QueuedMessage._fields)
_INSERT = (
    f"INSERT INTO inbox ({', '.join(InboxRow._fields)}) VALUES ({', '.join(['%s'] * len(InboxRow._fields))})"
    " RETURNING id"
)


class PostgresInbox:
    """See Inbox for each function."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, rows: Sequence[InboxRow]) -> list[int]:
        """Straight to the driver: only it gives the ids of many rows sent in one go."""
        ids: list[int] = []
        if not rows:
            return ids
        with self._database.write() as conn:
            driver: Any = conn.connection.driver_connection
            with driver.cursor() as cursor:
                cursor.executemany(_INSERT, rows, returning=True)
                while True:
                    ids.append(cursor.fetchone()[0])
                    if not cursor.nextset():
                        break
        return ids

    def reserve(self, count: int) -> int:
        """See Inbox."""
        with self._database.write() as conn:
            run(conn, "LOCK TABLE inbox IN EXCLUSIVE MODE")  # nobody appends in between
            first: int = run(conn, "SELECT nextval(pg_get_serial_sequence('inbox', 'id'))").scalar_one()
            run(conn, "SELECT setval(pg_get_serial_sequence('inbox', 'id'), ?)", (first + count - 1,))
        return first

    def claim(self, conn: Connection, *, limit: int) -> list[QueuedMessage]:
        """Locks them until `conn` ends; other workers pass them over."""
        statement = f"SELECT {_COLUMNS} FROM inbox ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED"
        return [QueuedMessage._make(row) for row in run(conn, statement, (limit,))]

    def done(self, conn: Connection, message_ids: Sequence[int]) -> None:
        """Deletes them, in the work transaction."""
        run_many(conn, "DELETE FROM inbox WHERE id = ?", [(number,) for number in message_ids])

    def sweep(self, conn: Connection) -> int:
        """Nothing is left behind here."""
        return 0

    def facts(self, conn: Connection) -> InboxFacts:
        """How much waits, since when, and under which keys."""
        counted = run(conn, "SELECT count(*), min(received_us) FROM inbox").one()
        key_ids = frozenset(row[0] for row in run(conn, "SELECT DISTINCT key_id FROM inbox"))
        return InboxFacts(counted[0], counted[1], key_ids)

    def close(self) -> None:
        """The database is closed by its owner."""
