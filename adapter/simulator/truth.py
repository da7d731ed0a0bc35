"""What the register should end up with, written from the clinical courses alone, before any message exists.

The set of fields of a kind is the same for all its rows; null says that no source of this child can tell.
"""

from collections.abc import Iterator
from datetime import datetime

from adapter.simulator.course import Course, Operation, Visit
from adapter.simulator.truth_findings import finding_rows, time_text
from adapter.simulator.truth_row import Field, TruthRow

SEX = {"F": "female", "M": "male"}
STOMAS = {
    **dict.fromkeys(("G60.1", "G74.1", "G74.2", "G74.3", "H15.1", "H15.2"), "stoma_formation"),
    **dict.fromkeys(("G60.3", "G75.3", "H15.4"), "stoma_closure"),
    **dict.fromkeys(("G75.1", "G75.2", "H15.3"), "stoma_revision"),
}
_RULES = {
    "death": "patient-deceased",
    "transfer_in": "source-of-admission",
    "transfer_out": "discharge-destination",
    "discharge_home": "discharge-destination",
    "reoperation": "after-index-operation",
}
"""What states an event, in the register's words; of a stoma it is the code of the operation."""
_OTHER_HOSPITALS = {"51", "52"}


def rows_of(course: Course) -> Iterator[TruthRow]:
    """Nothing for anybody who is not confirmed."""
    if not course.confirmed:
        return
    child = course.person.hospital_number
    yield TruthRow(kind="infant", child=child, key=(), fields=_infant(course))
    for source in _links(course):
        yield TruthRow(kind="mother_baby_link", child=child, key=(source,), fields={"link_source": source})
    for visit in _real(course):
        yield from _visit(child, visit, is_timed=course.channel == "fhir")
    yield from finding_rows(course)
    for kind, at, condition in (*_ends(course), *_operated(course)):
        event: dict[str, Field] = {
            "event_type": kind,
            "event_dt": time_text(at),
            "condition": condition,
            "rule": _RULES.get(kind, "procedure-code"),
        }
        yield TruthRow(kind="outcome_event", child=child, key=(kind, time_text(at)), fields=event)
    for condition, state in (*((each, "confirmed") for each in course.confirmed), *course.expected):
        fields = {"condition": condition, "state": state}
        yield TruthRow(kind="condition_case", child=child, key=(condition,), fields=fields)


def _infant(course: Course) -> dict[str, Field]:
    person, birth = course.person, course.birth
    return {
        "sex": SEX.get(person.sex, "unknown"),
        "birth_datetime": time_text(person.born),
        "birth_precision": "minute",
        "ethnic_category": person.ethnic_category,
        "nhs_number_status": "01",
        "national_id_type": "nhs",
        "multiple_birth": person.birth_order is not None,
        "birth_order": person.birth_order,
        "gestation_days": birth.gestation_days if birth else None,
        "birth_weight_g": birth.weight_g if birth else None,
        "apgar_1": birth.apgar_1 if birth else None,
        "apgar_5": birth.apgar_5 if birth else None,
        "deceased": person.died_at is not None,
        "death_datetime": time_text(person.died_at) if person.died_at else None,
    }


def _links(course: Course) -> Iterator[str]:
    """What names the mother: each dialect in its own way, and FHIR before either."""
    if course.person.mother is None:
        return
    if course.channel != "v2":
        yield "related-person"
    else:
        yield "nk1" if course.site.dialect == "epic" else "pid-21"


def _real(course: Course) -> tuple[Visit, ...]:
    return tuple(visit for visit in course.visits if visit.cancelled_at is None)


def _visit(child: str, visit: Visit, *, is_timed: bool) -> Iterator[TruthRow]:
    yield TruthRow(kind="admission", child=child, key=(visit.number,), fields=_admission(visit))
    ends = [*(stay.since for stay in visit.stays[1:]), visit.discharged_at]
    for stay, end in zip(visit.stays, ends, strict=True):
        fields: dict[str, Field] = {
            "spell_id": visit.number,
            "ward_code": stay.ward.code,
            "ward_type": stay.ward.type,
            "start_dt": time_text(stay.since),
            "end_dt": time_text(end),
        }
        yield TruthRow(kind="ward_stay", child=child, key=(visit.number, time_text(stay.since)), fields=fields)
    for diagnosis in visit.diagnoses:
        if diagnosis.struck_at is None:
            told: dict[str, Field] = {
                "code": diagnosis.code,
                "code_system": "icd-10",
                "onset_dt": time_text(diagnosis.made_at),
            }
            yield TruthRow(kind="diagnosis", child=child, key=(visit.number, diagnosis.code), fields=told)
    for operation in visit.operations:
        at = time_text(operation.at)
        key = (visit.number, operation.code, at)
        yield TruthRow(kind="operation", child=child, key=key, fields=_operation(operation, is_timed=is_timed))


def _admission(visit: Visit) -> dict[str, Field]:
    return {
        "spell_id": visit.number,
        "class": "inpatient",
        "status": "finished",
        "admit_dt": time_text(visit.admitted_at),
        "discharge_dt": time_text(visit.discharged_at),
        "admission_method": visit.admission_method,
        "source_of_admission": visit.source,
        "discharge_method": visit.discharge_method,
        "discharge_destination": visit.destination,
        "treatment_function": visit.stays[-1].ward.treatment_function,
        "ward_code": visit.stays[-1].ward.code,
    }


def _operation(operation: Operation, *, is_timed: bool) -> dict[str, Field]:
    """HL7 v2 tells when an operation began (PR1-5), not when it ended."""
    return {
        "procedure_code": operation.code,
        "procedure_system": "opcs-4",
        "knife_to_skin": time_text(operation.at),
        "knife_end": time_text(operation.ended_at) if is_timed and operation.ended_at else None,
        "status": "completed",
        "index_for": operation.index_for,
    }


def _ends(course: Course) -> Iterator[tuple[str, datetime, None]]:
    """Death, and how each stay began and ended; no condition alone explains them."""
    if course.person.died_at is not None:
        yield "death", course.person.died_at, None
    for visit in _real(course):
        if visit.source in _OTHER_HOSPITALS:
            yield "transfer_in", visit.admitted_at, None
        if visit.destination == "19":
            yield "discharge_home", visit.discharged_at, None
        if visit.destination in _OTHER_HOSPITALS:
            yield "transfer_out", visit.discharged_at, None


def _operated(course: Course) -> Iterator[tuple[str, datetime, str | None]]:
    """Stomas, and every visit to theatre after an index operation that is not the index of another condition."""
    only = course.confirmed[0] if len(course.confirmed) == 1 else None
    visits: dict[datetime, list[Operation]] = {}
    for operation in sorted((each for visit in _real(course) for each in visit.operations), key=lambda each: each.at):
        visits.setdefault(operation.at, []).append(operation)
    before: set[str] = set()
    for at, operations in visits.items():
        for event in sorted({STOMAS[each.code] for each in operations if each.code in STOMAS}):
            yield event, at, only
        indexed = {condition for each in operations for condition in each.index_for}
        if before and not indexed:
            yield "reoperation", at, next(iter(before)) if len(before) == 1 else None
        before |= indexed
