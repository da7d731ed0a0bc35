"""A small hospital behind a FHIR server: the same course for several children, and a trust file that polls it."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from adapter.simulator.course import Course
from adapter.simulator.fhir_records import fhir_timeline
from adapter.simulator.fhir_server import FhirServer, running
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_terms import HOSPITAL_NUMBER
from adapter.simulator.fhir_versions import Change
from adapter.simulator.numbers import NumberBook
from tests.integration.trust import trust_file
from tests.unit.simulator.fhir_courses import BORN, COURSE, day

TOKEN = "a-token-of-tests"
END = day(51)
"""All is visible by then."""
TYPES = (
    "Patient", "RelatedPerson", "Encounter", "Condition", "Procedure", "ServiceRequest", "Observation",
    "DiagnosticReport", "ImagingStudy", "MedicationRequest", "MedicationAdministration", "QuestionnaireResponse",
)  # fmt: skip


def a_child(number: int) -> Course:
    """The course of the unit tests under numbers of its own."""
    book = NumberBook(random.Random(number))
    person = COURSE.person
    mother = replace(person.mother, hospital_number=f"31{number:05}", nhs_number=book.nhs_number())  # type: ignore[type-var]
    child = replace(person, hospital_number=f"32{number:05}", nhs_number=book.nhs_number(), mother=mother)
    return replace(
        COURSE,
        person=child,
        visits=tuple(replace(each, number=f"{each.number}-{number}") for each in COURSE.visits),
        reports=tuple(
            replace(
                report,
                orders=tuple(
                    replace(each, order=replace(each.order, number=f"{each.order.number}{number:03}"))
                    for each in report.orders
                ),
            )
            for report in COURSE.reports
        ),
        measurements=tuple(replace(each, number=f"{each.number}-{number}") for each in COURSE.measurements),
        examinations=tuple(
            replace(
                each,
                accession=f"{each.accession}-{number}",
                placer=f"{each.placer}-{number}",
                study_uid=f"{each.study_uid}.{number}",
            )
            for each in COURSE.examinations
        ),
        records=tuple(
            replace(each, number=f"{each.number}-{number}", visit=f"{each.visit}-{number}") for each in COURSE.records
        ),
        prescriptions=tuple(replace(each, number=f"{each.number}-{number}") for each in COURSE.prescriptions),
    )


def changes(children: int) -> list[Change]:
    """Everything the server will ever show of them."""
    return fhir_timeline([a_child(number) for number in range(children)])


@contextmanager
def polled(children: int, *, now: datetime = END, **settings: Any) -> Iterator[FhirServer]:
    """Its server."""
    with running(changes(children), Settings(token=TOKEN, **settings), now=now) as server:
        yield server


class Served(Protocol):
    """Any FHIR server."""

    base: str


def source(server: Served, **more: str) -> str:
    """How a trust file names it."""
    first = (BORN - timedelta(days=3_000)).date()
    types = ", ".join(f"{each}: {{{_include(each)}}}" for each in TYPES)
    entries = {
        "name": "fhir", "kind": "fhir-search", "base_url": f"'{server.base}'", "token": "{file: token}",
        "from": str(first), "every": "PT1S", "types": f"{{{types}}}", "limits": "{requests_per_second: 1000}",
        "retry": "{attempts: 3, first_s: 0.02, longest_s: 1}", **more,
    }  # fmt: skip
    return "[{" + ", ".join(f"{name}: {value}" for name, value in entries.items()) + "}]"


def _include(resource_type: str) -> str:
    found = {
        "Encounter": ["location"], "Observation": ["specimen", "based-on"], "DiagnosticReport": ["based-on"],
        "ImagingStudy": ["basedon"], "MedicationRequest": ["medication"],
        "MedicationAdministration": ["medication", "request"],
    }.get(resource_type)  # fmt: skip
    if found is None:
        return ""
    return "parameters: {_include: [" + ", ".join(f"'{resource_type}:{each}'" for each in found) + "]}"


def polling_trust(folder: Path, server: Served, *, mappings: Path, more: Mapping[str, str], **of_source: str) -> Path:
    """The file of a trust that polls it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "token").write_text(f"{TOKEN}\n")
    entries = {
        "wards": "[{code: NNU, type: nicu}, {code: PSW, type: surgical}, {code: NICU, type: nicu}]",
        "identity": f"{{hospital_numbers: [{{authority: RXX, fhir_system: '{HOSPITAL_NUMBER}'}}]}}",
        "sources": source(server, **of_source),
        # The invented autumn must not end a hold while a test runs in some later year.
        "hold": "{unknown: P9000D, after_discharge: P9000D, max: P9000D}",
        **more,
    }
    return trust_file(folder, mappings=mappings, **entries)
