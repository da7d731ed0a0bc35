"""What the register should end up with, written from the clinical courses before any message exists.

Field names are those of the data dictionary. A field that is not named here is one that a course does not determine.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from adapter.simulator.course import Course, Order, Value, Visit
from adapter.simulator.moments import LONDON

NOT_THE_INFANTS_BLOOD = {"urine", "cord"}
"""A value from such a sample never becomes a blood result of the infant."""
STATUS = {"P": "preliminary", "F": "final", "C": "corrected"}
SEX = {"F": "female", "M": "male"}

Field = str | Decimal | int | bool | tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthRow:
    """One expected row of a confirmed child."""

    kind: str
    child: str
    """The hospital number that the child ends up with."""
    key: tuple[str, ...]
    """infant: none; admission: visit; diagnosis: visit, code; operation: visit, code, time; lab_result: order, test;
    condition_case: condition; ward_stay: visit, start; vital_sign: record, measure; imaging: accession;
    medication_course: drug, start; operation_note: record; outcome_event: type, time; mother_baby_link: source."""
    fields: Mapping[str, Field]


def truth_of(course: Course) -> tuple[TruthRow, ...]:
    """Every row of a confirmed child; nothing for anybody else."""
    if not course.confirmed:
        return ()
    return tuple(_rows(course))


def _rows(course: Course) -> Iterator[TruthRow]:
    child = course.person.hospital_number
    infant = {"sex": SEX[course.person.sex], "birth_datetime": _time(course.person.born), "birth_precision": "minute"}
    yield TruthRow(kind="infant", child=child, key=(), fields=infant)
    for visit in course.visits:
        if visit.cancelled_at is None:
            yield from _visit_rows(child, visit)
    yield from _results(child, course)
    for condition in course.confirmed:
        case = {"condition": condition, "state": "confirmed"}
        yield TruthRow(kind="condition_case", child=child, key=(condition,), fields=case)


def _visit_rows(child: str, visit: Visit) -> Iterator[TruthRow]:
    admission = {
        "spell_id": visit.number,
        "admit_dt": _time(visit.admitted_at),
        "discharge_dt": _time(visit.discharged_at),
        "treatment_function": visit.stays[-1].ward.treatment_function,
    }
    yield TruthRow(kind="admission", child=child, key=(visit.number,), fields=admission)
    for diagnosis in visit.diagnoses:
        if diagnosis.struck_at is None:
            key = (visit.number, diagnosis.code)
            yield TruthRow(kind="diagnosis", child=child, key=key, fields={"code": diagnosis.code})
    for operation in visit.operations:
        at = _time(operation.at)
        done = {"procedure_code": operation.code, "knife_to_skin": at, "status": "completed"}
        yield TruthRow(kind="operation", child=child, key=(visit.number, operation.code, at), fields=done)


def _results(child: str, course: Course) -> Iterator[TruthRow]:
    latest: dict[tuple[str, str], tuple[Order, Value, str]] = {}
    for report in course.reports:
        for part in report.orders:
            for value in part.values:
                latest[part.order.number, value.test.code] = (part.order, value, part.status)
    for key, (order, value, status) in latest.items():
        fields = {
            **_measured(order, value),
            "specimen_type": order.specimen,
            "collected_dt": _time(order.collected_at),
            "status": STATUS[status],
        }
        yield TruthRow(kind="lab_result", child=child, key=key, fields=fields)


def _measured(order: Order, value: Value) -> dict[str, Field]:
    """The value as sent, and in the register's unit where code and sample say what it is."""
    number = Decimal(value.number)
    is_known = value.test.analyte is not None and order.specimen not in NOT_THE_INFANTS_BLOOD
    return {
        "analyte": value.test.analyte if is_known else "unmapped",
        "value_num": number,
        "comparator": value.comparator or None,
        "value_canonical": number * value.test.factor if is_known else None,
        "unit_ucum": value.test.unit_ucum if is_known else None,
    }


def _time(moment: datetime) -> str:
    """ISO 8601 with the offset of the place."""
    return moment.astimezone(LONDON).isoformat(timespec="seconds")
