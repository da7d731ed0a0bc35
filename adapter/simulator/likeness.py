"""What the writers of look-alikes share: an ordinary stay on the neonatal unit, and a child of some months."""

from dataclasses import replace
from datetime import datetime

from adapter.simulator.bedside import Bedside, Title
from adapter.simulator.clinic import Clinic
from adapter.simulator.course import Course
from adapter.simulator.cradle import a_birth, a_newborn, is_admitted_at_birth
from adapter.simulator.moments import after

Expected = tuple[tuple[str, str], ...]


def on_the_unit(
    clinic: Clinic, start: datetime, *, weeks: tuple[int, int] = (35, 39), sex: str = ""
) -> tuple[Bedside, datetime]:
    """A newborn on the neonatal unit, with the films and bloods that all have."""
    bedside = a_newborn(clinic, a_birth(clinic, weeks=weeks), start=start, sex=sex)
    at = is_admitted_at_birth(bedside)
    bedside.gases(at, after(at, days=1.5), every_hours=10)
    bedside.image("chest_xray", clinic.hours_after(at, 1, 5), "Respiratory distress, line position")
    return bedside, at


def older(clinic: Clinic, start: datetime, *, days: tuple[float, float], sex: str = "") -> tuple[Bedside, datetime]:
    """A child of that age who comes from home; its birth is not told here."""
    bedside = a_newborn(clinic, a_birth(clinic, weeks=(38, 40)), start=start, sex=sex)
    admitted = clinic.between(bedside.person.born, 0, 6)
    age = clinic.rng.uniform(*days)
    # Its name and number have long been known.
    bedside.person = replace(
        bedside.person, born=after(bedside.person.born, days=-age), named_at=None, numbered_at=None
    )  # fmt: skip
    bedside.birth = None
    bedside.physiology = replace(bedside.physiology, born=bedside.person.born)
    bedside.admit(admitted, clinic.site.surgical, method="21", source="19")
    return bedside, admitted


def ends(bedside: Bedside, at: datetime, *, days: tuple[float, float], why: str, expected: Expected = ()) -> Course:
    """Home after so many days, with routine bloods."""
    home = bedside.clinic.between(at, *days)
    bedside.bloods(at, home, every_days=2.5)
    if bedside.birth is not None:
        bedside.grow(at, home)
    bedside.discharge(home)
    return bedside.course(looks_like=why, expected=expected)


def with_operation(bedside: Bedside, at: datetime, *titles: Title, hours: float = 1.2) -> None:
    """One visit to theatre and a film after it."""
    bedside.operate(at, *titles, hours=hours)
    bedside.ill(at, after(at, days=1), severity=0.25)
