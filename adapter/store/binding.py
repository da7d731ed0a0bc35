"""Ties a database to the master key its hashes were made with: a new key file beside an old database is refused."""

from adapter.errors import ExitCode, SetupError
from adapter.store.database import Database
from adapter.store.sealing import KeyRing
from adapter.store.sql import run

_NAME = "master-key"


def bind(database: Database, ring: KeyRing) -> None:
    """Note a keyed hash at the first start; SetupError SEALING at any later one under another master key."""
    mark = ring.blind("binding", "database")
    with database.write() as conn:
        run(conn, "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (_NAME, mark))
        noted = run(conn, "SELECT value FROM meta WHERE name = ?", (_NAME,)).scalar_one()
    if noted != mark:
        raise SetupError("the master key is not the one this store was sealed with", exit_code=ExitCode.SEALING)
