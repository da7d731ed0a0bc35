"""HAPI and UK Core servers (VENDORS, a.2), the look-up of patients, and the fewest requests that rules allow."""

import json
from typing import Any

import pytest

from adapter.simulator.fhir_minimum import least_requests
from adapter.simulator.fhir_modes import epic, hapi, oracle, uk_core
from adapter.simulator.fhir_outcomes import Refused
from adapter.simulator.fhir_records import fhir_timeline
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_terms import HOSPITAL_NUMBER, identity
from tests.unit.simulator.fhir_client import NOON, a_change, a_value
from tests.unit.simulator.fhir_counter import Counter
from tests.unit.simulator.fhir_courses import COURSE, MERGED, day

CHILD = identity("Patient", "3000002")
_AT_WARD = [{"location": {"reference": "Location/ward"}}]
PATIENT = {"resourceType": "Patient", "birthDate": "2026-10-01", "gender": "male", "name": [{"family": "QUILLFEATHER"}]}


def test_hapi_searches_whole_types_and_its_links_are_relative_and_expire_with_410() -> None:
    counter = Counter([a_value(f"o{number}") for number in range(5)], hapi(), now=NOON)
    first = counter.search("Observation", ("_lastUpdated", "ge2026-01-01"), ("_sort", "_lastUpdated"), _count="2")

    assert first.ids == ["o0", "o1"]
    assert str(first.next).startswith("/fhir/r4?_getpages=")
    assert counter.follow(first).ids == ["o2", "o3"]
    counter.desk.forget()
    assert counter.follow(first).status == 410
    assert counter.broken == []


def test_hapi_keeps_versions() -> None:
    counter = Counter(fhir_timeline([COURSE]), hapi(), now=day(60))

    assert counter.read("Patient", CHILD).body["meta"]["versionId"]
    assert counter.search("Observation", patient=CHILD, _include="Observation:specimen").entries[-1]["search"] == {
        "mode": "include"
    }


@pytest.mark.parametrize("kind", ["Encounter", "Condition", "Procedure", "Observation", "Specimen"])
def test_uk_core_is_searched_by_patient(kind: str) -> None:
    counter = Counter(fhir_timeline([COURSE]), uk_core(), now=day(60))

    assert counter.search(kind).status == 400
    assert counter.search(kind, patient=CHILD).ids
    assert counter.broken == ["population-search"]


@pytest.mark.parametrize("name", ["_lastUpdated", "_include", "_sort", "recorded-date"])
def test_uk_core_promises_no_more_than_it_must(name: str) -> None:
    counter = Counter(fhir_timeline([COURSE]), uk_core(), now=day(60))

    assert counter.search("Condition", (name, "2026-10-01"), patient=CHILD).status == 400
    assert counter.broken == ["unknown-parameter"]
    assert counter.search("Condition", ("clinical-status", "active"), patient=CHILD).ids


@pytest.mark.parametrize("settings", [hapi(), epic(), oracle(), uk_core()], ids=lambda one: one.mode.name)
def test_a_patient_is_found_by_the_number_of_the_hospital(settings: Settings) -> None:
    counter = Counter(fhir_timeline([COURSE]), settings, now=day(60))

    assert counter.search("Patient", identifier=f"{HOSPITAL_NUMBER}|3000002").ids == [CHILD]
    assert counter.search("Patient", identifier=f"{HOSPITAL_NUMBER}|0000000").ids == []
    assert counter.broken == []


def _matched(counter: Counter, **patient: Any) -> list[tuple[str, str]]:
    body = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": {**PATIENT, **patient}}]}
    answer = counter.reader.match(json.dumps(body).encode())
    return [
        (one["resource"]["id"], one["search"]["extension"][0]["valueCode"]) for one in answer.content.get("entry", ())
    ]


def test_match_is_certain_by_number_and_probable_by_name() -> None:
    counter = Counter(fhir_timeline([COURSE]), epic(), now=day(60))
    number = [{"system": HOSPITAL_NUMBER, "value": "3000002"}]

    assert _matched(counter, identifier=number) == [(CHILD, "certain")]
    assert _matched(counter) == [(CHILD, "probable")]
    assert _matched(counter, birthDate="2026-10-02") == []
    with pytest.raises(Refused) as refused:
        counter.reader.match(b"{}")
    assert refused.value.status == 400


def test_a_merged_patient_is_no_match() -> None:
    counter = Counter(fhir_timeline([MERGED]), hapi(), now=day(60))

    old = [{"system": HOSPITAL_NUMBER, "value": "T1"}]

    assert _matched(counter, identifier=old, birthDate="2020-01-01") == []


def _least(settings: Settings, values: int, **searches: list[dict[str, str]]) -> int:
    specimens = [a_change("Specimen", f"s{number}", subject={"reference": "Patient/p1"}) for number in range(30)]
    category = [{"coding": [{"code": "laboratory"}]}]
    tests = [
        a_value(f"o{number}", category=category, specimen={"reference": f"Specimen/s{number % 30}"})
        for number in range(values)
    ]
    counter = Counter([a_change("Patient", "p1"), *specimens, *tests], settings, now=NOON)
    wanted = {"Observation": [{"category": "laboratory"}], **searches}
    return least_requests(counter.archive, settings, ["p1"], searches=wanted, references=["Observation.specimen"])


def test_the_fewest_requests_are_full_pages_and_references_together() -> None:
    assert _least(hapi(), 0) == 1, "to see that there is nothing takes one"
    assert _least(hapi(), 200) == 1 + 1
    assert _least(hapi(), 201) == 2 + 1
    assert _least(hapi(), 200, Patient=[{}]) == 1 + 1 + 1
    assert _least(hapi(), 200, Specimen=[{}]) == 1 + 1, "what is searched for need not be read"


def test_the_fewest_requests_follow_each_servers_pages() -> None:
    # Oracle: 200, none, 50 of Observation; specimens by _id, which stands alone: 20, none, 10.
    assert _least(oracle(), 250) == 3 + 3
    # Epic: those of the thirty specimens that searches show; _count may stand with _id.
    assert _least(epic(), 250) == 1 + 1


def test_the_fewest_requests_ask_once_for_what_belongs_to_nobody() -> None:
    place = a_change("Location", "ward")
    visits = [
        a_change("Encounter", f"e{patient}", subject={"reference": f"Patient/{patient}"}, location=_AT_WARD)
        for patient in ("p1", "p2", "p3")
    ]
    counter = Counter([place, *visits], epic(), now=NOON)
    paths = ["Encounter.location.location"]

    assert least_requests(counter.archive, epic(), ["p1"], searches={"Encounter": [{}]}, references=paths) == 2
    three = least_requests(counter.archive, epic(), ["p1", "p2", "p3"], searches={"Encounter": [{}]}, references=paths)
    assert three == 3 + 1


def test_counting_the_fewest_requests_breaks_no_rule_and_leaves_no_trace() -> None:
    counter = Counter(fhir_timeline([COURSE]), epic(), now=day(60))
    split = [{"category": "laboratory"}, {"category": "vital-signs"}]

    assert least_requests(counter.archive, epic(), [CHILD], searches={"Observation": split, "Condition": [{}]}) == 3
    with pytest.raises(Refused):
        least_requests(counter.archive, epic(), [CHILD], searches={"Observation": [{}]})
    assert counter.broken == []
