"""What a row looks like outside the trust (payload B): by allow-list; a field that no rule lets out stays in.

Times become minutes from birth (R21), so that no date and no clock time leaves but the month of birth, once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any

from adapter.csor.record import KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """When the child was born, as precisely as known. Never printed into logs."""

    instant: datetime | None = None
    """Aware; None where only the day is known."""
    day: date | None = None
    """The local day."""
    month: str | None = None
    """`2026-01`."""
    timezone: tzinfo

    @classmethod
    def read(cls, text: str | None, *, timezone: tzinfo) -> "Birth":
        """From a FHIR date or dateTime; `timezone` is the trust's, for the calendar day of an instant."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return "Birth(···)"


def disclose(kind: str, fields: Mapping[str, Any], *, birth: Birth, secret: bytes) -> dict[str, Any]:
    """The fields of a row that may leave, in the form in which they may; what is withheld is absent."""
    raise NotImplementedError


__all__ = ["KINDS", "Birth", "disclose"]
