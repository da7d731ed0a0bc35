import hashlib
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapter.envelope import Media, Received
from adapter.errors import Problem, ProblemCode
from adapter.sources.files import read_file
from adapter.sources.folder import FolderSource
from adapter.sources.intake import Framed, Unaccepted
from tests.unit.sources.wire import Disk, Tally, a_message, eventually


class Ledger:
    """Remembers taken files as the store does."""

    def __init__(self) -> None:
        self.entries: set[tuple[str, bytes, bytes]] = set()

    def is_taken(self, feed: str, name_digest: bytes, content_digest: bytes) -> bool:
        return (feed, name_digest, content_digest) in self.entries

    def take(self, feed: str, name_digest: bytes, content_digest: bytes) -> None:
        self.entries.add((feed, name_digest, content_digest))


class Place:
    """A folder, its source, and where the messages end."""

    def __init__(self, path: Path, *, ledger: Ledger | None = None, max_bytes: int = 100_000) -> None:
        self.path, self.disk, self.tally, self.ledger = path, Disk(), Tally(), ledger or Ledger()
        self.source = FolderSource(
            "drop", path, keep=self.disk.append, taken=self.ledger, counters=self.tally, max_bytes=max_bytes
        )

    def look_twice(self) -> int:
        return self.source.look() + self.source.look()

    @property
    def bodies(self) -> list[bytes]:
        return [one.body for one in self.disk.messages]


ONE, TWO = a_message("1").rstrip(), a_message("2").rstrip()


def found(path: Path, content: bytes, *, max_bytes: int = 100_000) -> list[Received | Problem]:
    path.write_bytes(content)
    return list(read_file(path, feed="drop", max_bytes=max_bytes))


@pytest.mark.behaviour(87)
def test_a_batch_file_comes_out_message_by_message(tmp_path: Path) -> None:
    one, two = found(tmp_path / "a.hl7", b"\r".join([b"FHS|^~\\&", b"BHS|^~\\&", ONE, TWO, b"BTS|2", b"FTS|1"]))
    assert isinstance(one, Framed)
    assert isinstance(two, Framed)
    assert [(x.body, x.media, x.feed, x.header.control_id) for x in (one, two)] == [
        (ONE, Media.HL7V2, "drop", b"1"),
        (TWO, Media.HL7V2, "drop", b"2"),
    ]


@pytest.mark.behaviour(87)
def test_a_wrong_count_and_a_bad_message_do_not_stop_the_others(tmp_path: Path) -> None:
    problem, one, bad, two = found(tmp_path / "a.hl7", b"\r".join([ONE, b"MSH", TWO, b"BTS|9"]))
    assert problem == Problem(code=ProblemCode.BATCH_COUNT, text="BTS-1 says 9 messages, the file holds 3", at="BTS-1")
    assert isinstance(one, Framed)
    assert isinstance(two, Framed)
    assert (one.body, two.body) == (ONE, TWO)
    assert isinstance(bad, Unaccepted)
    assert (bad.problem.text, bad.problem.at) == ("MSH segment cannot be read", "message 2")


def test_a_file_that_is_no_hl7_is_kept_with_its_reason(tmp_path: Path) -> None:
    (kept,) = found(tmp_path / "a.hl7", b"Dear colleague,\nno message here\n")
    assert isinstance(kept, Unaccepted)
    assert kept.problem == Problem(code=ProblemCode.NO_MSH, text="no MSH segment: not an HL7 v2 file")


def test_a_fhir_file_is_one_body_and_ndjson_one_a_line(tmp_path: Path) -> None:
    (whole,) = found(tmp_path / "a.json", b'\xef\xbb\xbf{"resourceType": "Bundle"}\n')
    assert isinstance(whole, Received)
    assert (whole.media, whole.body) == (Media.FHIR, b'{"resourceType": "Bundle"}\n')
    lines = found(tmp_path / "a.ndjson", b'{"a":1}\n\n  \r\n{"b":2}\r\n{"c":3}')
    assert [one.body for one in lines if isinstance(one, Received)] == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


@pytest.mark.parametrize("name", ["a.hl7", "a.json"])
def test_a_file_over_the_limit_is_refused_with_both_sizes(tmp_path: Path, name: str) -> None:
    assert found(tmp_path / name, b"x" * 1001, max_bytes=1000) == [
        Problem(code=ProblemCode.TOO_LARGE, text="file of 1001 bytes is over the limit of 1000")
    ]


def test_in_ndjson_only_the_line_over_the_limit_is_refused(tmp_path: Path) -> None:
    content = b'{"a":1}\n' + b"x" * 3_000_000 + b"\n" + b"y" * 1000 + b"\r\n" + b"z" * 1001
    short, refused, exact, last = found(tmp_path / "a.ndjson", content, max_bytes=1000)
    assert refused == Problem(
        code=ProblemCode.TOO_LARGE, text="line of 3000001 bytes is over the limit of 1000", at="line 2"
    )
    assert isinstance(short, Received)
    assert isinstance(exact, Received)
    assert (short.body, exact.body, isinstance(last, Received)) == (b'{"a":1}', b"y" * 1000, True)


@pytest.mark.parametrize("name", ["a.hl7", "a.json", "a.ndjson"])
def test_an_empty_file_is_said_to_be_empty(tmp_path: Path, name: str) -> None:
    assert found(tmp_path / name, b" \r\n") == [Problem(code=ProblemCode.EMPTY, text="empty file")]


