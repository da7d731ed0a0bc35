"""The key ring: what is sealed, who can open it, and what destroying a key erases."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path

import pytest

from adapter.errors import ExitCode, SetupError
from adapter.store import keyfile, messages
from adapter.store.database import open_database, sqlite_url
from adapter.store.faults import StoreFull
from adapter.store.sealing import KeyDestroyed, KeyRing, Tampered
from tests.unit.store.build import a_message

MASTER = bytes(range(32))
DAY = date(2026, 3, 1)
ROOT = Path(__file__).parents[3]


def a_ring(folder: Path, *, create: bool = True, master: bytes = MASTER) -> KeyRing:
    return KeyRing.open(folder / "keys", master, create=create)


def test_what_is_sealed_opens_again_also_after_a_restart(tmp_path: Path) -> None:
    ring = a_ring(tmp_path)
    key_id = ring.new_key()
    sealed = ring.seal(key_id, b"Zebedee Quill", b"message 1")
    ring.close()
    assert a_ring(tmp_path, create=False).unseal(key_id, sealed, b"message 1") == b"Zebedee Quill"


def test_sealed_bytes_hide_the_text_and_never_repeat(tmp_path: Path) -> None:
    ring = a_ring(tmp_path)
    key_id = ring.new_key()
    one, two = (ring.seal(key_id, b"Zebedee Quill", b"message 1") for _ in range(2))
    assert b"Zebedee" not in one
    assert one != two


def test_sealed_bytes_cannot_be_changed_or_moved(tmp_path: Path) -> None:
    ring = a_ring(tmp_path)
    key_id = ring.new_key()
    sealed = ring.seal(key_id, b"text", b"message 1")
    with pytest.raises(Tampered):
        ring.unseal(key_id, sealed, b"message 2")
    with pytest.raises(Tampered):
        ring.unseal(key_id, sealed[:-1] + bytes((sealed[-1] ^ 1,)), b"message 1")
    with pytest.raises(Tampered):
        ring.unseal(ring.new_key(), sealed, b"message 1")


@pytest.mark.parametrize(
    ("master", "said"),
    [
        (b"\xff" * 32, "the master key is not the one this store was sealed with"),
        (b"short", "the master key must be 32 bytes"),
    ],
)
def test_a_wrong_master_key_refuses_start_up(tmp_path: Path, master: bytes, said: str) -> None:
    a_ring(tmp_path).close()
    with pytest.raises(SetupError) as refused:
        a_ring(tmp_path, create=False, master=master)
    assert str(refused.value) == said
    assert refused.value.exit_code is ExitCode.SEALING


def test_a_missing_key_file_is_not_replaced_by_a_new_one(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as refused:
        a_ring(tmp_path, create=False)
    assert str(refused.value) == "the key file is missing: restore it; without it nothing stored can be read"
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("content", [b"", b"something else", b"x" * 500])
def test_another_file_in_its_place_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "keys").write_bytes(content)
    with pytest.raises(SetupError, match="^the key file is not one of csor-adapter$"):
        a_ring(tmp_path)


def test_the_key_file_holds_no_key_in_clear_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    ring = a_ring(tmp_path)
    ring.new_keys(3)
    content = (tmp_path / "keys").read_bytes()
    assert MASTER not in content
    assert len(content) == 4 * keyfile.SLOT_BYTES
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600


def test_destroying_a_key_makes_the_bytes_of_the_folder_unreadable_for_ever(tmp_path: Path) -> None:
    ring = a_ring(tmp_path)
    gone, kept = ring.new_keys(2)
    slot = (tmp_path / "keys").read_bytes()[keyfile.SLOT_BYTES : 2 * keyfile.SLOT_BYTES]
    database = open_database(sqlite_url(tmp_path))
    with database.write() as conn:
        rows = [
            a_message(number, key_id=key_id)._replace(
                sealed=ring.seal(key_id, b"Zebedee Quill %d" % number, b"message")
            )
            for number, key_id in ((1, gone), (2, kept))
        ]
        messages.insert_many(conn, rows)
    ring.destroy([gone])
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"Zebedee" not in everything
    assert slot[keyfile.ID_BYTES :] not in everything
    assert slot[keyfile.ID_BYTES + 12 :] not in everything
    for opened in (ring, a_ring(tmp_path, create=False)):
        with database.read() as conn:
            stored = messages.bodies(conn, [1, 2])
        with pytest.raises(KeyDestroyed):
            opened.unseal(*stored[1], b"message")
        assert opened.unseal(*stored[2], b"message") == b"Zebedee Quill 2"
        assert not opened.holds(gone)


def test_destroying_is_repeatable_and_forgives_unknown_ids(tmp_path: Path) -> None:
    ring = a_ring(tmp_path)
    key_id = ring.new_key()
    ring.destroy([key_id, os.urandom(16)])
    ring.destroy([key_id])
    with pytest.raises(KeyDestroyed):
        ring.seal(key_id, b"text", b"")


def test_another_process_sees_new_and_destroyed_keys(tmp_path: Path) -> None:
    receive, work = a_ring(tmp_path), a_ring(tmp_path)
    key_id = receive.day_key(DAY)
    sealed = receive.seal(key_id, b"text", b"")
    assert work.day_key(DAY) == key_id
    assert work.unseal(key_id, sealed, b"") == b"text"
    later = work.new_key()
    assert receive.holds(later)
    work.destroy([later])
    assert not a_ring(tmp_path).holds(later)


def test_a_day_key_is_at_hand_once_something_was_sealed_by_it_and_until_it_is_destroyed(tmp_path: Path) -> None:
    ring = a_ring(tmp_path)
    assert not ring.has_at_hand(DAY)
    key_id = ring.day_key(DAY)
    ring.seal(key_id, b"Zebedee Quill", b"message 1")
    assert ring.has_at_hand(DAY)
    assert not a_ring(tmp_path, create=False).has_at_hand(DAY)
    ring.destroy([key_id])
    assert not ring.has_at_hand(DAY)


def test_a_destroyed_day_key_is_never_made_again(tmp_path: Path) -> None:
    ring = a_ring(tmp_path)
    first = ring.day_key(DAY)
    sealed = ring.seal(first, b"text", b"")
    ring.destroy([first])
    assert ring.day_keys([DAY]) == {}
    second = ring.day_key(DAY)
    assert second != first
    assert ring.day_keys([DAY, date(2026, 3, 2)]) == {DAY: second}
    with pytest.raises(KeyDestroyed):
        ring.unseal(first, sealed, b"")


@pytest.mark.parametrize("torn", [1, 16, 75])
def test_a_torn_slot_at_the_end_is_ignored_and_written_over(tmp_path: Path, torn: int) -> None:
    ring = a_ring(tmp_path)
    key_id = ring.new_key()
    ring.close()
    with (tmp_path / "keys").open("ab") as file:
        file.write(os.urandom(torn))
    again = a_ring(tmp_path, create=False)
    assert again.holds(key_id)
    new = again.new_key()
    reopened = a_ring(tmp_path, create=False)
    assert reopened.holds(key_id)
    assert reopened.holds(new)
    assert (tmp_path / "keys").stat().st_size == 3 * keyfile.SLOT_BYTES


def test_a_damaged_slot_stops_only_its_own_key(tmp_path: Path) -> None:
    ring = a_ring(tmp_path)
    damaged, sound = ring.new_keys(2)
    with (tmp_path / "keys").open("r+b") as file:
        file.seek(keyfile.SLOT_BYTES + 40)
        file.write(b"\x00\x01\x02")
    again = a_ring(tmp_path, create=False)
    with pytest.raises(KeyDestroyed, match="damaged at this key: restore it from its newest copy"):
        again.seal(damaged, b"", b"")
    assert again.holds(sound)


_MAKE_KEYS = """
import sys
from pathlib import Path
from adapter.store.sealing import KeyRing
ring = KeyRing.open(Path(sys.argv[1]), bytes(range(32)), create=True)
while True:
    print(ring.new_key().hex(), flush=True)
