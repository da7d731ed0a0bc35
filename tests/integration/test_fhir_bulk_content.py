"""What comes of bulk exports of a FHIR server: the rows of polling it, whatever its files are like."""

import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter.config import FhirSearchSource
from adapter.service import bulk_intake
from adapter.service.assembly import Mappings
from adapter.service.polling import Poller
from adapter.simulator.fhir_server import FhirServer
from adapter.simulator.fhir_versions import Change
from adapter.store import audit
from tests.acceptance.hospital import comparable
from tests.fakes.exporting_hospital import BULK, GROUP, Exporting
from tests.fakes.polled_hospital import END, changes, polled, polling_trust
from tests.integration.exporting import (  # noqa: F401  (fixtures)
    LATE,
    Export,
    a_faultless_export,
    a_server,
    an_export,
)
from tests.integration.trust import Trust, load
from tests.unit.simulator.fhir_courses import day


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
        assert audit.verify(conn, key=here.trust.works.ring.derived("audit")).first_broken is None
    (entry,) = here.trust.audited("fhir-deletion")
    assert (entry["source"], entry["told"], entry["found"]) == ("fhir", len(_MAKE_ROWS), len(_MAKE_ROWS))
    assert here.counted("deletions") == len(_MAKE_ROWS)


_NEW = {"code": {"coding": [{"system": "urn:lab", "code": "NEW"}]}}
_MAKE_ROWS = ("Condition", "Encounter", "MedicationAdministration", "Observation", "QuestionnaireResponse")


def _only_export(here: Exporting) -> None:
    """Another export; nothing is processed meanwhile."""
    here.next_day()
    for _ in range(4):
        here.exports.turn(threading.Event())
        here.make_due()


def _deletion(resource: dict[str, Any], *, at: datetime) -> Change:
    return Change(visible_at=at, resource=resource, is_deleted=True)


@pytest.mark.behaviour(48)
def test_a_deletion_that_is_known_before_its_resource_is_processed_withdraws_it(
    export: Export, server: FhirServer
) -> None:
    here = export(server)
    here.until_idle()
    before = here.rows
    server.add([a_value(1, at=LATE - timedelta(hours=3), **_NEW)])
    server.advance(LATE - timedelta(hours=2))
    _only_export(here)
    server.add([_deletion({"resourceType": "Observation", "id": "late-1"}, at=LATE - timedelta(hours=1))])
    server.advance(LATE)
    _only_export(here)
    waiting = here.trust.counts().get("deletion.told", 0)
    here.turn()
    here.turn()

    assert (waiting, here.trust.counts()["deletion.told"]) == (0, 1)
    assert here.rows == before


@pytest.mark.behaviour(48)
def test_a_deletion_that_does_not_say_when_was_by_the_time_of_the_export(export: Export, server: FhirServer) -> None:
    server.exports.settings.dates_deletions = False
    here = export(server)
    here.until_idle()
    before = here.rows
    server.add([a_value(4, at=LATE - timedelta(hours=3), **_NEW)])
    server.advance(LATE - timedelta(hours=2))
    here.run()
    with_it = here.rows
    server.add([_deletion({"resourceType": "Observation", "id": "late-4"}, at=LATE - timedelta(hours=1))])
    server.advance(LATE)
    here.run()
    without = here.rows
    server.add([a_value(4, at=LATE + timedelta(hours=1), **_NEW)])
    server.advance(LATE + timedelta(hours=2))
    here.run()

    assert len(with_it) == len(before) + 1
    assert without == before
    assert here.rows == with_it
    assert here.trust.parked() == []


@pytest.mark.behaviour(48)
def test_a_result_whose_order_only_its_report_told_is_withdrawn_too(export: Export, server: FhirServer) -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "id": "late-report",
        "status": "final",
        **{name: _A_VALUE[name] for name in ("subject", "basedOn", "code")},
        "result": [{"reference": "Observation/late-5"}],
    }
    at = LATE - timedelta(hours=3)
    value = a_value(5, at=at, **_NEW)
    value = Change(visible_at=at, resource={k: v for k, v in value.resource.items() if k != "basedOn"})
    here = export(server)
    here.until_idle()
    before = here.rows
    server.add([value, Change(visible_at=at, resource=report)])
    server.advance(LATE - timedelta(hours=2))
    here.run()
    with_it = here.rows
    server.add([_deletion({"resourceType": "Observation", "id": "late-5"}, at=LATE - timedelta(hours=1))])
    server.advance(LATE)
    here.run()

    assert len(with_it) == len(before) + 1
    assert here.rows == before
    assert here.trust.parked() == []


@pytest.mark.behaviour(48)
def test_deletions_that_are_told_again_after_a_crash_are_known(
    export: Export, server: FhirServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = export(server)
    here.until_idle()
    before = here.rows
    patient = next(c.resource for c in changes(1) if c.resource["resourceType"] == "Patient")
    gone = [{"resourceType": "Observation", "id": _A_VALUE["id"]}, dict(patient)]
    server.add([_deletion(each, at=LATE - timedelta(hours=1)) for each in gone])
    server.advance(LATE)
    kills = 0
    with monkeypatch.context() as patched:
        patched.setattr(bulk_intake.Intake, "tell", _tell_and_die)
        here.next_day()
        while kills < 2:
            try:
                here.turn()
            except _Killed:
                kills += 1
                here.trust.works.drain()
                here.restart()
            here.make_due()
    told = here.trust.audited("fhir-deletion")
    noted = here.counted("deletions")
    here.until_idle()

    assert (noted, here.counted("deletions")) == (0, 2)
    assert [entry["told"] for entry in told] == [1]
    assert here.trust.audited("fhir-deletion") == told
    assert len(here.rows) == len(before) - 1
    assert here.trust.parked() == ["P214"]


class _Killed(Exception):
    """As SIGKILL: nothing after it is done."""


_TELL = bulk_intake.Intake.tell


def _tell_and_die(intake: bulk_intake.Intake, bodies: Iterable[bytes]) -> None:
    told = list(bodies)
    _TELL(intake, told)
    if told:
        raise _Killed


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
