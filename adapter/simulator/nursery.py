"""What every course in the nursery shares: the numbers, the chance, and the shape of a stay."""

from dataclasses import dataclass
from datetime import datetime
from random import Random

from adapter.simulator.course import Course, Diagnosis, Operation, Report, Stay, Visit
from adapter.simulator.laboratory import Bench, Illness
from adapter.simulator.moments import after
from adapter.simulator.numbers import NumberBook
from adapter.simulator.people import Person
from adapter.simulator.wards import NICU, SURGICAL, THEATRE

PRETERM = ("P07.3", "Other preterm infants")
BREATHING = ("P22.0", "Respiratory distress syndrome of newborn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nursery:
    """Gives numbers and chance to those who write courses."""

    book: NumberBook
    rng: Random

    def between(self, moment: datetime, least_days: float, most_days: float) -> datetime:
        """Some time so many days later."""
        return after(moment, days=self.rng.uniform(least_days, most_days))

    def reports(self, visit: Visit, *, illness: Illness | None = None) -> tuple[Report, ...]:
        """What the laboratory finds during the visit that began with the birth."""
        bench = Bench(self.book, self.rng, illness=illness)
        return bench.stay(visit.admitted_at, visit.discharged_at, is_birth=True)

    def later_reports(self, visit: Visit) -> tuple[Report, ...]:
        """What it finds during a later visit."""
        return Bench(self.book, self.rng).stay(visit.admitted_at, visit.discharged_at, is_birth=False)

    def surgical_visit(self, person: Person, *, operation_at: datetime, days: tuple[float, float]) -> Visit:
        """Birth, neonatal unit, theatre and back, the surgical ward, home; codes are added by the caller."""
        admitted = self.between(person.born, 0.03, 0.15)
        back = after(operation_at, hours=self.rng.uniform(1.2, 4))
        to_ward = self.between(back, 4, 9)
        stays = (
            Stay(ward=NICU, since=admitted),
            Stay(ward=THEATRE, since=after(operation_at, minutes=-35)),
            Stay(ward=NICU, since=back),
            Stay(ward=SURGICAL, since=to_ward),
        )
        discharged = self.between(to_ward, *days)
        return Visit(
            number=self.book.visit_number(),
            stays=stays,
            discharged_at=discharged,
            is_registered_first=self.rng.random() < 0.3,
        )

    def background(self, visit: Visit) -> tuple[Diagnosis, ...]:
        """What most infants of a neonatal unit are also coded with."""
        known = after(visit.admitted_at, hours=self.rng.uniform(2, 20))
        return tuple(
            Diagnosis(code=code, words=words, made_at=visit.admitted_at, coded_at=known)
            for code, words in (PRETERM, BREATHING)
            if self.rng.random() < 0.6
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The codes that make a case, in the order in which they happened."""

    code: str
    words: str
    made_at: datetime
    operations: tuple[tuple[str, str, datetime], ...]

    def coded(self, *, diagnosis_at: datetime, operations_at: datetime) -> tuple[Diagnosis, tuple[Operation, ...]]:
        """As they enter the lists of the visit; an operation never before it is done."""
        return (
            Diagnosis(code=self.code, words=self.words, made_at=self.made_at, coded_at=diagnosis_at),
            tuple(
                Operation(code=code, words=words, at=at, coded_at=max(operations_at, after(at, hours=3)))
                for code, words, at in self.operations
            ),
        )


def course_of(person: Person, visit: Visit, reports: tuple[Report, ...], *, looks_like: str = "") -> Course:
    """A course of one visit."""
    return Course(person=person, visits=(visit,), reports=reports, looks_like=looks_like)
