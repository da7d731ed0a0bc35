"""What one patient's lines come to: newest versions once, with what they refer to, in bounded Bundles."""

import json
import random
from typing import Any

import pytest

from adapter.fhir import read as read_body
from adapter.sources.fhir_bulk_bundles import BadLine, Line, LineReader, body_of, bundles_of

BASE = "https://fhir.example.nhs.uk/r4"


def line(kind: str, identity: str, *, version: int = 1, **more: Any) -> Line:
    meta = {"versionId": str(version), "lastUpdated": f"2026-01-0{version}T10:00:00Z"}
    subject = {} if kind == "Patient" else {"subject": {"reference": "Patient/p1"}}
    resource = {"resourceType": kind, "id": identity, "meta": meta, **subject, **more}
    return LineReader(BASE).line(json.dumps(resource).encode())


def ids(bundle: list[bytes]) -> list[str]:
    return [json.loads(raw)["id"] for raw in bundle]


RESULT = line(
    "Observation",
    "o1",
    specimen={"reference": f"{BASE}/Specimen/s1"},
    basedOn=[{"reference": "ServiceRequest/r1/_history/2"}],
)
SAMPLE = line("Specimen", "s1")
ORDER = line("ServiceRequest", "r1")


def test_a_result_takes_its_sample_and_its_order_along() -> None:
    whole = bundles_of([ORDER, SAMPLE, RESULT], known=(), shared={})

    assert [ids(each) for each in whole.bundles] == [["o1", "s1", "r1"]]
    assert whole.missing == frozenset()


def test_what_nobody_has_is_told() -> None:
    whole = bundles_of([RESULT, ORDER], known=(), shared={})

    assert whole.missing == {"Specimen/s1"}


def test_a_place_takes_the_places_along_that_it_is_part_of() -> None:
    bay = line("Location", "bay", partOf={"reference": "Location/ward"})
    ward = line("Location", "ward")
    visit = line("Encounter", "e1", location=[{"location": {"reference": "Location/bay"}}])
    whole = bundles_of([visit], known=(), shared={each.name: each for each in (bay, ward)})

    assert [ids(each) for each in whole.bundles] == [["e1", "bay", "ward"]]


def test_a_result_without_an_order_is_read_with_the_report_that_lists_it() -> None:
    alone = line("Observation", "o2")
    report = line("DiagnosticReport", "d1", result=[{"reference": "Observation/o2"}, {"reference": "Observation/o1"}])
    whole = bundles_of([alone, report, RESULT, SAMPLE, ORDER], known=(), shared={})

    assert [ids(each) for each in whole.bundles] == [["o1", "s1", "r1"], ["o2", "d1"]]


def test_a_report_stands_apart_from_results_that_name_their_order() -> None:
    report = line("DiagnosticReport", "d1", result=[{"reference": "Observation/o1"}])
    whole = bundles_of([report, RESULT, SAMPLE, ORDER], known=(), shared={})

    assert [ids(each) for each in whole.bundles] == [["o1", "s1", "r1"], ["d1"]]


@pytest.mark.behaviour(46)
def test_of_several_versions_the_newest_is_taken_whatever_the_order() -> None:
    versions = [line("Observation", "o1", version=number, status="final") for number in (1, 3, 2)]
    for seed in range(5):
        told = [*versions, *versions]
        random.Random(seed).shuffle(told)
        whole = bundles_of(told, known=(), shared={})
        assert [json.loads(raw)["meta"]["versionId"] for raw in whole.bundles[0]] == ["3"]
        assert whole.doubles == 5


def test_what_is_in_already_is_not_given_again_unless_a_part_of_it_is_new() -> None:
    known = [RESULT.digest, SAMPLE.digest, ORDER.digest]
    newer = line("Specimen", "s1", version=2)

    assert bundles_of([RESULT, SAMPLE, ORDER], known=known, shared={}).bundles == []
    assert [ids(b) for b in bundles_of([RESULT, newer, ORDER], known=known, shared={}).bundles] == [["o1", "s1", "r1"]]


def test_bundles_are_bounded_and_the_same_whatever_the_order_of_the_lines() -> None:
    lines = [line("Observation", f"o{number}", specimen={"reference": "Specimen/s1"}) for number in range(25)]
    lines += [SAMPLE, line("Patient", "p1")]
    first = bundles_of(lines, known=(), shared={}, size=10).bundles
    random.Random(3).shuffle(lines)

    assert bundles_of(lines, known=(), shared={}, size=10).bundles == first
    assert [len(each) for each in first] == [11, 11, 7]
    assert ids(first[0])[0] == "p1"


@pytest.mark.parametrize("raw", [b"", b"{", b'{"resourceType": "Observation", "id": oops', b"[]", b"\xff"])
def test_a_line_that_is_no_json_object_is_broken(raw: bytes) -> None:
    with pytest.raises(BadLine):
        LineReader(BASE).line(raw)

    with pytest.raises(BadLine):
        LineReader(BASE).whose(raw)


def test_a_resource_of_an_odd_form_goes_on_for_the_pipeline_to_say_why() -> None:
    odd = LineReader(BASE).line(b'{"resourceType": "Observation", "id": "o1", "subject": "Patient/p1"}')
    whole = bundles_of([odd], known=(), shared={})

    assert odd.name == "Observation/o1"
    assert len(whole.bundles) == 1


def test_the_body_is_read_as_a_page_of_a_search_would_be() -> None:
    whole = bundles_of([RESULT, SAMPLE, ORDER], known=(), shared={})
    body = body_of(whole.bundles[0], base_url=BASE, timestamp="2026-02-01T00:00:00Z")
    (statement,) = read_body(body).statements

    assert statement.patient_key == "Patient/p1"
    assert set(statement.context) >= {f"{BASE}/Specimen/s1", "ServiceRequest/r1/_history/2"}
    assert b"timestamp" not in body


def test_what_has_no_clock_of_its_own_has_that_of_the_export() -> None:
    raw = b'{"resourceType":"Observation","id":"o1","subject":{"reference":"Patient/p1"}}'
    body = body_of([raw], base_url=BASE, timestamp="2026-02-01T00:00:00Z")

    assert json.loads(body)["timestamp"] == "2026-02-01T00:00:00Z"
    assert read_body(body).statements[0].clock_us == 1769904000000000
