"""What one statement says of its patient, as keeping asks it. Pure, so that another process may say it ahead."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from adapter import identity
from adapter.assertion import Item, ItemKind, Resource, SourceIdentifier
from adapter.chart.known import NAMES_MOTHER, Said, mother_said
from adapter.chart.stated import said_by
from adapter.cohort.triage import TriageFacts, TriageRules
from adapter.errors import IdentityConflict, Problem, ProblemCode
from adapter.identity import NhsNumber, PatientFacts
from adapter.statement import Statement

TRIAGE_ENCOUNTER = "triage-encounter"
"""Where a result or person event says the patient is: read for triage, never kept."""

_NOBODY = Problem(
    code=ProblemCode.NO_IDENTIFIER, text="the message has no PID segment: nobody can tell whose it is", at="PID[1]"
)


class Rules(NamedTuple):
    """What the trust and the mappings say about whom we keep."""

    identity: identity.IdentitySettings
    triage: TriageRules
    normalise: Callable[[str, str], tuple[str, str]]
    """(system, code) as sent → as the code lists are written."""
    hold_unknown: timedelta
    crawls: tuple[str, ...] = ()
    """FHIR sources that are read patient by patient: whoever is kept from now on is new to them."""
    called_by: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    """By feed: those of them that a message about a child of ours calls to read that child."""


class Patient(NamedTuple):
    """What one message says of its patient's identity."""

    numbers: tuple[SourceIdentifier, ...]
    nhs_number: NhsNumber | None
    is_verified: bool
    birth: str | None


class Told(NamedTuple):
    """What one statement says of its patient."""

    patient: Patient
    triage: TriageFacts
    """Without what the registry knows of the patient."""
    said: dict[str, Said]


_PATIENTS_KEPT = 2_000


def naming_mother(statement: Statement) -> dict[str, Resource]:
    """What an assertion keeps of the relatives: that the mother was named, and where."""
    named = identity.mother_named_by(statement.related) if statement.related else None
    return {} if named is None else {NAMES_MOTHER: {"by": named}}


class Teller:
    """For the statements of many messages, one after the other."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._facts_of: dict[int, tuple[Resource, PatientFacts]] = {}
        """By the identity of the patient, which must therefore live as long."""

    def tell(self, feed: str, statement: Statement) -> Told:
        """Raises IdentityConflict where it contradicts itself, or nobody can tell whose it is."""
        facts = self._facts(statement)
        patient = _patient(feed, statement, facts)
        said = said_by(statement.items, facts) | mother_said(naming_mother(statement), statement.items)
        return Told(patient, self._triage_facts(statement, facts), said)

    def whose(self, feed: str, statement: Statement) -> tuple[Patient, TriageFacts]:
        """The same without what is said of the patient, and not remembered: most of those asked about are not ours."""
        facts = None
        if statement.patient is not None:
            settings = self._rules.identity
            facts = identity.read_patient(statement.patient, related=statement.related, settings=settings)
        return _patient(feed, statement, facts), self._triage_facts(statement, facts)

    def _facts(self, statement: Statement) -> PatientFacts | None:
        if statement.patient is None:
            return None
        if statement.related:
            return identity.read_patient(statement.patient, related=statement.related, settings=self._rules.identity)
        # Equal PID segments share one Patient.
        known = self._facts_of.get(id(statement.patient))
        if known is not None:
            return known[1]
        facts = identity.read_patient(statement.patient, related=(), settings=self._rules.identity)
        if len(self._facts_of) >= _PATIENTS_KEPT:
            self._facts_of.clear()
        self._facts_of[id(statement.patient)] = (statement.patient, facts)
        return facts

    def _triage_facts(self, statement: Statement, facts: PatientFacts | None) -> TriageFacts:
        encounter = _encounter(statement)
        return TriageFacts(
            at=datetime.fromtimestamp(statement.clock_us / 1_000_000, UTC),
            # A FHIR reference is whole as it is: who it names is told elsewhere, and what was put aside is found then.
            readable=facts is not None or bool(statement.patient_key),
            event=statement.event,
            birth=facts.birth if facts else None,
            sex=facts.sex if facts else None,
            ward=_ward(encounter),
            treatment_function=_service(encounter),
            codes=tuple(self._codes(statement.items)),
        )

    def _codes(self, items: Sequence[Item]) -> list[tuple[str, str]]:
        found = []
        for item in items:
            if item.kind in (ItemKind.CONDITIONS, ItemKind.PROCEDURES):
                for resource in item.resources:
                    for coding in (resource.get("code") or {}).get("coding") or ():
                        found.append(self._rules.normalise(coding.get("system", ""), coding.get("code", "")))
        return found


def _patient(feed: str, statement: Statement, facts: PatientFacts | None) -> Patient:
    numbers = facts.identifiers if facts else ()
    if statement.patient_key:
        # A FHIR id is unique only within its server (behaviour 11), so the feed is its authority.
        numbers = (SourceIdentifier(f"fhir:{feed}", statement.patient_key), *numbers)
    if not numbers:
        raise IdentityConflict(_NOBODY)
    return Patient(
        numbers,
        facts.nhs_number if facts else None,
        bool(facts and facts.nhs_verified),
        facts.birth if facts else None,
    )


def _encounter(statement: Statement) -> Resource:
    for item in statement.items:
        if item.kind is ItemKind.ENCOUNTER:
            return item.resources[0]
    return statement.context.get(TRIAGE_ENCOUNTER, {})


def _ward(encounter: Resource) -> str:
    for place in encounter.get("location") or ():
        location = place.get("location") or {}
        name = (location.get("identifier") or {}).get("value") or location.get("display")
        if name:
            return str(name)
    return ""


def _service(encounter: Resource) -> str:
    for coding in (encounter.get("serviceType") or {}).get("coding") or ():
        if coding.get("code"):
            return str(coding["code"])
    return ""
