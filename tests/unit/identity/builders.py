"""Invented patients and numbers of the 999 range, built with their check digit."""

from typing import Any

from adapter.assertion import Merge, Resource, SourceIdentifier
from adapter.identity import Claim, IdentitySettings, NhsNumber
from adapter.identity.nhs_number import parse

TRUST = "RXX"
STATUS_URL = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"


def with_check_digit(nine: str) -> str:
    check = 11 - sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), nine, strict=True)) % 11
    assert check != 10, "this body has no valid check digit"
    return nine + str(check % 11)


def number(serial: int) -> str:
    """The n-th valid number of the 999 range."""
    found = -1
    for body in range(100_000):
        nine = f"999{body:06d}"
        if 11 - sum(w * int(d) for w, d in zip(range(10, 1, -1), nine, strict=True)) % 11 != 10:
            found += 1
        if found == serial:
            return with_check_digit(nine)
    raise AssertionError("no such number")


def nhs(serial: int) -> NhsNumber:
    parsed = parse(number(serial), test_mode=True)
    assert isinstance(parsed, NhsNumber)
    return parsed


def settings(**changes: Any) -> IdentitySettings:
    chosen: dict[str, Any] = {"test_mode": True, "hospital_authorities": {TRUST: TRUST}}
    return IdentitySettings(**(chosen | changes))


def an_identifier(value: str, *, authority: str = TRUST, kind: str = "MR", status: str = "") -> Resource:
    identifier: Resource = {"value": value}
    if authority:
        identifier["assigner"] = {"display": authority}
    if kind:
        identifier["type"] = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": kind}]}
    if status:
        identifier["extension"] = [{"url": STATUS_URL, "valueCodeableConcept": {"coding": [{"code": status}]}}]
    return identifier


def an_nhs_identifier(value: str, *, status: str = "01") -> Resource:
    return an_identifier(value, authority="NHS", kind="NH", status=status)


def a_patient(*identifiers: Resource, **elements: Any) -> Resource:
    return {"resourceType": "Patient", "identifier": list(identifiers), "birthDate": "2026-01-03"} | elements


def mrn(name: str) -> SourceIdentifier:
    return SourceIdentifier(TRUST, name)


def a_claim(serial: int | None = None, **changes: Any) -> Claim:
    base: dict[str, Any] = {"birth": "2026-01-03", "sex": "female"}
    if serial is not None:
        base |= {"nhs_number": nhs(serial), "nhs_verified": True}
    return Claim(**(base | changes))


def merged(prior: str, survivor: str, *, at: int = 1) -> Merge:
    return Merge(survivor=mrn(survivor), prior=mrn(prior), clock_us=at)


def unmerged(prior: str, survivor: str, *, at: int) -> Merge:
    return Merge(survivor=mrn(survivor), prior=mrn(prior), clock_us=at, live=False)
