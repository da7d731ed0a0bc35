"""`check --messages FILE… --scrub DIR`: copies under names that tell nothing, which map to the same resources."""

import re
from collections import Counter
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from adapter import config, mapping
from adapter.cli.known_texts import KnownTexts
from adapter.cli.scrub_files import scrub, scrubbed
from adapter.errors import SetupError
from adapter.hl7v2 import Message, batch
from adapter.hl7v2.framing import frame
from adapter.hl7v2.scrub import Scrubber
from tests.mappings.v2_r4b import messages_of, packaged_maps, simulated
from tests.unit.cli.test_check import check

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def known() -> KnownTexts:
    return KnownTexts(config.packaged("mappings"), maps=packaged_maps(), settings=None)


def kinds(raw: bytes) -> Counter[str]:
    made = mapping.to_bundle(Message.parse(raw), packaged_maps(), timezone=ZoneInfo("Europe/London"))
    return Counter(entry["resource"]["resourceType"] for entry in made["entry"])


def test_a_scrubbed_sample_maps_to_the_same_kinds_and_counts(known: KnownTexts, tmp_path: Path) -> None:
    messages = [raw for _, raw in islice(simulated(), 60)]
    messages += [raw for folder in ("tests/data", "mappings/examples") for _, raw in messages_of(ROOT / folder)]
    (tmp_path / "in.hl7").write_bytes(b"\r\n".join(messages))
    list(scrub([tmp_path / "in.hl7"], tmp_path / "out", is_listed=known))
    done = batch.split((tmp_path / "out" / "0001.hl7").read_bytes()).messages
    assert [kinds(raw) for raw in done] == [kinds(raw) for raw in messages]
    names = {Message.parse(raw).get("PID").component(5) for raw in messages if b"\rPID|" in raw} - {""}  # type: ignore[union-attr]
    text = b"".join(done).decode("latin-1")
    assert [name for name in names if re.search(rf"\b{re.escape(name)}\b", text)] == []


BATCH = (
    b"FHS|^~\\&|EPR|RXX|||20260301||Quabaabth.hl7|^Quabaabth\r"
    b"BHS|^~\\&|EPR|RXX|||20260301||Quabaabth\r"
    b"MSH|^~\\&|EPR|RXX|||20260301||ADT^A01|1|P|2.4\rPID|1||X1^^^RXX^MR||Quabaabth^Mary\r"
    b"BTS|1|Quabaabth\rFTS|1\r"
)


@pytest.mark.parametrize(
    "body",
    [
        BATCH,
        BATCH.replace(b"\r", b"\r\n"),
        b"Dear Quabaabth\n" + BATCH,
        frame(BATCH[BATCH.index(b"MSH") : BATCH.index(b"BTS")]) + b"Quabaabth",
        b"Quabaabth: no message at all",
        b"MSH Quabaabth\r",
        b"",
    ],
)
def test_of_a_whole_file_nothing_comes_through_and_its_length_stays(body: bytes, known: KnownTexts) -> None:
    scrubber = Scrubber(b"k" * 32, is_listed=known)
    for raw in batch.split(body).messages:
        if raw[:4] == b"MSH|":
            scrubber.learn(Message.parse(raw))
    done = scrubbed(body, scrubber)
    assert b"quabaabth" not in done.lower()
    assert len(done) == len(body)
    assert [bytes([each]) for each in done if each in b"\r\n\x0b\x1c|"] == [
        bytes([each]) for each in body if each in b"\r\n\x0b\x1c|"
    ]
    assert batch.split(done).problems == batch.split(body).problems


def test_copies_get_names_that_tell_nothing_and_an_earlier_sample_is_not_overwritten(
    known: KnownTexts, tmp_path: Path
) -> None:
    files = [tmp_path / "quabaabth-9434765919.hl7", tmp_path / "b.hl7"]
    for file in files:
        file.write_bytes(BATCH)
    told = list(scrub(files, tmp_path / "out", is_listed=known))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0001.hl7", "0002.hl7"]
    assert len(told) == 2
    assert (tmp_path / "out" / "0001.hl7").read_bytes() == (tmp_path / "out" / "0002.hl7").read_bytes()
    with pytest.raises(SetupError, match="not empty"):
        list(scrub(files, tmp_path / "out", is_listed=known))


def test_two_samples_have_nothing_in_common(known: KnownTexts, tmp_path: Path) -> None:
    (tmp_path / "a.hl7").write_bytes(BATCH)
    for out in ("one", "two"):
        list(scrub([tmp_path / "a.hl7"], tmp_path / out, is_listed=known))
    one, two = ((tmp_path / out / "0001.hl7").read_bytes() for out in ("one", "two"))
    assert one != two


def test_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "a.hl7").write_bytes(BATCH)
    done = check("--messages", tmp_path / "a.hl7", "--scrub", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{tmp_path / 'a.hl7'}: scrubbed as {tmp_path / 'out' / '0001.hl7'}" in done.stdout
    assert b"Quabaabth" not in (tmp_path / "out" / "0001.hl7").read_bytes()