"""


def test_every_key_that_was_returned_survives_kill_9(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", _MAKE_KEYS, tmp_path / "keys"], cwd=ROOT, stdout=subprocess.PIPE)
    assert child.stdout is not None
    told = [child.stdout.readline() for _ in range(20)]
    child.send_signal(signal.SIGKILL)
    told += [line for line in child.stdout if line.endswith(b"\n")]
    child.wait()
    ring = a_ring(tmp_path, create=False)
    assert all(ring.holds(bytes.fromhex(line.decode())) for line in told)


def test_keys_are_fsynced_before_they_are_returned(tmp_path: Path) -> None:
    script = _MAKE_KEYS.replace("while True:\n    print(ring.new_key().hex(), flush=True)", "ring.new_keys(5)")
    trace = tmp_path / "trace"
    try:
        subprocess.run(
            [
                "strace",
                "-f",
                "-e",
                "trace=pwrite64,fsync",
                "-o",
                trace,
                sys.executable,
                "-c",
                script,
                tmp_path / "keys",
            ],
            cwd=ROOT,
            check=True,
        )
    except FileNotFoundError:
        pytest.skip("strace is not installed")
    calls = [line.split("(")[0].split()[-1] for line in trace.read_text().splitlines() if "(" in line]
    assert calls[-2:] == ["pwrite64", "fsync"]


def test_threads_that_make_keys_at_once_get_each_their_own(tmp_path: Path) -> None:
    rings = [a_ring(tmp_path), a_ring(tmp_path)]
    made: list[bytes] = []

    def work(ring: KeyRing) -> None:
        for _ in range(10):
            made.extend(ring.new_keys(2))

    threads = [threading.Thread(target=work, args=(ring,)) for ring in rings * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ring = a_ring(tmp_path)
    assert len(set(made)) == 80
    assert all(ring.holds(key_id) for key_id in made)


def test_a_full_disk_makes_no_key_and_says_so(tmp_path: Path) -> None:
    disk = tmp_path / "small"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small file system")
    try:
        ring = a_ring(disk)
        key_id = ring.new_key()
        with pytest.raises(StoreFull) as full:
            ring.new_keys(2000)
        assert str(full.value) == "the disk of the key file is full: free space; nothing was stored"
        assert (disk / "keys").stat().st_size == 2 * keyfile.SLOT_BYTES
        assert ring.holds(key_id)
        assert ring.holds(ring.new_key())
        ring.close()
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def test_blinds_tell_nothing_and_depend_on_domain_key_and_the_cut_between_parts(tmp_path: Path) -> None:
    ring = a_ring(tmp_path)
    blind = ring.blind("identifier", "RXX", "123")
    assert len(blind) == 16
    assert blind == ring.blind("identifier", b"RXX", b"123")
    others = {
        ring.blind("identifier", "RXX1", "23"),
        ring.blind("identifier", "RXX", "124"),
        ring.blind("control", "RXX", "123"),
        KeyRing.open(tmp_path / "other", b"\x01" * 32, create=True).blind("identifier", "RXX", "123"),
        hashlib.blake2b(b"RXX123", digest_size=16).digest(),
    }
    assert blind not in others
    assert len(others) == 5


def test_sub_keys_differ_by_use_and_outlive_the_key_file(tmp_path: Path) -> None:
    ring = a_ring(tmp_path)
    audit, pseudonym = ring.derived("audit"), ring.derived("pseudonym")
    assert len(audit) == len(pseudonym) == 32
    assert audit != pseudonym
    (tmp_path / "keys").unlink()
    assert a_ring(tmp_path).derived("audit") == audit
