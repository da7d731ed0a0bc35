"""A second instance is refused, and told which process runs already."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from adapter.errors import ExitCode, SetupError
from adapter.store.database import open_database
from adapter.store.lock import DatabaseLock, DataFolderLock

ROOT = Path(__file__).parents[3]

_HOLD = """
import sys
from pathlib import Path
from adapter.store.lock import DataFolderLock
lock = DataFolderLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def a_holder(folder: Path) -> "subprocess.Popen[bytes]":
    child = subprocess.Popen(
        [sys.executable, "-c", _HOLD, folder], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    return child


def test_a_second_instance_on_the_folder_is_refused_by_the_first_ones_pid(tmp_path: Path) -> None:
    child = a_holder(tmp_path)
    try:
        with pytest.raises(SetupError) as refused:
            DataFolderLock(tmp_path)
    finally:
        child.kill()
        child.wait()
    assert str(refused.value) == (
        f"another instance is running on this data folder {tmp_path}: process {child.pid}; stop it first"
    )
    assert refused.value.exit_code is ExitCode.LOCKED


def test_a_killed_instance_leaves_no_lock(tmp_path: Path) -> None:
    child = a_holder(tmp_path)
    child.send_signal(signal.SIGKILL)
    child.wait()
    lock = DataFolderLock(tmp_path)
    assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    lock.release()
    DataFolderLock(tmp_path).release()


def test_a_second_instance_on_the_same_postgresql_database_is_refused(postgres_url: str) -> None:
    one, two = open_database(postgres_url), open_database(postgres_url)
    lock = DatabaseLock(one)
    with pytest.raises(SetupError) as refused:
        DatabaseLock(two)
    assert str(refused.value) == (
        f"another instance is running on this database: process {os.getpid()} on {socket.gethostname()}; stop it first"
    )
    lock.release()
    DatabaseLock(two).release()
    one.close()
    two.close()
