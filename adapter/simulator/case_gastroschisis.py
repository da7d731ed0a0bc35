"""Gastroschisis: closed at once or in stages, weeks of parenteral nutrition; some with atresia, some with NEC too."""

from datetime import datetime
from decimal import Decimal

from adapter.simulator.bedside import Bedside
from adapter.simulator.case_nec import falls_ill, is_operated
from adapter.simulator.clinic import Clinic
from adapter.simulator.course import Course
from adapter.simulator.cradle import LOW_WEIGHT, PRETERM, a_birth, a_newborn, arrives
from adapter.simulator.moments import after

GASTROSCHISIS = ("Q79.3", "Gastroschisis")
CLOSURE = ("T28.1", "Closure of gastroschisis")
SILO = ("T28.8", "Other specified other repair of anterior abdominal wall")
FIRST_STAGE = ("Y70.3", "First stage of staged operations NOC")
ATRESIA = ("Q41.2", "Congenital absence, atresia and stenosis of ileum")
RESECTION = ("G69.3", "Ileectomy and anastomosis of ileum to ileum")
SEPSIS = ("P36.3", "Sepsis of newborn due to other and unspecified staphylococci")
CONCEPT = "72951007"


def gastroschisis(clinic: Clinic, *, number: int, start: datetime) -> Course:
    """Silo in every third; atresia in every fifth; NEC in every sixth; coded late in every fourth."""
    birth = a_birth(clinic, weeks=(34, 37), lightness=0.88)
    bedside = a_newborn(clinic, birth, start=start)
    bedside.is_coded_late = number % 4 == 1
    at = arrives(bedside, transfer_share=0.3)
    bedside.diagnose(GASTROSCHISIS, bedside.person.born, snomed=CONCEPT)
    bedside.coded(LOW_WEIGHT, *((PRETERM,) if birth.gestation_days < 259 else ()))
    closed_at, silo_days = _closed(bedside, at, has_silo=number % 3 == 2)
    bedside.image("chest_abdominal_xray", clinic.hours_after(closed_at, 3, 8), "Post op, position of long line")
    bedside.ill(closed_at, after(closed_at, days=2), severity=0.35)
    bedside.prescribe(
        bedside.pharmacy.antibiotic("benzylpenicillin", clinic.hours_after(at, 0.5, 2), days=4),
        bedside.pharmacy.antibiotic("gentamicin", clinic.hours_after(at, 0.5, 2), days=4),
    )
    fed_at = clinic.between(closed_at, 17, 30)
    is_complex = number % 5 == 3
    if is_complex:
        fed_at = _atresia(bedside, after(closed_at, days=24))
    _record(bedside, closed_at, silo_days=silo_days, is_complex=is_complex)
    confirmed: tuple[str, ...] = ("gastroschisis",)
    if number % 6 == 4:
        confirmed = ("gastroschisis", "nec")
        fed_at = _with_nec(bedside, after(fed_at, days=-2))
    elif number % 6 == 2:
        _line_sepsis(bedside, clinic.between(closed_at, 11, 14))
    bedside.nutrition(clinic.hours_after(at, 14, 26), fed_at)
    _home(bedside, at, closed_at=closed_at, fed_at=fed_at)
    return bedside.course(*confirmed)


def _closed(bedside: Bedside, at: datetime, *, has_silo: bool) -> tuple[datetime, int]:
    clinic = bedside.clinic
    first = clinic.hours_after(at, 2, 7)
    if not has_silo:
        bedside.operate(first, CLOSURE, hours=1.3, index_for=("gastroschisis",))
        return first, 0
    bedside.operate(first, SILO, FIRST_STAGE, hours=0.6, in_theatre=False)
    days = clinic.rng.randint(3, 6)
    closed_at = after(first, days=days, minutes=clinic.rng.randint(0, 180))
    bedside.operate(closed_at, CLOSURE, hours=1.1, index_for=("gastroschisis",))
    return closed_at, days


def _record(bedside: Bedside, closed_at: datetime, *, silo_days: int, is_complex: bool) -> None:
    bedside.record(
        "gastroschisis",
        closed_at,
        {
            "technique": "staged" if silo_days else "primary_closure",
            "urgency": "urgent",
            "approach": "open",
            "bowel_state": "atresia" if is_complex else bedside.clinic.rng.choice(("healthy", "matted")),
            **({"silo_days": silo_days} if silo_days else {}),
        },
    )


def _atresia(bedside: Bedside, at: datetime) -> datetime:
    clinic = bedside.clinic
    bedside.coded(ATRESIA)
    bedside.image(
        "upper_gi_contrast",
        after(at, days=-2),
        "Gastroschisis repair, not tolerating feeds. Exclude atresia.",
        absent=("leak",),
        present=("dilated_loops",),
    )
    bedside.operate(at, RESECTION, hours=2.2)
    bedside.ill(at, after(at, days=2), severity=0.3)
    return clinic.between(at, 16, 24)


def _with_nec(bedside: Bedside, onset: datetime) -> datetime:
    falls_ill(bedside, onset)
    operated_at = bedside.clinic.hours_after(onset, 9, 30)
    return is_operated(bedside, operated_at, remaining_cm=Decimal(bedside.clinic.rng.randint(45, 110)), is_focal=True)


def _line_sepsis(bedside: Bedside, at: datetime) -> None:
    bedside.ill(at, after(at, days=2), severity=0.6)
    bedside.sample(at, "FBC", "CRP", "PCT")
    bedside.sample(after(at, hours=2), "CSFB")
    bedside.prescribe(bedside.pharmacy.antibiotic("vancomycin", after(at, hours=1), days=6))
    bedside.coded(SEPSIS, made_at=at)


def _home(bedside: Bedside, at: datetime, *, closed_at: datetime, fed_at: datetime) -> None:
    clinic = bedside.clinic
    to_ward = max(after(closed_at, days=6), after(fed_at, days=-5))
    home = clinic.between(fed_at, 4, 9)
    bedside.gases(at, after(closed_at, days=2), every_hours=9)
    bedside.bloods(at, after(closed_at, days=5), every_days=1)
    bedside.bloods(after(closed_at, days=5), home, every_days=3.5)
    bedside.grow(at, home)
    bedside.move(clinic.site.surgical, to_ward)
    bedside.discharge(home)
