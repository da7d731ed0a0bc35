"""Patients as UK Core has them, as much as the hospital knew at each time, and the mother as a related person."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from adapter.simulator.course import Course
from adapter.simulator.fhir_terms import (
    HL7,
    HOSPITAL_NUMBER,
    NHS_NUMBER,
    UK_CORE,
    Json,
    coding,
    concept,
    extension,
    identifier,
    reference,
    resource,
    time,
    versions,
    without_empty,
)
from adapter.simulator.fhir_versions import Change
from adapter.simulator.moments import LONDON
from adapter.simulator.people import Person

_GENDERS = {"F": "female", "M": "male", "U": "unknown"}
_BIRTH_TIME = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"


def subject(person: Person, at: datetime) -> Json:
    """Whose resource it is, under the number in use at that time."""
    return reference("Patient", person.number_at(at))


def merged_at(person: Person) -> tuple[datetime, ...]:
    """When everything of a person moves to another Patient, if ever."""
    return (person.merged_at,) if person.merged_at and person.temporary_number else ()


def people(course: Course) -> Iterator[Change]:
    """The Patient in all its versions, what is left of a provisional one, and the mother."""
    person = course.person
    known_from = _known_from(course)
    moments = [known_from, *_moments_of(person, known_from), *merged_at(person)]

    yield from versions(partial(_survivor, course), moments)
    if person.temporary_number and person.merged_at:
        yield from versions(partial(_provisional, course), moments)
    if person.mother is not None:
        yield from versions(partial(_mother, person, person.mother), [known_from, *merged_at(person)])


def _survivor(course: Course, at: datetime) -> Json | None:
    person = course.person
    return patient(course, at) if person.number_at(at) == person.hospital_number else None


def patient(course: Course, at: datetime) -> Json:
    """As the hospital knew the person then."""
    person = course.person
    died_at = person.died_at if person.died_at and person.died_at <= at else None
    is_mother_or_adult = person.mother is None
    return resource(
        "Patient",
        person.number_at(at),
        extension=[
            extension("EthnicCategory", coding(f"{UK_CORE}EthnicCategoryEngland", person.ethnic_category)),
        ],
        identifier=[
            identifier(HOSPITAL_NUMBER, person.number_at(at), type_code="MR"),
            _nhs_number(person, at),
        ],
        active=True,
        name=[{"use": "official", "family": person.family.upper(), "given": [person.given_at(at)]}],
        telecom=[{"system": "phone", "value": "01632 960123", "use": "home"}],
        gender=_GENDERS[person.sex],
        birthDate=person.born.astimezone(LONDON).date().isoformat(),
        _birthDate=None if is_mother_or_adult else _birth_time(person),
        deceasedBoolean=None if died_at else False,
        deceasedDateTime=time(died_at) if died_at else None,
        address=[_address(person)],
        multipleBirthInteger=person.birth_order,
        multipleBirthBoolean=_is_multiple(course),
    )


def _known_from(course: Course) -> datetime:
    """Adults were known long before; here, from their first visit on."""
    return min(visit.admitted_at for visit in course.visits) if course.visits else course.person.born


def _moments_of(person: Person, known_from: datetime) -> list[datetime]:
    moments = [person.named_at, person.numbered_at, person.died_at]
    return [moment for moment in moments if moment is not None and moment > known_from]


def _nhs_number(person: Person, at: datetime) -> Json:
    """Until it is known its trace is postponed (08): the identifier then has a status and no value."""
    is_known = person.is_numbered_at(at)
    status = coding(f"{UK_CORE}NHSNumberVerificationStatusEngland", "01" if is_known else "08")
    return without_empty(
        {
            "extension": [extension("NHSNumberVerificationStatus", status)],
            "use": "official" if is_known else None,
            "system": NHS_NUMBER,
            "value": person.nhs_number if is_known else None,
        }
    )


def _birth_time(person: Person) -> Json:
    return {"extension": [{"url": _BIRTH_TIME, "valueDateTime": time(person.born)}]}


def _is_multiple(course: Course) -> bool | None:
    """Only said where the order is not (multipleBirth[x] is one of the two)."""
    if course.person.birth_order is not None or course.person.mother is None:
        return None
    return course.birth is not None and course.birth.is_multiple


def _address(person: Person) -> Json:
    return {"use": "home", "line": [person.street], "city": "Invented Town", "postalCode": person.postcode}


def _provisional(course: Course, at: datetime) -> Json:
    """The Patient under the number of the wristband; after the merge it only says who it became."""
    person = course.person
    if person.number_at(at) != person.hospital_number:
        return patient(course, at)
    number = person.temporary_number or ""
    return resource(
        "Patient",
        number,
        identifier=[{**identifier(HOSPITAL_NUMBER, number, type_code="MR"), "use": "old"}],
        active=False,
        link=[{"other": reference("Patient", person.hospital_number), "type": "replaced-by"}],
    )


def _mother(person: Person, mother: Person, at: datetime) -> Json:
    verified = extension("NHSNumberVerificationStatus", coding(f"{UK_CORE}NHSNumberVerificationStatusEngland", "01"))
    return resource(
        "RelatedPerson",
        person.hospital_number,
        mother.hospital_number,
        identifier=[
            identifier(HOSPITAL_NUMBER, mother.hospital_number, type_code="MR"),
            {"extension": [verified], "system": NHS_NUMBER, "value": mother.nhs_number},
        ],
        active=True,
        patient=subject(person, at),
        relationship=[concept(coding(f"{HL7}v3-RoleCode", "MTH", "mother"))],
        name=[{"use": "official", "family": mother.family.upper(), "given": [mother.given]}],
        gender="female",
        address=[_address(mother)],
    )
