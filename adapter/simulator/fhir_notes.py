"""The structured operative record: a form of the EPR, one for each condition, begun in theatre and completed later.

The form has groups and questions of its own; choices are coded in the trust's own system, in the register's words.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import partial
from itertools import groupby

from adapter.simulator.course import Course
from adapter.simulator.fhir_people import merged_at, subject
from adapter.simulator.fhir_terms import (
    TRUST,
    Json,
    coding,
    identifier,
    quantity,
    reference,
    resource,
    time,
    versions,
)
from adapter.simulator.fhir_versions import Change
from adapter.simulator.moments import after
from adapter.simulator.operative_records import Answer, OperativeRecord

RECORD_NUMBER = f"{TRUST}/Id/operative-record"
CHOICES = f"{TRUST}/CodeSystem/operative-record"

_GROUPS = {
    "findings": ("extent", "bowel_state", "bowel_remaining_cm", "defect_size", "side", "liver_up", "gap_cm", "oa_type",
                 "histology_confirmed"),
    "afterwards": ("silo_days", "catheter_days"),
}  # fmt: skip
"""What stands in no other group is asked under `procedure`."""


def questionnaire(condition: str) -> str:
    """The canonical address of the form."""
    return f"{TRUST}/Questionnaire/operative-record-{condition.replace('_', '-')}"


def link_id(field: str) -> str:
    """Of the question that asks for a field of the register."""
    return f"{_group(field)}.{field.replace('_', '-')}"


def notes(course: Course) -> Iterator[Change]:
    """The records: begun, completed, and some of them amended a day later."""
    for record in course.records:
        begun_at = after(record.operated_at, minutes=20)
        moments = [begun_at, record.recorded_at, *([_amended_at(record)] if record.status == "amended" else [])]
        moments += [moment for moment in merged_at(course.person) if moment > begun_at]
        yield from versions(partial(_response, course, record), moments)


def _amended_at(record: OperativeRecord) -> datetime:
    return after(record.recorded_at, days=1)


def _response(course: Course, record: OperativeRecord, at: datetime) -> Json:
    status = _status(record, at)
    answers = {"operated": record.operated_at, **record.answers}
    if status == "in-progress":
        answers = {"operated": record.operated_at}
    elif status != record.status:
        # The surgeon comes back to it for the last question.
        answers = dict(list(answers.items())[:-1])
    return resource(
        "QuestionnaireResponse",
        record.number,
        identifier=identifier(RECORD_NUMBER, record.number),
        questionnaire=questionnaire(record.condition),
        status=status,
        subject=subject(course.person, at),
        encounter=reference("Encounter", record.visit),
        authored=time(min(at, record.recorded_at) if status == "in-progress" else record.recorded_at),
        item=list(_items(answers)),
    )


def _status(record: OperativeRecord, at: datetime) -> str:
    if at < record.recorded_at:
        return "in-progress"
    return record.status if record.status != "amended" or _amended_at(record) <= at else "completed"


def _items(answers: dict[str, Answer]) -> Iterator[Json]:
    for group, fields in groupby(sorted(answers, key=_group), key=_group):
        questions = [
            {"linkId": link_id(field), "text": _words(field), "answer": [_answer(field, answers[field])]}
            for field in fields
        ]
        yield {"linkId": group, "text": _words(group), "item": questions}


def _group(field: str) -> str:
    return next((group for group, fields in _GROUPS.items() if field in fields), "procedure")


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _answer(field: str, value: Answer) -> Json:
    match value:
        case bool():
            return {"valueBoolean": value}
        case int():
            return {"valueInteger": value}
        case Decimal():
            is_length = field.endswith("_cm")
            return {"valueQuantity": quantity(value, "cm")} if is_length else {"valueDecimal": value}
        case datetime():
            return {"valueDateTime": time(value)}
        case str():
            return {"valueCoding": coding(CHOICES, value, _words(value))}
