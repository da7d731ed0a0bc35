"""A FHIR server read child by child into a real store: whom, what and when."""

import threading
from typing import Any

import pytest

from adapter.service.polling import Poller
from adapter.simulator import fhir_faults as faults
from adapter.simulator.fhir_faults import Fault
from adapter.simulator.fhir_server import running
from adapter.simulator.fhir_terms import reference
from adapter.simulator.fhir_versions import Change
from adapter.store import crawls, erasure
from tests.fakes.crawled_hospital import crawled, types
from tests.fakes.polled_hospital import END, TYPES, a_child, polled
from tests.integration.crawling import Crawl, Crawled, asked_of, children, id_of
from tests.integration.trust import Trust, load
from tests.unit.simulator.fhir_courses import day

CHILDREN = 2


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_a_child_known_by_hl7_v2_is_looked_up_and_read_whole(
    crawl: Crawl, store: str, request: pytest.FixtureRequest
) -> None:
    url = str(request.getfixturevalue("postgres_url")) if store == "postgresql" else ""
    with crawled(3) as server:
        here = crawl(server, url=url, count="7")
        here.admit(0, 1)
        here.turn(2)
        unknown = [one.url for one in server.seen if id_of(2) in one.url]

    assert here.trust.cases()["nec"] == "confirmed"
    kinds = {row["kind"] for row in here.trust.rows()}
    assert {"infant", "admission", "diagnosis", "operation", "lab_result", "condition_case"} <= kinds
    assert len(here.trust.rows("infant")) == 2
    assert here.patients == {"complete": 2}
    assert unknown == []
    assert here.trust.parked() == []


@pytest.mark.behaviour(12)
def test_no_search_of_a_type_is_ever_made_without_a_patient(crawl: Crawl) -> None:
    with crawled(CHILDREN) as server:
        here = crawl(server, count="5")
        here.admit(*range(CHILDREN))
        here.turn(2)
        here.age(days=8)
        here.turn()
        here.admit(0, at="202611200500", event="A08")
        here.turn()
        searches = [one for one in server.seen if one.interaction == "search"]

    assert server.violations == []
    assert {one.resource_type for one in searches} == set(TYPES)
    for one in searches:
        assert "patient=" in one.query or (one.resource_type == "Patient" and "identifier=" in one.query)


def test_patient_by_patient_gives_the_rows_of_reading_whole_types(crawl: Crawl) -> None:
    whole = types().replace("scope: patient", "scope: system")
    with polled(CHILDREN) as server:
        at_once = crawl(server, types=whole)
        at_once.admit(*range(CHILDREN))
        at_once.turn(2)
    with crawled(CHILDREN, now=day(2)) as server:
        by_and_by = crawl(server, count="3", limits="{requests_per_second: 1000, parallel: 3}")
        by_and_by.admit(*range(CHILDREN))
        by_and_by.turn(2)
        for number in (11, 20, 51):
            server.advance(day(number))
            by_and_by.age(hours=2)
            by_and_by.turn()

    assert by_and_by.rows == at_once.rows
    assert len(by_and_by.rows) > 10 * CHILDREN


def test_nobody_is_looked_up_at_a_server_whose_types_are_read_whole(crawl: Crawl) -> None:
    with polled(1, now=day(-2)) as server:
        here = crawl(server, types=types().replace("scope: patient", "scope: system"))
        here.admit(0)
        here.turn(2)

    assert not any("identifier=" in query for query in asked_of(server))
    assert "incomplete" not in here.patients


@pytest.mark.behaviour(18)
def test_only_what_is_new_is_asked_for_and_what_is_the_same_stores_nothing(crawl: Crawl) -> None:
    with crawled(CHILDREN) as server:
        here = crawl(server, overlap="P60D")
        here.admit(*range(CHILDREN))
        here.turn(2)
        before, rows = here.stored, here.rows
        server.seen.clear()
        here.turn()
        at_once = len(server.seen)
        here.age(hours=2)
        here.turn()
        asked = asked_of(server, "Observation")

    assert at_once == 0
    assert len(asked) == CHILDREN
    assert all("_lastUpdated=ge2026" in query for query in asked)
    assert here.stored == before
    assert here.rows == rows
    assert here.status["counted"]["patient.unchanged"] > here.status["counted"]["patient.resources"] / 2


