"""What counts as evidence for a condition: coded diagnoses and completed procedures, never a display or a name (R1)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from adapter.assertion import Resource
from adapter.cohort.codes import SYSTEM_NAMES, Code, Normalise
from adapter.cohort.moments import Age, age_at, earliest
from adapter.cohort.rules import Condition, EvidenceRule


class Coded(NamedTuple):
    """A live Condition or Procedure as handed in."""

    resource: Resource
    admitted: str | None = None
    """Start of the visit it belongs to (FHIR dateTime): the age of a diagnosis is that of the earlier (R2b)."""
    ref: str = ""
    """The caller's name for it, handed back in the evidence."""


class Standing(StrEnum):
    """How far an item goes."""

    FIRM = "firm"
    """Confirmed, or coded without a word on certainty; a completed procedure."""
    TENTATIVE = "tentative"
    """Provisional, differential, unconfirmed, working diagnosis; a code nobody has signed (R7); beyond the age."""
    REFUTED = "refuted"
    WITHDRAWN = "withdrawn"
    """Entered in error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One item that speaks for or against a condition."""

    at: str
    """When, as it was said; empty where nobody said."""
    system: str
    code: str
    kind: str
    """The name of the evidence in conditions.yaml: `core`, `operation` …"""
    standing: Standing
    is_operation: bool
    is_late: bool
    """A congenital code first seen beyond its age limit."""
    is_of_unknown_age: bool
    ref: str

    @property
    def system_name(self) -> str:
        """The short name of the system, as the rows write it."""
        return SYSTEM_NAMES.get(self.system, self.system)

    @property
    def is_live(self) -> bool:
        return self.standing in (Standing.FIRM, Standing.TENTATIVE)


class _Read(NamedTuple):
    """A resource, read once for all conditions."""

    codes: tuple[Code, ...]
    standing: Standing
    at: str | None
    aged_from: str | None
    is_operation: bool
    ref: str


def read_all(conditions: Iterable[Coded], procedures: Iterable[Coded], *, normalise: Normalise) -> list[_Read]:
    """What the resources say; a procedure that was not completed says nothing."""
    read = [_read_diagnosis(coded, normalise) for coded in conditions]
    read += [procedure for coded in procedures if (procedure := _read_procedure(coded, normalise))]
    return read


def collect(condition: Condition, read: Iterable[_Read], *, birth: str | None) -> set[Evidence]:
    """Every item of every kind of evidence for one condition; the same item twice is one item."""
    return {
        evidence
        for rule in condition.rule.evidence
        for item in read
        if item.is_operation == (rule.from_ == "procedure")
        for evidence in _matches(condition, rule, item, birth=birth)
    }


def _matches(condition: Condition, rule: EvidenceRule, item: _Read, *, birth: str | None) -> Iterator[Evidence]:
    rows = condition.codes[rule.name]
    for code in item.codes:
        if code not in rows:
            continue
        age = Age.WITHIN if rule.limit_days is None else age_at(item.aged_from, birth=birth, limit_days=rule.limit_days)
        if age is Age.BEYOND and rule.when_older == "ignore":
            continue
        is_doubtful = age is Age.BEYOND or not rows[code]
        yield Evidence(
            at=item.at or "",
            system=code[0],
            code=code[1],
            kind=rule.name,
            standing=Standing.TENTATIVE if is_doubtful and item.standing is Standing.FIRM else item.standing,
            is_operation=item.is_operation,
            is_late=age is Age.BEYOND and rule.when_older == "hold",
            is_of_unknown_age=age is Age.UNKNOWN,
            ref=item.ref,
        )


# FHIR condition-ver-status; what it does not name is taken as tentative.
_STANDING = {
    "": Standing.FIRM,
    "confirmed": Standing.FIRM,
    "refuted": Standing.REFUTED,
    "entered-in-error": Standing.WITHDRAWN,
}


def _read_diagnosis(coded: Coded, normalise: Normalise) -> _Read:
    resource = coded.resource
    standing = _STANDING.get(_first_code(resource.get("verificationStatus")), Standing.TENTATIVE)
    if standing is Standing.FIRM and _is_working(resource):
        standing = Standing.TENTATIVE
    onset = _onset(resource)
    recorded = resource.get("recordedDate")
    return _Read(
        codes=_codes(resource, normalise),
        standing=standing,
        at=onset or earliest(recorded, coded.admitted),
        aged_from=earliest(onset, recorded, coded.admitted),
        is_operation=False,
        ref=coded.ref,
    )


def _read_procedure(coded: Coded, normalise: Normalise) -> _Read | None:
    resource = coded.resource
    status = resource.get("status")
    if status not in ("completed", "entered-in-error"):
        return None
    at = resource.get("performedDateTime") or resource.get("performedPeriod", {}).get("start")
    return _Read(
        codes=_codes(resource, normalise),
        standing=Standing.FIRM if status == "completed" else Standing.WITHDRAWN,
        at=at,
        aged_from=at,
        is_operation=True,
        ref=coded.ref,
    )


def _codes(resource: Resource, normalise: Normalise) -> tuple[Code, ...]:
    """Codes with their system only: a display, a text and a code without a system are no evidence."""
    codings = resource.get("code", {}).get("coding", [])
    return tuple(
        dict.fromkeys(
            normalise(coding["system"], coding["code"])
            for coding in codings
            if coding.get("system") and coding.get("code")
        )
    )


def _onset(resource: Resource) -> str | None:
    onset: str | None = resource.get("onsetDateTime") or resource.get("onsetPeriod", {}).get("start")
    return onset


def _is_working(resource: Resource) -> bool:
    """HL7 table 0052: `W` is a working diagnosis (DG1-6), as tentative as a provisional one."""
    return any(
        coding.get("code") == "W" and "0052" in str(coding.get("system", ""))
        for category in resource.get("category", [])
        for coding in category.get("coding", [])
    )


def _first_code(concept: Resource | None) -> str:
    codings = (concept or {}).get("coding", [])
    return str(codings[0].get("code", "")) if codings else ""
