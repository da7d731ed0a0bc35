"""Lines out of bytes as they come: plain, packed, torn, endless."""

import gzip
import random

import pytest

from adapter.sources.fhir_bulk_lines import LineReader

LINES = b"".join(b'{"resourceType":"Observation","id":"o%d"}\n' % number for number in range(500))


def read(data: bytes, *, sizes: list[int], longest: int = 1 << 20) -> tuple[bytes, LineReader]:
    reader = LineReader(longest=longest)
    found, at = b"", 0
    for size in sizes:
        for run in reader.feed(data[at : at + size]):
            assert run.endswith(b"\n")
            found += run
        at += size
    for run in reader.feed(data[at:]):
        found += run
    for run in reader.end():
        found += run
    return found, reader


@pytest.mark.parametrize("seed", range(20))
def test_however_the_bytes_come_the_lines_are_the_same(seed: int) -> None:
    rng = random.Random(seed)
    data = gzip.compress(LINES, mtime=0) if seed % 2 else LINES
    found, reader = read(data, sizes=[rng.choice([1, 2, 3, 7, 100, 5000]) for _ in range(rng.randint(0, 300))])

    assert found == LINES
    assert not reader.is_torn


def test_a_file_of_several_packed_ones_is_read_whole() -> None:
    data = gzip.compress(LINES[:100], mtime=0) + gzip.compress(LINES[100:], mtime=0) + b"\0" * 8
    found, reader = read(data, sizes=[10, 1, 1])

    assert found == LINES
    assert not reader.is_torn


def test_a_last_line_needs_no_end() -> None:
    found, reader = read(LINES[:-1], sizes=[50])

    assert found == LINES
    assert not reader.is_torn


@pytest.mark.behaviour(47)
@pytest.mark.parametrize("lost", [1, 8, 9, 500])
def test_of_a_torn_gzip_all_that_stands_before_the_tear_is_kept(lost: int) -> None:
    data = gzip.compress(LINES, mtime=0)
    found, reader = read(data[:-lost], sizes=[64] * 5)

    assert reader.is_torn
    assert LINES.startswith(found[:-1])
    assert len(found) == len(LINES) or lost > 9


@pytest.mark.behaviour(47)
def test_a_gzip_that_is_damaged_in_the_middle_is_torn_there() -> None:
    noise = random.Random(1).randbytes(20_000).hex().encode() + b"\n"
    data = bytearray(gzip.compress(noise + LINES, mtime=0))
    data[len(data) // 2] ^= 255
    found, reader = read(bytes(data), sizes=[4096] * 3)

    assert reader.is_torn
    assert not found.endswith(LINES)


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    found, reader = read(b"x" * 50_000 + b"\n" + LINES, sizes=[1000] * 60, longest=10_000)

    assert found == LINES
    assert reader.too_long == 1


def test_a_small_file_that_unpacks_to_a_huge_one_comes_in_pieces() -> None:
    packed = gzip.compress(b"[" + b" " * 30_000_000 + b"]\n", mtime=0)
    reader = LineReader(longest=1 << 20)
    runs = [run for at in range(0, len(packed), 1000) for run in reader.feed(packed[at : at + 1000])]

    assert runs == []
    assert list(reader.end()) == []
    assert reader.too_long == 1
