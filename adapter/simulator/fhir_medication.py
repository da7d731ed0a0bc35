"""Drugs and nutrition: what was ordered and what was given. Nutrition names its product by reference, drugs by code."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial

from adapter.simulator.course import Course
from adapter.simulator.fhir_people import merged_at, subject
from adapter.simulator.fhir_terms import (
    HL7,
    ORDER_NUMBER,
    SET_UP,
    SNOMED,
    Json,
    coding,
    concept,
    identifier,
    period,
    reference,
    resource,
    system_uri,
    time,
    versions,
    without_empty,
)
from adapter.simulator.fhir_versions import Change
from adapter.simulator.fhir_visits import visit_at
from adapter.simulator.prescriptions import Dose, Drug, Prescription

_ROUTES = {
    "IV": ("47625008", "Intravenous route"),
    "IM": ("78421000", "Intramuscular route"),
    "PO": ("26643006", "Oral route"),
}
_INPATIENT = concept(coding(f"{HL7}medicationrequest-category", "inpatient", "Inpatient"))


def products(courses: Iterable[Course]) -> Iterator[Change]:
    """The Medications that are named by reference: they were in the pharmacy before any patient."""
    drugs = {one.drug.code: one.drug for course in courses for one in course.prescriptions if _is_product(one.drug)}
    for drug in drugs.values():
        yield Change(
            visible_at=SET_UP,
            resource=resource("Medication", drug.system, drug.code, status="active", code=_code(drug)),
        )


def medication(course: Course) -> Iterator[Change]:
    """Orders, and doses from when they began on."""
    for order in course.prescriptions:
        moved = [moment for moment in merged_at(course.person) if moment > order.ordered_at]
        yield from versions(partial(_request, course, order), [order.ordered_at, order.ends_at, *moved])
        for dose in order.doses:
            told = [dose.at, dose.until, *(moment for moment in moved if moment > dose.at)]
            yield from versions(partial(_administration, course, order, dose), told)


def _is_product(drug: Drug) -> bool:
    return drug.drug_class == "parenteral_nutrition"


def _code(drug: Drug) -> Json:
    return concept(coding(system_uri(drug.system), drug.code, drug.words), text=drug.words)


def _drug(drug: Drug) -> Json:
    """medication[x]."""
    if _is_product(drug):
        return {"medicationReference": reference("Medication", drug.system, drug.code, display=drug.words)}
    return {"medicationCodeableConcept": _code(drug)}


def _route(drug: Drug) -> Json:
    code, words = _ROUTES.get(drug.route, ("", drug.route))
    return concept(coding(SNOMED, code, words), text=words)


def _request(course: Course, order: Prescription, at: datetime) -> Json:
    return resource(
        "MedicationRequest",
        order.number,
        identifier=[identifier(ORDER_NUMBER, order.number, type_code="PLAC")],
        status="completed" if order.ends_at <= at else "active",
        intent="order",
        category=[_INPATIENT],
        **_drug(order.drug),
        subject=subject(course.person, at),
        encounter=visit_at(course, order.ordered_at),
        authoredOn=time(order.ordered_at),
        dosageInstruction=[
            {
                "timing": {"repeat": {"boundsPeriod": period(order.begins_at, order.ends_at)}},
                "route": _route(order.drug),
            }
        ],
    )


def _administration(course: Course, order: Prescription, dose: Dose, at: datetime) -> Json:
    is_over = dose.until <= at
    return resource(
        "MedicationAdministration",
        order.number,
        str(dose.number),
        status="not-done" if not dose.was_given else "completed" if is_over else "in-progress",
        **_drug(order.drug),
        subject=subject(course.person, at),
        context=visit_at(course, dose.at),
        effectivePeriod=period(dose.at, dose.until if is_over else None),
        request=reference("MedicationRequest", order.number),
        dosage=_dosage(order.drug, dose) if dose.was_given else None,
    )


def _dosage(drug: Drug, dose: Dose) -> Json:
    amount = without_empty({"value": dose.amount, "unit": drug.dose_unit})
    return {"route": _route(drug), "dose": amount}
