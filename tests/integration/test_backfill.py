"""Day one: files of history, by any number of processes and after any kill, give the rows that a live feed gives."""

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapter.cli.app import app
from adapter.cli.status import read_status
from adapter.config import TrustSettings
from adapter.errors import Problem
from adapter.hl7v2 import batch
from adapter.pipeline.early import readings
from adapter.service import history_reading
from adapter.service.assembly import Mappings, Translator, open_store, prepare
from adapter.service.backfill import Backfill
from adapter.service.history_reading import Question
from adapter.simulator.fhir_records import fhir_timeline
from adapter.simulator.fhir_versions import encode
from adapter.sources import history
from adapter.sources.history import Part
from adapter.store import registry
from adapter.store.states import IdentifierState
from tests.acceptance.hospital import rows_of
from tests.fakes.polled_hospital import a_child
from tests.integration.messages import GASTROSCHISIS, a_baby, an_adt, an_oru
from tests.integration.trust import Trust, load, trust_file

BLOCK_BYTES = 6_000
DAYS = 12


def the_past() -> list[bytes]:
    """A confirmed child, one that is held, and many of whom nobody asks; the diagnosis comes late."""
    child, held = a_baby(1), a_baby(2)
    messages = [an_adt("A01", child, at="202609010300"), an_adt("A01", held, at="202609010310")]
    for day in range(1, DAYS + 1):
        messages += [
            an_oru(child, at=f"202609{day:02}0800", order=f"26L{day}", value=f"{day}"),
            an_oru(held, at=f"202609{day:02}0810", order=f"26H{day}", value=f"{day}"),
        ]
        messages += [
            an_oru(a_baby(100 + 10 * day + each, born="19600101"), at=f"202609{day:02}0900", order=f"26A{day}{each}",
                   value="4", ward="GENMED^300") for each in range(4)
        ]  # fmt: skip
    return [*messages, an_adt("A08", child, codes=[GASTROSCHISIS], at="202609200800")]


def written(folder: Path, messages: list[bytes], *, files: int = 3) -> Path:
    """As a batch in several files."""
    folder.mkdir()
    for number in range(files):
        mine = messages[number::files]
        text = b"BHS|^~\\&|EPR\r" + b"\r".join(mine) + f"\rBTS|{len(mine)}\r".encode()
        (folder / f"{number}.hl7").write_bytes(text)
    return folder


@pytest.fixture
def settings_of(tmp_path: Path, mappings: Path) -> Callable[[str], TrustSettings]:
    def make(name: str) -> TrustSettings:
        folder = tmp_path / name
        folder.mkdir()
        sources = "[{name: epr, kind: mllp, bind: 127.0.0.1, port: 0}, {name: ehr, kind: folder, path: in}]"
        settings = load(trust_file(folder, mappings=mappings, sources=sources, hold="{unknown: P9000D, max: P9000D}"))
        prepare(settings)
        return settings

    return make


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "BLOCK_BYTES", BLOCK_BYTES)


def taken(settings: TrustSettings, loaded: Mappings, *paths: Path, processes: int = 1, feed: str = "epr") -> Backfill:
    told: list[str] = []

    def report(_: str, problem: Problem) -> None:
        told.append(problem.text)

    run = Backfill(settings, feed=feed, report=report, processes=processes, mappings=loaded)
    run.take_in(list(paths))
    assert told == []
    return run


def live(settings: TrustSettings, loaded: Mappings, messages: list[bytes]) -> list[str]:
    """The rows of a feed that was there from the beginning."""
    trust = Trust(settings, mappings=loaded)
    for each in messages:
        trust.receive(each)
    trust.close()
    return rows_of(settings)


def message_counts(settings: TrustSettings) -> dict[str, int]:
    return dict(read_status(settings)["messages"])


