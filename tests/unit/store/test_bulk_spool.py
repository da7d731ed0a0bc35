"""Files of an export on our own disk: whole or not there, sealed, bound to their places."""

from datetime import date
from pathlib import Path

import pytest

from adapter.store.bulk_spool import Spool
from adapter.store.sealing import KeyDestroyed, KeyRing, Tampered

LINES = [b'{"resourceType":"Observation","id":"%d"}\n' % number for number in range(2000)]


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing.open(tmp_path / "keys.bin", b"k" * 32, create=True)


def written(folder: Path, ring: KeyRing, name: str = "file0") -> tuple[Spool, bytes]:
    spool, key_id = Spool(folder, ring), ring.day_key(date(2026, 11, 22))
    with spool.writer(7, name, key_id=key_id, chunk_bytes=4096) as writer:
        for line in LINES:
            writer.write(line)
        writer.finish()
    return spool, key_id


def test_what_was_written_comes_back_in_runs_of_whole_lines(tmp_path: Path, ring: KeyRing) -> None:
    spool, key_id = written(tmp_path, ring)
    runs = list(spool.chunks(7, "file0", key_id=key_id))

    assert b"".join(runs) == b"".join(LINES)
    assert len(runs) > 10
    assert all(run.endswith(b"\n") for run in runs)
    assert b"resourceType" not in (tmp_path / "exports" / "7-file0.spool").read_bytes()


def test_a_file_that_was_not_finished_is_not_there(tmp_path: Path, ring: KeyRing) -> None:
    spool, key_id = Spool(tmp_path, ring), ring.day_key(date(2026, 11, 22))
    with pytest.raises(RuntimeError), spool.writer(7, "file0", key_id=key_id) as writer:
        writer.write(LINES[0])
        raise RuntimeError
    with pytest.raises(Tampered, match="has gone"):
        list(spool.chunks(7, "file0", key_id=key_id))

    assert list((tmp_path / "exports").iterdir()) == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_that_is_cut_short_is_not_taken_for_a_whole_one(tmp_path: Path, ring: KeyRing, share: float) -> None:
    spool, key_id = written(tmp_path, ring)
    path = tmp_path / "exports" / "7-file0.spool"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    with pytest.raises(Tampered):
        list(spool.chunks(7, "file0", key_id=key_id))


def test_a_file_cut_between_two_chunks_is_not_taken_for_a_whole_one(tmp_path: Path, ring: KeyRing) -> None:
    spool, key_id = written(tmp_path, ring)
    path = tmp_path / "exports" / "7-file0.spool"
    data = path.read_bytes()
    path.write_bytes(data[: 4 + int.from_bytes(data[:4])])

    with pytest.raises(Tampered, match="shorter"):
        list(spool.chunks(7, "file0", key_id=key_id))


def test_a_file_put_in_the_place_of_another_is_refused(tmp_path: Path, ring: KeyRing) -> None:
    spool, key_id = written(tmp_path, ring)
    (tmp_path / "exports" / "7-file0.spool").rename(tmp_path / "exports" / "8-file0.spool")

    with pytest.raises(Tampered):
        list(spool.chunks(8, "file0", key_id=key_id))


def test_with_its_key_it_is_gone(tmp_path: Path, ring: KeyRing) -> None:
    spool, key_id = written(tmp_path, ring)
    ring.destroy([key_id])

    with pytest.raises(KeyDestroyed):
        list(spool.chunks(7, "file0", key_id=key_id))


def test_all_files_of_one_export_are_removed_and_no_other(tmp_path: Path, ring: KeyRing) -> None:
    spool, _ = written(tmp_path, ring)
    written(tmp_path, ring, name="part3")
    (tmp_path / "exports" / "77-file0.spool").write_bytes(b"")
    spool.remove_all(7)

    assert [path.name for path in (tmp_path / "exports").iterdir()] == ["77-file0.spool"]
