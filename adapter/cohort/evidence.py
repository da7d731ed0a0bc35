"""What counts as evidence for a condition: coded diagnoses and completed procedures, never a display or a name (R1)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from adapter.assertion import Resource


class Coded(NamedTuple):
    """A live Condition or Procedure as handed in."""

    resource: Resource
    admitted: str | None = None
    """Start of the visit it belongs to (FHIR dateTime): the age of a diagnosis is that of the earlier (R2b)."""
    ref: str = ""
    """The caller's name for it, handed back in the evidence."""


class Standing(StrEnum):
    """How far a live item goes."""

    FIRM = "firm"
    """Confirmed, or coded without a word on certainty; a completed procedure."""
    TENTATIVE = "tentative"
    """Provisional, differential, unconfirmed, working diagnosis; or a code nobody has signed (R7)."""
    REFUTED = "refuted"
    WITHDRAWN = "withdrawn"
    """Entered in error."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Evidence:
    """One item that speaks for or against a condition."""

    at: str
    """When, as it was said; empty where nobody said."""
    system: str
    code: str
    kind: str
    """The name of the evidence in conditions.yaml: `core`, `operation` …"""
    standing: Standing
    ref: str
