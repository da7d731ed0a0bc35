"""What the items of one message say of the patient, in the form the registry learns it."""

from collections.abc import Sequence

from adapter.assertion import Form, Item, ItemKind, Resource
from adapter.chart.known import DELETED, NATIONAL_NUMBER, TRACED_NUMBER, Said, said_of
from adapter.identity import PatientFacts

_ADT = "A"


def said_by(items: Sequence[Item], facts: PatientFacts | None) -> dict[str, Said]:
    """By field; the national number where identity could read one."""
    said: dict[str, Said] = {}
    for item in items:
        if item.kind is ItemKind.PATIENT:
            said |= said_of(item)
            if item.event.startswith(_ADT) or item.form is Form.SNAPSHOT:
                said[DELETED] = Said(item.clock_us, is_deletion(item.event, items))
            if facts is not None and facts.nhs_number is not None:
                number, at = facts.nhs_number, national_identifier_at(item.resources[0])
                kept = {} if at is None else _without_number(item.resources[0]["identifier"][at])
                value = [number.digits, facts.nhs_status, facts.nhs_verified, kept]
                said[NATIONAL_NUMBER] = Said(item.clock_us, value)
                if facts.nhs_status:
                    said[TRACED_NUMBER] = said[NATIONAL_NUMBER]
    return said


def is_deletion(event: str, items: Sequence[Item]) -> bool:
    """Whether the event deletes the record of the patient, not of one visit only."""
    return event == "A29" or (event == "A23" and all(item.kind is not ItemKind.ENCOUNTER for item in items))


def national_identifier_at(patient: Resource) -> int | None:
    """Which identifier is the NHS number."""
    for index, each in enumerate(patient.get("identifier") or ()):
        if "nhs-number" in str(each.get("system", "")):
            return index
    return None


def _without_number(identifier: Resource) -> Resource:
    """With its trace status; the number itself stays in the registry."""
    return {name: value for name, value in identifier.items() if name != "value"}