def a_note(number: int, text: str, **more: Any) -> dict[str, Any]:
    """A diagnosis that is recorded long ago and whose code may be changed."""
    coding = {"system": "http://hl7.org/fhir/sid/icd-10", "code": text}
    return {
        "resourceType": "Condition", "id": f"late{number}", "subject": {"reference": f"Patient/{id_of(number)}"},
        "code": {"coding": [coding]}, "recordedDate": "2026-10-05T09:00:00Z",
        "clinicalStatus": {"coding": [{"code": "active"}]}, **more,
    }  # fmt: skip


def codes(here: Crawled) -> set[str]:
    """Diagnoses that count, also of a child who has no rows yet."""
    found = here.trust.rows("diagnosis", every=True)
    return {row["code"] for row in found if row["state"] != "deleted"}


BY_CREATION = types(Condition="incremental: {param: recorded-date, mode: created}")


@pytest.mark.behaviour(16)
def test_where_no_change_is_told_the_date_of_making_is_asked_for(crawl: Crawl) -> None:
    with crawled(1) as server:
        here = crawl(server, types=BY_CREATION, overlap="P1D")
        here.admit(0)
        here.turn(2)
        server.add([Change(visible_at=END, resource=a_note(0, "Q43.1", recordedDate="2026-11-22T06:00:00Z"))])
        here.age(hours=2)
        server.seen.clear()
        here.turn()
        (asked,) = asked_of(server, "Condition")

    assert "recorded-date=ge2026-11-2" in asked
    assert "_lastUpdated" not in asked
    assert "Q43.1" in codes(here)


@pytest.mark.behaviour(17)
def test_a_change_of_something_made_long_ago_comes_with_the_full_reading(crawl: Crawl) -> None:
    with crawled(1) as server:
        server.add([Change(visible_at=END, resource=a_note(0, "Q79.1"))])
        here = crawl(server, types=BY_CREATION, overlap="PT1H", full_reread="P7D")
        here.admit(0)
        here.turn(2)
        before = codes(here)
        server.add([Change(visible_at=END, resource=a_note(0, "Q43.1"))])
        here.age(hours=2)
        here.turn()
        between = codes(here)
        stored = here.stored
        here.age(days=8)
        here.turn()
        after = codes(here)
        changed = here.stored
        here.age(days=8)
        here.turn()

    assert "Q79.1" in before
    assert between == before
    assert after == before - {"Q79.1"} | {"Q43.1"}
    assert changed["message"] == stored["message"] + 1
    assert here.stored == changed


def test_without_any_cursor_a_type_is_read_whole_when_a_message_calls_and_at_the_full_reading(crawl: Crawl) -> None:
    with crawled(1) as server:
        here = crawl(server, types=types(Procedure="incremental: none"))
        here.admit(0)
        here.turn(2)
        server.seen.clear()
        here.age(hours=2)
        here.turn()
        by_time = asked_of(server, "Procedure")
        here.admit(0, at="202611200500", event="A08")
        here.turn()

    assert by_time == []
    (query,) = asked_of(server, "Procedure")
    assert "_lastUpdated" not in query


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_a_message_about_a_child_makes_that_child_due_and_nobody_else(
    crawl: Crawl, store: str, request: pytest.FixtureRequest
) -> None:
    url = str(request.getfixturevalue("postgres_url")) if store == "postgresql" else ""
    with crawled(CHILDREN) as server:
        here = crawl(server, url=url)
        here.admit(*range(CHILDREN))
        here.turn(2)
        server.seen.clear()
        here.admit(1, at="202611200500", event="A08")
        assert here.poller._crawl.is_called()
        here.turn()
        whom = {id_of(number) for number in range(CHILDREN) for one in server.seen if id_of(number) in one.url}

    assert whom == {id_of(1)}
    assert len(server.seen) == len(TYPES)


