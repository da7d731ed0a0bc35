"""Puts the simulated hospital together: who is in it, the truth, and the messages in the order of sending."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random

from adapter.simulator import cases, lookalikes, wire
from adapter.simulator.course import Course
from adapter.simulator.examinations import ImagingCode
from adapter.simulator.laboratory import LabCode, lab_codes
from adapter.simulator.numbers import NumberBook
from adapter.simulator.nursery import Nursery
from adapter.simulator.people import Person, a_baby, a_twin
from adapter.simulator.prescriptions import Drug
from adapter.simulator.script import Clocks, planned_messages
from adapter.simulator.truth import TruthRow, truth_of
from adapter.simulator.wards import WARDS, Site, Ward

START = datetime(2026, 8, 28, 6, 0, tzinfo=UTC)
"""The first births; stays reach over the autumn change of the clocks."""

_LOOKALIKES = (
    lookalikes.exomphalos,
    lookalikes.burned_oesophagus,
    lookalikes.not_elsewhere_classified,
    lookalikes.well_baby,
    lookalikes.struck_off,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """One message as it leaves the hospital."""

    at: datetime
    """MSH-7."""
    control_id: str
    raw: bytes
    """Segments ended by CR, in UTF-8; no MLLP frame."""
    subject: str
    """The hospital number it is sent under."""
    event: str
    """`A01` … `R01`."""
    feed: str = "adt"
    """Which of the trust's feeds it comes over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookalike:
    """Somebody who must make no row."""

    hospital_number: str
    why: str
    expected: tuple[tuple[str, str], ...] = ()
    """Conditions and the states they must reach inside the trust; nothing else, and nothing leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """A hospital over some months."""

    messages: tuple[SentMessage, ...]
    """In order of arrival: that of sending, but for a few that came late."""
    truth: tuple[TruthRow, ...]
    """Every row that the register should have in the end, and no other."""
    lookalikes: tuple[Lookalike, ...]
    wards: tuple[Ward, ...]
    lab_codes: tuple[LabCode, ...]
    courses: tuple[Course, ...] = ()
    """Every patient, for whoever tells of them otherwise than by v2."""
    imaging_codes: tuple[ImagingCode, ...] = ()
    drugs: tuple[Drug, ...] = ()
    sites: tuple[Site, ...] = ()


def hospital(*, seed: int, infants: int = 12, start: datetime = START) -> Simulation:
    """The same hospital for the same arguments: a third gastroschisis, a third NEC, the rest look-alikes and others."""
    if infants < 1:
        raise ValueError("a simulated hospital has at least one infant")
    rng = Random(seed)
    nursery = Nursery(book=NumberBook(rng), rng=rng)
    courses = tuple(_courses(nursery, infants=infants, start=start))
    # The truth comes first: nothing of the encoding can leak into it.
    truth = tuple(row for course in courses for row in truth_of(course))
    return Simulation(
        messages=tuple(_messages(courses)),
        truth=truth,
        lookalikes=tuple(
            Lookalike(hospital_number=course.person.hospital_number, why=course.looks_like)
            for course in courses
            if course.looks_like
        ),
        wards=WARDS,
        lab_codes=lab_codes(),
    )


def _courses(nursery: Nursery, *, infants: int, start: datetime) -> Iterator[Course]:
    with_gastroschisis = max(1, infants // 3)
    with_nec = min(max(1, infants // 3), infants - with_gastroschisis)
    first: Course | None = None
    for number in range(with_gastroschisis):
        course = cases.gastroschisis(nursery, _wristband(nursery, _baby(nursery, start), number), number=number)
        first = first or course
        yield course
    yield from (_nec(nursery, start, number) for number in range(with_nec))
    for number in range(infants - with_gastroschisis - with_nec):
        yield _LOOKALIKES[number % len(_LOOKALIKES)](nursery, _baby(nursery, start))
    if first is not None:
        yield lookalikes.mother(nursery, first)
        yield lookalikes.well_baby(nursery, a_twin(nursery.book, first.person))
        for number in range(3 + infants // 6):
            yield lookalikes.unrelated_adult(nursery, number=number, child=first)


def _nec(nursery: Nursery, start: datetime, number: int) -> Course:
    person = _baby(nursery, start)
    if number % 4 == 3:
        return lookalikes.treated_as_nec(nursery, person, number=number // 4)
    return cases.surgical_nec(nursery, person, number=number)


def _baby(nursery: Nursery, start: datetime) -> Person:
    return a_baby(nursery.book, nursery.rng, born=nursery.between(start, 0, 20))


def _wristband(nursery: Nursery, person: Person, number: int) -> Person:
    """Every fifth child is known by a temporary number until it is merged; the first has a twin, who is well."""
    if number % 5:
        return person
    merged_at = nursery.between(person.born, 1.5, 3)
    temporary = nursery.book.temporary_number()
    return replace(
        person,
        temporary_number=temporary,
        merged_at=merged_at,
        birth_order=1 if number == 0 else None,
    )


def _messages(courses: Iterable[Course]) -> Iterator[SentMessage]:
    clocks = Clocks()
    sent_by: dict[str, int] = {}
    planned = sorted((message for course in courses for message in planned_messages(course)), key=lambda one: one.at)
    for message in planned:
        rest = message.segments(clocks)
        sent = clocks.next(message.at)
        number = sent_by[message.sender] = sent_by.get(message.sender, 0) + 1
        control_id = f"{message.sender}{number:07d}"
        head = wire.msh(sender=message.sender, event=message.event, control_id=control_id, sent=sent)
        raw = "".join(f"{text}\r" for text in (head, *rest)).encode()
        yield SentMessage(at=sent, control_id=control_id, raw=raw, subject=message.subject, event=message.event)
