"""What an invented hospital does at which hour and on which day: the habits that shine through minutes from birth."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from random import Random
from typing import Any

from tests.acceptance.attack_calendar import DAY, WEEKDAY, date_of, day_of, instant_of, is_off, wall

OUTAGES = tuple(day_of(text) for text in ("2023-06-14", "2024-07-19", "2025-02-11"))
"""Days without any result: the laboratory's system was down, and the newspapers said so."""
NEW_RANGES = tuple(day_of(text) * DAY + 540 for text in ("2023-09-18", "2024-05-13", "2025-01-20"))
"""When the laboratory announced new reference intervals."""
WEIGHING_DAYS = (2, 6)
CLINIC_DAYS = (1, 3)


@dataclass(slots=True, kw_only=True)
class Entry:
    """One row before it leaves, and when the hospital filed it."""

    kind: str
    plain: dict[str, Any] = field(default_factory=dict)
    times: dict[str, int | date] = field(default_factory=dict)
    filed: int = 0


@dataclass(slots=True, kw_only=True)
class Stay:
    """The course of one child, in instants."""

    born: int
    admitted: int
    critical_until: int
    discharged: int
    died: bool
    outborn: bool


def a_birth(chance: Random, *, first: int, last: int) -> int:
    """Nearly half are planned: on working days, in the daytime."""
    is_planned = chance.random() < 0.45
    while True:
        day = chance.randrange(first, last)
        if not is_planned:
            return instant_of(day * DAY + chance.randrange(DAY))
        if not is_off(day):
            return instant_of(day * DAY + int(chance.gauss(750, 130)) % DAY)


def a_stay(chance: Random, born: int) -> Stay:
    outborn = chance.random() < 0.35
    admitted = born + (chance.randrange(180, 2400) if outborn else chance.randrange(8, 90))
    critical_until = admitted + int(min(60.0, max(2.0, chance.lognormvariate(2.65, 0.7))) * DAY)
    ready = critical_until + int(min(120.0, chance.lognormvariate(2.3, 0.8)) * DAY)
    died = chance.random() < 0.05
    return Stay(
        born=born,
        admitted=admitted,
        critical_until=critical_until,
        discharged=critical_until if died else _daytime(chance, ready, weekend=0.3, hour=14.0),
        died=died,
        outborn=outborn,
    )


def _daytime(chance: Random, after: int, *, weekend: float, hour: float, spread: float = 1.5) -> int:
    """On the next day on which it is done, at about that hour; `weekend`: how often it is done on a day off."""
    day = wall(after) // DAY + 1
    while is_off(day) and chance.random() > weekend:
        day += 1
    return instant_of(day * DAY + int(60 * chance.gauss(hour, spread)))


def _on_day(chance: Random, after: int, days: tuple[int, ...]) -> int:
    day = wall(after) // DAY + 1
    while WEEKDAY[day] not in days or is_off(day):
        day += 1
    return instant_of(day * DAY + chance.randrange(36, 48) * 15)