def test_a_burst_of_messages_is_read_once_when_it_is_over(crawl: Crawl) -> None:
    with crawled(1) as server:
        here = crawl(server, more={"settle": "{debounce_s: 30}"})
        here.admit(0)
        here.turn(2)
        server.seen.clear()
        for minute in range(2):
            here.admit(0, at=f"20261120050{minute}", event="A08")
            here.turn()
        during = len(server.seen)
        with here.trust.works.database.write() as conn:
            conn.exec_driver_sql("UPDATE crawl_call SET first_us = first_us - 31000000, last_us = last_us - 31000000")
        here.turn(2)

    assert during == 0
    assert len(server.seen) == len(TYPES)


@pytest.mark.behaviour(49)
def test_a_child_first_seen_late_is_read_from_birth(crawl: Crawl) -> None:
    with crawled(2) as server:
        here = crawl(server)
        here.admit(0)
        here.turn(2)
        here.age(hours=2)
        here.turn()
        server.seen.clear()
        here.admit(1)
        here.turn(2)

    assert all("_lastUpdated" not in query for query in asked_of(server))
    ours, late = (sorted(row["kind"] for row in here.trust.rows() if row["child"] == child) for child in children(here))
    assert late == ours


@pytest.mark.behaviour(19)
@pytest.mark.behaviour(18)
def test_what_fails_on_a_later_page_goes_on_there_and_loses_nothing(crawl: Crawl) -> None:
    with crawled(CHILDREN) as server:
        whole = crawl(server)
        whole.admit(*range(CHILDREN))
        whole.turn(2)
        here = crawl(server, count="2")
        here.admit(*range(CHILDREN))
        here.turn()
        server.faults.add(Fault(effect=faults.status(503), resource_type="Observation", page=3, skip=1, times=3))
        here.turn()
        first = here.status["trouble"]
        under_way = here.count("crawl_search WHERE sealed IS NOT NULL")
        here.restart()
        server.seen.clear()
        here.turn()

    assert first == "busy"
    assert under_way == 1
    assert server.seen[0].interaction in ("page", "read")
    assert here.rows == whole.rows
    assert here.status["trouble"] == ""


@pytest.mark.behaviour(11)
def test_the_same_id_on_two_servers_is_two_patients(crawl: Crawl) -> None:
    with crawled(1) as server, running(now=END) as other:
        stranger = {"resourceType": "Patient", "id": id_of(0), "birthDate": "1961-02-03", "gender": "female"}
        other.add([Change(visible_at=END, resource=stranger)])
        here = crawl(server)
        second = (
            f"{{name: second, kind: fhir-search, base_url: '{other.base}', from: 2026-09-01, every: PT1S,"
            f" types: {types()}, limits: {{requests_per_second: 1000}}, patients: {{look_up: none}}}}]"
        )
        here.rewrite("longest_s: 1}}]", "longest_s: 1}}, " + second)
        here.trust.close()
        here.trust = Trust(load(here.file), mappings=here.trust._mappings)
        here.admit(0)
        here.turn(2)
        poller = Poller(load(here.file), load(here.file).sources[2])  # type: ignore[arg-type]
        poller.turn(threading.Event())
        poller.close()
        here.trust.works.drain()

    assert other.seen == []
    assert [row["sex"] for row in here.trust.rows("infant")] == ["male"]


