"""Plain laboratory results go a quick way; it gives what the way of every resource gives."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter import fhir
from adapter.fhir.bundle import cut
from adapter.fhir.plain import Assays
from adapter.fhir.sorting import NOTHING_KNOWN
from adapter.fhir.statements import Reading

PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "fhir"
BASE = "https://fhir.example.nhs.uk/r4"
UNUSUAL = "language"
"""An element that no row needs and no plain result has: with it a result goes the long way."""


def a_result(**elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "o1",
        "meta": {"versionId": "1", "lastUpdated": "2026-01-03T12:10:00.000+00:00"},
        "status": "final",
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "1988-5"}]},
        "subject": {"reference": "Patient/p1"},
        "valueQuantity": {"value": 4.5, "unit": "mg/L", "system": "http://unitsofmeasure.org", "code": "mg/L"},
        **elements,
    }


def a_page(*resources: dict[str, Any], named: bool = True, **bundle: Any) -> bytes:
    entries = [
        {"resource": each} | ({"fullUrl": f"{BASE}/{each['resourceType']}/{each['id']}"} if named else {})
        for each in resources
    ]
    return json.dumps({"resourceType": "Bundle", "type": "searchset", **bundle, "entry": entries}).encode()


def the_long_way(page: bytes) -> bytes:
    body = json.loads(page)
    for entry in body["entry"]:
        if entry["resource"].get("resourceType") == "Observation":
            entry["resource"][UNUSUAL] = "en"
    return json.dumps(body).encode()


def told(reading: Reading) -> dict[str, Any]:
    """All a reading says, but for the element that was added and the bytes, which hold it."""
    return {
        "statements": [
            {
                "patient": each.patient,
                "key": each.patient_key,
                "kind": each.kind,
                "clock": each.clock_us,
                "context": {name: repr_of(resource) for name, resource in each.context.items()},
                "items": [
                    (item.kind, item.key, item.clock_us, item.rank, item.form, repr_of(item.resources[0]))
                    for item in each.items
                ],
            }
            for each in reading.statements
        ],
        "problems": [(each.code, each.text, each.at) for each in reading.problems],
        "left out": dict(reading.left_out),
        "bodies": [json.loads(body.replace(b', "language": "en"', b"")) for body in reading.bodies],
    }


def repr_of(value: Any) -> Any:
    """With the digits of every number; names in any order."""
    if isinstance(value, dict):
        return sorted((name, repr_of(part)) for name, part in value.items() if name != UNUSUAL)
    return [repr_of(part) for part in value] if isinstance(value, list) else repr(value)


def both_ways(page: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    return told(fhir.read(page)), told(fhir.read(the_long_way(page)))


def plain_of(page: bytes) -> list[str]:
    return [part.key for part in cut(page, Assays(NOTHING_KNOWN)).parts if part.panel is not None]


ORDER: dict[str, Any] = {
    "resourceType": "ServiceRequest",
    "id": "r1",
    "subject": {"reference": "Patient/p1"},
    "identifier": [{"type": {"coding": [{"code": "FILL"}]}, "value": "F1"}],
    "code": {"coding": [{"code": "FBC"}]},
}
SPECIMEN: dict[str, Any] = {"resourceType": "Specimen", "id": "s1", "subject": {"reference": "Patient/p1"}}
REPORT: dict[str, Any] = {
    "resourceType": "DiagnosticReport",
    "id": "d1",
    "subject": {"reference": "Patient/p1"},
    "identifier": [{"type": {"coding": [{"code": "FILL"}]}, "value": "F9"}],
    "code": {"coding": [{"code": "CRP"}]},
    "result": [{"reference": "Observation/o1"}],
}
PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "p1", "birthDate": "2026-01-03"}


def test_a_result_with_order_and_sample_is_plain_and_the_same_both_ways() -> None:
    result = a_result(basedOn=[{"reference": "ServiceRequest/r1"}], specimen={"reference": "Specimen/s1"})
    page = a_page(result, ORDER, SPECIMEN, PATIENT)
    assert plain_of(page) == ["Observation/o1"]
    quick, long = both_ways(page)
    assert quick == long
    assert quick["statements"][0]["items"][0][1] == "obs|F1|FBC|1988-5|"


@pytest.mark.parametrize(
    "elements",
    [
        {"contained": [{"resourceType": "Specimen", "id": "x"}]},
        {"modifierExtension": [{"url": "urn:not-done", "valueBoolean": True}]},
        {"referenceRange": [{"modifierExtension": [{"url": "urn:x"}]}]},
        {"implicitRules": "urn:rules"},
        {"extension": [{"url": "urn:x", "valueString": "y"}]},
        {"_status": {"extension": []}},
        {"status": None},
        {"valueQuantity": {"value": "4.5"}},
        {"valueQuantity": {"value": True}},
        {"valueQuantity": {"value": 4, "extension": []}},
        {"valueQuantity": None},
        {"code": "CRP"},
        {"subject": ["Patient/p1"]},
        {"id": 5},
        {"component": []},
    ],
)
def test_whatever_is_unusual_goes_the_long_way(elements: dict[str, Any]) -> None:
    page = a_page(a_result(**elements), a_result(id="o2"))
    assert plain_of(page) == ["Observation/o2"]
    quick, long = both_ways(page)
    assert quick == long


@pytest.mark.parametrize("value", ["1e400", "-1e400", "1e-400", "123456789012345678901234567890", "0E-500"])
def test_a_number_that_others_cannot_hold_is_judged_the_long_way(value: str) -> None:
    page = a_page(a_result()).replace(b"4.5", value.encode())
    assert plain_of(page) == []


@pytest.mark.parametrize("value", ["72.50", "0", "-0.0", "1E2", "12", "3.000000000000000000000000001"])
def test_a_number_keeps_its_digits(value: str) -> None:
    page = a_page(a_result()).replace(b"4.5", value.encode())
    assert plain_of(page) == ["Observation/o1"]
    # The page of the other way must not pass through floats.
    long = page.replace(b'"status"', b'"language": "en", "status"')
    assert told(fhir.read(page)) == told(fhir.read(long))


def test_results_of_two_patients_part_and_their_bodies_hold_the_same_bytes() -> None:
    page = a_page(a_result(), a_result(id="o2", subject={"reference": "Patient/p2"}), SPECIMEN)
    quick, long = both_ways(page)
    assert quick == long
    assert len(quick["bodies"]) == 2


def test_a_report_names_the_results_it_lists() -> None:
    quick, long = both_ways(a_page(a_result(), REPORT))
    assert quick == long
    assert quick["statements"][0]["items"][0][1] == "obs|F9|CRP|1988-5|"


def test_one_reader_of_many_bodies_tells_of_each_what_a_new_one_tells() -> None:
    reader = fhir.Reader(NOTHING_KNOWN)
    pages = [a_page(a_result(code={"text": name}, valueQuantity={"value": 1})) for name in ("a", "b", "a")]
    assert [told(reader.read(page)) for page in pages] == [told(fhir.read(page)) for page in pages]


def test_of_two_versions_of_a_sample_on_one_page_the_newer_counts_wherever_it_stands() -> None:
    older = SPECIMEN | {"meta": {"versionId": "1"}, "type": {"text": "x"}}
    newer = SPECIMEN | {"meta": {"versionId": "2"}, "type": {"text": "Serum"}}
    result = a_result(specimen={"reference": "Specimen/s1"})
    for page in ([older, result, newer, result], [newer, result, older], [result, older, newer]):
        quick, long = both_ways(a_page(*page))
        assert quick == long
        (statement,) = fhir.read(a_page(*page)).statements
        assert statement.context["Specimen/s1"]["type"] == {"text": "Serum"}


def test_a_page_with_anything_else_on_it_is_read_entry_by_entry() -> None:
    strange = {"resourceType": "Practitioner", "id": "d1"}
    for page in (a_page(a_result(), strange), a_page(a_result(), a_result(id="o2", note=[]))):
        quick, long = both_ways(page)
        assert quick == long
        assert plain_of(page) == ["Observation/o1"]


def test_after_a_page_that_is_not_plain_another_may_be() -> None:
    reader = fhir.Reader(NOTHING_KNOWN)
    other = a_page(a_result(), PATIENT)
    for page in (other, *[a_page(a_result(), ORDER)] * 10, other, a_page(a_result())):
        assert told(reader.read(page)) == told(fhir.read(page))


def observations(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.rglob("*.json")):
        try:
            body = json.loads(file.read_bytes())
        except ValueError:
            continue
        inside = [entry.get("resource") for entry in body.get("entry", ())] if isinstance(body, dict) else []
        for resource in (body, *inside):
            if isinstance(resource, dict) and resource.get("resourceType") == "Observation":
                yield resource


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published examples are not beside the repository")
def test_every_published_observation_is_the_same_both_ways() -> None:
    found = list(observations(PUBLISHED))
    for resource in found:
        quick, long = both_ways(a_page({"id": "x"} | resource, SPECIMEN, ORDER))
        assert quick == long, resource.get("id")
    assert found


_WORDS = st.sampled_from(["", "a", "1988-5", "laboratory", "vital-signs", "Patient/p1", "http://loinc.org", "é|\\"])
_ODD: st.SearchStrategy[Any] = st.sampled_from([None, 5, "x", [], {}, [None], [{}], {"coding": None}, True])
_CODING = st.fixed_dictionaries({}, optional={"system": _WORDS, "code": _WORDS, "display": _WORDS, "more": _WORDS})
_CONCEPT = st.fixed_dictionaries({}, optional={"coding": st.lists(_CODING, max_size=2), "text": _WORDS})
_REFERENCE = st.fixed_dictionaries(
    {},
    optional={
        "reference": st.sampled_from(
            ["Patient/p1", f"{BASE}/Patient/p1", "Patient/p2", "#p", "", "ServiceRequest/r1", "Specimen/s1"]
            + ["Observation/o1", f"{BASE}/Observation/o1/_history/2", "urn:uuid:1"]
        ),
        "identifier": st.fixed_dictionaries({"value": _WORDS}),
        "display": _WORDS,
    },
)
_QUANTITY = st.fixed_dictionaries(
    {},
    optional={"value": st.sampled_from([0, 4.5, -1, 7]), "comparator": st.just("<"), "unit": _WORDS}
    | {"system": _WORDS, "code": _WORDS},
)
_META = st.fixed_dictionaries(
    {}, optional={"versionId": _WORDS, "lastUpdated": st.just("2026-01-03T12:10:00Z"), "source": _WORDS}
)
_GOOD: dict[str, st.SearchStrategy[Any]] = {
    "meta": _META,
    "status": st.sampled_from(["final", "preliminary", "entered-in-error", ""]),
    "category": st.lists(_CONCEPT, max_size=2),
    "code": _CONCEPT,
    "subject": _REFERENCE,
    "basedOn": st.lists(_REFERENCE, max_size=2),
    "specimen": _REFERENCE,
    "encounter": _REFERENCE,
    "performer": st.lists(_REFERENCE, max_size=1),
    "identifier": st.lists(st.fixed_dictionaries({"value": _WORDS}), max_size=1),
    "effectiveDateTime": _WORDS,
    "issued": _WORDS,
    "valueQuantity": _QUANTITY,
    "valueString": _WORDS,
    "interpretation": st.lists(_CONCEPT, max_size=1),
    "referenceRange": st.lists(st.fixed_dictionaries({}, optional={"low": _QUANTITY, "text": _WORDS}), max_size=1),
    "note": st.lists(st.fixed_dictionaries({"text": _WORDS}), max_size=1),
}
_RESULT = st.fixed_dictionaries(
    {"resourceType": st.just("Observation"), "id": st.sampled_from(["o1", "o2", "o3"])},
    optional={name: each | _ODD if name in ("code", "status", "meta") else each for name, each in _GOOD.items()},
)


@settings(max_examples=40)
@given(st.lists(_RESULT, min_size=1, max_size=4), st.sets(st.sampled_from(range(4))), st.booleans())
def test_a_variety_of_results_is_the_same_both_ways(
    results: list[dict[str, Any]], beside: set[int], named: bool
) -> None:
    others: list[dict[str, Any]] = [(ORDER, SPECIMEN, REPORT, PATIENT)[place] for place in sorted(beside)]
    quick, long = both_ways(a_page(*results, *others, named=named, timestamp="2026-01-03T13:00:00Z"))
    assert quick == long
