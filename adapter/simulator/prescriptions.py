"""Drugs and nutrition as values: what was ordered, and what was given."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

DrugClass = Literal["parenteral_nutrition", "antibiotic", "inotrope"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drug:
    """One line of a pharmacy's list."""

    code: str
    words: str
    system: str
    drug_class: DrugClass | None
    """None: the trust's list of drugs does not name it."""
    dose_unit: str
    route: str = "IV"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dose:
    """One bag, one dose, or one stretch of an infusion."""

    number: int
    """From 1 within its prescription."""
    at: datetime
    until: datetime
    amount: Decimal
    was_given: bool = True
    """False: recorded as not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prescription:
    """One order and its doses."""

    number: str
    """Placer order number; unique."""
    drug: Drug
    ordered_at: datetime
    begins_at: datetime
    ends_at: datetime
    doses: tuple[Dose, ...] = ()
    """In order of time."""


def cut_off(prescription: Prescription, end: datetime) -> Prescription:
    """Nothing is given after the end, and what runs stops then."""
    if prescription.ends_at <= end:
        return prescription
    doses = tuple(replace(dose, until=min(dose.until, end)) for dose in prescription.doses if dose.at < end)
    return replace(prescription, doses=doses, ends_at=doses[-1].until)
