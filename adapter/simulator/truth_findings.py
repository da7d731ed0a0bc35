"""Every row of what was found and given: laboratory, measurements, imaging, drugs, operative records."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from adapter.simulator.course import Course, Order, Value
from adapter.simulator.examinations import Examination
from adapter.simulator.moments import LONDON
from adapter.simulator.operative_records import Answer, OperativeRecord
from adapter.simulator.prescriptions import Dose, Drug
from adapter.simulator.truth_row import Field, TruthRow

STATUS = {"P": "preliminary", "F": "final", "C": "corrected"}
NOT_BLOOD = frozenset({"urine", "cord", "csf", "gastric", "stoma"})
"""Ruling R10."""
GAP = timedelta(days=4)
"""Doses nearer than two days are one course, doses farther than eight are two; nothing lies between."""
_ANSWERS = (
    "technique", "approach", "urgency", "decision_dt", "extent", "bowel_state", "bowel_remaining_cm", "stoma_formed",
    "patch_used", "defect_size", "side", "liver_up", "on_ecmo", "gap_cm", "oa_type", "histology_confirmed",
    "silo_days", "catheter_days",
)  # fmt: skip


def time_text(moment: datetime) -> str:
    """ISO 8601 with the offset of the place."""
    return moment.astimezone(LONDON).isoformat(timespec="seconds")


def finding_rows(course: Course) -> Iterator[TruthRow]:
    """All of them."""
    child = course.person.hospital_number
    yield from _results(child, course)
    for measurements in course.measurements:
        for measured in measurements.values:
            fields: dict[str, Field] = {
                "measure": measured.measure,
                "value_canonical": measured.value,
                "unit_ucum": measured.unit,
                "measured_dt": time_text(measurements.at),
                "status": "final",
            }
            key = (measurements.number, measured.measure)
            yield TruthRow(kind="vital_sign", child=child, key=key, fields=fields)
    for examination in course.examinations:
        yield from _imaging(child, examination)
    yield from _medication(child, course)
    for record in course.records:
        yield TruthRow(kind="operation_note", child=child, key=(record.number,), fields=_note(record))


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
            "collected_dt": time_text(order.collected_at),
            "status": STATUS[status],
        }
        yield TruthRow(kind="lab_result", child=child, key=key, fields=fields)


def _measured(order: Order, value: Value) -> dict[str, Field]:
    """The value as sent, and in the register's unit where code and sample say what it is."""
    number = Decimal(value.number)
    is_known = value.test.analyte is not None and order.specimen not in NOT_BLOOD
    return {
        "analyte": value.test.analyte if is_known else "unmapped",
        "value_num": number,
        "comparator": value.comparator or None,
        "value_canonical": number * value.test.factor if is_known else None,
        "unit_ucum": value.test.unit_ucum if is_known else None,
    }


def _imaging(child: str, examination: Examination) -> Iterator[TruthRow]:
    study: dict[str, Field] = {
        "accession": examination.accession,
        "study": examination.code.study,
        "modality": (examination.code.modality,),
        "requested_dt": time_text(examination.requested_at),
        "performed_dt": time_text(examination.performed_at),
    }
    yield TruthRow(kind="imaging_study", child=child, key=(examination.accession,), fields=study)
    if not examination.readings:
        return
    last = examination.readings[-1]
    report: dict[str, Field] = {
        "accession": examination.accession,
        "study": examination.code.study,
        "status": last.status,
        "performed_dt": time_text(examination.performed_at),
        "reported_dt": time_text(last.at),
        "text": last.text,
        "signs_present": last.present,
        "signs_absent": last.absent,
        "signs_uncertain": last.uncertain,
    }
    yield TruthRow(kind="imaging_report", child=child, key=(examination.accession,), fields=report)


def _medication(child: str, course: Course) -> Iterator[TruthRow]:
    of_drug: dict[Drug, list[Dose]] = {}
    for prescription in course.prescriptions:
        of_drug.setdefault(prescription.drug, []).extend(dose for dose in prescription.doses if dose.was_given)
    for drug, doses in of_drug.items():
        for run in _runs(sorted(doses, key=lambda dose: dose.at)):
            fields: dict[str, Field] = {
                "drug_class": drug.drug_class or "unmapped",
                "drug_code": drug.code,
                "basis": "administered",
                "start_dt": time_text(run[0].at),
                "end_dt": time_text(max(dose.until for dose in run)),
                "administrations": len(run),
            }
            key = (drug.code, time_text(run[0].at))
            yield TruthRow(kind="medication_course", child=child, key=key, fields=fields)


def _runs(doses: list[Dose]) -> Iterator[list[Dose]]:
    run: list[Dose] = []
    for dose in doses:
        if run and dose.at - run[-1].until > GAP:
            yield run
            run = []
        run.append(dose)
    if run:
        yield run


def _note(record: OperativeRecord) -> dict[str, Field]:
    return {
        "condition": record.condition,
        "status": record.status,
        "operated_dt": time_text(record.operated_at),
        **{name: _answer(record.answers.get(name)) for name in _ANSWERS},
    }


def _answer(answer: Answer | None) -> Field:
    return time_text(answer) if isinstance(answer, datetime) else answer
