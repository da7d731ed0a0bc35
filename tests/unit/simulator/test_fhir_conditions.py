"""Courses of the six conditions as the simulator writes them, held against FHIR R4B."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from random import Random
from typing import Any

import pytest

from adapter.simulator.case_diaphragm import diaphragmatic_hernia
from adapter.simulator.case_gastroschisis import gastroschisis
from adapter.simulator.case_hirschsprung import hirschsprung
from adapter.simulator.case_nec import nec
from adapter.simulator.case_oesophagus import oesophageal_atresia
from adapter.simulator.case_valves import urethral_valves
from adapter.simulator.clinic import Clinic
from adapter.simulator.course import Course
from adapter.simulator.fhir_records import fhir_timeline
from adapter.simulator.fhir_versions import Archive, encode
from adapter.simulator.numbers import NumberBook

START = datetime(2026, 8, 28, 6, 0, tzinfo=UTC)
END = datetime(2036, 1, 1, tzinfo=UTC)
WRITERS = (diaphragmatic_hernia, gastroschisis, hirschsprung, nec, oesophageal_atresia, urethral_valves)


def a_course(write: Callable[..., Course]) -> Course:
    rng = Random(11)
    return write(Clinic(book=NumberBook(rng), rng=rng, channel="fhir"), number=1, start=START)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "reference" in value:
            yield value["reference"]
        for child in value.values():
            yield from references(child)
    elif isinstance(value, list):
        for child in value:
            yield from references(child)


@pytest.mark.parametrize("write", WRITERS)
def test_a_course_of_each_condition_is_fhir(write: Callable[..., Course]) -> None:
    changes = fhir_timeline([a_course(write)])

    assert len(changes) > 100
    for change in changes:
        kind = change.resource["resourceType"]
        model = getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
        model.model_validate_json(encode(change.resource))


@pytest.mark.parametrize("write", WRITERS)
def test_in_the_end_everything_of_the_course_is_there_once(write: Callable[..., Course]) -> None:
    course = a_course(write)
    archive = Archive(fhir_timeline([course]), now=END)

    def count(kind: str) -> int:
        return len(archive.current(kind))

    orders = {part.order.number for report in course.reports for part in report.orders}
    values = {
        (part.order.number, value.test.code)
        for report in course.reports
        for part in report.orders
        for value in part.values
    }
    measured = sum(len(taken.values) for taken in course.measurements)
    assert count("Patient") == 1
    assert count("Encounter") == len(course.visits)
    assert count("Condition") == sum(len(visit.diagnoses) for visit in course.visits)
    assert count("Procedure") == sum(len(visit.operations) for visit in course.visits)
    assert count("Observation") == len(values) + measured
    assert count("Specimen") == len(orders)
    assert count("ServiceRequest") == len(orders) + len(course.examinations)
    assert count("ImagingStudy") == len(course.examinations)
    assert count("MedicationAdministration") == sum(len(order.doses) for order in course.prescriptions)
    assert count("QuestionnaireResponse") == len(course.records)


@pytest.mark.parametrize("write", WRITERS)
def test_every_reference_of_a_course_names_what_is_there(write: Callable[..., Course]) -> None:
    changes = fhir_timeline([a_course(write)])
    there = {f"{change.resource['resourceType']}/{change.resource['id']}" for change in changes}

    assert {name for change in changes for name in references(dict(change.resource))} <= there