@pytest.mark.parametrize("processes", [1, 3])
def test_files_give_the_rows_of_a_live_feed_however_many_processes_read(
    tmp_path: Path, settings_of: Callable[[str], TrustSettings], loaded: Mappings, processes: int
) -> None:
    past = the_past()
    expected = live(settings_of("live"), loaded, past)
    here = settings_of("here")
    run = taken(here, loaded, written(tmp_path / "past", past), processes=processes)

    assert rows_of(here) == expected
    assert len(expected) > DAYS
    assert run.counts == {"files": 3, "messages": len(past), "files.done": 0}
    assert "parked" not in {state for state, count in message_counts(here).items() if count}


def test_rows_are_made_ahead_for_a_child_that_has_rows_and_for_nobody_else(
    tmp_path: Path, settings_of: Callable[[str], TrustSettings], loaded: Mappings
) -> None:
    *admitted, diagnosed = [message for message in the_past() if b"ADT" in message]
    results = [message for message in the_past() if b"ADT" not in message]
    here = settings_of("here")
    taken(here, loaded, written(tmp_path / "first", [*admitted, diagnosed], files=1))
    later = written(tmp_path / "later", results, files=1) / "0.hl7"
    part = Part(str(later), 0, later.stat().st_size, later.stat().st_size)
    database = open_store(here)
    with database.read() as conn:
        confirmed = tuple(registry.blinds_in(conn, IdentifierState.CONFIRMED))
    database.close()
    question = Question((part,), 1, "epr", datetime.now(UTC), True, confirmed)
    pieces = history_reading.block_reader(here, loaded)(question).pieces
    kept = [
        early for piece in pieces if piece.early for read in readings(piece.early).values() if (early := read.early)
    ]

    assert sum(early.made is not None for early in kept) == DAYS
    assert sum(early.made is None for early in kept) == DAYS
    assert all(len(early.made) == 1 for early in kept if early.made is not None)
    taken(here, loaded, later.parent, processes=2)
    assert rows_of(here) == live(settings_of("live"), loaded, [*admitted, diagnosed, *results])


def test_what_was_taken_is_not_taken_again(
    tmp_path: Path, settings_of: Callable[[str], TrustSettings], loaded: Mappings
) -> None:
    past, here = the_past(), settings_of("here")
    folder = written(tmp_path / "past", past)
    taken(here, loaded, folder)
    before, rows = message_counts(here), rows_of(here)
    assert taken(here, loaded, folder).counts == {"files": 3, "files.done": 3}
    assert (message_counts(here), rows_of(here)) == (before, rows)

    (folder / "3.hl7").write_bytes(an_oru(a_baby(1), at="202609210800", order="26LX", value="9"))
    assert taken(here, loaded, folder).counts["messages"] == 1
    assert len(rows_of(here)) == len(rows) + 1


@pytest.mark.parametrize("processes", [2, pytest.param(1, marks=pytest.mark.long)])
def test_killed_at_any_moment_it_goes_on_without_loss_or_doubling(
    tmp_path: Path, settings_of: Callable[[str], TrustSettings], loaded: Mappings, processes: int
) -> None:
    past = the_past()
    folder = written(tmp_path / "past", past)
    faultless, killed = settings_of("faultless"), settings_of("killed")
    taken(faultless, loaded, folder)
    rng = random.Random(seed := int(os.environ.get("CRASH_SEED") or time.time_ns() % 1_000_000))
    context = multiprocessing.get_context("fork")
    died = 0
    for _ in range(6):
        process = context.Process(target=taken, args=(killed, loaded, folder), kwargs={"processes": processes})
        process.start()
        process.join(rng.uniform(0.02, 0.4))
        if process.is_alive():
            os.kill(process.pid or 0, signal.SIGKILL)
            died += 1
        process.join()
    taken(killed, loaded, folder, processes=processes)
    print(f"CRASH_SEED={seed}: {died} kills")
    assert rows_of(killed) == rows_of(faultless)
    assert message_counts(killed) == message_counts(faultless)


