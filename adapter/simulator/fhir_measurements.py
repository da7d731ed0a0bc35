"""What is measured of the child without a sample: growth, gestation, Apgar scores, as vital signs."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial

from adapter.simulator.births import Measure, Measured, Measurements
from adapter.simulator.course import Course
from adapter.simulator.fhir_people import merged_at, subject
from adapter.simulator.fhir_terms import (
    HL7,
    LOINC,
    SNOMED,
    Json,
    coding,
    concept,
    quantity,
    resource,
    time,
    versions,
)
from adapter.simulator.fhir_versions import Change
from adapter.simulator.fhir_visits import visit_at

_VITAL_SIGNS = concept(coding(f"{HL7}observation-category", "vital-signs", "Vital Signs"))
_CODES: Mapping[Measure, tuple[Json, ...]] = {
    "birth_weight": (coding(LOINC, "8339-4", "Birth weight Measured"),),
    "gestational_age_birth": (coding(LOINC, "76516-4", "Gestational age --at birth"),),
    "apgar_1min": (coding(LOINC, "9272-6", "1 minute Apgar Score"),),
    "apgar_5min": (coding(LOINC, "9274-2", "5 minute Apgar Score"),),
    "body_weight": (coding(SNOMED, "27113001", "Body weight"), coding(LOINC, "29463-7", "Body weight")),
    "body_length": (coding(LOINC, "8302-2", "Body height"),),
    "head_circumference": (coding(LOINC, "9843-4", "Head Occipital-frontal circumference"),),
}
_UNIT_WORDS = {"g": "g", "d": "days", "kg": "kilogram", "cm": "cm", "{score}": "score"}


def measurements(course: Course) -> Iterator[Change]:
    """One Observation for each value, from when it was entered on."""
    for taken in course.measurements:
        moved = [moment for moment in merged_at(course.person) if moment > taken.entered_at]
        for measured in taken.values:
            yield from versions(partial(_observation, course, taken, measured), [taken.entered_at, *moved])


def _observation(course: Course, taken: Measurements, measured: Measured, at: datetime) -> Json:
    codings = _CODES[measured.measure]
    return resource(
        "Observation",
        taken.number,
        measured.measure,
        status="final",
        category=[_VITAL_SIGNS],
        code=concept(*codings, text=codings[0]["display"]),
        subject=subject(course.person, at),
        encounter=visit_at(course, taken.at),
        effectiveDateTime=time(taken.at),
        issued=time(taken.entered_at),
        valueQuantity=quantity(measured.value, measured.unit, words=_UNIT_WORDS[measured.unit]),
    )
