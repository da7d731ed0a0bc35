"""Could this message be about one of our children? Asked of every message, so it only compares (rulings R6 and R23).

Not ours is a verdict on one message: it stays sealed for the hold time, and is found again if its patient turns out to
be ours.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

from adapter.cohort.codes import ICD_10, Code
from adapter.cohort.moments import days


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
    codes: tuple[Code, ...] = ()
    """(system URI, code) of DG1 and PR1, normalised by the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriageRules:
    """mappings/cohort/triage.yaml, the trigger codes of conditions.yaml and the trust's own wards."""

    treatment_functions: frozenset[str]
    well_baby_functions: frozenset[str]
    obstetric_functions: frozenset[str]
    wards: frozenset[str]
    """Codes of the trust's wards of the kept types."""
    identity_events: frozenset[str]
    infant_days: int
    child_days: int
    trigger_codes: frozenset[Code]
    """Any of these keeps an infant."""
    congenital_codes: frozenset[Code]
    """These keep a child of any age: first seen late, for a person to look at (R6)."""


_KNOWN = Triage(True, Reason.KNOWN)
_IDENTITY_EVENT = Triage(True, Reason.IDENTITY_EVENT)
_UNREADABLE = Triage(True, Reason.UNREADABLE)
_TRIGGER_CODE = Triage(True, Reason.TRIGGER_CODE)
_NEONATAL_OR_SURGICAL = Triage(True, Reason.NEONATAL_OR_SURGICAL)
_MOTHER = Triage(False, Reason.MOTHER)
_WELL_BABY = Triage(False, Reason.WELL_BABY)
_OTHER_WARD = Triage(False, Reason.OTHER_WARD)
_TOO_OLD = Triage(False, Reason.TOO_OLD)
_ADULT = Triage(False, Reason.ADULT)


def triage(facts: TriageFacts, *, rules: TriageRules) -> Triage:
    """Known first, age last; unknown age and unreadable identity are kept."""
    if facts.known:
        return _KNOWN
    if facts.event in rules.identity_events:
        return _IDENTITY_EVENT
    if not facts.readable:
        return _UNREADABLE
    age_days = _youngest_age_days(facts)
    if _is_mother(facts, age_days=age_days, rules=rules):
        return _MOTHER
    if age_days is not None and age_days > rules.child_days:
        return _ADULT
    if age_days is not None and age_days > rules.infant_days:
        return _TRIGGER_CODE if not rules.congenital_codes.isdisjoint(facts.codes) else _TOO_OLD
    return _by_place(facts, rules=rules)


def _by_place(facts: TriageFacts, *, rules: TriageRules) -> Triage:
    """An infant, or a patient of unknown age."""
    if not rules.trigger_codes.isdisjoint(facts.codes):
        return _TRIGGER_CODE
    if facts.treatment_function in rules.well_baby_functions:
        return _WELL_BABY
    if facts.treatment_function in rules.treatment_functions or facts.ward in rules.wards:
        return _NEONATAL_OR_SURGICAL
    return _OTHER_WARD


def _youngest_age_days(facts: TriageFacts) -> int | None:
    """A partial date is read as the latest it can mean; a birth after the message is mistyped, so unknown."""
    born = days(facts.birth)
    if born is None:
        return None
    # An admission may be typed in before the registration of the birth is corrected: one day is no mistake.
    age_days = (facts.at.date() - born.last).days
    return age_days if age_days >= -1 else None if born.first == born.last else 0


def _is_mother(facts: TriageFacts, *, age_days: int | None, rules: TriageRules) -> bool:
    """Her codes may speak of the fetus (O35 with Q79.3), and she may be a child herself in years."""
    if age_days is not None and age_days <= rules.infant_days:
        return False
    if any(system == ICD_10 and code.startswith("O") for system, code in facts.codes):
        return True
    return age_days is not None and facts.treatment_function in rules.obstetric_functions
