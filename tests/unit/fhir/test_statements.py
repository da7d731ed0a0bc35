"""Which patient a resource belongs to, and in what form it is asserted."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapter import fhir
from adapter.assertion import Form, ItemKind
from adapter.errors import MessageError, ProblemCode
from adapter.statement import Statement

PUBLISHED = Path(__file__).parents[4] / "shared" / "data" / "fhir"


def a_bundle(*entries: dict[str, Any], **bundle: Any) -> bytes:
    wrapped = [entry if "resource" in entry else {"resource": entry} for entry in entries]
    return json.dumps({"resourceType": "Bundle", "entry": wrapped, **bundle}).encode()


def an_observation(reference: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": "o1", "status": "final", "subject": {"reference": reference}, **more}


def only(body: bytes, **given: Any) -> Statement:
    (statement,), problems = fhir.statements(body, **given)
    assert problems == []
    return statement


def test_a_resource_with_only_a_reference_has_the_key_and_no_patient() -> None:
    statement = only(json.dumps(an_observation("Patient/123/_history/4")).encode())
    assert (statement.patient, statement.patient_key, statement.kind) == (None, "Patient/123", "Observation")
    (item,) = statement.items
    assert (item.kind, item.key, item.form) == (ItemKind.OBSERVATION, "Observation/o1", Form.SNAPSHOT)


def test_a_urn_reference_finds_its_patient_in_the_bundle() -> None:
    patient = {"fullUrl": "urn:uuid:7", "resource": {"resourceType": "Patient", "id": "p1"}}
    statement = only(a_bundle(an_observation("urn:uuid:7"), patient))
    assert statement.patient_key == "Patient/p1"
    assert statement.patient == patient["resource"]
    assert [item.kind for item in statement.items] == [ItemKind.OBSERVATION, ItemKind.PATIENT]


def test_an_absolute_reference_stays_absolute_unless_it_is_our_server() -> None:
    body = json.dumps(an_observation("https://epr.example/r4/Patient/9")).encode()
    assert only(body).patient_key == "https://epr.example/r4/Patient/9"
    assert only(body, base="https://epr.example/r4").patient_key == "Patient/9"


@pytest.mark.behaviour(31)
def test_full_urls_tell_which_absolute_references_are_to_their_own_server() -> None:
    def at(root: str, reference: str) -> str:
        entry = {"fullUrl": f"{root}/Observation/o1", "resource": an_observation(reference)}
        return only(a_bundle(entry)).patient_key

    ours, another = "https://fhir.example/r4", "https://another.example/r4"
    assert at(ours, f"{ours}/Patient/1") == at(ours, "Patient/1") == "Patient/1"
    assert at(another, f"{ours}/Patient/1") == f"{ours}/Patient/1"
    assert at("urn:uuid:7", f"{ours}/Patient/1") == f"{ours}/Patient/1"
    mixed = [
        {"fullUrl": f"{root}/Observation/o{number}", "resource": an_observation(f"{ours}/Patient/1", id=f"o{number}")}
        for number, root in enumerate((ours, another))
    ]
    assert only(a_bundle(*mixed)).patient_key == f"{ours}/Patient/1"


def test_resources_of_two_patients_make_two_statements() -> None:
    body = a_bundle(an_observation("Patient/1"), an_observation("Patient/2"))
    found, _ = fhir.statements(body)
    assert [statement.patient_key for statement in found] == ["Patient/1", "Patient/2"]


def test_a_patient_inside_the_resource_is_known_by_its_identifier() -> None:
    inside = {"resourceType": "Patient", "id": "b", "identifier": [{"system": "urn:x", "value": "H1"}]}
    statement = only(json.dumps(an_observation("#b", contained=[inside])).encode())
    assert statement.patient == inside
    assert [item.kind for item in statement.items] == [ItemKind.OBSERVATION]


def test_a_patient_named_by_identifier_only_is_known_by_it() -> None:
    observation = an_observation("")
    observation["subject"] = {"identifier": {"system": "urn:x", "value": "H1"}}
    statement = only(json.dumps(observation).encode())
    assert statement.patient == {"resourceType": "Patient", "identifier": [{"system": "urn:x", "value": "H1"}]}


@pytest.mark.parametrize("reference", ["Group/1", "Device/1", "#nobody", ""])
def test_a_subject_that_is_no_patient_is_a_problem(reference: str) -> None:
    found, (problem,) = fhir.statements(json.dumps(an_observation(reference)).encode())
    assert (found, problem.code) == ([], ProblemCode.UNRESOLVED_REFERENCE)


def test_a_specimen_comes_with_its_result_under_the_reference_as_written() -> None:
    specimen = {
        "fullUrl": "urn:uuid:s",
        "resource": {"resourceType": "Specimen", "id": "s1", "type": {"text": "Serum"}},
    }
    statement = only(a_bundle(specimen, an_observation("Patient/1", specimen={"reference": "urn:uuid:s"})))
    assert statement.context == {"urn:uuid:s": specimen["resource"]}


def test_the_mother_of_a_patient_is_related() -> None:
    mother = {"resourceType": "RelatedPerson", "patient": {"reference": "Patient/1"}}
    assert only(a_bundle(mother)).related == [mother]


@pytest.mark.behaviour(54)
def test_a_resource_with_an_unknown_modifier_extension_is_not_mapped() -> None:
    modified = an_observation("Patient/1", referenceRange=[{"modifierExtension": [{"url": "urn:not"}]}])
    found, (problem,) = fhir.statements(a_bundle(modified, an_observation("Patient/2")))
    assert [statement.patient_key for statement in found] == ["Patient/2"]
    assert problem.code is ProblemCode.UNKNOWN_MODIFIER_EXTENSION
    assert problem.at == "/entry/0/resource/referenceRange/0/modifierExtension"


def test_what_was_entered_in_error_passes_as_an_item_that_wins_on_equal_clocks() -> None:
    wrong = only(json.dumps(an_observation("Patient/1") | {"status": "entered-in-error"}).encode()).items[0]
    right = only(json.dumps(an_observation("Patient/1")).encode()).items[0]
    assert wrong.rank > right.rank


@pytest.mark.behaviour(57)
def test_the_clock_is_last_updated_else_the_bundle_and_a_higher_version_outranks() -> None:
    first = an_observation("Patient/1", meta={"lastUpdated": "2026-03-01T10:00:00.000001+01:00", "versionId": "2"})
    second = an_observation("Patient/1", id="o2", meta={"versionId": "10"})
    items = only(a_bundle(first, second, timestamp="2026-03-01T09:00:00Z")).items
    assert [item.clock_us for item in items] == [1772355600000001, 1772355600000000]
    assert items[0].rank < items[1].rank


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published examples are not beside the repository")
def test_every_published_example_passes_without_a_traceback() -> None:
    files = sorted(PUBLISHED.rglob("*.json"))
    for file in files:
        try:
            fhir.statements(file.read_bytes())
        except MessageError:
            continue
    assert files
