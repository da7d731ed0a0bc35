"""How children come to the hospital: born here, or brought from another; at term or long before."""

from dataclasses import replace
from datetime import datetime

from adapter.simulator.bedside import Bedside
from adapter.simulator.births import Birth
from adapter.simulator.clinic import Clinic
from adapter.simulator.moments import after
from adapter.simulator.people import GIVEN, Person, a_baby, a_twin

_WEIGHTS = ((23, 570), (26, 850), (28, 1080), (30, 1400), (32, 1750), (34, 2200), (36, 2650), (38, 3150), (41, 3600))
"""Week of gestation and a usual weight in grams."""

TERM = ("Z38.0", "Singleton, born in hospital")
PRETERM = ("P07.3", "Other preterm infants")
EXTREME = ("P07.2", "Extreme immaturity")
BREATHING = ("P22.0", "Respiratory distress syndrome of newborn")
LOW_WEIGHT = ("P07.1", "Other low birth weight")
DOWN = ("Q90.9", "Down syndrome, unspecified")
ELSEWHERE = "52"
"""Another hospital's ward for neonates."""


def a_birth(
    clinic: Clinic, *, weeks: tuple[int, int], lightness: float = 1.0, apgar: tuple[int, int] = (6, 9)
) -> Birth:  # fmt: skip
    """A gestation between two weeks, and the weight and scores that go with it."""
    days = clinic.rng.randint(weeks[0] * 7, weeks[1] * 7 + 6)
    first = clinic.rng.randint(*apgar)
    return Birth(
        gestation_days=days,
        weight_g=round(_usual_weight(days / 7) * lightness * clinic.rng.uniform(0.88, 1.12) / 5) * 5,
        apgar_1=first,
        apgar_5=min(10, first + clinic.rng.randint(0, 3)),
    )


def a_newborn(clinic: Clinic, birth: Birth, *, start: datetime, sex: str = "", days: float = 30) -> Bedside:
    """Born within so many days of the start."""
    if clinic.twin_of is not None:
        return Bedside(clinic, a_twin(clinic.book, clinic.twin_of), replace(birth, is_multiple=True))
    person = a_baby(clinic.book, clinic.rng, born=clinic.between(start, 0, days))
    return Bedside(clinic, with_sex(clinic, person, sex) if sex else person, birth)


def with_sex(clinic: Clinic, person: Person, sex: str) -> Person:
    """With a name to go with it; `U` keeps the name that there was."""
    return replace(person, sex=sex, given=clinic.rng.choice(GIVEN[sex]) if sex in GIVEN else person.given)


def is_admitted_at_birth(bedside: Bedside) -> datetime:
    """From the labour ward to the neonatal unit within the hour; with the cord gas."""
    at = bedside.clinic.hours_after(bedside.person.born, 0.3, 1.0)
    bedside.admit(at, bedside.clinic.site.nicu)
    bedside.sample(after(bedside.person.born, minutes=4), "GAS", drawn="cord")
    bedside.prescribe(bedside.pharmacy.once("vitamin_k", after(at, minutes=40)))
    return at


def is_brought(bedside: Bedside, at: datetime, *, ward: str = "nicu") -> datetime:
    """By transfer from the hospital of birth."""
    if bedside.birth is not None:
        bedside.birth = replace(bedside.birth, is_here=False)
    bedside.admit(at, getattr(bedside.clinic.site, ward), method="81", source=ELSEWHERE)
    return at


def arrives(bedside: Bedside, *, transfer_share: float, hours: tuple[float, float] = (3, 9)) -> datetime:
    """Born here, or brought within hours of birth."""
    if bedside.clinic.chance(transfer_share):
        return is_brought(bedside, bedside.clinic.hours_after(bedside.person.born, *hours))
    return is_admitted_at_birth(bedside)


def _usual_weight(weeks: float) -> float:
    for (early, light), (late, heavy) in zip(_WEIGHTS, _WEIGHTS[1:], strict=False):
        if weeks <= late:
            return light + (heavy - light) * (weeks - early) / (late - early)
    return _WEIGHTS[-1][1]
