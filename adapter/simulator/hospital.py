"""Puts the simulated hospital together: two sites, six conditions, look-alikes of every kind, v2 and FHIR."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from random import Random

from adapter.simulator import likeness_bowel, likeness_chest, likeness_grown, likeness_wall
from adapter.simulator.case_diaphragm import diaphragmatic_hernia
from adapter.simulator.case_gastroschisis import gastroschisis
from adapter.simulator.case_hirschsprung import hirschsprung
from adapter.simulator.case_nec import nec
from adapter.simulator.case_oesophagus import oesophageal_atresia
from adapter.simulator.case_valves import urethral_valves
from adapter.simulator.catalogue import catalogue
from adapter.simulator.clinic import Clinic
from adapter.simulator.course import Channel, Course, Stay, UndoneDischarge, Visit
from adapter.simulator.laboratory import LabCode
from adapter.simulator.moments import Clocks, after
from adapter.simulator.numbers import NumberBook
from adapter.simulator.people import a_twin
from adapter.simulator.pharmacy import drugs
from adapter.simulator.radiology_codes import imaging_codes
from adapter.simulator.scenarios import restamped
from adapter.simulator.simulation import Lookalike, SentMessage, Simulation
from adapter.simulator.truth import rows_of
from adapter.simulator.v2_script import Script
from adapter.simulator.wards import RXX01, RXX02, SITES, Site

START = datetime(2026, 7, 20, 6, 0, tzinfo=UTC)
"""The first births; the longest stays reach over the autumn change of the clocks."""

_CASES: tuple[Callable[..., Course], ...] = (
    gastroschisis, nec, hirschsprung, diaphragmatic_hernia, oesophageal_atresia, urethral_valves,
)  # fmt: skip
# Seven places, so that the channel never goes in step with what every second, third … case has.
_PLACES: tuple[tuple[Site, Channel], ...] = (
    (RXX01, "v2"), (RXX01, "fhir"), (RXX02, "v2"), (RXX01, "both"), (RXX01, "fhir"), (RXX02, "v2"), (RXX01, "fhir"),
)  # fmt: skip
_LOOKALIKES: tuple[Callable[[Clinic, datetime], Course], ...] = (
    likeness_bowel.treated_nec,
    likeness_wall.exomphalos,
    likeness_chest.hiatus_hernia,
    likeness_chest.fallot,
    likeness_bowel.not_elsewhere_classified,
    likeness_wall.burned_oesophagus,
    likeness_chest.girl_with_valves,
    likeness_wall.meconium_plug,
    likeness_bowel.isolated_perforation,
    likeness_chest.eventration,
    likeness_bowel.asked_for_nec,
    likeness_wall.provisional_hirschsprung,
    likeness_wall.both_walls,
    likeness_bowel.struck_off,
    likeness_chest.acquired_fistula,
    likeness_bowel.refuted_nec,
    likeness_wall.anorectal_malformation,
    likeness_chest.valves_of_unknown_sex,
    likeness_bowel.relatives_disease,
    likeness_wall.seen_late,
    likeness_bowel.stated_nec,
    likeness_wall.megacolon,
    likeness_chest.oesophageal_stenosis,
    likeness_bowel.treated_nec_after_atresia,
    likeness_wall.exomphalos_unrepaired,
    likeness_chest.eventration_left_alone,
    likeness_wall.washed_out,
    likeness_chest.hydronephrosis,
    likeness_wall.umbilical_hernia,
)
_ONLY_FHIR = {likeness_wall.provisional_hirschsprung, likeness_bowel.refuted_nec}
"""HL7 v2 cannot say how sure a diagnosis is."""
_SENT_AGAIN = 0.02
_LATE = 0.02
_LATEST = timedelta(hours=20)


def hospital(*, seed: int, infants: int = 60, start: datetime = START) -> Simulation:
    """The same hospital for the same arguments: three fifths of the infants have a condition, two fifths look so."""
    if infants < 1:
        raise ValueError("a simulated hospital has at least one infant")
    rng = Random(seed)
    clinic = Clinic(book=NumberBook(rng), rng=rng)
    courses = tuple(_courses(clinic, infants=infants, start=start))
    # The truth comes first: nothing of the encoding can leak into it.
    truth = tuple(row for course in courses for row in rows_of(course))
    return Simulation(
        messages=tuple(_arriving(rng, tuple(_messages(courses)))),
        truth=truth,
        lookalikes=tuple(
            Lookalike(
                hospital_number=course.person.hospital_number, why=course.looks_like, expected=course.expected
            )
            for course in courses
            if course.looks_like
        ),
        wards=tuple(ward for site in SITES for ward in site.wards),
        lab_codes=_lab_codes(),
        courses=courses,
        imaging_codes=imaging_codes(),
        drugs=drugs(),
        sites=SITES,
    )  # fmt: skip


def _courses(clinic: Clinic, *, infants: int, start: datetime) -> Iterator[Course]:
    with_condition = max(1, round(infants * 0.6))
    cases = _with_first_twins([_case(clinic, number=number, start=start) for number in range(with_condition)])
    told_so = Counter[tuple[Site, Channel]]()
    for course in cases:
        place = (course.site, course.channel)
        yield _with_incidents(clinic, course, number=told_so[place])
        told_so[place] += 1
    yield from _lookalikes(clinic, count=infants - with_condition, start=start)
    yield from _others(clinic, cases, infants=infants, start=start)


def _case(clinic: Clinic, *, number: int, start: datetime) -> Course:
    site, channel = _PLACES[number % len(_PLACES)]
    there = replace(clinic, site=site, channel=channel)
    return _CASES[number % len(_CASES)](there, number=number // len(_CASES), start=start)


def _lookalikes(clinic: Clinic, *, count: int, start: datetime) -> Iterator[Course]:
    for number, write in enumerate(islice(cycle(_LOOKALIKES), count)):
        told_by_fhir = replace(clinic, site=RXX01, channel="fhir")
        yield write(told_by_fhir if write in _ONLY_FHIR else _somewhere(clinic, number), start)


def _somewhere(clinic: Clinic, number: int) -> Clinic:
    """At either site by v2, or by FHIR."""
    site, channel = (_PLACES[0], _PLACES[2], _PLACES[1])[number % 3]
    return replace(clinic, site=site, channel=channel)


def _others(clinic: Clinic, cases: list[Course], *, infants: int, start: datetime) -> Iterator[Course]:
    """Well babies, mothers, adults, and twins: one who is well, and one who has NEC as well."""
    for course in [course for course in cases if course.channel != "both"][::3]:
        yield likeness_grown.mother(replace(clinic, site=course.site, channel=course.channel), course)
    for number in range(1 + infants // 10):
        yield likeness_grown.well_baby(_somewhere(clinic, number), start)
    for number in range(3 + infants // 6):
        yield likeness_grown.an_unrelated_adult(_somewhere(clinic, number), start, number=number)
    for course in cases:
        if course.person.birth_order == 1:
            yield _second_twin(clinic, course, start=start)


def _with_first_twins(cases: list[Course]) -> list[Course]:
    """The first child told by v2, and the first of those with NEC."""
    told_by_v2 = [course for course in cases if course.channel == "v2"]
    with_nec = [course for course in told_by_v2 if course.confirmed == ("nec",)]
    first = (*told_by_v2[:1], *with_nec[:1])
    return [
        replace(course, person=replace(course.person, birth_order=1))
        if any(course is each for each in first)
        else course
        for course in cases
    ]


def _second_twin(clinic: Clinic, first: Course, *, start: datetime) -> Course:
    """With NEC like the first, or well."""
    there = replace(clinic, site=first.site, twin_of=first.person)
    if first.confirmed == ("nec",):
        return nec(there, number=5, start=start)
    return likeness_grown.well_newborn(there, a_twin(clinic.book, first.person))


def _with_incidents(clinic: Clinic, course: Course, *, number: int) -> Course:
    """What happens to any course: a wristband number that is merged, a discharge taken back, a mistaken admission."""
    person, visits = course.person, course.visits
    if course.channel == "v2" and course.birth is not None and course.birth.is_here and number % 3 == 0:
        merged_at = clinic.between(person.born, 1.5, 3)
        person = replace(person, temporary_number=clinic.book.temporary_number(), merged_at=merged_at)
    if person.died_at is None and number % 4 == 1:
        early = after(visits[0].discharged_at, days=-1.5)
        undone = UndoneDischarge(at=early, undone_at=clinic.hours_after(early, 1, 8))
        visits = (replace(visits[0], undone=undone), *visits[1:])
    if course.channel == "v2" and person.died_at is None and number % 4 == 2:
        at = clinic.between(visits[-1].discharged_at, 2, 4)
        visits += (_mistaken(clinic, course.site, at),)
    return replace(course, person=person, visits=visits)


def _mistaken(clinic: Clinic, site: Site, at: datetime) -> Visit:
    """Admitted under the wrong name, cancelled an hour later."""
    return Visit(
        number=clinic.book.visit_number(),
        stays=(Stay(ward=site.surgical, since=at),),
        discharged_at=at,
        cancelled_at=after(at, minutes=clinic.rng.uniform(40, 80)),
        admission_method="28",
        source="19",
    )


def _messages(courses: Iterable[Course]) -> Iterator[SentMessage]:
    clocks = Clocks()
    sent_by: dict[tuple[str, str], int] = {}
    told = [course for course in courses if course.channel != "fhir"]
    planned = sorted((message for course in told for message in Script(course).messages()), key=lambda one: one.at)
    for message in planned:
        rest = message.segments(clocks)
        sent = clocks.next(message.at)
        dialect = message.dialect
        number = sent_by[message.sender, dialect.site.code] = sent_by.get((message.sender, dialect.site.code), 0) + 1
        control_id = f"{message.sender}{number:07d}"
        head = dialect.msh(sender=message.sender, event=message.event, control_id=control_id, sent=sent)
        raw = "".join(f"{text}\r" for text in (head, *rest)).encode(dialect.encoding)
        yield SentMessage(
            at=sent,
            control_id=control_id,
            raw=raw,
            subject=message.subject,
            event=message.event,
            feed=dialect.site.feed,
        )


def _arriving(rng: Random, messages: tuple[SentMessage, ...]) -> Iterator[SentMessage]:
    """A few come twice, byte for byte or under a new number; a few come hours late. No order of arrival is promised."""
    arriving: list[tuple[datetime, SentMessage]] = []
    for place, message in enumerate(messages):
        late = _LATEST * rng.random() if rng.random() < _LATE else timedelta(0)
        arriving.append((message.at + late, message))
        if rng.random() < _SENT_AGAIN:
            again = message if rng.random() < 0.5 else restamped(message, place)
            arriving.append((max(again.at, message.at) + late + timedelta(minutes=rng.uniform(1, 300)), again))
    return (message for _, message in sorted(arriving, key=lambda one: one[0]))


def _lab_codes() -> tuple[LabCode, ...]:
    """What the trust has mapped; gentamicin levels it has not, and they stay unmapped."""
    return tuple(
        LabCode(code=test.code, words=test.words, system=test.system, analyte=test.analyte, unit=test.unit)
        for test in catalogue()
        if test.analyte is not None
    )