def test_a_helper_that_dies_takes_nothing_with_it(
    tmp_path: Path, settings_of: Callable[[str], TrustSettings], loaded: Mappings, monkeypatch: pytest.MonkeyPatch
) -> None:
    past, here, parent = the_past(), settings_of("here"), os.getpid()
    expected = live(settings_of("live"), loaded, past)
    read = history_reading._told
    asked = multiprocessing.get_context("fork").Value("i", 0)

    def dies(reader: object, question: history_reading.Question) -> object:
        if os.getpid() != parent:
            asked.value += 1
            if asked.value == 2:
                os._exit(9)
        return read(reader, question)  # type: ignore[arg-type]

    monkeypatch.setattr(history_reading, "_told", dies)
    taken(here, loaded, written(tmp_path / "past", past), processes=2)
    assert asked.value == 2
    assert rows_of(here) == expected


@pytest.mark.parametrize("processes", [2, pytest.param(1, marks=pytest.mark.long)])
def test_a_message_that_fails_is_parked_alone(
    tmp_path: Path,
    settings_of: Callable[[str], TrustSettings],
    loaded: Mappings,
    monkeypatch: pytest.MonkeyPatch,
    processes: int,
) -> None:
    past = the_past()
    poison = an_oru(a_baby(1), at="202609050801", order="POISON", value="7")
    translate = Translator.__call__

    def fails(self: Translator, feed: str, media: str, body: bytes) -> object:
        if b"POISON" in body:
            raise RuntimeError("a fault of ours")
        return translate(self, feed, media, body)

    monkeypatch.setattr(Translator, "__call__", fails)
    expected = live(settings_of("live"), loaded, past)
    here = settings_of("here")
    taken(here, loaded, written(tmp_path / "past", [*past[:30], poison, *past[30:]]), processes=processes)
    assert rows_of(here) == expected
    assert message_counts(here)["parked"] == 1


@pytest.mark.parametrize("processes", [2, pytest.param(1, marks=pytest.mark.long)])
def test_a_message_that_stops_the_process_is_parked_in_the_end(
    tmp_path: Path,
    settings_of: Callable[[str], TrustSettings],
    loaded: Mappings,
    monkeypatch: pytest.MonkeyPatch,
    processes: int,
) -> None:
    past, here = the_past(), settings_of("here")
    expected = live(settings_of("live"), loaded, past)
    poison = an_oru(a_baby(1), at="202609050801", order="POISON", value="7")
    folder = written(tmp_path / "past", [*past[:30], poison, *past[30:]])
    translate = Translator.__call__

    def dies(self: Translator, feed: str, media: str, body: bytes) -> object:
        if b"POISON" in body:
            os._exit(9)
        return translate(self, feed, media, body)

    monkeypatch.setattr(Translator, "__call__", dies)
    codes: list[int | None] = []
    while 0 not in codes and len(codes) < 8:
        process = multiprocessing.get_context("fork").Process(
            target=taken, args=(here, loaded, folder), kwargs={"processes": processes}
        )
        process.start()
        process.join(60)
        codes.append(process.exitcode)
    assert set(codes[:-1]) == {9}
    assert codes[-1] == 0  # at most twice in company, three times alone, and then parked
    assert len(codes) <= 6
    assert message_counts(here)["parked"] == 1
    assert rows_of(here) == expected


def test_beside_a_running_service_a_block_goes_to_its_queue_when_nothing_else_waits(
    tmp_path: Path, settings_of: Callable[[str], TrustSettings], loaded: Mappings
) -> None:
    past, here = the_past(), settings_of("here")
    expected = live(settings_of("live"), loaded, past)
    folder = written(tmp_path / "past", past)
    service = Trust(here, mappings=loaded)
    run = Backfill(here, feed="epr", report=lambda *_: None, processes=2, mappings=loaded)
    thread = threading.Thread(target=run.hand_over, args=([folder],), daemon=True)
    thread.start()
    most = 0
    deadline = time.monotonic() + 60
    while (thread.is_alive() or depth(service)) and time.monotonic() < deadline:
        time.sleep(0.05)  # time in which it must not hand in a second block
        most = max(most, depth(service))
        service.works.drain()
    service.close()
    thread.join(5)
    assert rows_of(here) == expected
    assert 0 < most < len(past) / 4


