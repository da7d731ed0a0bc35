"""Bulk exports of a FHIR server into a real store: from the first request to rows, over restarts and faults."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter.cli.status import read_status
from adapter.config import FhirSearchSource
from adapter.errors import Halted
from adapter.service.assembly import Mappings
from adapter.service.polling import Poller
from adapter.simulator import fhir_faults as faults
from adapter.simulator.fhir_faults import Fault
from adapter.simulator.fhir_search import outcome
from adapter.simulator.fhir_server import FhirServer
from adapter.simulator.fhir_versions import Change
from adapter.store import audit
from tests.acceptance.hospital import comparable
from tests.fakes.exporting_hospital import BULK, GROUP, Exporting, exporting_trust, storage
from tests.fakes.polled_hospital import END, TOKEN, a_child, changes, polled, polling_trust
from tests.integration.trust import Trust, load
from tests.unit.simulator.fhir_courses import day

LATE = END + timedelta(days=2)


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with polled(1) as served:
        served.exports.groups = {GROUP: None}
        yield served


Export = Callable[..., Exporting]


@pytest.fixture
def export(tmp_path: Path, mappings: Path, loaded: Mappings) -> Iterator[Export]:
    made: list[Exporting] = []

    def make(server: FhirServer, *, url: str = "", more: dict[str, str] | None = None, **of_source: str) -> Exporting:
        store = {"store": f"{{url: '{url}'}}"} if url else {}
        folder = tmp_path / f"trust{len(made)}"
        file = exporting_trust(folder, server, mappings=mappings, more={**store, **(more or {})}, **of_source)
        made.append(Exporting(file, loaded))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def faultless(tmp_path_factory: pytest.TempPathFactory, mappings: Path, loaded: Mappings) -> list[str]:
    """The rows of an export in which nothing goes wrong."""
    with polled(1) as server:
        server.exports.groups = {GROUP: None}
        file = exporting_trust(tmp_path_factory.mktemp("faultless") / "trust", server, mappings=mappings, more={})
        here = Exporting(file, loaded)
        here.until_idle()
        try:
            return here.rows
        finally:
            here.close()


def searched(folder: Path, server: FhirServer, *, mappings: Path, loaded: Mappings) -> list[str]:
    """The rows that polling the same hospital gives."""
    file = polling_trust(folder, server, mappings=mappings, more={})
    source = load(file).sources[0]
    assert isinstance(source, FhirSearchSource)
    trust, poller = Trust(load(file), mappings=loaded), Poller(load(file), source)
    try:
        for _ in range(2):
            poller.turn(threading.Event())
            trust.works.drain()
        return comparable(row for row in trust.rows(every=True) if row["state"] != "deleted")
    finally:
        poller.close()
        trust.close()


def a_value(number: int, *, at: datetime, **more: Any) -> Change:
    """One more result of the first child, of a sample that was there before."""
    return Change(visible_at=at, resource={**_A_VALUE, "id": f"late-{number}", **more})


_A_VALUE = next(
    dict(change.resource)
    for change in changes(1)
    if change.resource["resourceType"] == "Observation" and "specimen" in change.resource
)


@pytest.mark.behaviour(43)
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_an_export_gives_the_rows_of_polling_the_same_hospital(
    export: Export, store: str, request: pytest.FixtureRequest, tmp_path: Path, mappings: Path, loaded: Mappings
) -> None:
    url = str(request.getfixturevalue("postgres_url")) if store == "postgresql" else ""
    with polled(2 if store == "sqlite" else 1) as server:
        server.exports.groups = {GROUP: None}
        server.exports.settings.lines_per_file = 7
        server.exports.settings.is_gzipped = store == "sqlite"
        here = export(server, url=url)
        here.run()
        expected = searched(tmp_path / "polled", server, mappings=mappings, loaded=loaded)

    assert here.rows == expected
    assert len(expected) > 20
    assert here.states == ["whole"]
    assert here.trust.parked() == []
    job = server.exports.jobs[0]
    assert sorted(job.downloads) == list(range(len(job.files)))
    assert job.is_deleted


def test_exports_of_changes_give_the_rows_of_reading_everything_at_the_end(
    export: Export, tmp_path: Path, mappings: Path, loaded: Mappings
) -> None:
    with polled(1, now=day(-1)) as server:
        server.exports.groups = {GROUP: None}
        here = export(server)
        for number in range(0, 60, 20):
            server.advance(day(number))
            here.run()
        expected = searched(tmp_path / "polled", server, mappings=mappings, loaded=loaded)

    assert here.rows == expected
    assert [name for job in server.exports.jobs[2:] for name, _ in job.asked].count("_since") >= 2


@pytest.mark.behaviour(41)
def test_where_to_ask_is_on_disk_before_it_is_asked_and_a_restart_asks_there(
    export: Export, server: FhirServer
) -> None:
    server.exports.settings.polls = 3
    here = export(server)
    server.faults.add(Fault(effect=faults.dropped(), interactions=("export-status",), times=4))
    here.turn()
    state = here.jobs[0].state
    here.restart()
    here.make_due()
    here.until_idle()

    assert state == "exporting"
    assert here.states == ["whole"]
    assert len(server.exports.jobs) == 1


@pytest.mark.behaviour(42)
def test_an_export_that_a_crash_has_hidden_is_finished_not_asked_for_again(export: Export, server: FhirServer) -> None:
    server.exports.settings.names_earlier = True
    here = export(server)
    server.faults.add(Fault(effect=faults.dropped(), interactions=("export",)))
    here.until_idle()

    assert here.states == ["whole"]
    assert len(server.exports.jobs) == 1


@pytest.mark.behaviour(42)
def test_another_export_of_ours_is_deleted_before_the_one_that_is_wanted(export: Export, server: FhirServer) -> None:
    server.exports.settings.names_earlier = True
    server.exports.kick_off(f"Group/{GROUP}", [("_type", "Patient")], patients=(), url=f"{server.base}/Group/x/$export")
    here = export(server)
    here.until_idle()

    assert here.states == ["whole"]
    assert [job.is_deleted for job in server.exports.jobs] == [True, True]
    assert [len(job.downloads) > 0 for job in server.exports.jobs] == [False, True]


@pytest.mark.behaviour(42)
def test_where_the_server_does_not_say_which_export_is_in_the_way_its_end_is_awaited(
    export: Export, server: FhirServer
) -> None:
    server.exports.kick_off(f"Group/{GROUP}", [], patients=(), url="")
    here = export(server, bulk=BULK.replace("poll_min_s: 5", "poll_min_s: 0.01"))
    waits_s = here.turn()
    state = here.jobs[0].state
    server.exports.delete(1)
    here.make_due()
    here.until_idle()

    assert 0.5 < waits_s <= 1
    assert state == "starting"
    assert here.states == ["whole"]


@pytest.mark.behaviour(42)
def test_an_export_that_was_given_up_is_deleted_before_the_next_one(export: Export, server: FhirServer) -> None:
    server.exports.settings.polls = 10**6
    here = export(server, bulk=BULK.replace("}", ", max_wait: PT1S}"))
    here.turn()
    with here.trust.works.database.write() as conn:
        conn.exec_driver_sql("UPDATE bulk_job SET began_us = began_us - 2000000")
    here.make_due()
    during = read_status(here.trust.settings)["alarms"]
    here.turn()
    after = read_status(here.trust.settings)["alarms"]
    was_there = not server.exports.jobs[0].is_deleted
    server.exports.settings.polls = 0
    here.run()

    assert was_there
    assert server.exports.jobs[0].is_deleted
    assert here.states == ["failed", "whole"]
    assert any("goes on for longer than max_wait" in alarm for alarm in during)
    assert any("was given up after max_wait" in alarm for alarm in after)
    assert not any("export" in alarm for alarm in read_status(here.trust.settings)["alarms"])


@pytest.mark.behaviour(35)
@pytest.mark.parametrize(("said", "least_s", "most_s"), [("5", 4, 5), ("date", 1, 3)])
def test_how_far_it_is_is_asked_when_the_server_wants_it(
    export: Export, server: FhirServer, said: str, least_s: float, most_s: float
) -> None:
    server.exports.settings.polls = 2
    server.exports.settings.retry_after = said
    here = export(server, bulk=BULK.replace("poll_min_s: 5", "poll_min_s: 0.01"))
    wait_s = here.turn()
    here.restart()
    again_s = here.turn()

    assert least_s < wait_s <= most_s
    assert 0 < again_s <= wait_s
    assert server.exports.jobs[0].polled == 1
    assert here.jobs[0].percent == 33


@pytest.mark.parametrize("effect", [faults.status(500), faults.too_many(retry_after="0")])
def test_a_server_that_fails_while_it_is_asked_how_far_it_is_is_asked_again(
    export: Export, server: FhirServer, effect: faults.Effect
) -> None:
    server.faults.add(Fault(effect=effect, interactions=("export-status",), times=3))
    here = export(server)
    here.until_idle()

    assert here.states == ["whole"]
    assert len(server.exports.jobs) == 1


def test_an_export_that_the_server_has_lost_failed_and_is_asked_for_again_in_time(
    export: Export, server: FhirServer
) -> None:
    here = export(server)
    server.faults.add(Fault(effect=faults.status(404), interactions=("export-status",)))
    here.turn()
    lost = here.states
    server.exports.delete(1)
    here.run()

    assert lost == ["failed"]
    assert here.states == ["failed", "whole"]
    assert here.since["Observation"] != ""


@pytest.mark.behaviour(43)
def test_only_files_that_are_lacking_are_fetched_and_nothing_is_taken_before_all_are_there(
    export: Export, server: FhirServer
) -> None:
    server.exports.settings.polls = 0
    here = export(server)
    server.faults.add(Fault(effect=faults.truncated(), interactions=("export-file",), resource_type="Condition"))
    here.turn()
    state, stored = here.jobs[0].state, here.count("message")
    here.restart()
    here.make_due()
    here.until_idle()

    job = server.exports.jobs[0]
    condition = next(place for place, each in enumerate(job.files) if each.resource_type == "Condition")
    assert (state, stored) == ("downloading", 0)
    assert here.states == ["whole"]
    assert job.downloads.count(condition) == 2
    assert all(job.downloads.count(place) == 1 for place in range(len(job.files)) if place != condition)


@pytest.mark.behaviour(43)
def test_files_are_not_asked_for_once_they_have_expired(export: Export, server: FhirServer) -> None:
    server.exports.settings.life = timedelta(seconds=-1)
    here = export(server)
    here.until_idle()

    assert server.exports.jobs[0].downloads == []
    assert here.states == ["partial"]
    assert set(here.since.values()) == {""}


def test_a_file_that_is_refused_leaves_its_type_where_it_stood(export: Export, server: FhirServer) -> None:
    here = export(server)
    refused = Fault(effect=faults.status(403), interactions=("export-file",), resource_type="Condition", times=None)
    server.faults.add(refused)
    here.until_idle()
    stood = here.since
    server.faults.clear()
    here.run()

    assert here.states[0] == "partial"
    assert [name for name, since in stood.items() if not since] == ["Condition"]
    assert here.since["Condition"] != ""


def test_files_that_were_damaged_on_our_disk_are_fetched_again(
    export: Export, server: FhirServer, faultless: list[str]
) -> None:
    server.exports.settings.polls = 0
    here = export(server)
    server.faults.add(Fault(effect=faults.status(500), interactions=("export-file",), skip=6, times=None))
    here.turn()
    server.faults.clear()
    spooled = sorted((here.file.parent / "data" / "exports").iterdir())
    spooled[0].write_bytes(spooled[0].read_bytes()[:-40])
    here.make_due()
    here.turn()
    after = here.states
    here.run()

    assert after == ["failed"]
    assert here.states == ["failed", "whole"]
    assert here.rows == faultless
    assert [job.is_deleted for job in server.exports.jobs] == [True, True]


@pytest.mark.behaviour(42)
def test_an_export_that_cannot_be_deleted_now_is_deleted_before_the_next(export: Export, server: FhirServer) -> None:
    here = export(server)
    server.faults.add(Fault(effect=faults.status(500), interactions=("export-delete",), times=4))
    here.until_idle()
    ended, is_known = here.states, here.jobs[0].sealed is not None
    server.seen.clear()
    here.run()

    assert ended == ["whole"]
    assert is_known
    deleted = [one.url.rpartition("/")[2] for one in server.seen if one.interaction == "export-delete"]
    assert deleted[0] == "1"
    assert all(job.sealed is None for job in here.jobs)


@pytest.mark.behaviour(10)
@pytest.mark.parametrize("is_named", [False, True])
def test_no_token_goes_to_the_host_where_the_files_are(export: Export, server: FhirServer, is_named: bool) -> None:
    with storage(server) as elsewhere:
        server.exports.settings.storage = elsewhere.base
        server.exports.settings.is_storage_named = is_named
        here = export(server, allowed_hosts=f"['{elsewhere.base.removeprefix('http://')}']")
        here.until_idle()

    assert here.states == ["whole"]
    assert elsewhere.seen == [""] * len(server.exports.jobs[0].files)


@pytest.mark.behaviour(10)
def test_a_file_on_a_host_that_nobody_has_named_is_not_fetched(export: Export, server: FhirServer) -> None:
    with storage(server) as elsewhere:
        server.exports.settings.storage = elsewhere.base
        server.exports.settings.polls = 0
        here = export(server)
        with pytest.raises(Halted):
            here.turn()

    assert elsewhere.seen == []
    assert here.jobs[0].state == "downloading"
    status = read_status(here.trust.settings)["exports"]["fhir"][f"Group/{GROUP}"]
    assert status["trouble"] == "link-elsewhere"


@pytest.mark.behaviour(44)
@pytest.mark.parametrize(
    ("said", "affected", "section"),
    [
        (outcome("exception", "Observation could not be read"), {"Observation"}, "error"),
        (outcome("exception", "something could not be read"), None, "outcome"),
        (outcome("informational", "Observation was slow", severity="information"), set(), "error"),
    ],
)
def test_a_type_that_the_server_could_not_export_is_asked_for_again_from_where_it_stood(
    export: Export, server: FhirServer, said: dict[str, Any], affected: set[str] | None, section: str
) -> None:
    here = export(server)
    here.until_idle()
    before = here.since
    server.exports.settings.outcomes = (said,)
    server.exports.settings.outcomes_in = section
    server.advance(LATE)
    here.run()

    affected = set(before) - {"Patient"} if affected is None else affected
    assert {name for name, since in here.since.items() if since == before[name]} - {"Patient"} == affected
    assert here.states[-1] == ("partial" if affected else "whole")


@pytest.mark.behaviour(45)
def test_what_changed_since_the_time_of_the_server_is_asked_for_in_its_own_words(
    export: Export, server: FhirServer
) -> None:
    here = export(server)
    here.until_idle()
    told = server.exports.jobs[0].at
    server.advance(LATE)
    here.run()

    asked = dict(server.exports.jobs[-1].asked)
    assert datetime.fromisoformat(asked["_since"]) == told
    assert set(here.since.values()) == {"2026-11-23T04:12:00.000+00:00"}


@pytest.mark.behaviour(46)
def test_a_resource_that_is_told_twice_is_stored_once_in_its_newest_version(
    export: Export, server: FhirServer, faultless: list[str]
) -> None:
    server.exports.settings.doubles = 2
    server.exports.settings.older_too = True
    server.exports.settings.lines_per_file = 3
    twice = export(server)
    twice.until_idle()

    assert twice.rows == faultless
    assert twice.counted("resources") == len({(c.resource["resourceType"], c.resource["id"]) for c in changes(1)}) - 19
    assert twice.counted("doubles") > 20


@pytest.mark.behaviour(47)
@pytest.mark.parametrize("kind", ["cut", "torn", "garbled"])
def test_of_a_broken_file_the_good_lines_are_kept_and_the_place_is_told(
    export: Export, server: FhirServer, faultless: list[str], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    setattr(server.exports.settings, f"{kind}_types", frozenset({"Observation"}))
    server.exports.settings.is_gzipped = kind == "torn"
    here = export(server)
    here.until_idle()
    told = capsys.readouterr().out
    stood = here.since
    setattr(server.exports.settings, f"{kind}_types", frozenset())
    here.run()

    assert here.states[0] == "partial"
    assert stood["Observation"] == ""
    assert stood["Condition"] != ""
    assert "is not whole" in told if kind == "torn" else "a line of an export is broken" in told
    assert "type=Observation" in told
    assert here.states[1:] == ["whole"] * len(here.states[1:])
    assert here.rows == faultless


@pytest.mark.behaviour(48)
def test_what_was_made_of_a_deleted_resource_is_withdrawn_with_an_entry_in_the_audit_trail(
    export: Export, server: FhirServer, tmp_path: Path, mappings: Path, loaded: Mappings
) -> None:
    here = export(server)
    here.until_idle()
    before = len(here.rows)
    gone = [next(c.resource for c in changes(1) if c.resource["resourceType"] == kind) for kind in _MAKE_ROWS]
    server.add([_deletion(dict(each), at=LATE - timedelta(hours=1)) for each in gone])
    server.advance(LATE)
    here.run()
    here.turn()
    expected = searched(tmp_path / "polled", server, mappings=mappings, loaded=loaded)

    assert here.rows == expected
    assert before - len(expected) >= len(_MAKE_ROWS)
    with here.trust.works.database.read() as conn:
        entries = [entry for entry in audit.entries(conn) if entry.kind == "withdrawal"]
        assert audit.verify(conn, key=here.trust.works.ring.derived("audit")).first_broken is None
    assert [entry.detail["types"] for entry in entries] == [dict.fromkeys(_MAKE_ROWS, 1)]


_MAKE_ROWS = ("Condition", "Encounter", "MedicationAdministration", "Observation", "QuestionnaireResponse")


def _deletion(resource: dict[str, Any], *, at: datetime) -> Change:
    return Change(visible_at=at, resource=resource, is_deleted=True)


@pytest.mark.behaviour(48)
def test_a_deletion_that_is_known_before_its_resource_is_processed_withdraws_it(
    export: Export, server: FhirServer
) -> None:
    here = export(server)
    here.until_idle()
    before = here.rows
    server.add([a_value(1, at=LATE - timedelta(hours=3), code={"coding": [{"system": "urn:lab", "code": "NEW"}]})])
    server.advance(LATE - timedelta(hours=2))
    here.next_day()
    for _ in range(4):
        here.exports.turn(threading.Event())  # nothing is processed meanwhile
        here.make_due()
    server.add([_deletion({"resourceType": "Observation", "id": "late-1"}, at=LATE - timedelta(hours=1))])
    server.advance(LATE)
    here.next_day()
    for _ in range(4):
        here.exports.turn(threading.Event())
        here.make_due()
    waiting = here.counted("withdrawn")
    here.turn()
    here.turn()

    assert waiting == 0
    assert here.counted("withdrawn") == 1
    assert here.rows == before


@pytest.mark.behaviour(48)
def test_the_deletion_of_a_patient_waits_for_a_person(export: Export, server: FhirServer) -> None:
    here = export(server)
    here.until_idle()
    before = here.rows
    patient = next(c.resource for c in changes(1) if c.resource["resourceType"] == "Patient")
    server.add([_deletion(dict(patient), at=LATE - timedelta(hours=1))])
    server.advance(LATE)
    here.run()
    here.turn()
    here.run()

    assert here.rows == before
    assert len(here.trust.parked()) == 1


@pytest.mark.behaviour(49)
@pytest.mark.parametrize("takes_patients", [True, False])
def test_of_a_new_member_everything_is_fetched(export: Export, takes_patients: bool) -> None:
    with polled(2) as server:
        server.exports.settings.takes_patients = takes_patients
        first, second = _patients(2)
        server.exports.groups = {GROUP: {first, second}}
        both = export(server)
        both.until_idle()
        server.exports.groups = {GROUP: {first}}
        here = export(server)
        here.until_idle()
        alone = here.rows
        server.exports.groups = {GROUP: {first, second}}
        server.advance(LATE)
        asked = len(server.exports.jobs)
        here.run()
        here.run()
        whole = [job for job in server.exports.jobs[asked:] if job.patients]

    assert len(alone) < len(both.rows)
    assert here.rows == both.rows
    assert [job.patients for job in whole] == ([(second,)] if takes_patients else [])


def _patients(children: int) -> list[str]:
    return [each.resource["id"] for each in changes(children) if each.resource["resourceType"] == "Patient"][:children]


@pytest.mark.behaviour(49)
def test_an_export_of_everything_finds_what_exports_of_changes_have_missed(export: Export, server: FhirServer) -> None:
    here = export(server)
    here.until_idle()
    # A slow transaction: stamped before the export, to be seen after it (LinuxForHealth/FHIR#2039).
    slow = a_value(2, at=LATE - timedelta(hours=1), code={"coding": [{"system": "urn:lab", "code": "SLOW"}]})
    server.add([Change(visible_at=slow.visible_at, resource=slow.resource, updated_at=END - timedelta(hours=1))])
    server.advance(LATE)
    here.run()
    missing = len(here.rows)
    with here.trust.works.database.write() as conn:
        conn.exec_driver_sql("UPDATE bulk_type SET full_us = 0")
    here.run()

    assert here.counted("missed") == 1
    assert len(here.rows) == missing + 1
    assert here.counted("unchanged") > 10


def test_a_new_result_of_an_old_sample_is_read_with_that_sample(export: Export, server: FhirServer) -> None:
    here = export(server)
    here.until_idle()
    server.add([a_value(3, at=LATE - timedelta(hours=1))])
    server.advance(LATE)
    server.seen.clear()
    here.run()

    read = [one for one in server.seen if one.interaction == "read"]
    assert {one.resource_type for one in read} == {"Specimen", "ServiceRequest"}
    assert len(read) == 2
    assert here.trust.counts().get("problem.P118", 0) == 0


@pytest.mark.parametrize("left_out", [{"Location", "Medication"}, {"Specimen", "ServiceRequest"}])
def test_what_a_server_leaves_out_of_its_exports_is_read_beside_them(
    export: Export, server: FhirServer, faultless: list[str], left_out: set[str]
) -> None:
    """Compartments hold what refers to a Patient: a guide of servers, not of rows."""
    server.exports.settings.lost_types = frozenset(left_out)
    here = export(server)
    here.until_idle()
    here.until_idle()

    read = [one.url for one in server.seen if one.interaction == "read"]
    assert here.rows == faultless
    assert {url.rpartition("/")[0].rpartition("/")[2] for url in read} == left_out
    assert len(read) == len(set(read))


def test_what_was_not_asked_for_does_not_go_in(export: Export, server: FhirServer) -> None:
    server.exports.settings.is_type_ignored = True
    here = export(server, bulk=BULK.replace("}", ", types: [Condition, Encounter, Procedure]}"))
    here.until_idle()

    kinds = {row["kind"] for row in here.trust.rows(every=True)}
    assert dict(server.exports.jobs[0].asked)["_type"] == "Patient,Condition,Encounter,Procedure"
    assert here.counted("unasked") > 10
    assert "lab_result" not in kinds
    assert {"infant", "diagnosis", "admission"} <= kinds


def test_without_a_group_all_patients_are_exported(export: Export, server: FhirServer) -> None:
    here = export(server, bulk="{every: P1D, poll_min_s: 5}")
    for _ in range(4):
        here.turn()
        here.make_due()

    assert server.exports.jobs[0].level == "Patient"
    assert len(here.trust.rows("infant")) == 1


def test_a_type_may_be_named_several_times_where_the_server_wants_it(export: Export, server: FhirServer) -> None:
    server.exports.settings.takes_repeated_type = True
    here = export(server, bulk=BULK.replace("}", ", type_join: repeat}"))
    here.until_idle()

    assert [name for name, _ in server.exports.jobs[0].asked].count("_type") > 10
    assert here.states == ["whole"]


def test_idle_exports_store_nothing(export: Export, server: FhirServer) -> None:
    here = export(server)
    here.until_idle()
    before, rows = here.count("assertion"), here.rows
    with here.trust.works.database.write() as conn:
        conn.exec_driver_sql("UPDATE bulk_type SET full_us = 0")
    here.run()

    assert here.count("assertion") == before
    assert here.rows == rows
    assert here.counted("missed") == 0


def test_status_tells_how_far_an_export_is_and_never_where(export: Export, server: FhirServer) -> None:
    server.exports.settings.polls = 1
    here = export(server)
    here.turn()
    status = read_status(here.trust.settings)["exports"]["fhir"][f"Group/{GROUP}"]
    here.make_due()
    here.until_idle()
    after = read_status(here.trust.settings)["exports"]["fhir"][f"Group/{GROUP}"]

    assert status["state"] == "exporting"
    assert status["percent"] == 50
    assert status["since_s"] < 60
    assert after["state"] == "idle"
    assert after["last"] == "whole"
    assert after["last_success_s"] is not None
    assert "http" not in json.dumps([status, after])


def test_no_address_and_no_resource_of_an_export_stands_in_clear_on_the_disk(
    export: Export, server: FhirServer
) -> None:
    server.exports.settings.polls = 0
    here = export(server)
    server.faults.add(Fault(effect=faults.status(500), interactions=("export-file",), skip=5, times=None))
    here.turn()
    folder = here.file.parent / "data"
    files = [path for path in folder.rglob("*") if path.is_file()]
    bytes_on_disk = b"".join(path.read_bytes() for path in files)

    assert any(path.suffix == ".spool" for path in files)
    assert b"Observation" in bytes_on_disk  # the names of types stand there, so it is the right place
    for word in ("/bulk/1", TOKEN, "resourceType", a_child(0).person.hospital_number):
        assert word.encode() not in bytes_on_disk
    assert all(word not in path.name for path in files for word in ("Observation", "Patient"))
    server.faults.clear()
    here.make_due()
    here.until_idle()
    assert list((folder / "exports").iterdir()) == []


def test_what_an_export_needs_outlives_the_day_of_its_key(export: Export, server: FhirServer) -> None:
    server.exports.settings.polls = 1
    here = export(server)
    here.turn()
    works = here.trust.works
    works.expiry.run(now=datetime.now(UTC) + timedelta(days=3))
    here.restart()
    here.make_due()
    here.until_idle()
    works.expiry.run(now=datetime.now(UTC) + timedelta(days=3))

    assert here.states == ["whole"]
    assert works.ring.day_keys([datetime.now(UTC).date()]) == {}
