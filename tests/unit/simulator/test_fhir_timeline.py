"""The simulated hospital over HTTP, as a client that polls sees it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from adapter.simulator.fhir_parameters import PARAMETERS
from adapter.simulator.fhir_records import fhir_timeline
from adapter.simulator.fhir_server import FhirServer, running
from adapter.simulator.fhir_settings import POPULATION_REFUSED, Settings
from adapter.simulator.fhir_terms import ACCESSION_NUMBER, HOSPITAL_NUMBER, NHS_NUMBER, identity
from tests.unit.simulator.fhir_client import get, ids, pages
from tests.unit.simulator.fhir_courses import BORN, COURSE, MERGED, day

CHILD = identity("Patient", "3000002")


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with running(fhir_timeline([COURSE]), Settings(page_size=5), now=day(60)) as served:
        yield served


def stamp(resource: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(resource["meta"]["lastUpdated"])


def matches(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]


@pytest.mark.parametrize("course", [COURSE, MERGED], ids=["plain", "merged"])
def test_who_polls_day_by_day_ends_with_what_the_hospital_knows(course: Any) -> None:
    known: dict[str, dict[str, Any]] = {}
    cursors = dict.fromkeys(PARAMETERS, BORN - timedelta(days=3_660))
    with running(fhir_timeline([course]), Settings(page_size=7)) as server:
        for number in range(53):
            server.advance(day(number))
            for kind, cursor in cursors.items():
                since = f"ge{cursor.isoformat(timespec='seconds')}"
                for bundle in pages(server, kind, _lastUpdated=since, _sort="_lastUpdated"):
                    for resource in matches(bundle):
                        known[resource["id"]] = resource
                        cursors[kind] = max(cursors[kind], stamp(resource))
        expected = {
            version.resource["id"]: version.number for kind in PARAMETERS for version in server.archive.current(kind)
        }

    assert len(expected) > 40
    assert {id: int(resource["meta"]["versionId"]) for id, resource in known.items()} == expected


def test_pages_of_every_type_are_fhir(server: FhirServer) -> None:
    for kind in PARAMETERS:
        for bundle in pages(server, kind):
            Bundle.model_validate(bundle)
            assert bundle["total"] > 0


def test_a_patient_is_found_by_either_number_and_by_nobody_elses(server: FhirServer) -> None:
    asked = [f"{NHS_NUMBER}|9990000026", f"{HOSPITAL_NUMBER}|3000002", f"{NHS_NUMBER}|3000002"]

    assert [ids(get(server, "Patient", identifier=one).json()) for one in asked] == [[CHILD], [CHILD], []]


def test_a_server_that_answers_patient_by_patient_tells_all_of_a_patient() -> None:
    with running(fhir_timeline([COURSE]), Settings(patient_needed=POPULATION_REFUSED), now=day(60)) as server:
        refused = {get(server, kind).status_code for kind in POPULATION_REFUSED}
        found = {kind: get(server, kind, patient=CHILD, _count=200).json()["total"] for kind in POPULATION_REFUSED}
        everything = {kind: len(server.archive.current(kind)) for kind in POPULATION_REFUSED}

    assert refused == {400}
    assert found == everything


def test_results_come_with_their_order_and_their_specimen(server: FhirServer) -> None:
    includes = ["Observation:based-on", "Observation:specimen"]
    bundle = get(server, "Observation", category="laboratory", _include=includes).json()
    included = {entry["resource"]["resourceType"] for entry in bundle["entry"] if entry["search"]["mode"] == "include"}

    assert bundle["total"] == 3
    assert included == {"ServiceRequest", "Specimen"}


def test_doses_come_with_their_product(server: FhirServer) -> None:
    bundle = get(server, "MedicationAdministration", _include="MedicationAdministration:medication").json()

    assert [entry["resource"]["resourceType"] for entry in bundle["entry"]].count("Medication") == 1


@pytest.mark.parametrize(
    ("kind", "asked", "count"),
    [
        ("Observation", {"category": "vital-signs"}, 7),
        ("Observation", {"category": "vital-signs", "date": "ge2026-10-05"}, 3),
        ("Observation", {"code": "http://loinc.org|8339-4"}, 1),
        ("Observation", {"status": "corrected"}, 1),
        ("Condition", {"recorded-date": "ge2026-11-11"}, 1),
        ("Condition", {"verification-status": "entered-in-error"}, 1),
        ("Condition", {"code": "http://hl7.org/fhir/sid/icd-10|P77X"}, 1),
        ("Encounter", {"date": "ge2026-11-11"}, 1),
        ("Encounter", {"status": "finished", "class": "IMP"}, 1),
        ("DiagnosticReport", {"category": "LAB"}, 1),
        ("DiagnosticReport", {"identifier": f"{ACCESSION_NUMBER}|A100"}, 1),
        ("ImagingStudy", {"modality": "CR", "started": "2026-10-12"}, 1),
        ("Procedure", {"date": "2026-10-13"}, 2),
        ("MedicationAdministration", {"status": "not-done"}, 1),
        ("MedicationAdministration", {"effective-time": "ge2026-10-12"}, 2),
        ("QuestionnaireResponse", {"authored": "2026-10-13", "status": "amended"}, 1),
        ("ServiceRequest", {"category": "http://snomed.info/sct|363679005"}, 1),
        ("RelatedPerson", {"patient": CHILD, "relationship": "MTH"}, 1),
        ("Specimen", {"type": "BLDC", "patient": CHILD}, 1),
    ],
)  # fmt: skip
def test_what_the_hospital_has_can_be_asked_for(
    server: FhirServer, kind: str, asked: dict[str, str], count: int
) -> None:
    assert get(server, kind, **asked).json()["total"] == count
