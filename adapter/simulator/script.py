"""From a course to the messages that two systems send of it: PAS for the patient, LIMS for the results."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from adapter.simulator import wire
from adapter.simulator.course import Course, Report, Visit
from adapter.simulator.moments import after, clear
from adapter.simulator.people import Person

LABORATORY_LAG = timedelta(days=1)
"""How late the laboratory's system learns a name, a number or a merge."""


class Clocks:
    """Gives every clock of the hospital once, to the second, never back."""

    def __init__(self) -> None:
        self._last: datetime | None = None

    def next(self, planned: datetime) -> datetime:
        """The planned time, or the first free second after it."""
        free = planned if self._last is None else max(planned, self._last + timedelta(seconds=1))
        self._last = clear(free)
        return self._last


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A message before it has its clocks and its control id."""

    at: datetime
    sender: str
    event: str
    subject: str
    segments: Callable[[Clocks], list[str]]
    """Everything after MSH."""


def planned_messages(course: Course) -> Iterator[Planned]:
    """All messages of one patient, in no order."""
    yield from _person_messages(course.person)
    for visit in course.visits:
        yield from _visit_messages(course.person, visit)
    for report in course.reports:
        yield _result_message(course, report)


def _person_messages(person: Person) -> Iterator[Planned]:
    if person.temporary_number is not None:
        yield _of_person(person, "A28", after(person.born, minutes=12))
    if person.named_at is not None:
        yield _of_person(person, "A31", person.named_at)
    if person.mother is not None and person.numbered_at is not None:
        yield _of_person(person, "A31", person.numbered_at)
    if person.merged_at is not None:
        yield _adt("A40", person, person.merged_at, lambda: [wire.mrg(person)])


def _visit_messages(person: Person, visit: Visit) -> Iterator[Planned]:
    opening = "A04" if visit.is_registered_first else "A01"
    yield _of_visit(opening, person, visit, occurred=visit.admitted_at, delay_minutes=7)
    if visit.cancelled_at is not None:
        yield _of_visit("A11", person, visit, occurred=visit.cancelled_at)
        return
    for stay in visit.stays[1:]:
        yield _of_visit("A02", person, visit, occurred=stay.since, delay_minutes=4)
    for moment in sorted(_list_changes(visit)):
        yield _of_visit("A08", person, visit, occurred=moment)
    if visit.undone is not None:
        yield _of_visit("A03", person, visit, occurred=visit.undone.at, delay_minutes=2)
        yield _of_visit("A13", person, visit, occurred=visit.undone.undone_at)
    yield _of_visit("A03", person, visit, occurred=visit.discharged_at, delay_minutes=11)


def _list_changes(visit: Visit) -> set[datetime]:
    """When the list of diagnoses or operations becomes another."""
    diagnosed = {diagnosis.coded_at for diagnosis in visit.diagnoses}
    operated = {operation.coded_at for operation in visit.operations}
    return (
        diagnosed | operated | {diagnosis.struck_at for diagnosis in visit.diagnoses if diagnosis.struck_at is not None}
    )


def _of_person(person: Person, event: str, at: datetime) -> Planned:
    return _adt(event, person, at, lambda: [*wire.nk1(person), wire.no_visit()])


def _of_visit(event: str, person: Person, visit: Visit, *, occurred: datetime, delay_minutes: float = 0) -> Planned:
    recorded = after(occurred, minutes=delay_minutes)

    def rest() -> list[str]:
        # v2.4 has no NK1 in the structures of A02, A03 and A11.
        kin = wire.nk1(person) if event in {"A01", "A04", "A08"} else ()
        lists = _lists(visit, recorded) if event in {"A03", "A08", "A13"} else ()
        return [*kin, wire.pv1(visit, at=recorded), *lists]

    return _adt(event, person, recorded, rest, occurred=occurred)


def _lists(visit: Visit, at: datetime) -> Iterator[str]:
    """All of both lists: a list in a message replaces the one before."""
    is_final = at >= visit.discharged_at
    for number, diagnosis in enumerate(visit.diagnoses_at(at), start=1):
        yield wire.dg1(diagnosis, number=number, is_final=is_final)
    for number, operation in enumerate(visit.operations_at(at), start=1):
        yield wire.pr1(operation, number=number, is_final=is_final)


def _adt(
    event: str, person: Person, at: datetime, rest: Callable[[], list[str]], *, occurred: datetime | None = None
) -> Planned:
    def segments(clocks: Clocks) -> list[str]:
        recorded = clocks.next(at)
        return [
            wire.evn(event, recorded=recorded, occurred=occurred or at),
            wire.pid(person, known_at=at),
            *rest(),
        ]

    return Planned(at=at, sender="PAS", event=event, subject=person.number_at(at), segments=segments)


def _result_message(course: Course, report: Report) -> Planned:
    known_at = report.at - LABORATORY_LAG
    person = course.person
    visit = _visit_of(course, report.orders[0].order.collected_at)

    def segments(clocks: Clocks) -> list[str]:
        written = [wire.pid(person, known_at=known_at), wire.pv1(visit, at=report.at)]
        for number, part in enumerate(report.orders, start=1):
            written += wire.order_group(part, number=number, reported=clocks.next(report.at))
        return [*written, *([wire.nte(report.note)] if report.note else [])]

    return Planned(at=report.at, sender="LIMS", event="R01", subject=person.number_at(known_at), segments=segments)


def _visit_of(course: Course, moment: datetime) -> Visit:
    """The last visit that had begun."""
    begun = [visit for visit in course.visits if visit.admitted_at <= moment and visit.cancelled_at is None]
    return begun[-1] if begun else course.visits[0]