def depth(trust: Trust) -> int:
    return int(trust.status()["queue"]["waiting"])


def test_fhir_files_give_the_rows_of_the_same_pages(
    tmp_path: Path, settings_of: Callable[[str], TrustSettings], loaded: Mappings
) -> None:
    resources = [change.resource for change in fhir_timeline([a_child(0)]) if change.resource]
    lines, bundle = tmp_path / "all.ndjson", tmp_path / "all.json"
    lines.write_bytes(b"".join(encode(each) + b"\n" for each in resources))
    entries = [{"resource": each} for each in resources]
    bundle.write_bytes(encode({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    found = []
    for number, (path, processes) in enumerate([(lines, 1), (lines, 2), (bundle, 1), (bundle, 2)]):
        here = settings_of(f"here{number}")
        taken(here, loaded, path, processes=processes, feed="ehr")
        found.append(rows_of(here))
    assert found[0] == found[1]
    assert found[2] == found[3]
    assert len(found[2]) > 10


@pytest.mark.parametrize("ends", [b"\r", b"\n", b"\r\n"])
def test_cuts_fall_between_messages(tmp_path: Path, ends: bytes) -> None:
    text = ends.join(each.replace(b"\r", ends) for each in the_past())
    file = tmp_path / "one.hl7"
    file.write_bytes(text)
    parts = list(history.cut(file))
    assert len(parts) > 5
    assert (parts[0].start, parts[-1].end) == (0, len(text))
    found = [message for part in parts for message in batch.split(text[part.start : part.end]).messages]
    assert tuple(found) == batch.split(text).messages
    assert list(history.cut(file, done=parts[2].end)) == parts[3:]


def test_what_is_at_rest_of_it_is_sealed(
    tmp_path: Path, settings_of: Callable[[str], TrustSettings], loaded: Mappings
) -> None:
    here = settings_of("here")
    taken(here, loaded, written(tmp_path / "past-of-MARROWSIDE", the_past()), processes=2)
    stored = b"".join(path.read_bytes() for path in here.data_folder.rglob("*") if path.is_file())
    assert b"MARROWSIDE" not in stored
    assert a_baby(1).nhs.encode() not in stored


def csor_adapter(file: Path, *more: str) -> Result:
    return CliRunner().invoke(app, ["backfill", "--config", str(file), *more])


def test_the_command_says_from_when_on_data_are_here_and_what_it_could_not_use(
    tmp_path: Path, settings_of: Callable[[str], TrustSettings]
) -> None:
    here = settings_of("here")
    file, folder = tmp_path / "here" / "trust.yaml", written(tmp_path / "past", the_past())
    ran = csor_adapter(file, str(folder), "--feed", "epr", "--processes", "2", "--covers-from", "2026-09-01")
    assert ran.exit_code == 0, ran.output
    assert f"{len(the_past())} messages of 3 files taken, 0 problems" in ran.stdout
    assert "data of epr are here from 2026-09-01 on" in ran.stdout
    assert read_status(here)["data_coverage_from"] == {"epr": "2026-09-01T00:00:00+01:00"}

    (folder / "bad.hl7").write_bytes(b"BHS|^~\\&|EPR\r" + an_adt("A01", a_baby(9), at="202509010300") + b"\rBTS|2")
    ran = csor_adapter(file, str(folder), "--feed", "epr", "--covers-from", "2025-09-01")
    assert ran.exit_code == 1
    assert "BTS-1 says 2 messages, the file holds 1" in ran.stderr
    assert "the coverage is not set" in ran.stdout
    assert read_status(here)["data_coverage_from"] == {"epr": "2026-09-01T00:00:00+01:00"}
    assert csor_adapter(file, str(folder), "--feed", "nobody").exit_code == 2
