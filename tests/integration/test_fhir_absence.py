"""A FHIR server that does not give what it is asked for of a child, and children whose id is not known."""

import threading
from typing import Any

import pytest
from typer.testing import CliRunner

from adapter.cli.app import app
from adapter.cli.cohort import ask_servers_again, read_not_whole
from adapter.simulator import fhir_faults as faults
from adapter.simulator.fhir_faults import Fault
from adapter.simulator.fhir_server import running
from adapter.simulator.fhir_terms import HOSPITAL_NUMBER
from adapter.simulator.fhir_versions import Change
from adapter.store import crawls
from tests.fakes.crawled_hospital import FAST, an_epic, crawled
from tests.fakes.polled_hospital import END, TYPES, a_child
from tests.integration.crawling import EPIC, Crawl, Crawled, asked_of, children, id_of
from tests.integration.trust import load
from tests.unit.simulator.fhir_courses import day

CHILDREN = 2


def test_a_search_that_is_refused_makes_the_child_incomplete_and_not_the_others(crawl: Crawl) -> None:
    with crawled(2) as server:
        here = crawl(server)
        here.admit(0, 1)
        server.faults.add(Fault(effect=faults.status(422, code="invalid"), resource_type="Condition"))
        here.turn(2)
        stood = here.patients
        server.seen.clear()
        here.age(hours=2)
        here.turn()
        again = len(asked_of(server, "Condition"))
        here.age(days=1)
        here.turn()

    assert (stood["complete"], stood["incomplete"]) == (1, 1)
    assert stood["reasons"] == {"incomplete.invalid": 1}
    assert again == 1
    assert here.patients["complete"] == 2
    assert here.trust.cases()["nec"] == "confirmed"


@pytest.mark.behaviour(37)
def test_what_the_server_wrote_of_a_refusal_is_kept_sealed_with_the_child(crawl: Crawl) -> None:
    with crawled(1) as server:
        here = crawl(server)
        here.admit(0)
        server.faults.add(Fault(effect=faults.status(422, code="invalid"), resource_type="Condition", times=None))
        here.turn(2)
        with here.trust.works.database.read() as conn:
            told = conn.exec_driver_sql("SELECT told FROM crawl_search WHERE trouble <> ''").scalar_one()

    assert told is not None
    assert b"simulated" not in told


@pytest.mark.behaviour(67)
@pytest.mark.behaviour(68)
def test_a_redirect_to_another_patient_is_a_merge_and_is_not_followed(crawl: Crawl) -> None:
    with crawled(2, settings=an_epic()) as server:
        here = crawl(server, more=EPIC, types="", patients="{triggered_by: [epr], every: PT1H}")
        here.admit(0)
        here.turn(2)
        rows = here.rows
        gone = {
            "resourceType": "Patient", "id": id_of(0), "active": False,
            "link": [{"other": {"reference": f"Patient/{id_of(1)}"}, "type": "replaced-by"}],
        }  # fmt: skip
        server.add([Change(visible_at=END, resource=gone)])
        server.seen.clear()
        here.age(days=8)
        here.poller.turn(threading.Event())
        seen = [one.url for one in server.seen]
        with here.trust.works.database.read() as conn:
            told = here.trust.works.inbox.facts(conn).depth
            states = crawls.counts(conn, "fhir")
        here.age(days=8)
        here.poller.turn(threading.Event())
        with here.trust.works.database.read() as conn:
            again = here.trust.works.inbox.facts(conn).depth

    assert len(seen) == 1
    assert states == {("merged", "4107"): 1}
    assert (told, again) == (1, 1)  # the merge is told once, however often the id is looked at
    assert rows


@pytest.mark.behaviour(66)
@pytest.mark.behaviour(68)
def test_a_patient_that_says_it_is_replaced_is_merged_and_the_survivor_is_read_on_its_own(crawl: Crawl) -> None:
    with crawled(2) as server:
        here = crawl(server)
        here.admit(0)
        here.turn(2)
        gone = {
            "resourceType": "Patient", "id": id_of(0), "active": False,
            "link": [{"other": {"reference": f"Patient/{id_of(1)}"}, "type": "replaced-by"}],
        }  # fmt: skip
        server.add([Change(visible_at=END, resource=gone)])
        here.age(days=8)
        server.seen.clear()
        here.poller.turn(threading.Event())
        with here.trust.works.database.read() as conn:
            told = here.trust.works.inbox.facts(conn).depth
        asked = [one.interaction for one in server.seen]
        here.trust.works.drain()
        server.seen.clear()
        here.turn()

    assert here.patients["merged"] == 1
    assert told == 1
    assert asked == ["read"]
    assert len([one for one in server.seen if id_of(1) in one.url]) == len(TYPES)


@pytest.mark.behaviour(68)
@pytest.mark.parametrize(("effect", "state"), [(faults.status(404), "deleted"), (faults.status(403), "denied")])
def test_an_absence_of_a_known_child_is_told_and_takes_nothing_away(crawl: Crawl, effect: Any, state: str) -> None:
    with crawled(2) as server:
        here = crawl(server)
        here.admit(0, 1)
        here.turn(2)
        rows = here.rows
        server.faults.add(Fault(effect=effect, interactions=("read",)))
        server.seen.clear()
        here.age(hours=2)
        here.turn()
        asked = len(server.seen)

    assert here.patients["complete"] == 1
    assert here.patients[state] == 1
    assert asked == 1 + len(TYPES)
    assert here.rows == rows
    (told,) = read_not_whole(load(here.file))
    assert told.child in children(here)
    assert (told.source, told.state) == ("fhir", state)
    shown = CliRunner().invoke(app, ["cohort", "--config", str(here.file), "--incomplete"])
    assert shown.output.split() == ["child", str(told.child), "fhir", state, told.reason]


