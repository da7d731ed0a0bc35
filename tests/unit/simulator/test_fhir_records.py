"""The resources of an invented child, held against FHIR R4B and against what UK Core and the domain pages ask for."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any

import msgspec
import pytest

from adapter.simulator.fhir_records import fhir_timeline
from adapter.simulator.fhir_terms import also_as_fhir
from adapter.simulator.fhir_versions import Change, encode
from adapter.simulator.laboratory import LabCode
from tests.unit.simulator.fhir_courses import BORN, CHILD, COURSE, MERGED, MOTHER, a_course, day

LATER = timedelta(minutes=1)
"""The server knows of everything within a minute."""


def at(kind: str, moment: datetime, *, course: Any = COURSE) -> list[dict[str, Any]]:
    """The resources of a type as they could be seen then."""
    seen: dict[str, dict[str, Any]] = {}
    for change in fhir_timeline([course]):
        if change.visible_at <= moment + LATER and change.resource["resourceType"] == kind:
            seen[change.resource["id"]] = dict(change.resource)
    return list(seen.values())


def the(kind: str, moment: datetime, *, course: Any = COURSE) -> dict[str, Any]:
    (found,) = at(kind, moment, course=course)
    return found


def of_code(found: list[dict[str, Any]], code: str) -> dict[str, Any]:
    (one,) = (each for each in found if code in {coding["code"] for coding in each["code"]["coding"]})
    return one


def codes(concept: dict[str, Any]) -> dict[str, str]:
    return {coding["system"].rpartition("/")[2]: coding["code"] for coding in concept["coding"]}


def everything() -> Iterator[Change]:
    yield from fhir_timeline([COURSE, MERGED, a_course(channel="both")])


@pytest.mark.parametrize("kind", sorted({change.resource["resourceType"] for change in everything()}))
def test_every_version_of_every_resource_is_fhir(kind: str) -> None:
    model = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    found = [change.resource for change in everything() if change.resource["resourceType"] == kind]

    assert found
    for resource in found:
        model.model_validate_json(encode(resource))


def test_everything_is_told_in_order_of_time_and_soon() -> None:
    seen = [change.visible_at for change in fhir_timeline([COURSE])]

    assert seen == sorted(seen)
    assert seen[-1] < day(50) + LATER


def test_every_reference_names_a_resource_that_is_served() -> None:
    there: set[str] = set()
    for change in fhir_timeline([COURSE]):
        resource = change.resource
        there.add(f"{resource['resourceType']}/{resource['id']}")
    named = set(references(msgspec.json.decode(encode([change.resource for change in fhir_timeline([COURSE])]))))

    assert named
    assert named <= there


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for child in value.values():
            yield from references(child)
    elif isinstance(value, list):
        for child in value:
            yield from references(child)


def test_a_course_told_by_version_2_alone_is_not_served() -> None:
    kinds = {change.resource["resourceType"] for change in fhir_timeline([a_course(channel="v2")])}

    assert kinds == {"Location"}


def test_what_version_2_tells_of_a_child_on_both_channels_is_not_told_again() -> None:
    kinds = {change.resource["resourceType"] for change in fhir_timeline([a_course(channel="both")])}

    assert kinds.isdisjoint({"Condition", "Procedure", "MedicationAdministration", "MedicationRequest"})
    assert kinds > {"Patient", "Encounter", "Observation", "DiagnosticReport", "ImagingStudy"}


def test_no_id_says_whose_it_is() -> None:
    numbers = {"3000001", "3000002", "9990000018", "9990000026", "V1", "26L1", "A100"}

    assert all(number not in change.resource["id"] for change in fhir_timeline([COURSE]) for number in numbers)


# People


def test_a_newborn_is_called_baby_and_its_trace_is_postponed_until_both_are_known() -> None:
    newborn, named = the("Patient", BORN), the("Patient", day(3))

    assert newborn["name"][0]["given"] == ["BABY"]
    assert named["name"][0]["given"] == ["Torin"]
    assert nhs_number(newborn) == (None, "08")
    assert nhs_number(named) == ("9990000026", "01")


def nhs_number(patient: dict[str, Any]) -> tuple[str | None, str]:
    (number,) = (one for one in patient["identifier"] if one["system"] == "https://fhir.nhs.uk/Id/nhs-number")
    (status,) = number["extension"]
    assert status["url"].endswith("Extension-UKCore-NHSNumberVerificationStatus")
    return number.get("value"), status["valueCodeableConcept"]["coding"][0]["code"]


def test_a_patient_carries_what_uk_core_has_for_a_baby() -> None:
    child = the("Patient", day(3))

    assert child["birthDate"] == "2026-10-01"
    assert child["_birthDate"]["extension"][0]["valueDateTime"] == "2026-10-01T05:12:00+01:00"
    assert child["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "A"
    assert child["multipleBirthInteger"] == 2
    assert child["gender"] == "male"
    assert child["deceasedBoolean"] is False
    dead = the("Patient", day(40))
    assert dead["deceasedDateTime"] == "2026-11-10T04:12:00+00:00"
    assert "deceasedBoolean" not in dead


def test_a_child_alone_is_said_to_be_no_multiple_birth_and_of_an_adult_nothing_is_said() -> None:
    alone = a_course(person=replace(CHILD, birth_order=None), birth=None)
    mother = a_course(person=MOTHER, birth=None)

    assert the("Patient", BORN, course=alone)["multipleBirthBoolean"] is False
    assert not {key for key in the("Patient", BORN, course=mother) if key.startswith("multipleBirth")}


def test_the_mother_is_a_related_person_with_numbers_of_her_own() -> None:
    mother = the("RelatedPerson", BORN)

    assert codes(mother["relationship"][0]) == {"v3-RoleCode": "MTH"}
    assert {one["value"] for one in mother["identifier"]} == {"3000001", "9990000018"}
    assert mother["patient"]["reference"] == f"Patient/{the('Patient', BORN)['id']}"


def test_a_merge_leaves_the_provisional_patient_behind_and_moves_everything_else() -> None:
    before = the("Patient", day(3), course=MERGED)
    after = {patient["active"]: patient for patient in at("Patient", day(5), course=MERGED)}
    survivor = f"Patient/{after[True]['id']}"

    assert before["identifier"][0]["value"] == "T1"
    assert after[False]["id"] == before["id"]
    assert after[False]["link"] == [{"other": {"reference": survivor}, "type": "replaced-by"}]
    assert "name" not in after[False]
    moved = [of for kind in ("Encounter", "Observation", "Condition") for of in at(kind, day(41), course=MERGED)]
    assert {one["subject"]["reference"] for one in moved} == {survivor}
    assert the("Encounter", day(3), course=MERGED)["subject"]["reference"] == f"Patient/{before['id']}"


# Visits


def visit(moment: datetime) -> dict[str, Any]:
    (found,) = (one for one in at("Encounter", moment) if one["identifier"][0]["value"] == "V1")
    return found


def test_a_visit_grows_with_each_move_and_knows_when_each_ward_was_left() -> None:
    places = visit(day(21))["location"]

    assert [place["location"]["identifier"]["value"] for place in places] == ["NICU", "TH1", "NICU", "PSW"]
    assert [place["period"].get("end") for place in places] == [
        "2026-10-13T05:12:00+01:00", "2026-10-13T08:12:00+01:00", "2026-10-21T05:12:00+01:00", None,
    ]  # fmt: skip
    assert places[-1]["status"] == "active"
    assert len(visit(day(11))["location"]) == 1


def test_a_discharge_that_was_undone_opens_the_visit_again() -> None:
    assert [visit(moment)["status"] for moment in (day(30), day(37), day(37, hours=2), day(40))] == [
        "in-progress", "finished", "in-progress", "finished",
    ]  # fmt: skip
    assert "end" not in visit(day(38))["period"]


def test_a_visit_says_how_it_began_and_ended_in_the_national_codes() -> None:
    during, over = visit(day(30)), visit(day(40))
    hospitalization = over["hospitalization"]

    assert codes(hospitalization["extension"][0]["valueCodeableConcept"]) == {"UKCore-AdmissionMethodEngland": "82"}
    assert codes(hospitalization["admitSource"]) == {"UKCore-SourceOfAdmissionEngland": "79"}
    assert codes(hospitalization["dischargeDisposition"]) == {"UKCore-DischargeDestinationEngland": "79"}
    assert codes(over["extension"][0]["valueCodeableConcept"]) == {"UKCore-DischargeMethodEngland": "4"}
    assert codes(over["serviceType"]) == {"NHSDataModelAndDictionary-treatment-function": "171"}
    assert "extension" not in during
    assert "dischargeDisposition" not in during["hospitalization"]


def test_a_visit_that_was_a_mistake_is_marked_so() -> None:
    def mistake(moment: datetime) -> dict[str, Any]:
        (found,) = (one for one in at("Encounter", moment) if one["identifier"][0]["value"] == "V2")
        return found

    assert [mistake(moment)["status"] for moment in (day(41), day(41, hours=1))] == ["in-progress", "entered-in-error"]


# Diagnoses and operations


def test_the_coders_code_after_the_discharge_without_a_dot() -> None:
    early, late = at("Condition", day(41)), of_code(at("Condition", day(50)), "P77X")

    assert len(early) == 2
    assert late["recordedDate"] == "2026-11-20T04:12:00+00:00"
    assert late["onsetDateTime"] == "2026-10-12T05:12:00+01:00"
    assert codes(late["code"]) == {"icd-10": "P77X"}


def test_a_problem_has_a_concept_beside_its_code() -> None:
    problem = of_code(at("Condition", day(1)), "P07.3")

    assert codes(problem["code"]) == {"sct": "395507008", "icd-10": "P07.3"}
    assert codes(problem["category"][0]) == {"condition-category": "problem-list-item"}
    assert codes(problem["verificationStatus"]) == {"condition-ver-status": "confirmed"}


def test_a_diagnosis_that_is_struck_off_was_entered_in_error() -> None:
    before, struck = (of_code(at("Condition", moment), "Q79.3") for moment in (day(2), day(3)))

    assert codes(before["verificationStatus"]) == {"condition-ver-status": "confirmed"}
    assert codes(struck["verificationStatus"]) == {"condition-ver-status": "entered-in-error"}
    assert "clinicalStatus" not in struck
    assert struck["id"] == before["id"]


def test_an_operation_has_its_own_times() -> None:
    found = at("Procedure", day(50))
    early, late = of_code(found, "G69.3"), of_code(found, "Y502")

    assert early["performedPeriod"] == {"start": "2026-10-13T05:12:00+01:00", "end": "2026-10-13T07:12:00+01:00"}
    assert late["performedDateTime"] == "2026-10-13T05:12:00+01:00"
    assert early["code"]["coding"][0]["system"] == "https://fhir.hl7.org.uk/Id/opcs-4"
    assert late["code"]["coding"][0]["system"] == "https://fhir.nhs.uk/Id/opcs-4"
    assert len(at("Procedure", day(41))) == 1


# Laboratory


def value(test: str, moment: datetime) -> dict[str, Any]:
    return of_code([one for one in at("Observation", moment) if "specimen" in one], test)


def test_a_result_goes_from_preliminary_to_final_to_corrected() -> None:
    crp = [value("CRPB", moment) for moment in (day(3, hours=1), day(3, hours=2), day(3, hours=20))]
    sodium = [value("UENA", moment) for moment in (day(3, hours=2), day(3, hours=20))]

    assert [one["status"] for one in crp] == ["preliminary", "final", "final"]
    assert [one["valueQuantity"]["value"] for one in crp] == [Decimal(4), Decimal(1), Decimal(1)]
    assert crp[1]["valueQuantity"]["comparator"] == "<"
    assert [one["status"] for one in sodium] == ["final", "corrected"]
    assert sodium[1]["valueQuantity"]["value"] == Decimal(136)
    assert crp[2]["issued"] == "2026-10-04T07:12:00+01:00"


def test_a_result_keeps_the_zeros_and_the_unit_of_the_laboratory() -> None:
    quantity = value("BHHB", day(4))["valueQuantity"]

    assert b'"value":15.50' in encode(quantity)
    assert quantity["unit"] == "g/dL"
    assert "code" not in quantity


def test_a_result_names_its_order_by_the_number_that_version_2_has() -> None:
    result, report = value("UENA", day(4)), of_code(at("DiagnosticReport", day(4)), "UE")
    (based_on,) = result["basedOn"]

    assert based_on["identifier"]["value"] == "26L1"
    assert codes(based_on["identifier"]["type"]) == {"v2-0203": "FILL"}
    request = the("ServiceRequest", day(4))
    assert based_on["reference"] == f"ServiceRequest/{request['id']}"
    assert codes(request["code"]) == {"winpath": "UE"}
    assert {one["reference"] for one in report["result"]} == {
        f"Observation/{one['id']}" for one in at("Observation", day(4)) if "specimen" in one
    }


def test_a_specimen_says_what_was_sampled_and_when() -> None:
    specimen = the("Specimen", day(4))

    assert codes(specimen["type"]) == {"v2-0487": "BLDC"}
    assert specimen["collection"]["collectedDateTime"] == "2026-10-04T05:12:00+01:00"
    assert value("UENA", day(4))["specimen"]["reference"] == f"Specimen/{specimen['id']}"


def test_a_report_says_how_far_the_laboratory_is() -> None:
    reports = [of_code(at("DiagnosticReport", day(3, hours=hours)), "UE") for hours in (1, 2, 20)]

    assert [report["status"] for report in reports] == ["preliminary", "final", "corrected"]
    assert [len(report["result"]) for report in reports] == [1, 3, 3]
    assert codes(reports[0]["category"][0]) == {"v2-0074": "LAB"}


def test_a_trust_maps_each_local_code_under_both_names_of_its_system() -> None:
    lines = [
        LabCode(code="CRPB", words="CRP", system="WINPATH", analyte="crp", unit="mg/L"),
        LabCode(code="1988-5", words="CRP", system="http://loinc.org", analyte="crp", unit="mg/L"),
    ]

    assert [line.system for line in also_as_fhir(lines)] == [
        "WINPATH", "https://fhir.rxx.example/CodeSystem/winpath", "http://loinc.org",
    ]  # fmt: skip


# Measurements


def test_growth_and_birth_facts_are_vital_signs() -> None:
    found = [one for one in at("Observation", day(8)) if "specimen" not in one]

    assert {codes(one["category"][0])["observation-category"] for one in found} == {"vital-signs"}
    assert {codes(one["code"])["loinc.org"]: one["valueQuantity"]["value"] for one in found} == {
        "8339-4": Decimal(1320), "76516-4": Decimal(214), "9272-6": Decimal(6), "9274-2": Decimal(9),
        "29463-7": Decimal("1.280"), "8302-2": Decimal("39.5"), "9843-4": Decimal("27.5"),
    }  # fmt: skip


# Imaging


def imaged(kind: str, moment: datetime) -> dict[str, Any] | None:
    found = [one for one in at(kind, moment) if "ACSN" in str(one.get("identifier"))]
    return found[0] if found else None


def test_request_study_and_report_share_the_accession_number() -> None:
    for kind in ("ServiceRequest", "ImagingStudy", "DiagnosticReport"):
        found = imaged(kind, day(12))
        assert found is not None
        numbers = {codes(one["type"])["v2-0203"]: one["value"] for one in found["identifier"] if "type" in one}
        assert numbers["ACSN"] == "A100"


def test_imaging_appears_step_by_step() -> None:
    kinds = ("ServiceRequest", "ImagingStudy", "DiagnosticReport")
    seen = [[kind for kind in kinds if imaged(kind, day(11, hours=hours))] for hours in (0, 1, 2)]

    assert seen == [list(kinds[:1]), list(kinds[:2]), list(kinds)]


def test_a_report_is_read_again() -> None:
    first, last = imaged("DiagnosticReport", day(11, hours=2)), imaged("DiagnosticReport", day(12))

    assert first is not None
    assert last is not None
    assert (first["status"], first["conclusion"]) == ("preliminary", "Dilated loops.")
    assert (last["status"], last["conclusion"]) == ("final", "Pneumatosis.\nNo free gas.")
    assert last["effectiveDateTime"] == "2026-10-12T06:12:00+01:00"


def test_a_study_is_known_by_its_uid_and_counted() -> None:
    study = imaged("ImagingStudy", day(12))

    assert study is not None
    assert {"system": "urn:dicom:uid", "value": "urn:oid:1.2.826.0.1.3680043.10.999.1"} in study["identifier"]
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (2, 3)
    assert [coding["code"] for coding in study["modality"]] == ["CR"]
    assert study["started"] == "2026-10-12T06:12:00+01:00"


# Medication


def test_a_dose_goes_on_until_it_is_over_and_may_not_be_given() -> None:
    def statuses(moment: datetime) -> Counter[str]:
        return Counter(one["status"] for one in at("MedicationAdministration", moment))

    assert statuses(day(1, hours=3)) == {"in-progress": 1}
    assert statuses(day(2)) == {"completed": 1}
    assert statuses(day(13)) == {"completed": 2, "not-done": 1}


def test_nutrition_names_its_product_by_reference_and_drugs_by_code() -> None:
    found = at("MedicationAdministration", day(13))
    product = the("Medication", BORN)
    by_reference = [one for one in found if "medicationReference" in one]
    by_code = [one for one in found if "medicationCodeableConcept" in one]

    assert [one["medicationReference"]["reference"] for one in by_reference] == [f"Medication/{product['id']}"]
    assert codes(product["code"]) == {"willow": "PN1001"}
    assert [codes(one["medicationCodeableConcept"]) for one in by_code] == [{"willow": "AB2001"}] * 2
    assert by_reference[0]["effectivePeriod"] == {
        "start": "2026-10-02T07:12:00+01:00", "end": "2026-10-03T05:12:00+01:00",
    }  # fmt: skip


def test_an_order_is_active_until_it_ends() -> None:
    def status(moment: datetime) -> str:
        (found,) = (one for one in at("MedicationRequest", moment) if one["identifier"][0]["value"] == "RX1")
        return str(found["status"])

    assert [status(day(1)), status(day(3))] == ["active", "completed"]


# Operative records


def answers(response: dict[str, Any]) -> dict[str, Any]:
    questions = [question for group in response["item"] for question in group["item"]]
    return {question["linkId"]: next(iter(question["answer"][0].values())) for question in questions}


def test_a_record_is_begun_then_completed_then_amended() -> None:
    begun, completed, amended = (
        the("QuestionnaireResponse", moment) for moment in (day(12, minutes=20), day(13), day(14))
    )

    assert [one["status"] for one in (begun, completed, amended)] == ["in-progress", "completed", "amended"]
    assert set(answers(begun)) == {"procedure.operated"}
    assert set(answers(amended)) - set(answers(completed)) == {"findings.bowel-remaining-cm"}
    assert completed["authored"] == amended["authored"] == "2026-10-13T14:12:00+01:00"


def test_a_record_answers_in_the_types_of_its_questions() -> None:
    record = the("QuestionnaireResponse", day(14))
    given = answers(record)

    assert record["questionnaire"] == "https://fhir.rxx.example/Questionnaire/operative-record-nec"
    assert given["procedure.operated"] == "2026-10-13T05:12:00+01:00"
    assert given["procedure.technique"]["code"] == "resection_stoma"
    assert given["procedure.stoma-formed"] is True
    assert given["findings.bowel-remaining-cm"]["value"] == Decimal("95.5")
    assert given["findings.bowel-remaining-cm"]["unit"] == "cm"
