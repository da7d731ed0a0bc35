"""The inbox: what was acknowledged and not yet processed. A queue; everything kept longer is in the database.

On SQLite it is a file of its own, so that a release of thousands of results never delays an acknowledgement; on
PostgreSQL a table of the one database (inbox_postgres.py). Work takes a message in three steps, the same on both:

    claim(conn)      in the work transaction: the next messages, in order
    done(conn, ids)  in the same transaction: they need not be claimed again
    sweep(conn)      after its commit, now and then: remove what is done
"""

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from adapter.store import cursors
from adapter.store.database import BUSY_TIMEOUT_MS, Database
from adapter.store.faults import translated

CURSOR = "inbox"


class InboxRow(NamedTuple):
    """One message to append, in column order."""

    feed: str
    media: str
    kind: str
    """`ADT^A01`, a resource type, or `other`: one of the words we know, never a sender's free text."""
    received_us: int
    control: bytes
    content: bytes
    key_id: bytes
    sealed: bytes


class QueuedMessage(NamedTuple):
    """One message waiting; the fields of InboxRow under its id."""

    id: int
    feed: str
    media: str
    kind: str
    received_us: int
    control: bytes
    content: bytes
    key_id: bytes
    sealed: bytes


class InboxFacts(NamedTuple):
    """What status and health want to know."""

    depth: int
    oldest_received_us: int | None
    key_ids: frozenset[bytes]
    """The day keys that what waits depends on."""


class Inbox(Protocol):
    """The queue, whichever database it is in."""

    def append(self, rows: Sequence[InboxRow]) -> list[int]:
        """Append in one durable transaction; ids, ascending, never reused. StoreError: nothing was stored, answer AE."""

    def claim(self, conn: Connection, *, limit: int) -> list[QueuedMessage]:
        """The next messages that are not done, in order."""

    def done(self, conn: Connection, message_ids: Sequence[int]) -> None:
        """These claimed messages, a run from the first claimed on, are dealt with once `conn` commits."""

    def sweep(self, conn: Connection) -> int:
        """Remove what committed work is done with; the count. Never part of a work transaction."""

    def facts(self, conn: Connection) -> InboxFacts:
        """How much waits, since when, and under which keys."""

    def close(self) -> None:
        """Close its connections."""


_COLUMNS = ", ".join(QueuedMessage._fields)
_CREATE = (
    "CREATE TABLE IF NOT EXISTS inbox (id INTEGER PRIMARY KEY AUTOINCREMENT, feed TEXT NOT NULL, media TEXT NOT NULL,"
    " kind TEXT NOT NULL, received_us INTEGER NOT NULL, control BLOB NOT NULL, content BLOB NOT NULL,"
    " key_id BLOB NOT NULL, sealed BLOB NOT NULL)"
)
_INSERT = f"INSERT INTO inbox ({', '.join(InboxRow._fields)}) VALUES ({', '.join('?' * len(InboxRow._fields))})"
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    # What leaves the queue is erased with its day key; FAST still overwrites what costs no further write.
    "PRAGMA secure_delete = FAST",
    # `sweep` checkpoints beside the appender; this is the back-stop (64 MiB) for when work stands still.
    "PRAGMA wal_autocheckpoint = 16384",
)


class SqliteInbox:
    """inbox.db, straight to the driver. One object may be used by several threads; several processes may have one."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        with translated():
            # A statement outside BEGIN … COMMIT commits by itself: every transaction below is written out.
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for pragma in _PRAGMAS:
                self._connection.execute(pragma)
            self._connection.execute(_CREATE)

    def append(self, rows: Sequence[InboxRow]) -> list[int]:
        """See Inbox. Ids of one transaction are consecutive, since it alone writes."""
        with self._lock, translated():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.executemany(_INSERT, rows)
                last: int = self._connection.execute("SELECT seq FROM sqlite_sequence").fetchone()[0]
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
        return list(range(last - len(rows) + 1, last + 1))

    def _roll_back(self) -> None:
        # SQLite has rolled back by itself after a full disk; then there is nothing left to roll back.
        with suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")

    def after(self, position: int, limit: int) -> list[QueuedMessage]:
        """Messages behind a position, in order."""
        statement = f"SELECT {_COLUMNS} FROM inbox WHERE id > ? ORDER BY id LIMIT ?"
        with self._lock, translated():
            return [QueuedMessage._make(row) for row in self._connection.execute(statement, (position, limit))]

    def delete_through(self, position: int) -> int:
        """Remove all up to and with a position; the count."""
        with self._lock, translated():
            count = self._connection.execute("DELETE FROM inbox WHERE id <= ?", (position,)).rowcount
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        return count

    def claim(self, conn: Connection, *, limit: int) -> list[QueuedMessage]:
        """See Inbox."""
        return self.after(self._position(conn), limit)

    def done(self, conn: Connection, message_ids: Sequence[int]) -> None:
        """See Inbox: the position in the database moves, in the work transaction."""
        cursors.set(conn, CURSOR, str(max(message_ids)))

    def sweep(self, conn: Connection) -> int:
        """See Inbox."""
        return self.delete_through(self._position(conn))

    def facts(self, conn: Connection) -> InboxFacts:
        """See Inbox."""
        position = (self._position(conn),)
        with self._lock, translated():
            execute = self._connection.execute
            depth = execute("SELECT count(*) FROM inbox WHERE id > ?", position).fetchone()[0]
            oldest = execute("SELECT min(received_us) FROM inbox WHERE id > ?", position).fetchone()[0]
            key_ids = frozenset(row[0] for row in execute("SELECT DISTINCT key_id FROM inbox WHERE id > ?", position))
        return InboxFacts(depth, oldest, key_ids)

    def close(self) -> None:
        """See Inbox."""
        self._connection.close()

    @staticmethod
    def _position(conn: Connection) -> int:
        return int(cursors.get(conn, CURSOR) or 0)


def open_inbox(database: Database, *, folder: Path) -> Inbox:
    """The inbox that belongs to this database."""
    from adapter.store.inbox_postgres import PostgresInbox

    return SqliteInbox(folder / "inbox.db") if database.is_sqlite else PostgresInbox(database)
