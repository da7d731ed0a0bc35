"""STU3 in the form of R4: element by element, and back to where each stood."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter import fhir
from adapter.assertion import ItemKind
from adapter.errors import ProblemCode, Unparsable
from adapter.fhir import ConvertedPart, UnsupportedVersion, Version
from adapter.fhir.versions import to_r4

EXAMPLES = Path(__file__).parent / "careconnect"
"""Written by hand from the CareConnect profiles (fhir.hl7.org.uk/STU3)."""


def example(name: str) -> bytes:
    return (EXAMPLES / f"{name}.json").read_bytes()


def converted(name: str) -> ConvertedPart:
    (part,) = fhir.parts(example(name), version=Version.STU3)
    assert isinstance(part, ConvertedPart)
    return part


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield from leaves(child, f"{at}.{name}" if at else name)
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from leaves(child, f"{at}[{number}]")
    else:
        yield at, value


@pytest.mark.behaviour(34)
@pytest.mark.parametrize(
    ("name", "elements"),
    [
        (
            "condition",
            {
                "clinicalStatus.coding.code": ["active"],
                "verificationStatus.coding.code": ["confirmed"],
                "encounter.reference": ["Encounter/e1"],
                "recordedDate": ["2026-09-02"],
                "category.coding.system": ["http://terminology.hl7.org/CodeSystem/condition-category"],
            },
        ),
        ("procedure-not-done", {"status": ["not-done"], "statusReason.text": ["unwell"]}),
        ("procedure-aborted", {"status": ["stopped"], "performer.function.text": ["surgeon"]}),
        (
            "observation",
            {
                "encounter.reference": ["Encounter/e1"],
                "interpretation.coding.code": ["H"],
                "note.text": ["haemolysed"],
                "basedOn.reference": ["ServiceRequest/r1"],
                "category.coding.system": ["http://terminology.hl7.org/CodeSystem/observation-category"],
            },
        ),
        (
            "imaging-study",
            {
                "subject.reference": ["Patient/p1"],
                "modality.code": ["CR"],
                "identifier.value": ["urn:oid:1.2.826.0.1.3680043.10.999.7", "S7", "A7"],
                "identifier.type.coding.code": ["ACSN"],
                "status": ["available"],
                "basedOn.reference": ["ServiceRequest/ReferralRequest-r1"],
            },
        ),
        (
            "diagnostic-report",
            {
                "category.coding.code": ["RAD"],
                "conclusionCode.text": ["NEC"],
                "performer.reference": ["Practitioner/d1"],
            },
        ),
        (
            "procedure-request",
            {"resourceType": ["ServiceRequest"], "status": ["on-hold"], "requester.reference": ["Practitioner/d1"]},
        ),
        (
            "referral-request",
            {
                "resourceType": ["ServiceRequest"],
                "id": ["ReferralRequest-r1"],
                "status": ["revoked"],
                "code.coding.code": ["XABDO"],
                "category.coding.code": ["363679005"],
            },
        ),
        ("administration-not-given", {"status": ["not-done"], "request.reference": ["MedicationRequest/m1"]}),
        (
            "medication-request",
            {
                "category.coding.code": ["inpatient"],
                "requester.reference": ["Practitioner/d1"],
                "dosageInstruction.doseAndRate.doseQuantity.unit": ["mg"],
                "dosageInstruction.route.coding.code": ["47625008"],
            },
        ),
        (
            "questionnaire-response",
            {"questionnaire": ["https://rxx.example/Questionnaire/q"], "encounter.reference": ["Encounter/e1"]},
        ),
        ("related-person", {"relationship.coding.code": ["MTH"]}),
        ("location", {"type.text": ["ward"]}),
        (
            "patient",
            {
                "extension[https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-EthnicCategory]"
                ".valueCodeableConcept.coding.code": ["A"],
                "identifier.extension.valueCodeableConcept.coding.system": [
                    "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland"
                ],
                "gender": ["male"],
            },
        ),
        (
            "encounter",
            {
                "class.system": ["http://terminology.hl7.org/CodeSystem/v3-ActCode"],
                "reasonCode.text": ["vomiting"],
                "serviceType.coding.code": ["171"],
                "diagnosis.use.text": ["admitting"],
            },
        ),
    ],
)
def test_each_element_that_r4_changed_has_the_form_of_r4(name: str, elements: dict[str, list[str]]) -> None:
    resource = converted(name).resource
    assert {path: fhir.Path(path).values(resource) for path in elements} == elements


@pytest.mark.behaviour(34)
@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.json")))
def test_every_value_leads_back_to_where_it_stood(name: str) -> None:
    part = converted(name)
    for path, value in leaves(part.resource):
        before = part.received_at(path)
        if before:
            found = fhir.Path(before).first(part.received)
            # A system, a type or a status may have another name now; any other text is the text that came.
            assert found is not None, path
            is_named = path.endswith((".system", ".url", ".reference", "resourceType", "status", "id"))
            assert found == value or is_named, path


def test_of_a_renamed_element_the_old_name_is_told() -> None:
    observation, study = converted("observation"), converted("imaging-study")
    assert observation.received_at("encounter.reference") == "context.reference"
    assert observation.received_at("interpretation[0].coding[0].code") == "interpretation.coding[0].code"
    assert observation.received_at("note[0].text") == "comment"
    assert observation.received_at("valueQuantity.value") == "valueQuantity.value"
    assert study.received_at("identifier[1].value") == "identifier[0].value"
    assert study.received_at("identifier[2].value") == "accession.value"
    assert study.received_at("identifier[0].system") == ""
    assert converted("condition").received_at("verificationStatus.coding[0].code") == "verificationStatus"


@pytest.mark.behaviour(34)
def test_a_dose_that_was_not_given_is_none() -> None:
    assert to_r4({"resourceType": "MedicationAdministration", "status": "completed", "notGiven": False}).resource == {
        "resourceType": "MedicationAdministration",
        "status": "completed",
    }
    assert converted("administration-not-given").resource["status"] == "not-done"


def test_a_film_that_cannot_be_got_any_more_was_taken_all_the_same() -> None:
    study = to_r4({"resourceType": "ImagingStudy", "availability": "UNAVAILABLE"}).resource
    assert study["status"] == "unknown"


def test_a_resource_that_is_not_as_stu3_has_it_is_told_by_its_place_in_what_came() -> None:
    bad = {
        "resourceType": "Observation",
        "id": "o1",
        "context": {"reference": 7},
        "subject": {"reference": "Patient/p1"},
    }
    good = {"resourceType": "Observation", "id": "o2", "subject": {"reference": "Patient/p1"}}
    body = json.dumps({"resourceType": "Bundle", "entry": [{"resource": bad}, {"resource": good}]}).encode()

    found = fhir.read(body, version=Version.STU3)

    assert [(each.code, each.at) for each in found.problems] == [
        (ProblemCode.BAD_RESOURCE, "/entry/0/resource/context/reference")
    ]
    assert [item.key for statement in found.statements for item in statement.items] == ["Observation/o2"]


def test_what_is_kept_of_each_patient_is_the_bytes_as_they_came() -> None:
    entries = []
    for number in (1, 2):
        one = {"resourceType": "Observation", "id": f"o{number}", "context": {"reference": "Encounter/e1"}}
        entries.append({"resource": {**one, "subject": {"reference": f"Patient/p{number}"}}})
    body = json.dumps({"resourceType": "Bundle", "entry": entries}).encode()

    bodies = fhir.read(body, version=Version.STU3).bodies

    assert [b'"context"' in each for each in bodies] == [True, True]


def test_a_referral_and_a_request_of_one_id_stay_two() -> None:
    requests = [
        {"resourceType": kind, "id": "r1", "subject": {"reference": "Patient/p1"}, "intent": "order",
         "status": "active", "code": {"text": kind}}
        for kind in ("ProcedureRequest", "ReferralRequest")
    ]  # fmt: skip
    result = {"resourceType": "Observation", "id": "o1", "subject": {"reference": "Patient/p1"},
              "basedOn": [{"reference": "ProcedureRequest/r1"}]}  # fmt: skip
    body = json.dumps({"resourceType": "Bundle", "entry": [{"resource": each} for each in [*requests, result]]})

    (statement,) = fhir.read(body.encode(), version=Version.STU3).statements

    assert {"ServiceRequest/r1", "ServiceRequest/ReferralRequest-r1"} <= set(statement.context)
    assert statement.context["ServiceRequest/r1"]["code"] == {"text": "ProcedureRequest"}
    assert [item.kind for item in statement.items] == [ItemKind.OBSERVATION]


@pytest.mark.behaviour(34)
@pytest.mark.parametrize(
    ("said", "version"),
    [("R4", Version.R4), ("4.0.1", Version.R4), ("4.0", Version.R4), ("r4b", Version.R4B), ("4.3.0", Version.R4B)]
    + [("STU3", Version.STU3), ("3.0.2", Version.STU3), ("R3", Version.STU3)],
)
def test_a_version_is_known_by_its_name_or_its_number(said: str, version: Version) -> None:
    assert fhir.version_of(said) is version


@pytest.mark.behaviour(34)
@pytest.mark.parametrize("said", ["DSTU2", "1.0.2", "R2", "0.5.0"])
def test_dstu2_is_refused_with_what_to_ask_for(said: str) -> None:
    with pytest.raises(UnsupportedVersion, match="ask the server's team for R4 or STU3"):
        fhir.version_of(said)


@pytest.mark.parametrize("said", ["R5", "5.0.0", "", "four"])
def test_what_is_no_version_that_is_read_is_refused(said: str) -> None:
    with pytest.raises(UnsupportedVersion, match="R4, R4B and STU3"):
        fhir.version_of(said)


@pytest.mark.behaviour(34)
def test_a_body_tells_its_version_where_nobody_else_does() -> None:
    assert fhir.version_said_by(example("patient")) is Version.STU3
    assert fhir.version_said_by(example("procedure-request")) is Version.STU3
    assert fhir.version_said_by(b'{"resourceType": "Patient"}') is Version.R4
    with pytest.raises(Unparsable, match="DSTU2 is not read"):
        fhir.version_said_by(b'{"resourceType": "MedicationOrder"}')