def test_an_unknown_suffix_asks_for_the_language(tmp_path: Path) -> None:
    assert found(tmp_path / "a.txt", ONE) == [
        Problem(
            code=ProblemCode.UNKNOWN_TYPE,
            text="suffix is none of .hl7, .json, .ndjson: say which language it is",
        )
    ]
    (one,) = read_file(tmp_path / "a.txt", feed="drop", media=Media.HL7V2)
    assert isinstance(one, Framed)


@pytest.mark.behaviour(87)
def test_a_file_is_taken_once_and_never_again_after_a_restart(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "a.hl7").write_bytes(ONE)
    assert [place.source.look() for _ in range(4)] == [0, 1, 0, 0]
    restarted = Place(tmp_path, ledger=place.ledger)
    assert restarted.look_twice() == 0
    assert (place.bodies, restarted.bodies) == ([ONE], [])
    assert (tmp_path / "a.hl7").read_bytes() == ONE


@pytest.mark.behaviour(87)
def test_new_content_under_an_old_name_is_a_new_file(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "a.hl7").write_bytes(ONE)
    place.look_twice()
    (tmp_path / "a.hl7").write_bytes(TWO + b"\r")
    assert place.look_twice() == 1
    assert place.bodies == [ONE, TWO]


@pytest.mark.behaviour(87)
def test_a_growing_file_is_left_until_it_rests(tmp_path: Path) -> None:
    place = Place(tmp_path)
    with (tmp_path / "a.hl7").open("ab") as file:
        for part in (ONE, b"\r", TWO):
            file.write(part)
            file.flush()
            assert place.source.look() == 0
    assert place.source.look() == 1
    assert place.bodies == [ONE, TWO]


@pytest.mark.behaviour(87)
def test_names_of_unfinished_files_are_passed_over_until_they_are_renamed(tmp_path: Path) -> None:
    place = Place(tmp_path)
    for name in (".a.hl7", "a.hl7.tmp", "b.hl7.part", "notes.txt"):
        (tmp_path / name).write_bytes(ONE)
    (tmp_path / "sub.hl7").mkdir()
    assert place.look_twice() == 0
    (tmp_path / "a.hl7.tmp").rename(tmp_path / "a.HL7")
    assert place.look_twice() == 1


@pytest.mark.behaviour(81)
def test_while_storage_fails_the_file_is_not_marked_and_is_taken_later(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "a.hl7").write_bytes(ONE)
    (tmp_path / "b.hl7").write_bytes(TWO)
    place.disk.failure = OSError(28, "No space left on device")
    assert place.look_twice() == 0
    assert (place.tally["folder.failed"], place.ledger.entries) == (2, set())
    place.disk.failure = None
    assert place.source.look() == 2
    assert place.bodies == [ONE, TWO]


def test_an_unreadable_file_does_not_stop_the_others(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "a.hl7").symlink_to(tmp_path / "nowhere.bin")
    (tmp_path / "b.hl7").write_bytes(b"no HL7")
    (tmp_path / "c.hl7").write_bytes(TWO)
    assert place.look_twice() == 2
    assert place.bodies == [TWO]
    assert [one.body for one in place.disk.unaccepted] == [b"no HL7"]
    assert (place.tally["folder.messages"], place.tally["folder.problems"]) == (1, 1)


def test_logs_name_a_file_by_its_inode_never_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "ADT_TESTER_9990000018.hl7"
    path.write_bytes(ONE + b"\rBTS|2")
    with capture_logs() as logs:
        Place(tmp_path).look_twice()
    assert [(log["event"], log["inode"]) for log in logs] == [
        ("file has a problem", path.stat().st_ino),
        ("file taken", path.stat().st_ino),
    ]
    assert "TESTER" not in str(logs)


def test_a_missing_folder_is_told_once_and_found_when_it_appears(tmp_path: Path) -> None:
    place = Place(tmp_path / "later")
    with capture_logs() as logs:
        assert place.look_twice() == 0
    assert [log["event"] for log in logs] == ["folder cannot be read; it is looked for again"]
    place.path.mkdir()
    (place.path / "a.hl7").write_bytes(ONE)
    assert place.look_twice() == 1


def test_a_long_file_is_committed_in_portions(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "a.ndjson").write_bytes(b"".join(b'{"n":%d}\n' % n for n in range(1200)))
    place.look_twice()
    assert [len(commit) for commit in place.disk.commits] == [500, 500, 200]


def test_the_ledger_gets_digests_only(tmp_path: Path) -> None:
    place = Place(tmp_path)
    (tmp_path / "a.hl7").write_bytes(ONE)
    place.look_twice()
    assert place.ledger.entries == {("drop", hashlib.sha256(b"a.hl7").digest(), hashlib.sha256(ONE).digest())}


def test_the_watch_ends_when_it_is_told_to(tmp_path: Path) -> None:
    place, stop = Place(tmp_path), threading.Event()
    (tmp_path / "a.hl7").write_bytes(ONE)
    watch = threading.Thread(target=lambda: place.source.run(stop, poll_s=0.01))
    watch.start()
    assert eventually(lambda: place.bodies == [ONE])
    stop.set()
    watch.join(5)
    assert not watch.is_alive()
