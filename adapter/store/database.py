"""Opens the database, SQLite or PostgreSQL, owns its transactions, and has its schema brought up to date."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from adapter.errors import ExitCode, SetupError
from adapter.store import migrations
from adapter.store.faults import StoreError, translated

__all__ = ["BUSY_TIMEOUT_MS", "Connection", "Database", "open_database", "sqlite_url", "turn_to_wal"]

BUSY_TIMEOUT_MS = 10_000

_PRAGMAS = (
    # NORMAL may lose acknowledged work at a power cut.
    "PRAGMA synchronous = FULL",
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    # 32 MiB each: random keys touch the whole of an index, and with the default of 2 MiB it is read again and again
    # in one transaction; and fewer checkpoints each write a page that many transactions changed only once.
    "PRAGMA cache_size = -32768",
    "PRAGMA wal_autocheckpoint = 16384",
)


class Database:
    """An open database. Each `write()` or `read()` is one transaction on a connection of its own."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        """`sqlite` or `postgresql`."""
        self._writer = engine.execution_options(begin="BEGIN IMMEDIATE") if self.is_sqlite else engine

    @property
    def is_sqlite(self) -> bool:
        """Whether it is the embedded one."""
        return self.dialect == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One write transaction: commits at the end, rolls back on any exception. StoreError when the disk refuses."""
        with translated(), self._writer.begin() as conn:
            yield conn

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent read; never waits for a writer."""
        with translated(), self.engine.connect() as conn:
            yield conn

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def sqlite_url(folder: Path) -> str:
    """The URL of the embedded database of a data folder."""
    return URL.create("sqlite+pysqlite", database=str(folder / "work.db")).render_as_string()


def open_database(url: str, *, migrate: bool = True) -> Database:
    """Open, and bring the schema up to date; SetupError STORE if it cannot be opened or a newer version wrote it.

    With `migrate=False` (readers beside a running service) an older schema is refused too, never changed.
    """
    database = Database(_engine(url))
    try:
        with translated():
            migrations.bring_up_to_date(database.engine, migrate=migrate)
    except SetupError:
        database.close()
        raise
    except (StoreError, SQLAlchemyError) as error:
        database.close()
        # The driver's text may hold the URL with its password; the class says enough with what to look at.
        raise SetupError(
            f"the store cannot be opened ({type(error).__name__}): check the path or the server, and the rights to it",
            exit_code=ExitCode.STORE,
        ) from None
    return database


def _engine(text: str) -> Engine:
    try:
        url = make_url(text)
    except ArgumentError:
        raise SetupError("the URL of the store is not a database URL", exit_code=ExitCode.STORE) from None
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    if url.get_backend_name() == "postgresql":
        return create_engine(url.set(drivername="postgresql+psycopg"), hide_parameters=True)
    raise SetupError(
        f"the store cannot be kept in {url.get_backend_name()}: use sqlite or postgresql", exit_code=ExitCode.STORE
    )


def turn_to_wal(connection: sqlite3.Connection) -> None:
    """Ask for the write-ahead log until BUSY_TIMEOUT_MS have gone by.

    When several processes open a new file at once, SQLite refuses all but one of them at once: this change upgrades a
    read lock, and there the busy timeout does not wait (sqlite.org, sqlite3_busy_handler).
    """
    until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.005)
        else:
            return


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, hide_parameters=True, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: ConnectionPoolEntry) -> None:
        # The driver must not begin or commit on its own: every BEGIN is ours, so that readers see one snapshot and
        # writers take the lock at once instead of failing in the middle (SQLAlchemy, SQLite dialect, transactions).
        connection.isolation_level = None
        turn_to_wal(connection)
        for pragma in _PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        conn.exec_driver_sql(conn.get_execution_options().get("begin", "BEGIN"))

    return engine
