"""Imaging: the request, the study of the picture archive, and the report, joined by the accession number."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from adapter.simulator.course import Course
from adapter.simulator.examinations import Examination
from adapter.simulator.fhir_people import merged_at, subject
from adapter.simulator.fhir_terms import (
    ACCESSION_NUMBER,
    HL7,
    ORDER_NUMBER,
    SNOMED,
    Json,
    coding,
    concept,
    identifier,
    reference,
    resource,
    system_uri,
    time,
    versions,
)
from adapter.simulator.fhir_versions import Change
from adapter.simulator.fhir_visits import visit_at

_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_IMAGING = concept(coding(SNOMED, "363679005", "Imaging"))
_SECTIONS = {"US": "RUS", "CT": "CT", "MR": "NMR", "NM": "NMS"}
"""HL7 table 0074; the rest is RAD."""


def imaging(course: Course) -> Iterator[Change]:
    """All examinations of a patient."""
    for done in course.examinations:
        reported = [reading.at for reading in done.readings]
        moved = [moment for moment in merged_at(course.person) if moment > done.requested_at]
        yield from versions(partial(_request, course, done), [done.requested_at, done.performed_at, *moved])
        yield from versions(partial(_study, course, done), [done.performed_at, *moved])
        yield from versions(partial(_report, course, done), [*reported, *moved])


def _accession(done: Examination) -> Json:
    return identifier(ACCESSION_NUMBER, done.accession, type_code="ACSN")


def _code(done: Examination) -> Json:
    return concept(coding(system_uri(done.code.system), done.code.code, done.code.words), text=done.code.words)


def _based_on(done: Examination) -> Json:
    return {**reference("ServiceRequest", done.accession), "identifier": _accession(done)}


def _request(course: Course, done: Examination, at: datetime) -> Json:
    return resource(
        "ServiceRequest",
        done.accession,
        identifier=[identifier(ORDER_NUMBER, done.placer, type_code="PLAC"), _accession(done)],
        status="completed" if done.performed_at <= at else "active",
        intent="order",
        category=[_IMAGING],
        code=_code(done),
        subject=subject(course.person, at),
        encounter=visit_at(course, done.requested_at),
        authoredOn=time(done.requested_at),
        reasonCode=[concept(text=done.indication)] if done.indication else [],
    )


def _study(course: Course, done: Examination, at: datetime) -> Json | None:
    if at < done.performed_at:
        return None
    modality = coding(_DICOM, done.code.modality)
    return resource(
        "ImagingStudy",
        done.accession,
        identifier=[_accession(done), {"system": "urn:dicom:uid", "value": f"urn:oid:{done.study_uid}"}],
        status="available",
        modality=[modality],
        subject=subject(course.person, at),
        encounter=visit_at(course, done.performed_at),
        started=time(done.performed_at),
        basedOn=[_based_on(done)],
        numberOfSeries=done.n_series,
        numberOfInstances=done.n_instances,
        procedureCode=[_code(done)],
        series=[{"uid": f"{done.study_uid}.{number}", "number": number, "modality": modality}
                for number in range(1, done.n_series + 1)],
    )  # fmt: skip


def _report(course: Course, done: Examination, at: datetime) -> Json | None:
    issued = [reading for reading in done.readings if reading.at <= at]
    if not issued:
        return None
    reading = issued[-1]
    return resource(
        "DiagnosticReport",
        done.accession,
        identifier=[_accession(done)],
        basedOn=[_based_on(done)],
        status=reading.status,
        category=[concept(coding(f"{HL7}v2-0074", _SECTIONS.get(done.code.modality, "RAD")))],
        code=_code(done),
        subject=subject(course.person, at),
        encounter=visit_at(course, done.performed_at),
        effectiveDateTime=time(done.performed_at),
        issued=time(reading.at),
        imagingStudy=[reference("ImagingStudy", done.accession)],
        conclusion=reading.text,
    )
