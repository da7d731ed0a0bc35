"""The folder sink: a file wholly or not at all, and the same batch once."""

import json
import os
from pathlib import Path

import pytest

from adapter.errors import Refused, TryLater
from adapter.sinks import Folder, Receipt
from tests.unit.receiver.test_batches import a_batch, a_row

KEY = "key-0000000000000001"


def a_body(*numbers: int) -> bytes:
    return json.dumps(a_batch(*(a_row(number) for number in numbers)), indent=2).encode()


def test_each_row_is_one_line_with_the_batchs_own_fields(tmp_path: Path) -> None:
    receipt = Folder(tmp_path / "out").deliver(a_body(1, 2), idempotency_key=KEY)
    lines = (tmp_path / "out" / f"{KEY}.ndjson").read_bytes().splitlines()
    common = {name: value for name, value in a_batch().items() if name != "rows"}
    assert [json.loads(line) for line in lines] == [{**common, **a_row(1)}, {**common, **a_row(2)}]
    assert receipt == Receipt(applied=2, unchanged=0)


def test_numbers_keep_their_written_form(tmp_path: Path) -> None:
    Folder(tmp_path).deliver(a_body(1).replace(b'"Q79.3"', b"72.50"), idempotency_key=KEY)
    assert b"72.50" in (tmp_path / f"{KEY}.ndjson").read_bytes()


def test_the_same_batch_again_is_taken_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    receipts = [folder.deliver(a_body(1), idempotency_key=KEY) for _ in range(2)]
    assert receipts[0] == receipts[1]
    assert os.listdir(tmp_path) == [f"{KEY}.ndjson"]


def test_another_batch_under_the_same_key_is_refused_and_the_first_stays(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.deliver(a_body(1), idempotency_key=KEY)
    before = (tmp_path / f"{KEY}.ndjson").read_bytes()
    with pytest.raises(Refused):
        folder.deliver(a_body(2), idempotency_key=KEY)
    assert (tmp_path / f"{KEY}.ndjson").read_bytes() == before


def test_what_a_crash_left_half_written_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / f".{KEY}.ndjson.part").write_bytes(b"half a li")
    Folder(tmp_path).deliver(a_body(1), idempotency_key=KEY)
    assert os.listdir(tmp_path) == [f"{KEY}.ndjson"]


def test_a_folder_that_cannot_be_written_is_try_later(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(TryLater):
        Folder(tmp_path / "out").deliver(a_body(1), idempotency_key=KEY)


def test_a_full_disk_is_try_later_and_leaves_no_file_under_the_final_name(tmp_path: Path) -> None:
    # /dev/full refuses every write with ENOSPC, as a full disk does.
    (tmp_path / f".{KEY}.ndjson.part").symlink_to("/dev/full")
    with pytest.raises(TryLater, match="No space left"):
        Folder(tmp_path).deliver(a_body(1), idempotency_key=KEY)
    assert not (tmp_path / f"{KEY}.ndjson").exists()


def test_a_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    Folder(tmp_path).deliver(a_body(1), idempotency_key=KEY)
    assert (tmp_path / f"{KEY}.ndjson").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("key", ["", "../up", "a b", "a\n"])
def test_a_key_that_is_no_file_name_is_an_error_of_the_caller(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="file name"):
        Folder(tmp_path).deliver(a_body(1), idempotency_key=key)
