"""The simulated hospital as a FHIR server tells it: every resource in every version, at the time it can be seen.

Truth is the course's. What a child that is told on both channels does not have here, HL7 v2 tells.
"""

from collections.abc import Iterable, Iterator

from adapter.simulator.course import Course
from adapter.simulator.fhir_imaging import imaging
from adapter.simulator.fhir_laboratory import laboratory
from adapter.simulator.fhir_measurements import measurements
from adapter.simulator.fhir_medication import medication, products
from adapter.simulator.fhir_notes import notes
from adapter.simulator.fhir_people import people
from adapter.simulator.fhir_versions import Change
from adapter.simulator.fhir_visits import conditions, encounters, procedures, wards
from adapter.simulator.wards import SITES

_OF_EVERYBODY = (people, encounters, laboratory, imaging, measurements, notes)
_UNLESS_TOLD_BY_V2 = (conditions, procedures, medication)


def fhir_timeline(courses: Iterable[Course]) -> list[Change]:
    """Everything the server will ever show of these courses, in order of time; nothing of those told by v2 alone."""
    told = [course for course in courses if course.channel != "v2"]
    changes = [*wards(SITES), *products(told), *(change for course in told for change in _of_one(course))]
    return sorted(changes, key=lambda change: change.visible_at)


def _of_one(course: Course) -> Iterator[Change]:
    for resources in _OF_EVERYBODY:
        yield from resources(course)
    if course.channel == "fhir":
        for resources in _UNLESS_TOLD_BY_V2:
            yield from resources(course)
