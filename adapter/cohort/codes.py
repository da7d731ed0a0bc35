"""Codes with their system, as the code lists write them. A bare string is never compared: T28.1 is two things (R4)."""

from collections.abc import Callable, Mapping

Code = tuple[str, str]
"""System URI and code, both in normal form."""

CodeRows = Mapping[str, Mapping[Code, bool]]
"""List name → its codes; True where the row may confirm: confidence high or verified, or signed by a reviewer (R7)."""

Normalise = Callable[[str, str], Code]
"""(system, code) as sent → the normal form the code lists are written in."""

ICD_10 = "http://hl7.org/fhir/sid/icd-10"
OPCS_4 = "https://fhir.hl7.org.uk/Id/opcs-4"
SNOMED_CT = "http://snomed.info/sct"
SYSTEM_NAMES = {ICD_10: "icd-10", OPCS_4: "opcs-4", SNOMED_CT: "snomed-ct"}


def can_confirm(confidence: str, *, reviewed_by: str) -> bool:
    """Ruling R7: rows of medium or low confidence that nobody has signed can raise suspicion, not confirm."""
    role = confidence.rpartition("role:")[2].strip() or confidence.strip()
    return role in {"high", "verified"} or bool(reviewed_by.strip())
