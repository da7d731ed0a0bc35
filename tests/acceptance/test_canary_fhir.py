"""Criterion 6 for the ways in by FHIR: nothing of a patient, and no secret, stands in clear anywhere but in answers."""

import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance import canary_fhir as planted
from tests.acceptance import canary_fhir_faults as faults
from tests.acceptance import canary_fhir_hooks as hooks
from tests.acceptance.canary_fhir_run import CHILDREN, Hospital, a_hospital
from tests.acceptance.canary_messages import CANARIES, MAIL, MARK, SURNAME
from tests.acceptance.canary_search import Search

UNWRITTEN = "ZZ997QX"
"""A form of a postcode that is searched for and that nobody sends."""


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with a_hospital(tmp_path_factory.mktemp("canary")) as found:
        found.look("all is well")
        met = faults.break_searches(found, "crawl") + faults.break_searches(found, "push")
        met += [faults.break_turn(found, "crawl", "500"), faults.break_turn(found, "push", "502")]
        met += faults.break_export(found)
        assert set(hooks.tell(found)) >= {200, 401, 404, 405}
        found.until_met(met)
        found.until(found.is_crawl_broken, "the troubles are not noted")
        found.until(lambda: "a line of an export is broken" in found.log, "no export with such a line is sorted")
        found.ask_all()
        found.ask_for_words()
        faults.break_links(found, "push")
        found.until(lambda: "POLLING IS STOPPED" in found.log, "the link was not met")
        found.look("much is broken")
        found.kill("killed")
        yield found


def test_every_canary_was_sent(hospital: Hospital) -> None:
    """The control: what is searched for stands in what was sent."""
    found = Search([*CANARIES, *planted.SECRETS]).found_in(b"\n".join(hospital.sent))
    assert found == {*CANARIES, *planted.SECRETS} - {UNWRITTEN}


def test_each_way_in_has_brought_its_child_and_rows_left(hospital: Hospital) -> None:
    """The control: there was something to search."""
    kinds = defaultdict(set)
    for row in hospital.rows():
        kinds[row["child"]].add(row["kind"])
    whole = [each for each in kinds.values() if each >= {"infant", "lab_result", "operation", "imaging_report"}]
    assert len(whole) == len(CHILDREN)
    assert sum(path.stat().st_size for path in (hospital.folder / "out").rglob("*") if path.is_file()) > 20_000


def test_what_goes_wrong_was_met_by_each_source(hospital: Hospital) -> None:
    """The control: the errors were read, understood and told of, in words of ours."""
    log = hospital.log
    assert "the server showed another patient's resource" in log
    assert '"search failed"' in log
    assert '"a file of an export is not whole"' in log
    assert '"a line of an export is broken"' in log
    assert '"notification cannot be read; all is read instead"' in log
    assert '"notification refused"' in log
    assert "a Subscription" in log
    assert "other-patient" in hospital.texts["status --json"]
    assert "crawl  incomplete" in hospital.texts["cohort --incomplete"]
    assert "of a version that is none" in hospital.texts[f"doctor --patient {MARK}-nobody"]
    assert "bad resource" in hospital.texts["parked"]


def test_the_search_finds_one_value_in_a_store_as_large(hospital: Hospital, tmp_path: Path) -> None:
    """The control: a copy of the data folder, with a name in a row, an id in a file and a secret in a file's name."""
    shutil.copytree(hospital.data, tmp_path / "data")
    with closing(sqlite3.connect(tmp_path / "data" / "work.db")) as store, store:
        store.execute("INSERT INTO counter (name, value) VALUES (?, 1)", (f"poll.push.outcome.{SURNAME.lower()}",))
    (tmp_path / "data" / "spool.part").write_bytes(b"\0" * 5000 + f"/Patient/{MARK}-9".encode() + b"\0" * 5000)
    (tmp_path / "data" / f"file-{planted.SIGNATURE}").touch()
    found = planted.searcher(hospital.numbers).found_below(tmp_path)
    assert set().union(*(hits for name, hits in found.items() if "work.db" in name)) == {SURNAME}
    assert found["data/spool.part"] == {MARK}
    assert found[f"data/file-{planted.SIGNATURE}"] == {planted.SIGNATURE}


def test_nothing_stands_in_clear_in_the_data_folder(hospital: Hospital) -> None:
    assert hospital.hits == {"all is well": {}, "much is broken": {}, "killed": {}}


def test_nothing_left_with_the_rows_or_stands_in_a_file_for_a_moment(hospital: Hospital) -> None:
    search = planted.searcher(hospital.numbers)
    assert search.found_below(hospital.folder / "out") == {}
    assert search.found_below(hospital.temporary) == {}


def test_no_process_said_anything(hospital: Hospital) -> None:
    assert planted.searcher(hospital.numbers).found_in(hospital.log.encode()) == set()


def test_no_command_shows_it_unasked(hospital: Hospital) -> None:
    search = planted.searcher(hospital.numbers)
    shown = {name: found for name, text in hospital.shown.items() if (found := search.found_in(text.encode()))}
    assert shown == {}
    commands = {name.split()[0] for name in hospital.shown}
    assert commands == {"status", "cohort", "parked", "check", "doctor", "told"}


def test_who_gives_a_reason_is_shown_what_the_server_wrote_and_no_secret(hospital: Hospital) -> None:
    """The control, too: the words had come, and are kept."""
    found = planted.searcher(hospital.numbers).found_in(hospital.told.encode())
    assert found >= {MARK, SURNAME}
    assert found.isdisjoint({*planted.SECRETS, MAIL})


@pytest.mark.long
def test_whatever_else_is_answered_nothing_is_said_or_kept(tmp_path: Path) -> None:
    with a_hospital(tmp_path) as hospital:
        for source in ("crawl", "push"):
            for name in faults.OF_TURNS:
                hospital.until_met([faults.break_turn(hospital, source, name)], times=2)
                hospital.ask("status", "--json")
                hospital.look(f"{source} {name}")
        for name in faults.OF_PATIENTS:
            met = faults.break_patient(hospital, "crawl", name)
            hospital.until(lambda met=met: hospital.ask_again() or hospital.met[met], f"never asked: {met}")
            hospital.until(hospital.is_crawl_broken, "the trouble is not noted")
            hospital.ask_all()
            hospital.look(f"child {name}")
            hospital.servers["crawl"].faults.clear()
        _is_clean(hospital)


@pytest.mark.long
def test_killed_at_any_statement_nothing_stands_in_clear(tmp_path: Path) -> None:
    places = {"child-page": 40, "child": 4, "page": 20, "export": 60}
    with a_hospital(tmp_path) as hospital:
        faults.break_searches(hospital, "crawl")
        faults.break_export(hospital)
        for number in range(24):
            place, most = list(places.items())[number % len(places)]
            hospital.service.ensure_up()
            hospital.ask_again()
            hospital.kill_at(place, nth=1 + number * 7 % most)
            hospital.look(f"{place} {number}")
        for server in hospital.servers.values():
            server.faults.clear()
        hospital.service.ensure_up()
        hospital.ask_all()
        assert hospital.service.stop() == 0
        hospital.look("stopped")
        _is_clean(hospital)


def _is_clean(hospital: Hospital) -> None:
    search = planted.searcher(hospital.numbers)
    assert {moment: found for moment, found in hospital.hits.items() if found} == {}
    assert search.found_in(hospital.log.encode()) == set()
    assert {name: found for name, text in hospital.shown.items() if (found := search.found_in(text.encode()))} == {}
    assert search.found_below(hospital.folder / "out") == {}
