"""The inbox on SQLite: a file of its own, so that a release of thousands of results delays no acknowledgement."""

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection

from adapter.store import cursors
from adapter.store.database import BUSY_TIMEOUT_MS, turn_to_wal
from adapter.store.faults import translated
from adapter.store.inbox_records import InboxFacts, InboxRow, QueuedMessage

CURSOR = "inbox"

_COLUMNS = ", ".join(QueuedMessage._fields)
_CREATE = (
    "CREATE TABLE IF NOT EXISTS inbox (id INTEGER PRIMARY KEY AUTOINCREMENT, feed TEXT NOT NULL, media TEXT NOT NULL,"
    " kind TEXT NOT NULL, received_us INTEGER NOT NULL, control BLOB NOT NULL, content BLOB NOT NULL,"
    " key_id BLOB NOT NULL, sealed BLOB NOT NULL)"
)
_ROW = f"({', '.join('?' * len(InboxRow._fields))})"
_MOST_ROWS = 64
"""In one statement, which is the whole transaction where no more have come. The driver hands the interpreter over to
another thread at each statement's step, and the thread that reads the sockets gives it back only at its next system
call: each further step would wait for that again."""
_INSERTS = [
    f"INSERT INTO inbox ({', '.join(InboxRow._fields)}) VALUES {', '.join([_ROW] * count)}"
    for count in range(_MOST_ROWS + 1)
]
"""By how many rows."""
_PRAGMAS = (
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
            # A statement outside BEGIN … COMMIT commits by itself: a transaction of several is written out.
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            turn_to_wal(self._connection)
            for pragma in _PRAGMAS:
                self._connection.execute(pragma)
            self._connection.execute(_CREATE)

    def append(self, rows: Sequence[InboxRow]) -> list[int]:
        """See Inbox. Ids of one transaction are consecutive, since it alone writes."""
        if not rows:
            return []
        with self._lock, translated():
            try:
                last = self._insert(rows) if len(rows) <= _MOST_ROWS else self._insert_many(rows)
            except BaseException:
                self._roll_back()
                raise
        return list(range(last - len(rows) + 1, last + 1))

    def _insert(self, rows: Sequence[InboxRow]) -> int:
        """The id of the last. Outside BEGIN … COMMIT durable at return."""
        values = [value for row in rows for value in row]
        last = self._connection.execute(_INSERTS[len(rows)], values).lastrowid
        assert last is not None  # noqa: S101 - it was an INSERT
        return last

    def _insert_many(self, rows: Sequence[InboxRow]) -> int:
        self._connection.execute("BEGIN IMMEDIATE")
        for start in range(0, len(rows), _MOST_ROWS):
            last = self._insert(rows[start : start + _MOST_ROWS])
        self._connection.execute("COMMIT")
        return last

    def _roll_back(self) -> None:
        # SQLite has rolled back by itself after a full disk; then there is nothing left to roll back.
        with suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")

    def reserve(self, count: int) -> int:
        """See Inbox."""
        with self._lock, translated():
            execute = self._connection.execute
            try:
                execute("BEGIN IMMEDIATE")
                row = execute("SELECT seq FROM sqlite_sequence WHERE name = 'inbox'").fetchone()
                last = row[0] if row else 0
                if row:
                    execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'inbox'", (last + count,))
                else:
                    execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('inbox', ?)", (last + count,))
                execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise
        return int(last) + 1

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
