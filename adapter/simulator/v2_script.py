"""From a course to the v2 messages that a site's systems send of it: PAS, laboratory, radiology, pharmacy, charts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from adapter.simulator.births import Measurements
from adapter.simulator.course import Course, Report, Visit
from adapter.simulator.examinations import Examination, Reading
from adapter.simulator.moments import LONDON, Clocks, after
from adapter.simulator.people import Person
from adapter.simulator.prescriptions import Dose, Prescription
from adapter.simulator.v2_dialect import Dialect, dialect_of
from adapter.simulator.v2_medication import given_segments, order_segments
from adapter.simulator.v2_results import imaging_order, imaging_report, measurement_group, nte, order_group

LABORATORY_LAG = timedelta(days=1)
"""How late the laboratory's system learns a name, a number or a merge."""
SENDERS = {
    "epic": {"adt": "EPIC", "lab": "WINPATH", "imaging": "RADIANT", "drugs": "WILLOW", "chart": "EPIC"},
    "careflow": {"adt": "CAREFLOW", "lab": "TPATH", "imaging": "CRIS", "drugs": "CFMEDS", "chart": "CAREFLOW"},
}
"""MSH-3 of each system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A message before it has its clocks and its control id."""

    at: datetime
    dialect: Dialect
    sender: str
    event: str
    subject: str
    segments: Callable[[Clocks], list[str]]
    """Everything after MSH."""


