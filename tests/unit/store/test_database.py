"""Opening, transactions, migrations, and what a full disk or a busy database says."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, text

from adapter.errors import ExitCode, SetupError
from adapter.store import counters, cursors, migrations
from adapter.store.database import Database, open_database, sqlite_url
from adapter.store.faults import StoreBusy, StoreFull
from adapter.store.schema import METADATA

ROOT = Path(__file__).parents[3]


def test_the_migrated_schema_is_the_one_in_the_code(database: Database) -> None:
    with database.read() as conn:
        differences = compare_metadata(MigrationContext.configure(conn), METADATA)
    wanted = [] if not database.is_sqlite else [("add_table", "inbox")]
    assert [(each[0], each[1].name) for each in differences] == wanted


def test_head_is_what_alembic_calls_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD


def test_a_store_of_a_newer_version_is_refused(url: str) -> None:
    database = open_database(url)
    with database.write() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    with pytest.raises(SetupError) as refused:
        open_database(url)
    assert str(refused.value) == (
        "the store has schema 9999, which this version does not know: install the newer version again"
    )
    assert refused.value.exit_code is ExitCode.STORE


def test_a_reader_changes_no_schema(url: str) -> None:
    with pytest.raises(
        SetupError, match=f"^the store has schema none, this version needs {migrations.HEAD}: start the service once$"
    ):
        open_database(url, migrate=False)
    open_database(url).close()
    open_database(url, migrate=False).close()


@pytest.mark.parametrize("attempt", range(12))
def test_two_processes_may_open_a_new_store_at_once(url: str, attempt: int) -> None:
    failures: list[BaseException] = []
    together = threading.Barrier(4)

    def opening() -> None:
        try:
            together.wait()
            open_database(url).close()
        except BaseException as error:  # noqa: BLE001  (shown by the assertion)
            failures.append(error)

    threads = [threading.Thread(target=opening) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("not a url", "the URL of the store is not a database URL"),
        ("mysql://host/db", "the store cannot be kept in mysql: use sqlite or postgresql"),
    ],
)
def test_a_wrong_url_is_refused_in_words(wrong: str, said: str) -> None:
    with pytest.raises(SetupError) as refused:
        open_database(wrong)
    assert str(refused.value) == said


def test_a_store_that_cannot_be_reached_is_refused_without_its_password() -> None:
    with pytest.raises(SetupError) as refused:
        open_database("postgresql://someone:hush@127.0.0.1:1/none")
    assert "hush" not in str(refused.value)
    assert "check the path or the server" in str(refused.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "work.db").write_bytes(b"no database" * 1000)
    with pytest.raises(SetupError, match="the store cannot be opened"):
        open_database(sqlite_url(tmp_path))


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as conn:
        cursors.set(conn, "inbox", "5")
        raise RuntimeError
    with database.read() as conn:
        assert cursors.get(conn, "inbox") is None


def test_a_read_sees_one_moment_and_never_waits_for_a_writer(database: Database) -> None:
    with database.write() as conn:
        cursors.set(conn, "inbox", "1")
    with database.write() as writing, database.read() as reading:
        cursors.set(writing, "inbox", "2")
        assert cursors.get(reading, "inbox") == "1"


def test_the_embedded_store_is_durable_and_overwrites_what_it_deletes(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path))
    with database.read() as conn:
        values = {
            name: conn.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys", "secure_delete")
        }
    assert values == {
        "journal_mode": "wal",
        "synchronous": 2,
        "busy_timeout": 10_000,
        "foreign_keys": 1,
        "secure_delete": 1,
    }


def test_a_writer_that_waits_too_long_is_told_so(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path))
    database.close()
    event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout = 1"))
    with (
        database.write(),
        pytest.raises(StoreBusy, match="^the store stayed locked by another writer; nothing was stored$"),
        database.write(),
    ):
        pass


def test_a_full_disk_stores_nothing_and_says_so(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path))
    with pytest.raises(StoreFull) as full, database.write() as conn:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
        conn.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        counters.bump_many(conn, {f"counter {number}": 1 for number in range(5000)})
    assert str(full.value) == "the disk of the store is full: free space; nothing was stored"
    with database.read() as conn:
        assert counters.all_counts(conn) == {}


_OPEN = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
from adapter.store import database
assert database.__file__.startswith(sys.argv[1]), database.__file__
database.open_database(database.sqlite_url(pathlib.Path(sys.argv[1])))
"""


def test_the_migrations_run_from_wherever_the_package_is_installed(tmp_path: Path) -> None:
    site = tmp_path / "100% site"
    shutil.copytree(
        ROOT / "adapter" / "store", site / "adapter" / "store", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("__init__.py", "errors.py"):
        shutil.copy(ROOT / "adapter" / name, site / "adapter" / name)
    subprocess.run([sys.executable, "-c", _OPEN, site], check=True, cwd=tmp_path)
    assert (site / "work.db").exists()


def test_every_table_and_column_stands_in_the_page_on_data_at_rest() -> None:
    page = (ROOT / "docs" / "data-at-rest.md").read_text()
    missing = [name for name in METADATA.tables if name not in page]
    missing += [
        f"{table.name}.{column.name}"
        for table in METADATA.tables.values()
        if table.name not in ("dirty", "cursor", "counter", "attempt", "folder_file", "audit", "meta", "pending_key")
        for column in table.columns
        if f"`{column.name}`" not in page
    ]
    assert missing == []
