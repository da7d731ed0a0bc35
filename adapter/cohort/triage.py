"""Could this message be about one of our children? Asked of every message, so it only compares (rulings R6 and R23).

Not ours is a verdict on one message: it stays sealed for the hold time and is found again if its patient turns out ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec


class Reason(StrEnum):
    """Why a message is kept or not."""

    KNOWN = "known"
    """We hold or keep this patient: always ours, at any age."""
    IDENTITY_EVENT = "identity-event"
    """Merges and moves: an alias must be remembered even for numbers never seen."""
    UNREADABLE = "unreadable"
    TRIGGER_CODE = "trigger-code"
    NEONATAL_OR_SURGICAL = "neonatal-or-surgical"
    MOTHER = "mother"
    WELL_BABY = "well-baby"
    OTHER_WARD = "other-ward"
    TOO_OLD = "too-old"
    ADULT = "adult"


class Triage(NamedTuple):
    """The verdict."""

    keep: bool
    reason: Reason


class TriageFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is needed of a message; all of it can be read without translating the message."""

    at: datetime
    """Aware: when the message speaks, by its own clock."""
    known: bool = False
    readable: bool = True
    """False where the PID could not be read: such a message is kept."""
    event: str = ""
    birth: str | None = None
    """FHIR date or dateTime, as partial as it came."""
    sex: str | None = None
    ward: str = ""
    """PV1-3.1 as sent."""
    treatment_function: str = ""
    """PV1-10 as sent."""
    codes: tuple[tuple[str, str], ...] = ()
    """(system URI, code) of DG1 and PR1, normalised by the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriageRules:
    """Read from mappings/cohort/triage.yaml, with the trust's own wards."""

    treatment_functions: frozenset[str]
    well_baby_functions: frozenset[str]
    obstetric_functions: frozenset[str]
    ward_types: frozenset[str]
    wards: Mapping[str, str]
    """Ward code → type, as the trust's file says."""
    identity_events: frozenset[str]
    infant_days: int
    child_days: int
    trigger_codes: frozenset[tuple[str, str]]
    """Any of these keeps an infant."""
    congenital_codes: frozenset[tuple[str, str]]
    """These keep a child of any age: first seen late, for a person to look at (R6)."""


def triage(facts: TriageFacts, *, rules: TriageRules) -> Triage:
    """Known first, age last; unknown age and unreadable identity are kept."""
    raise NotImplementedError