@pytest.mark.behaviour(69)
def test_a_visit_that_became_part_of_another_is_no_admission(crawl: Crawl) -> None:
    subject = {"reference": f"Patient/{id_of(0)}"}
    with crawled(1) as server:
        here = crawl(server)
        here.admit(0)
        here.turn(2)
        before = here.trust.rows("admission")
        visit = {
            "resourceType": "Encounter", "id": "second", "status": "in-progress", "subject": subject,
            "class": {"code": "IMP"}, "period": {"start": "2026-11-10T08:00:00Z"},
        }  # fmt: skip
        server.add([Change(visible_at=END, resource=visit)])
        here.age(hours=2)
        here.turn()
        between = here.trust.rows("admission")
        merged = {**visit, "status": "unknown", "partOf": reference("Encounter", "V1-0")}
        server.add([Change(visible_at=END, resource=merged)])
        here.age(hours=2)
        here.turn()

    assert len(between) == len(before) + 1
    assert len(here.trust.rows("admission")) == len(before)


def test_of_several_workers_none_reads_a_child_that_another_reads(crawl: Crawl) -> None:
    several = 3
    with crawled(several) as server:
        here = crawl(server, limits="{requests_per_second: 1000, parallel: 4}")
        here.admit(*range(several))
        server.faults.add(Fault(effect=faults.slow(pause_s=0.03), times=None))
        here.turn(2)
        asked = [(one.resource_type, one.query) for one in server.seen if one.interaction == "search"]

    assert here.patients["complete"] == several
    assert len(asked) == len(set(asked))


def test_a_stop_ends_the_crawl_within_a_second_and_the_child_stays_due(crawl: Crawl) -> None:
    with crawled(CHILDREN) as server:
        here = crawl(server, limits="{requests_per_second: 1000, parallel: 2}")
        here.admit(*range(CHILDREN))
        here.turn()
        server.faults.add(Fault(effect=faults.slow(pause_s=20), resource_type="Encounter", times=None))
        stop = threading.Event()
        ended = threading.Event()

        def run() -> None:
            here.poller.turn(stop)
            ended.set()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        while not any(one.resource_type == "Encounter" for one in server.seen):
            assert not ended.wait(0.01)
        stop.set()
        # Whoever hangs on the server is left; the service joins its thread for 0.8 s (polling.join).
        ended.wait(1.5)
        server.faults.clear()
        with here.trust.works.database.read() as conn:
            due = crawls.due(conn, "fhir", now_us=2**62, limit=10)

    assert len([row for row in due if row.state == "new"]) == CHILDREN


def test_an_erased_child_leaves_nothing_of_the_crawl(crawl: Crawl) -> None:
    with crawled(1) as server:
        here = crawl(server)
        here.admit(0)
        here.turn(2)
        before = [here.count(table) for table in ("crawl_patient", "crawl_search", "crawl_resource")]
        persons = [person.id for person in here.trust.persons()]
        with here.trust.works.database.write() as conn:
            erasure.erase_persons(conn, persons)
        after = [here.count(table) for table in ("crawl_patient", "crawl_search", "crawl_resource", "crawl_call")]

    assert all(before)
    assert after == [0, 0, 0, 0]


def test_no_id_and_no_link_stands_in_clear_on_the_disk(crawl: Crawl) -> None:
    with crawled(1) as server:
        here = crawl(server, count="2")
        here.admit(0)
        here.turn()
        server.faults.add(Fault(effect=faults.status(500), resource_type="Observation", page=2, times=None))
        here.turn()
    folder = here.file.parent / "data"
    on_disk = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())

    assert b"Observation?_include" in on_disk
    for word in ("_getpages", id_of(0), a_child(0).person.hospital_number, "QUILLFEATHER"):
        assert word.encode() not in on_disk


def test_a_server_that_is_down_is_not_tried_each_second_because_somebody_is_called(crawl: Crawl) -> None:
    with crawled(1) as server:
        here = crawl(server, every="PT1H", retry="{attempts: 1, first_s: 0.02, longest_s: 1}")
        here.admit(0)
        server.faults.add(Fault(effect=faults.status(500), times=None))
        stop = threading.Event()
        thread = threading.Thread(target=here.poller.run, args=(stop,), daemon=True)
        thread.start()
        while not server.seen:
            assert thread.is_alive()
        stop.wait(1.3)
        asked = len(server.seen)
        stop.set()
        thread.join(5)
        here.poller = here._open()

    assert asked == 1