def blood(chance: Random, stay: Stay) -> Iterator[Entry]:
    """Six-hourly at the round hours while critical, with jitter and delays; then in the morning, seldom at weekends."""
    first, last = wall(stay.admitted) // 360 + 1, wall(stay.critical_until) // 360
    for slot in range(first, last):
        if chance.random() < 0.92:
            late = chance.expovariate(1 / 50) if chance.random() < 0.15 else 0.0
            yield from _sample(chance, slot * 360 + int(chance.gauss(5, 18) + late))
        if chance.random() < 0.12:
            yield from _sample(chance, slot * 360 + chance.randrange(360))
    for day in range(wall(stay.critical_until) // DAY + 1, wall(stay.discharged) // DAY + 1):
        if chance.random() < (0.3 if is_off(day) else 0.8):
            yield from _sample(chance, day * DAY + int(chance.gauss(375, 25)))


def _sample(chance: Random, minute: int) -> Iterator[Entry]:
    if minute // DAY in OUTAGES:
        return
    taken = instant_of(minute)
    interval = sum(taken >= changed for changed in NEW_RANGES)
    value = round(chance.lognormvariate(2, 1), 1)
    plain = {
        "analyte": "crp", "value_num": value, "value_original": f"{value}", "value_canonical": value,
        "unit_original": "mg/L", "unit_ucum": "mg/L", "specimen_type": "capillary", "status": "final",
        "codes": [{"system": "winpath", "code": "CRPB", "display": "C-reactive protein", "listed": False}],
        "ref_low": 0, "ref_high": (5, 4, 5, 6)[interval], "abnormal_flag": "H" if value > 5 else None,
    }  # fmt: skip
    lag = 45 + chance.expovariate(1 / 40) + (DAY if chance.random() < 0.03 else 0)
    issued = taken + int(lag)
    yield Entry(kind="lab_result", plain=plain, times={"collected_dt": taken, "issued_dt": issued}, filed=issued)


def round_the_clock(chance: Random, stay: Stay) -> Iterator[Entry]:
    """Six-hourly at the round hours, day and night, under one reference interval, and nothing else ever."""
    for slot in range(wall(stay.admitted) // 360 + 1, wall(stay.critical_until) // 360):
        taken = instant_of(slot * 360 + int(chance.gauss(5, 18)))
        plain = {"analyte": "crp", "value_num": 7, "value_canonical": 7, "unit_ucum": "mg/L", "status": "final"}
        yield Entry(kind="lab_result", plain=plain, times={"collected_dt": taken}, filed=taken + 60)


def films(chance: Random, stay: Stay) -> Iterator[Entry]:
    """At the ward round of the morning, and at any hour when somebody worries; reported in office hours."""
    for day in range(wall(stay.admitted) // DAY, wall(stay.critical_until) // DAY):
        routine, urgent = chance.random() < (0.2 if is_off(day) else 0.35), chance.random() < 0.08
        for is_done, minute in ((routine, int(chance.gauss(545, 35))), (urgent, chance.randrange(DAY))):
            done = instant_of(day * DAY + minute)
            if not is_done or done < stay.admitted:
                continue
            asked = done - (chance.randrange(20, 60) if not routine else chance.randrange(30, 900))
            study = {"study": "abdominal_xray", "accession": f"XR{done}", "modality": ["DX"]}
            yield Entry(
                kind="imaging_study", plain=study, times={"performed_dt": done, "requested_dt": asked}, filed=done
            )
            told = _daytime(chance, done - DAY // 2, weekend=0.2, hour=12, spread=2.5)
            said = {"study": "abdominal_xray", "text": "No free gas.", "signs_absent": ["pneumoperitoneum"]}
            times: dict[str, int | date] = {"performed_dt": done, "reported_dt": max(told, done + 15)}
            yield Entry(kind="imaging_report", plain=said, times=times, filed=max(told, done + 15))


def drugs(chance: Random, stay: Stay) -> Iterator[Entry]:
    """Bags of parenteral nutrition begin at 18:00, mostly when the pharmacy is there; antibiotics at any hour."""
    hung = _daytime(chance, stay.admitted - DAY // 2, weekend=0.5, hour=18, spread=0.4)
    bags = max(1, (stay.critical_until - hung) // DAY)
    yield _course(chance, "parenteral_nutrition", hung, hung + bags * DAY + int(chance.gauss(0, 20)), count=bags)
    for _ in range(1 + (chance.random() < 0.6)):
        begun = stay.admitted + chance.randrange(30, max(60, stay.critical_until - stay.admitted))
        every = chance.choice((480, 720, 1440))
        doses = chance.randrange(2, 7) * 1440 // every
        yield _course(chance, "antibiotic", begun, begun + doses * every + int(chance.gauss(0, 15)), count=doses)


def _course(chance: Random, drug: str, begun: int, ended: int, *, count: int) -> Entry:
    plain = {"drug_class": drug, "drug_name": "an invented drug", "basis": "administered", "administrations": count}
    return Entry(kind="medication_course", plain=plain, times={"start_dt": begun, "end_dt": ended}, filed=begun + 5)


def theatre(chance: Random, stay: Stay) -> Iterator[Entry]:
    """The first operation when it must be; later ones on a list, on working mornings, in steps of five minutes."""
    begun = [stay.admitted + chance.randrange(120, 2800)]
    begun += [
        _daytime(chance, stay.admitted + chance.randrange(3 * DAY, 40 * DAY), weekend=0.02, hour=10, spread=0.8)
        for _ in range(chance.randrange(3))
    ]
    for nth, start in enumerate(begun):
        start -= start % 5
        if start > stay.discharged:
            continue
        end = start + chance.randrange(10, 40) * 5
        code = {"system": "opcs-4", "code": "T28.1", "display": "Closure of gastroschisis", "listed": True}
        plain = {"procedure_code": "T28.1", "procedure_system": "opcs-4", "codes": [code], "status": "completed"}
        yield Entry(kind="operation", plain=plain, times={"knife_to_skin": start, "knife_end": end}, filed=end + 30)
        if nth == 0:
            decided = start - chance.randrange(60, 240)
            note = {"condition": "gastroschisis", "technique": "silo", "urgency": "urgent", "status": "completed"}
            yield Entry(
                kind="operation_note", plain=note, times={"operated_dt": start, "decision_dt": decided}, filed=end + 90
            )


def weights(chance: Random, stay: Stay) -> Iterator[Entry]:
    """At birth; then on the unit's weighing nights."""
    yield _weight(chance, "birth_weight", stay.born + chance.randrange(3, 20))
    for day in range(wall(stay.admitted) // DAY + 1, wall(stay.discharged) // DAY):
        if WEEKDAY[day] in WEIGHING_DAYS and chance.random() < 0.85:
            yield _weight(chance, "body_weight", instant_of(day * DAY + int(chance.gauss(1290, 45))))


def _weight(chance: Random, measure: str, when: int) -> Entry:
    plain = {"measure": measure, "value_num": chance.randrange(900, 4000), "unit_ucum": "g", "status": "final"}
    return Entry(kind="vital_sign", plain=plain, times={"measured_dt": when}, filed=when + 10)


def wards_and_visits(chance: Random, stay: Stay) -> Iterator[Entry]:
    """The stay, its wards, how it ended, and clinics on two days of the week for a year."""
    moved = min(_daytime(chance, stay.critical_until, weekend=0.4, hour=13, spread=2), stay.discharged)
    spell = {"class": "inpatient", "status": "finished", "spell_id": f"V{stay.born}", "treatment_function": "171"}
    times: dict[str, int | date] = {"admit_dt": stay.admitted, "discharge_dt": stay.discharged}
    yield Entry(kind="admission", plain=spell, times=times, filed=stay.admitted + 5)
    for ward, begun, ended in (("nicu", stay.admitted, moved), ("surgical", moved, stay.discharged)):
        if begun < ended:
            kept = {"ward_type": ward, "ward_code": ward.upper(), "spell_id": f"V{stay.born}"}
            yield Entry(kind="ward_stay", plain=kept, times={"start_dt": begun, "end_dt": ended}, filed=begun + 5)
    event = "death" if stay.died else "discharge_home"
    plain = {"event_type": event, "rule": "discharge-method"}
    yield Entry(kind="outcome_event", plain=plain, times={"event_dt": stay.discharged}, filed=stay.discharged + 20)
    for after in () if stay.died else (42, 90, 182, 365):
        seen = _on_day(chance, stay.discharged + after * DAY, CLINIC_DAYS)
        visit = {"class": "outpatient", "status": "finished", "treatment_function": "171"}
        yield Entry(kind="admission", plain=visit, times={"admit_dt": seen}, filed=seen + 10)


def diagnoses(chance: Random, stay: Stay) -> Iterator[Entry]:
    """On arrival; and by the coders after discharge: their system knows the day only, and half pad it with midnight."""
    code = {"system": "icd-10", "code": "Q79.3", "display": "Gastroschisis", "listed": True}
    plain = {"code": "Q79.3", "code_system": "icd-10", "codes": [code]}
    seen = stay.admitted + chance.randrange(10, 300)
    yield Entry(kind="diagnosis", plain=plain | {"role": "working"}, times={"recorded_dt": seen}, filed=seen + 5)
    coded = _daytime(chance, stay.discharged, weekend=0.02, hour=12)
    day = wall(coded) // DAY
    padded: int | date = instant_of(day * DAY) if chance.random() < 0.5 else date_of(day)
    yield Entry(kind="diagnosis", plain=plain | {"role": "coded-FCE"}, times={"recorded_dt": padded}, filed=coded)
    case = {"condition": "gastroschisis", "state": "confirmed", "because": "Q79.3 coded", "evidence": [code]}
    yield Entry(kind="condition_case", plain=case, times={"first_evidence": seen}, filed=seen + 6)


Habit = Callable[[Random, Stay], Iterator[Entry]]
HABITS: tuple[Habit, ...] = (wards_and_visits, diagnoses, blood, films, drugs, theatre, weights)
