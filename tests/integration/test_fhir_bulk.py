"""Bulk exports of a FHIR server into a real store: how they are asked for, over restarts and faults."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapter.cli.status import read_status
from adapter.errors import Halted
from adapter.simulator import fhir_faults as faults
from adapter.simulator.fhir_faults import Answer, Fault, Request
from adapter.simulator.fhir_search import outcome
from adapter.simulator.fhir_server import FhirServer
from tests.fakes.exporting_hospital import BULK, GROUP, storage
from tests.fakes.polled_hospital import TOKEN, a_child
from tests.integration.exporting import (  # noqa: F401  (fixtures)
    LATE,
    Export,
    a_faultless_export,
    a_server,
    an_export,
)


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


def test_a_lost_file_that_is_called_something_else_may_have_held_anything(export: Export, server: FhirServer) -> None:
    def renamed(_: Request, answer: Answer) -> Answer:
        files = answer.content.get("output")
        if not files:
            return answer
        called = [{**each, "type": "Quillfeather" if each["type"] == "Condition" else each["type"]} for each in files]
        return replace(answer, content={**answer.content, "output": called})

    here = export(server)
    server.faults.add(Fault(effect=renamed, interactions=("export-status",), times=None))
    lost = Fault(effect=faults.status(404), interactions=("export-file",), resource_type="Condition", times=None)
    server.faults.add(lost)
    here.until_idle()

    assert here.states[0] == "partial"
    assert set(here.since.values()) == {""}


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


def test_a_type_may_be_named_several_times_where_the_server_wants_it(export: Export, server: FhirServer) -> None:
    server.exports.settings.takes_repeated_type = True
    here = export(server, bulk=BULK.replace("}", ", type_join: repeat}"))
    here.until_idle()

    assert [name for name, _ in server.exports.jobs[0].asked].count("_type") > 10
    assert here.states == ["whole"]


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
