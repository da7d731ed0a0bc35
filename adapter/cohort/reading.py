"""Reads what is handed in, once for all conditions: coded resources, texts, operative records.

A display, an order name and a text beside a code are never read (R1). What was not done, and what was only begun, says
nothing.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from adapter.assertion import Resource
from adapter.cohort.codes import Code, Normalise
from adapter.cohort.moments import earliest
from adapter.cohort.rules import CohortRules, Origin


class Coded(NamedTuple):
    """A live Condition or Procedure as handed in; among the conditions, too, a pathology DiagnosticReport."""

    resource: Resource
    admitted: str | None = None
    """Start of the visit it belongs to (FHIR dateTime): the age of a diagnosis is that of the earlier (R2b)."""
    ref: str = ""
    """The caller's name for it, handed back in the evidence."""


class Told(NamedTuple):
    """The body of a report or a note in words: never a display, an order name or a title (R1)."""

    text: str
    at: str | None = None
    """When what it tells was seen (FHIR dateTime): of a film, when it was taken."""
    ref: str = ""


class Noted(NamedTuple):
    """A structured operative record of CSOR, completed in routine care (R3)."""

    condition: str
    operated_at: str | None = None
    status: str = "completed"
    """That of the QuestionnaireResponse; or `decided`, where a dated decision to operate is all there is (R2)."""
    ref: str = ""


class Standing(StrEnum):
    """How far an item goes."""

    FIRM = "firm"
    """Confirmed, or coded without a word on certainty; a completed procedure or record."""
    TENTATIVE = "tentative"
    """Provisional, differential, working diagnosis; a code nobody has signed (R7); a text; beyond the age."""
    REFUTED = "refuted"
    WITHDRAWN = "withdrawn"
    """Entered in error."""


class Item(NamedTuple):
    """One thing handed in, read."""

    origin: Origin
    standing: Standing
    at: str | None
    aged_from: str | None
    ref: str
    codes: tuple[Code, ...] = ()
    mentions: frozenset[tuple[str, str]] = frozenset()
    """Of a text: names with what it says of each."""
    condition: str = ""
    """Of an operative record."""
    status: str = ""
    """Of an operative record."""


_WITHDRAWN = "entered-in-error"
# FHIR condition-ver-status; what it does not name is taken as tentative.
_STANDING = {"": Standing.FIRM, "confirmed": Standing.FIRM, "refuted": Standing.REFUTED, _WITHDRAWN: Standing.WITHDRAWN}
_REPORT_STANDING = {
    "final": Standing.FIRM,
    "amended": Standing.FIRM,
    "corrected": Standing.FIRM,
    "appended": Standing.FIRM,
    "preliminary": Standing.TENTATIVE,
    "partial": Standing.TENTATIVE,
    _WITHDRAWN: Standing.WITHDRAWN,
}
_PATHOLOGY = frozenset({"SP", "PAT", "LP7839-6"})
"""HL7 table 0074 (surgical pathology, pathology) and the LOINC class, in DiagnosticReport.category."""


def read_coded(conditions: Iterable[Coded], procedures: Iterable[Coded], *, normalise: Normalise) -> list[Item]:
    """What the coded resources say."""
    read = [
        _read_histology(each, normalise) if _is_report(each) else _read_diagnosis(each, normalise)
        for each in conditions
    ]
    read += [_read_procedure(each, normalise) for each in procedures]
    return [item for item in read if item is not None]


def read_prose(texts: Iterable[Told], notes: Iterable[Noted], *, rules: CohortRules) -> list[Item]:
    """What texts and operative records say; a text without any name says nothing."""
    read = [
        Item("text", Standing.TENTATIVE, told.at, told.at, told.ref, mentions=mentions)
        for told in texts
        if (mentions := rules.mentions(told.text))
    ]
    for note in notes:
        standing = Standing.WITHDRAWN if note.status == _WITHDRAWN else Standing.FIRM
        at = note.operated_at
        read.append(Item("note", standing, at, at, note.ref, condition=note.condition, status=note.status))
    return read


def _is_report(coded: Coded) -> bool:
    return coded.resource.get("resourceType") == "DiagnosticReport"


def _read_diagnosis(coded: Coded, normalise: Normalise) -> Item:
    resource = coded.resource
    standing = _STANDING.get(_first_code(resource.get("verificationStatus")), Standing.TENTATIVE)
    if standing is Standing.FIRM and _is_working(resource):
        standing = Standing.TENTATIVE
    onset = resource.get("onsetDateTime") or resource.get("onsetPeriod", {}).get("start")
    recorded = resource.get("recordedDate")
    return Item(
        origin="diagnosis",
        standing=standing,
        at=onset or earliest(recorded, coded.admitted),
        aged_from=earliest(onset, recorded, coded.admitted),
        ref=coded.ref,
        codes=_codes([resource.get("code", {})], normalise),
    )


def _read_procedure(coded: Coded, normalise: Normalise) -> Item | None:
    resource = coded.resource
    status = resource.get("status")
    if status not in ("completed", _WITHDRAWN):
        return None
    at = resource.get("performedDateTime") or resource.get("performedPeriod", {}).get("start")
    return Item(
        origin="procedure",
        standing=Standing.FIRM if status == "completed" else Standing.WITHDRAWN,
        at=at,
        aged_from=at,
        ref=coded.ref,
        codes=_codes([resource.get("code", {})], normalise),
    )


def _read_histology(coded: Coded, normalise: Normalise) -> Item | None:
    """The coded conclusion of a pathologist; a radiologist's is no histology."""
    resource = coded.resource
    standing = _REPORT_STANDING.get(resource.get("status", ""))
    categories = {
        code["code"] for each in resource.get("category", []) for code in each.get("coding", []) if "code" in code
    }
    if standing is None or categories.isdisjoint(_PATHOLOGY):
        return None
    at = resource.get("effectiveDateTime") or resource.get("effectivePeriod", {}).get("start")
    return Item(
        origin="histology",
        standing=standing,
        at=at or resource.get("issued"),
        aged_from=earliest(at, resource.get("issued"), coded.admitted),
        ref=coded.ref,
        codes=_codes(resource.get("conclusionCode", []), normalise),
    )


def _codes(concepts: Iterable[Resource], normalise: Normalise) -> tuple[Code, ...]:
    """Codes with their system only: a display, a text and a code without a system are no evidence."""
    return tuple(
        dict.fromkeys(
            normalise(coding["system"], coding["code"])
            for concept in concepts
            for coding in concept.get("coding", [])
            if coding.get("system") and coding.get("code")
        )
    )


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
