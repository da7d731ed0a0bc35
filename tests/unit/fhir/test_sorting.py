"""Which resources are items, of what kind, under which natural key; and by which rule the others are none."""

import json
from typing import Any

import pytest

from adapter import fhir
from adapter.assertion import Item, ItemKind
from tests.unit.fhir.test_statements import a_bundle, an_observation

GROWTH = fhir.Known(is_imaging=lambda system, code: code == "XABDO", is_measurement=lambda system, code: code == "BW")
V2_0074 = "http://terminology.hl7.org/CodeSystem/v2-0074"


def a_concept(*codes: str, system: str = "urn:id:L") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for code in codes]}


def a_number(kind: str, value: str) -> dict[str, Any]:
    return {"type": a_concept(kind, system="http://terminology.hl7.org/CodeSystem/v2-0203"), "value": value}


def a_resource(kind: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": kind, "id": "r1", "status": "final", "subject": {"reference": "Patient/1"}, **more}


def a_report(**more: Any) -> dict[str, Any]:
    return a_resource("DiagnosticReport", code=a_concept("FBC"), **more)


def items(*resources: dict[str, Any]) -> list[Item]:
    (statement,), problems = fhir.statements(a_bundle(*resources), known=GROWTH)
    assert problems == []
    return statement.items


@pytest.mark.parametrize(
    ("resource", "kind"),
    [
        (a_resource("ImagingStudy"), ItemKind.IMAGING),
        (a_report(category=[a_concept("RAD", system=V2_0074)]), ItemKind.IMAGING),
        (a_report(imagingStudy=[{"reference": "ImagingStudy/7"}]), ItemKind.IMAGING),
        (a_resource("DiagnosticReport", code=a_concept("XABDO")), ItemKind.IMAGING),
        (a_resource("ServiceRequest", code=a_concept("XABDO")), ItemKind.IMAGING),
        (a_resource("MedicationAdministration"), ItemKind.MEDICATION),
        (a_resource("MedicationRequest"), ItemKind.MEDICATION),
        (a_resource("QuestionnaireResponse"), ItemKind.NOTE),
        (a_resource("QuestionnaireResponse", identifier={"system": "urn:forms", "value": "1"}), ItemKind.NOTE),
        (an_observation("Patient/1"), ItemKind.OBSERVATION),
        (an_observation("Patient/1", category=[a_concept("laboratory")]), ItemKind.OBSERVATION),
        (an_observation("Patient/1", category=[a_concept("CH", system=V2_0074)]), ItemKind.OBSERVATION),
        (an_observation("Patient/1", category=[a_concept("vital-signs")]), ItemKind.MEASUREMENT),
        (an_observation("Patient/1", code=a_concept("BW")), ItemKind.MEASUREMENT),
        (an_observation("Patient/1", category=[a_concept("exam")], code=a_concept("BW")), ItemKind.MEASUREMENT),
    ],
)
def test_a_resource_is_an_item_of_its_kind(resource: dict[str, Any], kind: ItemKind) -> None:
    assert [item.kind for item in items(resource)] == [kind]


def test_a_value_of_the_laboratory_stays_one_whatever_its_code() -> None:
    (item,) = items(an_observation("Patient/1", category=[a_concept("laboratory")], code=a_concept("BW")))
    assert item.kind is ItemKind.OBSERVATION


def test_what_is_no_item_is_counted_by_its_rule() -> None:
    reading = fhir.read(
        a_bundle(
            a_report(),
            an_observation("Patient/1", category=[a_concept("social-history")]),
            a_resource("MedicationStatement"),
            {"resourceType": "Practitioner", "id": "dr"},
        )
    )
    assert reading.statements == []
    assert dict(reading.left_out) == {
        fhir.LeftOut.LABORATORY_REPORT: 1,
        fhir.LeftOut.OTHER_OBSERVATION: 1,
        fhir.LeftOut.BELIEVED_MEDICATION: 1,
        fhir.LeftOut.NOT_NEEDED: 1,
    }


def test_a_request_that_is_no_examination_is_context_only() -> None:
    (statement,), _ = fhir.statements(a_bundle(a_resource("ServiceRequest", code=a_concept("FBC"))))
    assert (statement.items, list(statement.context)) == ([], ["ServiceRequest/r1"])


def test_a_laboratory_report_without_a_patient_is_a_problem_not_silence() -> None:
    found, (problem,) = fhir.statements(json.dumps({"resourceType": "DiagnosticReport", "id": "r"}).encode())
    assert (found, problem.at) == ([], "")


class TestKeyOfAResult:
    def test_is_the_one_of_version_2_where_its_request_names_the_order(self) -> None:
        ordered = an_observation(
            "Patient/1", code=a_concept("CRP"), basedOn=[{"identifier": a_number("FILL", "F1")}], id="o1"
        )
        assert [item.key for item in items(ordered)] == ["obs|F1||CRP|"]

    def test_takes_order_and_battery_from_the_report_that_lists_it(self) -> None:
        report = a_report(identifier=[a_number("PLAC", "P1"), a_number("FILL", "F|1")], result=[{"reference": "#"}])
        report["result"] = [{"reference": "Observation/o1"}]
        (item,) = items(report, an_observation("Patient/1", code=a_concept("HB")))
        assert item.key == "obs|F\\F\\1|FBC|HB|"

    def test_follows_to_the_request_in_the_body(self) -> None:
        request = a_resource("ServiceRequest", identifier=[a_number("PLAC", "P1")], code=a_concept("U&E"))
        ordered = an_observation("Patient/1", code=a_concept("NA"), basedOn=[{"reference": "ServiceRequest/r1"}])
        (item,) = items(request, ordered)
        assert item.key == "obs|P1|U&E|NA|"

    def test_prefers_the_laboratorys_own_code(self) -> None:
        code = {"coding": [{"system": "http://loinc.org", "code": "1988-5"}, {"system": "urn:id:L", "code": "CRP"}]}
        ordered = an_observation("Patient/1", code=code, basedOn=[{"identifier": a_number("FILL", "F1")}])
        assert [item.key for item in items(ordered)] == ["obs|F1||CRP|"]

    def test_is_the_id_where_no_order_is_known(self) -> None:
        assert [item.key for item in items(an_observation("Patient/1"))] == ["Observation/o1"]


class TestKeyOfAnExamination:
    def test_is_the_accession_number_of_study_report_and_request(self) -> None:
        number = [a_number("ACSN", "A1")]
        request = a_resource("ServiceRequest", identifier=number, code=a_concept("XABDO"))
        study = a_resource("ImagingStudy", identifier=number)
        report = a_report(basedOn=[{"identifier": number[0]}], category=[a_concept("RAD")])
        assert {item.key for item in items(request, study, report)} == {"imaging|A1"}

    def test_of_a_report_is_that_of_its_study(self) -> None:
        study = a_resource("ImagingStudy", identifier=[a_number("ACSN", "A1")])
        report = a_report(imagingStudy=[{"reference": "ImagingStudy/r1"}])
        assert {item.key for item in items(study, report)} == {"imaging|A1"}
        assert [item.key for item in items(report)] == ["ImagingStudy/r1"]

    def test_is_the_id_where_there_is_no_number(self) -> None:
        assert [item.key for item in items(a_resource("ImagingStudy"))] == ["ImagingStudy/r1"]


def test_an_item_brings_what_its_rows_are_made_with() -> None:
    drug = {"resourceType": "Medication", "id": "m"}
    bed = {"resourceType": "Location", "id": "bed", "partOf": {"reference": "Location/ward"}}
    ward = {"resourceType": "Location", "id": "ward"}
    dose = a_resource("MedicationAdministration", medicationReference={"reference": "Medication/m"})
    stay = a_resource("Encounter", location=[{"location": {"reference": "Location/bed"}}])
    (statement,), _ = fhir.statements(a_bundle(drug, bed, ward, dose, stay))
    assert statement.context == {"Medication/m": drug, "Location/bed": bed, "Location/ward": ward}


def test_shared_resources_go_with_each_patient_who_refers_to_them() -> None:
    drug = {"resourceType": "Medication", "id": "m"}
    refers = {"medicationReference": {"reference": "Medication/m"}}
    one = a_resource("MedicationAdministration", **refers)
    two = {**a_resource("MedicationAdministration", **refers), "id": "r2", "subject": {"reference": "Patient/2"}}
    whole = fhir.read(a_bundle(drug, one, two))
    pieces = [fhir.read(body) for body in whole.bodies]
    assert [piece.statements for piece in pieces] == [[each] for each in whole.statements]
    assert all(piece.statements[0].context == {"Medication/m": drug} for piece in pieces)
