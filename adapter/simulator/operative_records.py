"""The structured operative record that a surgeon completes after an operation (rulings R3, R20)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

Answer = str | bool | int | Decimal | datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OperativeRecord:
    """One completed record."""

    number: str
    """Unique."""
    visit: str
    """Number of the visit."""
    condition: str
    operated_at: datetime
    """Knife to skin."""
    recorded_at: datetime
    status: str
    """`completed`, or `amended` where the surgeon changed it after completion."""
    answers: Mapping[str, Answer]
    """By field of the register's `operation_note`, in the register's words: `technique`, `gap_cm`, …"""
