"""Wards, visits, diagnoses and operations as a UK EPR serves them."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial

from adapter.simulator.course import Course, Diagnosis, Operation, Visit
from adapter.simulator.fhir_people import merged_at, subject
from adapter.simulator.fhir_terms import (
    HL7,
    ICD_10,
    ODS_SITE,
    OPCS_4,
    OPCS_4_OF_THE_CODERS,
    SET_UP,
    SNOMED,
    TREATMENT_FUNCTION,
    UK_CORE,
    VISIT_NUMBER,
    WARD_CODE,
    Json,
    coding,
    concept,
    extension,
    identifier,
    period,
    reference,
    resource,
    time,
    versions,
    without_empty,
)
from adapter.simulator.fhir_versions import Change
from adapter.simulator.wards import Site, Ward

_INPATIENT = coding(f"{HL7}v3-ActCode", "IMP", "inpatient encounter")


def wards(sites: Iterable[Site]) -> Iterator[Change]:
    """The Locations: they were there before any patient."""
    for site in sites:
        for ward in site.wards:
            place = resource(
                "Location",
                ward.code,
                identifier=[identifier(WARD_CODE, ward.code)],
                status="active",
                name=f"Ward {ward.code}",
                physicalType=concept(coding(f"{HL7}location-physical-type", "wa", "Ward")),
                managingOrganization={"identifier": identifier(ODS_SITE, site.code)},
            )
            yield Change(visible_at=SET_UP, resource=place)


def visit_at(course: Course, moment: datetime) -> Json | None:
    """Reference to the last visit that had begun."""
    begun = [visit for visit in course.visits if visit.admitted_at <= moment and visit.cancelled_at is None]
    return reference("Encounter", begun[-1].number) if begun else None


def encounters(course: Course) -> Iterator[Change]:
    """The visits: a version for each move, for the discharge, and for what was undone."""
    for visit in course.visits:
        moments = [stay.since for stay in visit.stays]
        moments += [visit.cancelled_at] if visit.cancelled_at else [visit.discharged_at]
        moments += [visit.undone.at, visit.undone.undone_at] if visit.undone else []
        moments += [moment for moment in merged_at(course.person) if moment > visit.admitted_at]
        yield from versions(partial(_encounter, course, visit), moments)


def conditions(course: Course) -> Iterator[Change]:
    """The diagnoses, from when they were coded on."""
    for visit in course.visits:
        for diagnosis in visit.diagnoses:
            moments = [diagnosis.coded_at, *([diagnosis.struck_at] if diagnosis.struck_at else [])]
            moments += [moment for moment in merged_at(course.person) if moment > diagnosis.coded_at]
            yield from versions(partial(_condition, course, visit, diagnosis), moments)


def procedures(course: Course) -> Iterator[Change]:
    """The operations, from when they were coded on."""
    for visit in course.visits:
        for operation in visit.operations:
            moments = [operation.coded_at]
            moments += [moment for moment in merged_at(course.person) if moment > operation.coded_at]
            yield from versions(partial(_procedure, course, visit, operation), moments)


def _encounter(course: Course, visit: Visit, at: datetime) -> Json:
    left_at = _left_at(visit, at)
    is_mistaken = visit.cancelled_at is not None and visit.cancelled_at <= at
    status = "entered-in-error" if is_mistaken else "finished" if left_at else "in-progress"
    return resource(
        "Encounter",
        visit.number,
        extension=[extension("DischargeMethod", coding(f"{UK_CORE}DischargeMethodEngland", visit.discharge_method))]
        if left_at
        else [],
        identifier=[identifier(VISIT_NUMBER, visit.number, type_code="VN")],
        status=status,
        **{"class": _INPATIENT},
        serviceType=concept(coding(TREATMENT_FUNCTION, visit.ward_at(at).treatment_function)),
        subject=subject(course.person, at),
        period=period(visit.admitted_at, left_at),
        hospitalization=_hospitalization(visit, is_over=left_at is not None),
        location=list(_places(visit, at, left_at)),
    )


def _left_at(visit: Visit, at: datetime) -> datetime | None:
    """When the patient had left, as it was known then."""
    if visit.cancelled_at is not None:
        return None
    if visit.discharged_at <= at:
        return visit.discharged_at
    if visit.undone and visit.undone.at <= at < visit.undone.undone_at:
        return visit.undone.at
    return None


def _hospitalization(visit: Visit, *, is_over: bool) -> Json:
    method = coding(f"{UK_CORE}AdmissionMethodEngland", visit.admission_method)
    destination = concept(coding(f"{UK_CORE}DischargeDestinationEngland", visit.destination))
    return without_empty(
        {
            "extension": [extension("AdmissionMethod", method)] if visit.admission_method else [],
            "admitSource": concept(coding(f"{UK_CORE}SourceOfAdmissionEngland", visit.source)),
            "dischargeDisposition": destination if is_over else None,
        }
    )


def _places(visit: Visit, at: datetime, left_at: datetime | None) -> Iterator[Json]:
    known = [stay for stay in visit.stays if stay.since <= at]
    ends = [*(stay.since for stay in known[1:]), left_at]
    for stay, end in zip(known, ends, strict=True):
        yield {
            "location": _place(stay.ward),
            "status": "completed" if end else "active",
            "period": period(stay.since, end),
        }


def _place(ward: Ward) -> Json:
    """By reference, and by its code for whoever does not follow it."""
    where = reference("Location", ward.code, display=f"Ward {ward.code}")
    return {**where, "identifier": identifier(WARD_CODE, ward.code)}


def _condition(course: Course, visit: Visit, diagnosis: Diagnosis, at: datetime) -> Json:
    is_struck = diagnosis.struck_at is not None and diagnosis.struck_at <= at
    kind = "problem-list-item" if diagnosis.snomed else "encounter-diagnosis"
    codings = [coding(SNOMED, diagnosis.snomed)] if diagnosis.snomed else []
    return resource(
        "Condition",
        visit.number,
        diagnosis.code,
        time(diagnosis.made_at),
        # A Condition that was entered in error has no clinical status (R4 con-5).
        clinicalStatus=None if is_struck else concept(coding(f"{HL7}condition-clinical", "active")),
        verificationStatus=concept(
            coding(f"{HL7}condition-ver-status", "entered-in-error" if is_struck else diagnosis.verification)
        ),
        category=[concept(coding(f"{HL7}condition-category", kind))],
        code=concept(*codings, coding(ICD_10, _icd_10(visit, diagnosis), diagnosis.words), text=diagnosis.words),
        subject=subject(course.person, at),
        encounter=reference("Encounter", visit.number),
        onsetDateTime=time(diagnosis.made_at),
        recordedDate=time(diagnosis.coded_at),
    )


def _icd_10(visit: Visit, diagnosis: Diagnosis) -> str:
    """The coders, who come after the discharge, write no dot and fill a code of three characters with X."""
    if diagnosis.coded_at <= visit.discharged_at:
        return diagnosis.code
    return diagnosis.code.replace(".", "") if "." in diagnosis.code else f"{diagnosis.code}X"


def _procedure(course: Course, visit: Visit, operation: Operation, at: datetime) -> Json:
    is_late = operation.coded_at > visit.discharged_at
    code = (
        coding(OPCS_4_OF_THE_CODERS, operation.code.replace(".", ""), operation.words)
        if is_late
        else coding(OPCS_4, operation.code, operation.words)
    )
    return resource(
        "Procedure",
        visit.number,
        operation.code,
        time(operation.at),
        status="completed",
        category=concept(coding(SNOMED, "387713003", "Surgical procedure")),
        code=concept(code, text=operation.words),
        subject=subject(course.person, at),
        encounter=reference("Encounter", visit.number),
        performedDateTime=None if operation.ended_at else time(operation.at),
        performedPeriod=period(operation.at, operation.ended_at) if operation.ended_at else None,
    )