class Script:
    """Writes all v2 messages of one course, in no order."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._dialect = dialect_of(course.site)
        self._senders = SENDERS[course.site.dialect]

    def messages(self) -> Iterator[Planned]:
        """Everything that v2 tells of this patient."""
        course = self._course
        yield from self._person()
        for visit in course.visits:
            yield from self._visit(visit)
        yield from (self._report(report) for report in course.reports)
        for examination in course.examinations:
            yield from self._examination(examination)
        for prescription in course.prescriptions:
            yield from self._prescription(prescription)
        if course.channel == "v2":
            yield from (self._measurements(each) for each in course.measurements)

    def _person(self) -> Iterator[Planned]:
        person = self._course.person
        if person.temporary_number is not None:
            yield self._of_person("A28", after(person.born, minutes=12))
        if person.named_at is not None:
            yield self._of_person("A31", person.named_at)
        if person.numbered_at is not None:
            yield self._of_person("A31", person.numbered_at)
        if person.merged_at is not None:
            yield self._adt("A40", person.merged_at, lambda: [self._dialect.mrg(person)])

    def _visit(self, visit: Visit) -> Iterator[Planned]:
        opening = "A04" if visit.is_registered_first else "A01"
        yield self._of_visit(opening, visit, occurred=visit.admitted_at, delay_minutes=7)
        if visit.cancelled_at is not None:
            yield self._of_visit("A11", visit, occurred=visit.cancelled_at)
            return
        for stay in visit.stays[1:]:
            yield self._of_visit("A02", visit, occurred=stay.since, delay_minutes=4)
        for moment in sorted(_list_changes(visit)):
            yield self._of_visit("A08", visit, occurred=moment)
        if visit.undone is not None:
            yield self._of_visit("A03", visit, occurred=visit.undone.at, delay_minutes=2)
            yield self._of_visit("A13", visit, occurred=visit.undone.undone_at)
        yield self._of_visit("A03", visit, occurred=visit.discharged_at, delay_minutes=11)

    def _of_person(self, event: str, at: datetime) -> Planned:
        person = self._course.person
        return self._adt(event, at, lambda: [*self._dialect.nk1(person), self._dialect.no_visit()])

    def _of_visit(self, event: str, visit: Visit, *, occurred: datetime, delay_minutes: float = 0) -> Planned:
        recorded = after(occurred, minutes=delay_minutes)
        person = self._course.person

        def rest() -> list[str]:
            # v2.4 has no NK1 in the structures of A02, A03 and A11.
            kin = self._dialect.nk1(person) if event in {"A01", "A04", "A08"} else []
            lists = self._lists(visit, recorded) if event in {"A03", "A08", "A13"} else ()
            return [*kin, self._dialect.pv1(visit, at=recorded), *lists]

        return self._adt(event, recorded, rest, occurred=occurred)

    def _lists(self, visit: Visit, at: datetime) -> Iterator[str]:
        """All of both lists: a list in a message replaces the one before."""
        is_final = at >= visit.discharged_at
        for number, diagnosis in enumerate(visit.diagnoses_at(at), start=1):
            yield self._dialect.dg1(diagnosis, number=number, is_final=is_final)
        for number, operation in enumerate(visit.operations_at(at), start=1):
            yield self._dialect.pr1(operation, number=number, is_final=is_final)

    def _adt(
        self, event: str, at: datetime, rest: Callable[[], list[str]], *, occurred: datetime | None = None
    ) -> Planned:  # fmt: skip
        person, dialect = self._course.person, self._dialect

        def segments(clocks: Clocks) -> list[str]:
            recorded = clocks.next(at)
            evn = dialect.evn(event, recorded=recorded, occurred=occurred or at)
            return [evn, dialect.pid(person, known_at=at), *rest()]

        return self._planned("adt", event, at, segments)

    def _report(self, report: Report) -> Planned:
        """The laboratory's system learns a name, a number or a merge a day late."""
        known_at = report.at - LABORATORY_LAG
        dialect = self._dialect

        def segments(clocks: Clocks) -> list[str]:
            written = self._about(known_at, of=report.orders[0].order.collected_at, told_at=report.at)
            for number, part in enumerate(report.orders, start=1):
                written += order_group(dialect, part, number=number, reported=clocks.next(report.at))
            return [*written, *([nte(report.note)] if report.note else [])]

        return self._planned("lab", "R01", report.at, segments, known_at=known_at)

    def _examination(self, examination: Examination) -> Iterator[Planned]:
        dialect, performed = self._dialect, examination.performed_at
        ordered = after(examination.requested_at, minutes=1)

        def order(_: Clocks) -> list[str]:
            written = self._about(ordered, of=performed, told_at=ordered)
            return [*written, *imaging_order(dialect, examination)]

        yield self._planned("adt", "O01" if dialect.site.dialect == "epic" else "O19", ordered, order)
        for reading in examination.readings:
            yield self._reading(examination, reading)

    def _reading(self, examination: Examination, reading: Reading) -> Planned:
        def segments(_: Clocks) -> list[str]:
            written = self._about(reading.at, of=examination.performed_at, told_at=reading.at)
            return [*written, *imaging_report(self._dialect, examination, reading)]

        return self._planned("imaging", "R01", reading.at, segments)

    def _prescription(self, prescription: Prescription) -> Iterator[Planned]:
        """One site tells each dose as it is given, the other once a day."""

        def order(_: Clocks) -> list[str]:
            written = self._about(
                prescription.ordered_at, of=prescription.begins_at, told_at=prescription.ordered_at
            )  # fmt: skip
            return [*written, *order_segments(self._dialect, prescription)]

        yield self._planned("drugs", "O11", prescription.ordered_at, order)
        if self._dialect.site.dialect == "epic":
            yield from (self._given(prescription, (dose,)) for dose in prescription.doses)
            return
        for _, doses in groupby(prescription.doses, key=lambda dose: dose.until.astimezone(LONDON).date()):
            yield self._given(prescription, tuple(doses))

    def _given(self, prescription: Prescription, doses: tuple[Dose, ...]) -> Planned:
        told_at = after(doses[-1].until, minutes=6)

        def segments(_: Clocks) -> list[str]:
            written = self._about(told_at, of=doses[0].at, told_at=told_at)
            return [*written, *given_segments(self._dialect, prescription, doses)]

        return self._planned("drugs", "O17", told_at, segments)

    def _measurements(self, measurements: Measurements) -> Planned:
        at = measurements.entered_at

        def segments(clocks: Clocks) -> list[str]:
            written = self._about(at, of=at, told_at=at)
            return [*written, *measurement_group(self._dialect, measurements, reported=clocks.next(at))]

        return self._planned("chart", "R01", at, segments)

    def _about(self, known_at: datetime, *, of: datetime, told_at: datetime) -> list[str]:
        """PID and PV1 of a message that is not ADT."""
        person: Person = self._course.person
        visit = _visit_of(self._course, of)
        return [self._dialect.short_pid(person, known_at=known_at), self._dialect.pv1(visit, at=told_at)]

    def _planned(
        self,
        system: str,
        event: str,
        at: datetime,
        segments: Callable[[Clocks], list[str]],
        *,
        known_at: datetime | None = None,
    ) -> Planned:
        return Planned(
            at=at,
            dialect=self._dialect,
            sender=self._senders[system],
            event=event,
            subject=self._course.person.number_at(known_at or at),
            segments=segments,
        )


def _list_changes(visit: Visit) -> set[datetime]:
    """When the list of diagnoses or operations becomes another."""
    diagnosed = {diagnosis.coded_at for diagnosis in visit.diagnoses}
    operated = {operation.coded_at for operation in visit.operations}
    struck = {diagnosis.struck_at for diagnosis in visit.diagnoses if diagnosis.struck_at is not None}
    return diagnosed | operated | struck


def _visit_of(course: Course, moment: datetime) -> Visit:
    """The last visit that had begun."""
    begun = [visit for visit in course.visits if visit.admitted_at <= moment and visit.cancelled_at is None]
    return begun[-1] if begun else course.visits[0]
