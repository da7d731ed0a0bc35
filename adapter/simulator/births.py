"""How a child came into the world, and what is measured of it without a sample."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

Measure = Literal[
    "birth_weight", "gestational_age_birth", "apgar_1min", "apgar_5min",
    "body_weight", "body_length", "head_circumference",
]  # fmt: skip
UNITS: dict[Measure, str] = {
    "birth_weight": "g",
    "gestational_age_birth": "d",
    "apgar_1min": "{score}",
    "apgar_5min": "{score}",
    "body_weight": "kg",
    "body_length": "cm",
    "head_circumference": "cm",
}
"""The register's unit of each, in UCUM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What the birth record says."""

    gestation_days: int
    weight_g: int
    apgar_1: int
    apgar_5: int
    is_here: bool = True
    """Born in this hospital; else the child came by transfer and its first hours are told elsewhere."""
    is_multiple: bool = False

    @property
    def gestation_words(self) -> str:
        """As it is written in the UK: completed weeks and days, `30+4`."""
        return f"{self.gestation_days // 7}+{self.gestation_days % 7}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One value, in the register's unit."""

    measure: Measure
    value: Decimal

    @property
    def unit(self) -> str:
        """In UCUM."""
        return UNITS[self.measure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """What was measured of the child at one time."""

    number: str
    """The number of the record; unique."""
    at: datetime
    entered_at: datetime
    values: tuple[Measured, ...]
