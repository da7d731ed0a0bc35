"""Bodies as they come: one resource, a Bundle with a fault in it, NDJSON, numbers with their digits."""

from decimal import Decimal

import pytest

from adapter import fhir
from adapter.errors import ProblemCode, Unparsable


def test_a_number_keeps_its_last_zero() -> None:
    resource = fhir.decode(b'{"resourceType":"Observation","valueQuantity":{"value":72.50}}')
    assert resource["valueQuantity"]["value"] == Decimal("72.50")
    assert b"72.50" in fhir.encode(resource)


def test_an_invalid_entry_is_named_by_its_pointer_and_the_others_go_on() -> None:
    body = b"""{"resourceType": "Bundle", "entry": [
        {"resource": {"resourceType": "Patient", "id": "1"}},
        {"resource": {"id": "no type"}},
        {"resource": 7},
        "nothing",
        {"resource": {"resourceType": "Patient", "id": "2", "note": 72.50}}]}"""
    parts, problems = fhir.split(body)
    assert [part.resource["id"] for part in parts] == ["1", "2"]
    assert [problem.at for problem in problems] == ["/entry/1/resource", "/entry/2/resource", "/entry/3"]
    assert parts[1].raw == b'{"resourceType": "Patient", "id": "2", "note": 72.50}'


def test_a_bundle_in_a_bundle_is_opened() -> None:
    inner = b'{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"1"}}]}'
    (part,), problems = fhir.split(b'{"resourceType":"Bundle","entry":[{"resource":' + inner + b"}]}")
    assert (part.at, problems) == ("/entry/0/resource/entry/0/resource", [])


def test_bundles_nested_without_end_are_refused() -> None:
    body = b'{"resourceType":"Patient"}'
    for _ in range(9):
        body = b'{"resourceType":"Bundle","entry":[{"resource":' + body + b"}]}"
    parts, (problem,) = fhir.split(body)
    assert (parts, problem.code) == ([], ProblemCode.BAD_RESOURCE)


def test_a_bad_line_of_ndjson_is_named_and_the_others_go_on() -> None:
    body = b'{"resourceType":"Patient","id":"1"}\n{"broken\n\n{"resourceType":"Patient","id":"2"}\n'
    parts, (problem,) = fhir.split(body)
    assert [part.resource["id"] for part in parts] == ["1", "2"]
    assert problem.at == "line 2"


def test_an_outcome_of_a_search_is_no_result() -> None:
    body = b'{"resourceType":"Bundle","entry":[{"search":{"mode":"outcome"},"resource":{"resourceType":"X"}}]}'
    assert fhir.split(body) == ([], [])


@pytest.mark.parametrize(
    "body", [b"", b"MSH|^~\\&|", b'{"resourceType":"Pat', b"\xff\xfe{}", b"[1]", b"{" + b"[" * 9999]
)
def test_what_is_no_json_object_is_unparsable_and_not_quoted(body: bytes) -> None:
    with pytest.raises(Unparsable) as caught:
        fhir.statements(body)
    assert caught.value.problem.code in (ProblemCode.NOT_JSON, ProblemCode.EMPTY)
    assert "Pat" not in str(caught.value)


def test_the_verdict_of_r4b_names_element_and_rule_but_no_value() -> None:
    problems = fhir.validate({"resourceType": "Patient", "birthDate": "Canary", "canary": 1}, at="/entry/0/resource")
    assert {problem.at.rpartition("/")[2] for problem in problems} >= {"canary"}
    assert not any("Canary" in problem.text for problem in problems)
    assert fhir.validate({"resourceType": "Patient", "birthDate": "2026-03-01"}) == ()
    (unknown,) = fhir.validate({"resourceType": "../Patient"})
    assert unknown.code is ProblemCode.NOT_FHIR


def test_a_member_that_is_null_is_one_that_is_not_there() -> None:
    subject = b'{"reference":"Patient/1","display":null}'
    body = b'{"resourceType":"Condition","id":"1","subject":' + subject + b',"code":{"coding":null}}'
    (part,), problems = fhir.split(body)
    assert problems == []
    assert part.resource["code"] == {}
    assert part.resource["subject"] == {"reference": "Patient/1"}
    (stated,), problems = fhir.statements(body, known=lambda *_: False)
    assert (len(stated.items), problems) == (1, [])


@pytest.mark.parametrize(
    ("element", "at"),
    [
        (b'"_birthDate":{"extension":[{"url":"x","valueDateTime":[]}]}', "/_birthDate/extension/0/valueDateTime"),
        (b'"identifier":[{"value":"1","assigner":"RXX"}]', "/identifier/0/assigner"),
        (
            b'"identifier":[{"value":"1","extension":[{"url":"x","valueCodeableConcept":7}]}]',
            "/identifier/0/extension/0/valueCodeableConcept",
        ),
        (b'"contained":[{"resourceType":"Location"},{"resourceType":"Specimen","type":"blood"}]', "/contained/1/type"),
    ],
)
@pytest.mark.behaviour(33)
def test_an_element_of_another_form_than_fhir_gives_it_is_named_by_its_pointer(element: bytes, at: str) -> None:
    stated, (problem,) = fhir.statements(
        b'{"resourceType":"Patient","id":"1",' + element + b"}", known=lambda *_: False
    )
    assert (stated, problem.code, problem.at) == ([], ProblemCode.BAD_RESOURCE, at)
