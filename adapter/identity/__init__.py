"""WHO: which child a message is about, and which identifiers are one child. Pure: facts in, verdicts out."""

from adapter.identity.agreement import Claim
from adapter.identity.nhs_number import NhsNumber, NumberKind
from adapter.identity.patients import IdentitySettings, PatientFacts, mother_named_by, read_patient
from adapter.identity.persons import Component, Resolution, resolve
from adapter.identity.pseudonym import pseudonym

__all__ = [
    "Claim",
    "Component",
    "IdentitySettings",
    "NhsNumber",
    "NumberKind",
    "PatientFacts",
    "Resolution",
    "mother_named_by",
    "pseudonym",
    "read_patient",
    "resolve",
]