def test_nobody_is_asked_for_again_who_was_never_asked_for(crawl: Crawl) -> None:
    with crawled(1) as server:
        here = crawl(server)
        here.admit(0)
    said = CliRunner().invoke(app, ["cohort", "--config", str(here.file), "--ask-again", "77"])
    assert said.exit_code == 2
    assert "77" in said.output


@pytest.mark.behaviour(38)
def test_a_child_behind_the_glass_is_not_asked_for_again_until_a_person_says_so(crawl: Crawl) -> None:
    with crawled(2, settings=an_epic()) as server:
        here = crawl(server, more=EPIC, types="", patients="{triggered_by: [epr], every: PT1H}")
        here.admit(0, 1)
        here.turn(2)
        rows = here.rows
        server.cases.restricted[id_of(0)] = "4130"
        here.age(days=8)
        here.turn()
        here.admit(0, at="202611200500", event="A08")
        here.age(days=30)
        here.turn()
        denied = here.patients
        violations = list(server.violations)
        del server.cases.restricted[id_of(0)]
        (child,) = {number for number, _, state, _ in _to_look_at(here) if state == "denied"}
        ask_servers_again(load(here.file), child)
        here.turn()

    assert violations == []
    assert [entry["person"] for entry in here.trust.audited("ask-again")] == [child]
    assert denied["denied"] == 1
    assert denied["reasons"] == {"denied.4130": 1}
    assert here.patients["complete"] == 2
    assert len(here.rows) == len(rows)


def _to_look_at(here: Crawled) -> list[tuple[int, str, str, str]]:
    with here.trust.works.database.read() as conn:
        return crawls.to_look_at(conn)


@pytest.mark.behaviour(27)
def test_a_server_that_says_it_may_not_show_all_makes_the_child_incomplete(crawl: Crawl) -> None:
    with crawled(1, settings=an_epic()) as server:
        server.cases.incomplete.add(id_of(0))
        here = crawl(server, more=EPIC, types="")
        here.admit(0)
        here.turn(2)

    assert here.patients["incomplete"] == 1
    assert here.patients["reasons"] == {"incomplete.4119": 1}
    assert len(here.trust.rows("infant")) == 1


@pytest.mark.behaviour(39)
def test_a_type_whose_number_of_the_day_is_used_up_rests_until_tomorrow(crawl: Crawl) -> None:
    with crawled(CHILDREN, settings=an_epic(quota={"DiagnosticReport": 1})) as server:
        here = crawl(server, more=EPIC, types="", limits=FAST.replace("{req", "{parallel: 1, req", 1))
        here.admit(*range(CHILDREN))
        here.turn(2)
        here.age(hours=2)
        here.turn()
        asked = asked_of(server, "DiagnosticReport")
        violations = list(server.violations)

    assert len(asked) == 2
    assert violations == []
    assert here.patients == {"complete": 1, "incomplete": 1, "reasons": {"incomplete.4135": 1}}


def test_two_patients_of_one_number_are_for_a_person(crawl: Crawl) -> None:
    with crawled(1) as server:
        twin = {
            "resourceType": "Patient", "id": "another", "birthDate": "2026-10-01",
            "identifier": [{"system": HOSPITAL_NUMBER, "value": a_child(0).person.hospital_number}],
        }  # fmt: skip
        server.add([Change(visible_at=END, resource=twin)])
        here = crawl(server)
        here.admit(0)
        here.turn(3)
        requests = len(server.seen)
        here.age(days=30)
        here.turn()

    assert here.patients["person"] == 1
    assert here.patients["reasons"] == {"person.several-found": 1}
    assert len(server.seen) == requests == 1


def test_a_patient_who_contradicts_what_we_know_is_for_a_person(crawl: Crawl) -> None:
    with running(now=END) as server:
        other = {
            "resourceType": "Patient", "id": "grown", "birthDate": "1990-10-01",
            "identifier": [{"system": HOSPITAL_NUMBER, "value": a_child(0).person.hospital_number}],
        }  # fmt: skip
        server.add([Change(visible_at=END, resource=other)])
        here = crawl(server, token="")
        here.admit(0)
        here.turn(2)

    assert here.patients["reasons"] == {"person.disagrees": 1}
    assert all("grown" not in one.url for one in server.seen)


def test_a_child_whom_the_server_does_not_have_is_asked_for_again_later(crawl: Crawl) -> None:
    with crawled(1, now=day(-2)) as server:
        here = crawl(server)
        here.admit(0)
        here.turn()
        first = here.patients
        server.advance(END)
        here.turn()
        early = here.patients
        here.age(days=8)
        here.turn(2)

    assert first == early
    assert first["reasons"] == {"incomplete.not-found": 1}
    assert here.patients["complete"] == 1


def test_only_a_certain_match_is_taken(crawl: Crawl) -> None:
    with crawled(1) as server:
        here = crawl(server, patients="{look_up: match}")
        here.admit(0)
        here.turn(2)
        matches = [one for one in server.seen if "$match" in one.url]

    assert len(matches) == 1
    assert here.patients["complete"] == 1


def test_by_post_no_number_stands_in_an_address(crawl: Crawl) -> None:
    with crawled(1) as server:
        here = crawl(server, post="yes", count="5")
        here.admit(0)
        here.turn(2)
        urls = [one.url for one in server.seen if one.interaction != "read"]

    assert here.patients["complete"] == 1
    assert not any(id_of(0) in url for url in urls)
