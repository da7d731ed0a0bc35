"""Courses of the two conditions: gastroschisis, and necrotising enterocolitis that came to operation."""

from dataclasses import replace
from datetime import datetime

from adapter.simulator.course import Course, Diagnosis, Operation, Stay, UndoneDischarge, Visit
from adapter.simulator.laboratory import Illness
from adapter.simulator.moments import after
from adapter.simulator.nursery import Nursery, Proof
from adapter.simulator.people import Person
from adapter.simulator.wards import NICU, SURGICAL

CLOSURE = ("T28.1", "Closure of gastroschisis")
NEC = ("P77", "Necrotizing enterocolitis of fetus and newborn")
LAPAROTOMY = ("Y50.2", "Laparotomy approach NEC")
NEC_OPERATIONS = (
    ("G69.3", "Ileectomy and anastomosis of ileum to ileum"),
    ("G58.4", "Partial jejunectomy and anastomosis of jejunum to ileum"),
    ("H07.4", "Right hemicolectomy and ileostomy HFQ"),
    ("G78.4", "Closure of perforation of ileum"),
    ("G63.3", "Closure of perforation of jejunum"),
)
"""Of high confidence in the lists of operations for NEC."""


def gastroschisis(nursery: Nursery, person: Person, *, number: int) -> Course:
    """Closed at once or in stages; every third is coded only after discharge; the fourth has NEC as well."""
    closed_at = nursery.between(person.born, 0.25, 0.6)
    operations: tuple[tuple[str, str, datetime], ...] = (_at(CLOSURE, closed_at),)
    if nursery.rng.random() < 0.35:
        silo_at, closed_at = closed_at, nursery.between(closed_at, 3, 6)
        operations = (
            ("T28.8", "Other specified other repair of anterior abdominal wall", silo_at),
            ("Y70.3", "First stage of staged operations NOC", silo_at),
            _at(CLOSURE, closed_at),
        )
    visit = nursery.surgical_visit(person, operation_at=closed_at, days=(14, 26))
    proof = Proof(code="Q79.3", words="Gastroschisis", made_at=person.born, operations=operations)
    visit = _with_proof(nursery, visit, proof, is_late=number % 3 == 1)
    illness: Illness | None = None
    confirmed: tuple[str, ...] = ("gastroschisis",)
    if number % 4 == 3:
        visit, illness = _with_nec(nursery, visit, onset=nursery.between(visit.stays[-1].since, 2, 5))
        confirmed = ("gastroschisis", "nec")
    if number % 4 == 2:
        visit = replace(visit, undone=_undone(nursery, visit))
    return Course(person=person, visits=(visit,), reports=nursery.reports(visit, illness=illness), confirmed=confirmed)


def surgical_nec(nursery: Nursery, person: Person, *, number: int) -> Course:
    """Onset in the second to fourth week, operation within three days; one has a further visit, one a mistaken one."""
    onset = nursery.between(person.born, 9, 26)
    operation_at = nursery.between(onset, 0.2, 2.5)
    visit = nursery.surgical_visit(person, operation_at=operation_at, days=(6, 14))
    illness = Illness(since=after(onset, hours=-6), until=after(operation_at, days=3))
    operation = nursery.rng.choice(NEC_OPERATIONS)
    operations = (_at(operation, operation_at), _at(LAPAROTOMY, operation_at))
    proof = Proof(code=NEC[0], words=NEC[1], made_at=onset, operations=operations)
    visit = _with_proof(nursery, visit, proof, is_late=number % 3 == 2)
    reports = nursery.reports(visit, illness=illness)
    visits: tuple[Visit, ...] = (visit,)
    if number % 3 == 0:
        visits += (_mistaken_visit(nursery, visit),)
    if number % 3 == 1:
        again = _readmission(nursery, visit)
        visits, reports = (visit, again), reports + nursery.later_reports(again)
    return Course(person=person, visits=visits, reports=reports, confirmed=("nec",))


def _at(title: tuple[str, str], moment: datetime) -> tuple[str, str, datetime]:
    return (*title, moment)


def _with_proof(nursery: Nursery, visit: Visit, proof: Proof, *, is_late: bool) -> Visit:
    """The codes, entered on the ward, or by the coders after the child has gone home."""
    soon = nursery.between(proof.made_at, 0.1, 1)
    late = nursery.between(visit.discharged_at, 5, 16)
    diagnosis, operations = proof.coded(
        diagnosis_at=late if is_late else max(soon, after(visit.admitted_at, hours=1)),
        operations_at=late if is_late else proof.made_at,
    )
    return replace(visit, diagnoses=(*nursery.background(visit), diagnosis), operations=operations)


def _with_nec(nursery: Nursery, visit: Visit, *, onset: datetime) -> tuple[Visit, Illness]:
    """A second condition in the same stay."""
    operation_at = nursery.between(onset, 0.2, 1.5)
    code, words = nursery.rng.choice(NEC_OPERATIONS)
    diagnosis = Diagnosis(code=NEC[0], words=NEC[1], made_at=onset, coded_at=after(onset, hours=5))
    operation = Operation(code=code, words=words, at=operation_at, coded_at=after(operation_at, hours=4))
    changed = replace(visit, diagnoses=(*visit.diagnoses, diagnosis), operations=(*visit.operations, operation))
    return changed, Illness(since=after(onset, hours=-6), until=after(operation_at, days=3))


def _undone(nursery: Nursery, visit: Visit) -> UndoneDischarge:
    """Sent home too early, and taken back within hours."""
    at = nursery.between(visit.discharged_at, -2.5, -1.5)
    return UndoneDischarge(at=at, undone_at=nursery.between(at, 0.1, 0.4))


def _mistaken_visit(nursery: Nursery, visit: Visit) -> Visit:
    """Admitted under the wrong name, cancelled an hour later."""
    at = nursery.between(visit.discharged_at, 2, 4)
    return Visit(
        number=nursery.book.visit_number(),
        stays=(Stay(ward=SURGICAL, since=at),),
        discharged_at=at,
        cancelled_at=after(at, minutes=nursery.rng.uniform(40, 80)),
    )


def _readmission(nursery: Nursery, visit: Visit) -> Visit:
    """Back for two days with a blocked stoma."""
    at = nursery.between(visit.discharged_at, 3, 7)
    diagnosis = Diagnosis(
        code="K91.4", words="Colostomy and enterostomy malfunction", made_at=at, coded_at=after(at, hours=6)
    )
    return Visit(
        number=nursery.book.visit_number(),
        stays=(Stay(ward=NICU, since=at), Stay(ward=SURGICAL, since=after(at, hours=9))),
        discharged_at=nursery.between(at, 1.5, 3),
        diagnoses=(diagnosis,),
    )
