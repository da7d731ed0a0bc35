"""Refuses a second instance: on a data folder by a file lock, on a PostgreSQL database by an advisory lock.

Both locks die with their process, so there is nothing to clean up after a crash. Readers need none.
"""

import fcntl
import os
import socket
from pathlib import Path

from sqlalchemy import Connection

from adapter.errors import ExitCode, SetupError
from adapter.store.database import Database
from adapter.store.sql import run

# Any number serves, as long as nobody else locks it in this database: "csor" in ASCII.
_ADVISORY_LOCK = 0x63736F72


class DataFolderLock:
    """Held from construction to `release`; SetupError LOCKED names the process that holds it."""

    def __init__(self, folder: Path) -> None:
        self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise _locked(f"data folder {folder}", holder) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    @property
    def descriptor(self) -> int:
        """To hand to child processes (`pass_fds`): the lock is held until the last of them has ended."""
        return self._descriptor

    def release(self) -> None:
        """Let another instance have the folder. Child processes that inherited the lock keep it until they end."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)


def is_locked(folder: Path) -> bool:
    """Whether an instance runs on this data folder; changes nothing, for readers."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class DatabaseLock:
    """The same for a PostgreSQL database that several machines reach: held on a connection of its own."""

    def __init__(self, database: Database) -> None:
        self._conn = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        run(
            self._conn, "SELECT set_config('application_name', ?, false)", (f"{os.getpid()} on {socket.gethostname()}",)
        )
        if not run(self._conn, "SELECT pg_try_advisory_lock(?)", (_ADVISORY_LOCK,)).scalar_one():
            holder = _holder(self._conn)
            self._conn.close()
            raise _locked("database", holder)

    def release(self) -> None:
        """Let another instance have the database."""
        run(self._conn, "SELECT pg_advisory_unlock(?)", (_ADVISORY_LOCK,))
        self._conn.close()


def _holder(conn: Connection) -> str:
    statement = (
        "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = ?"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return str(run(conn, statement, (_ADVISORY_LOCK,)).scalar() or "")


def _locked(what: str, holder: str) -> SetupError:
    who = f"process {holder}" if holder else "another process"
    return SetupError(f"another instance is running on this {what}: {who}; stop it first", exit_code=ExitCode.LOCKED)
