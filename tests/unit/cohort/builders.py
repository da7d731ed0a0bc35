"""Invented diagnoses and operations, and the rules as shipped."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from adapter.assertion import Resource
from adapter.cohort import CaseState, Coded, CohortRules, TriageFacts, TriageRules, judge, load_rules, load_triage
from adapter.mapping.codelists import load_codelists

MAPPINGS = Path(__file__).parents[3] / "mappings"
ICD = "http://hl7.org/fhir/sid/icd-10"
OPCS = "https://fhir.hl7.org.uk/Id/opcs-4"
SNOMED = "http://snomed.info/sct"
BORN = "2026-03-01T04:05:00+00:00"


@cache
def rules() -> CohortRules:
    lists = load_codelists(MAPPINGS / "codelists")
    return load_rules(MAPPINGS / "cohort", codelists=lists.code_rows(), normalise=lists.normalise)


@cache
def triage_rules() -> TriageRules:
    return load_triage(MAPPINGS / "cohort", wards={"NNU": "nicu", "SURG": "surgical", "MAT": "other"}, rules=rules())


def diagnosed(
    code: str,
    on: str | None = "2026-03-02",
    *,
    system: str = ICD,
    status: str = "",
    admitted: str | None = "2026-03-01",
    **elements: Any,
) -> Coded:
    resource: Resource = {"resourceType": "Condition", "code": {"coding": [{"system": system, "code": code}]}}
    if on:
        resource["onsetDateTime"] = on
    if status:
        resource["verificationStatus"] = {"coding": [{"code": status}]}
    return Coded(resource | elements, admitted)


def operated(code: str, on: str | None = "2026-03-03", *, system: str = OPCS, status: str = "completed") -> Coded:
    resource: Resource = {
        "resourceType": "Procedure",
        "status": status,
        "code": {"coding": [{"system": system, "code": code}]},
    }
    return Coded(resource | ({"performedDateTime": on} if on else {}))


def cases(
    conditions: Iterable[Coded] = (),
    procedures: Iterable[Coded] = (),
    *,
    birth: str | None = BORN,
    sex: str | None = "female",
    by: CohortRules | None = None,
) -> dict[str, CaseState]:
    found = judge(conditions, procedures, birth=birth, sex=sex, rules=by or rules())
    return {case.condition: case for case in found}


def facts(**changes: Any) -> TriageFacts:
    base: dict[str, Any] = {"at": datetime(2026, 3, 10, 12, tzinfo=UTC), "birth": "2026-03-01"}
    return TriageFacts(**(base | changes))
