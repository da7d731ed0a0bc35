"""The queue between the acknowledgement and the work."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.store.database import Database
from adapter.store.faults import StoreFull
from adapter.store.inbox import Inbox, InboxRow, SqliteInbox, open_inbox
from tests.unit.store.build import an_inbox_row

ROOT = Path(__file__).parents[3]


def test_messages_come_out_in_order_as_they_went_in(database: Database, inbox: Inbox) -> None:
    first = inbox.append([an_inbox_row("a"), an_inbox_row("b")])
    second = inbox.append([an_inbox_row("c")])
    with database.write() as conn:
        claimed = inbox.claim(conn, limit=10)
    assert [each.id for each in claimed] == first + second
    assert [tuple(each[1:]) for each in claimed] == [tuple(an_inbox_row(name)) for name in "abc"]


def test_what_is_done_is_not_claimed_again_and_leaves_at_the_sweep(database: Database, inbox: Inbox) -> None:
    inbox.append([an_inbox_row(name) for name in "abc"])
    with database.write() as conn:
        done = [each.id for each in inbox.claim(conn, limit=2)]
        inbox.done(conn, done)
    with database.write() as conn:
        assert [each.sealed for each in inbox.claim(conn, limit=9)] == [b"sealed c"]
        assert inbox.facts(conn).depth == 1
    with database.read() as conn:
        inbox.sweep(conn)
        assert inbox.facts(conn).depth == 1


def test_work_that_is_rolled_back_is_claimed_again(database: Database, inbox: Inbox) -> None:
    ids = inbox.append([an_inbox_row("a")])
    with pytest.raises(RuntimeError), database.write() as conn:
        inbox.done(conn, ids)
        raise RuntimeError
    with database.write() as conn:
        inbox.sweep(conn)
        assert [each.id for each in inbox.claim(conn, limit=9)] == ids


def test_inbox_ids_are_never_reused(database: Database, inbox: Inbox, tmp_path: Path) -> None:
    used = inbox.append([an_inbox_row("a"), an_inbox_row("b")])
    with database.write() as conn:
        inbox.done(conn, used)
    with database.read() as conn:
        inbox.sweep(conn)
        assert inbox.facts(conn) == (0, None, frozenset())
    inbox.close()
    again = open_inbox(database, folder=tmp_path)
    assert min(again.append([an_inbox_row("c")])) > max(used)
    again.close()


def test_facts_tell_the_oldest_and_the_keys_that_are_needed(database: Database, inbox: Inbox) -> None:
    inbox.append(
        [an_inbox_row("a", key_id=b"1" * 16, received_us=50), an_inbox_row("b", key_id=b"2" * 16, received_us=40)]
    )
    with database.read() as conn:
        assert inbox.facts(conn) == (2, 40, frozenset({b"1" * 16, b"2" * 16}))


def test_an_append_of_nothing_is_nothing(inbox: Inbox) -> None:
    assert inbox.append([]) == []


def test_two_processes_may_append_to_one_inbox(tmp_path: Path) -> None:
    one, two = SqliteInbox(tmp_path / "inbox.db"), SqliteInbox(tmp_path / "inbox.db")
    assert one.append([an_inbox_row("a")]) == [1]
    assert two.append([an_inbox_row("b")] * 3) == [2, 3, 4]
    assert one.append([an_inbox_row("c")]) == [5]
    assert [each.id for each in two.after(0, 9)] == [1, 2, 3, 4, 5]


def a_big_row() -> InboxRow:
    return an_inbox_row("big")._replace(sealed=os.urandom(600_000))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("only root can mount a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_stores_nothing_says_so_and_the_inbox_lives_on(small_disk: Path) -> None:
    inbox = SqliteInbox(small_disk / "inbox.db")
    kept = inbox.append([an_inbox_row("kept")])
    filler = small_disk / "filler"
    filler.write_bytes(bytes(700_000))
    for _ in range(2):
        with pytest.raises(StoreFull) as full:
            inbox.append([an_inbox_row("small"), a_big_row()])
        assert str(full.value) == "the disk of the store is full: free space; nothing was stored"
    filler.unlink()
    after = inbox.append([an_inbox_row("after")])
    assert [each.id for each in inbox.after(0, 9)] == kept + after
    inbox.close()


_FILL = """
import os, resource, signal, sys
from pathlib import Path
from adapter.store.faults import StoreError
from adapter.store.inbox import SqliteInbox
from tests.unit.store.build import an_inbox_row

inbox = SqliteInbox(Path(sys.argv[1]))
kept = inbox.append([an_inbox_row("kept")])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, resource.RLIM_INFINITY))
big = an_inbox_row("big")._replace(sealed=os.urandom(300_000))
try:
    inbox.append([an_inbox_row("small"), big])
except StoreError as error:
    print(type(error).__name__, error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
after = inbox.append([big])
assert [each.id for each in inbox.after(0, 9)] == kept + after
"""


def test_a_disk_that_fails_to_write_stores_nothing_and_says_so(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _FILL, tmp_path / "inbox.db"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout == (
        "StoreUnavailable the store cannot be read or written: check its disk or server; nothing was stored\n"
    )


_APPEND_FOR_EVER = """
import sys
from pathlib import Path
from adapter.store.inbox import SqliteInbox
from tests.unit.store.build import an_inbox_row

inbox = SqliteInbox(Path(sys.argv[1]))
while True:
    print(inbox.append([an_inbox_row("a"), an_inbox_row("b")])[-1], flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"
    child = subprocess.Popen(
        [sys.executable, "-c", _APPEND_FOR_EVER, path], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    for _ in range(20):
        child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    acknowledged = int(([line for line in child.stdout if line.endswith("\n")] or ["40"])[-1])
    child.wait()
    ids = [each.id for each in SqliteInbox(path).after(0, 100_000)]
    assert ids == list(range(1, len(ids) + 1))
    assert len(ids) >= acknowledged
    assert len(ids) % 2 == 0
