"""A body of several patients taken apart: own bytes, own clock, references that still find what they mean."""

import json
from typing import Any

import pytest

from adapter import fhir
from tests.unit.fhir.test_statements import a_bundle, an_observation


def patients(bodies: list[bytes]) -> list[list[str]]:
    return [[each.patient_key for each in fhir.statements(body)[0]] for body in bodies]


def test_one_patients_body_stays_as_it_came() -> None:
    body = a_bundle({"resourceType": "Patient", "id": "1"}, an_observation("Patient/1"))
    assert fhir.read(body).bodies == []


def test_each_piece_says_of_its_patient_what_the_whole_said() -> None:
    patient = {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient", "id": "1"}}
    specimen = {"resourceType": "Specimen", "id": "s"}
    first = an_observation("urn:uuid:1", specimen={"reference": "Specimen/s"})
    second = {**an_observation("Patient/2"), "id": "o2"}
    body = a_bundle(second, specimen, first, patient, timestamp="2026-03-01T12:00:00Z")
    whole = fhir.read(body)
    pieces = [fhir.read(piece) for piece in whole.bodies]
    assert [piece.bodies for piece in pieces] == [[], []]
    assert [piece.statements for piece in pieces] == [[each] for each in whole.statements]


def test_patients_without_any_name_never_share_a_key() -> None:
    body = a_bundle({"resourceType": "Patient", "gender": "male"}, {"resourceType": "Patient", "gender": "female"})
    first, second = patients(fhir.read(body).bodies)
    assert first != second
    again = a_bundle({"resourceType": "Patient", "gender": "female"})
    assert patients([again]) == [second]


def test_what_was_wrong_keeps_its_pointer_in_nested_bundles() -> None:
    inner = json.loads(a_bundle(an_observation("Patient/1"), {"id": "no type"}))
    body = a_bundle(inner, {"resourceType": "Observation", "id": "nobody's"})
    whole = fhir.read(body)
    *_, remainder = whole.bodies
    assert {each.at for each in fhir.read(remainder).problems} == {each.at for each in whole.problems}
    assert fhir.read(remainder).statements == []


def test_pieces_of_bundles_of_different_times_keep_their_clocks() -> None:
    early = json.loads(a_bundle(an_observation("Patient/1"), timestamp="2026-03-01T12:00:00Z"))
    late = json.loads(a_bundle({**an_observation("Patient/1"), "id": "o2"}, timestamp="2026-03-02T12:00:00Z"))
    whole = fhir.read(a_bundle(early, late, an_observation("Patient/2")))
    (piece,) = fhir.read(whole.bodies[0]).statements
    assert piece == whole.statements[0]


@pytest.mark.parametrize(
    ("element", "value", "place", "text"),
    [
        ("code", 5, "/code", "not a valid Observation: an object is expected here"),
        ("code", {"coding": [{"code": 5}]}, "/code/coding/0/code", "not a valid Observation: a text is expected here"),
        ("valueQuantity", {"value": "5"}, "/valueQuantity/value", "not a valid Observation: a number is expected here"),
        ("category", {}, "/category", "not a valid Observation: a list is expected here"),
    ],
)
def test_an_element_of_a_wrong_form_is_named_by_its_pointer(element: str, value: Any, place: str, text: str) -> None:
    found, (problem,) = fhir.statements(json.dumps(an_observation("Patient/1", **{element: value})).encode())
    assert (found, problem.at, problem.text) == ([], place, text)
