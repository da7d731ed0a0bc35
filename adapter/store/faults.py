"""What the disk can refuse at run time, in words an operator can act on; never with SQL parameters: they are data."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from adapter.errors import AdapterError


class StoreError(AdapterError):
    """The store did not take it: nothing of the transaction is on disk. A receiver answers AE; a loop tries again."""


class StoreFull(StoreError):
    """No room is left on the disk of the store."""


class StoreBusy(StoreError):
    """Another writer held the database for longer than the busy timeout."""


class StoreUnavailable(StoreError):
    """The disk or the database server does not answer as it should."""


class StateConflict(AdapterError):
    """A state was not what the caller took it for; nothing was changed. Names only the table and the id."""


_SQLITE_FAULTS: dict[int, type[StoreError]] = {
    sqlite3.SQLITE_FULL: StoreFull,
    sqlite3.SQLITE_BUSY: StoreBusy,
    sqlite3.SQLITE_LOCKED: StoreBusy,
    sqlite3.SQLITE_IOERR: StoreUnavailable,
    sqlite3.SQLITE_READONLY: StoreUnavailable,
    sqlite3.SQLITE_CANTOPEN: StoreUnavailable,
    sqlite3.SQLITE_CORRUPT: StoreUnavailable,
    sqlite3.SQLITE_NOTADB: StoreUnavailable,
}
# PostgreSQL error codes, appendix A: class 53 insufficient resources, 57P operator intervention, 08 connection.
_POSTGRES_FULL = "53100"
_POSTGRES_GONE = ("53", "57P", "08")

_TEXTS: dict[type[StoreError], str] = {
    StoreFull: "the disk of the store is full: free space; nothing was stored",
    StoreBusy: "the store stayed locked by another writer; nothing was stored",
    StoreUnavailable: "the store cannot be read or written: check its disk or server; nothing was stored",
}


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors about disk and server into StoreErrors; faults of our own SQL fly on unchanged."""
    try:
        yield
    except DBAPIError as error:
        kind = _kind_of(error.orig, disconnected=error.connection_invalidated)
        if kind is None:
            raise
        raise kind(_TEXTS[kind]) from None
    except sqlite3.Error as error:
        kind = _kind_of(error, disconnected=False)
        if kind is None:
            raise
        raise kind(_TEXTS[kind]) from None


def _kind_of(error: BaseException | None, *, disconnected: bool) -> type[StoreError] | None:
    if disconnected:
        return StoreUnavailable
    if isinstance(error, sqlite3.Error):
        # The low byte is the primary code; the rest says which system call failed.
        return _SQLITE_FAULTS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    sqlstate = getattr(error, "sqlstate", None) or ""
    if sqlstate == _POSTGRES_FULL:
        return StoreFull
    return StoreUnavailable if sqlstate.startswith(_POSTGRES_GONE) else None
