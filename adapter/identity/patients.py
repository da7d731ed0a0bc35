"""Who one message says the patient is: hospital numbers, NHS number, birth, sex. Never a name.

Only a contradiction inside the one message is raised here; what differs between messages is for `persons`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapter.assertion import Resource, SourceIdentifier
from adapter.errors import Problem
from adapter.identity.nhs_number import NhsNumber, NumberKind


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings:
    """What the trust's file says about its identifiers."""

    test_mode: bool
    hospital_authorities: Mapping[str, str]
    """Assigning authority as sent (CX.4) → the one name it is kept under."""
    fhir_systems: Mapping[str, str] = field(default_factory=dict)
    """Identifier.system as sent → the one name it is kept under."""
    types: frozenset[str] = frozenset({"MR", "PI", "PT", "MEDREC", "HOSP", "U"})
    """Identifier types (CX.5) that make a patient number; an identifier without a type counts by its authority."""
    verified_statuses: frozenset[str] = frozenset({"01", "NSTS01"})
    absent_status_is_verified: bool = False
    """For feeds that never send a trace status: whether their NHS numbers may link records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientFacts:
    """What one message says of its patient."""

    identifiers: tuple[SourceIdentifier, ...]
    """Hospital numbers, the primary first; of a patient with none, the NHS number itself. Never empty."""
    nhs_number: NhsNumber | None
    nhs_status: str
    """Trace status as two digits, `01` to `08`; empty where not said."""
    nhs_verified: bool
    """Traced: may link records and go to linkage. Status 08 (a newborn) waits, without an error."""
    national_kind: NumberKind | None
    """Whose national number was sent, also where it is not an NHS number."""
    birth: str | None
    """FHIR date or dateTime, as partial as it came."""
    sex: str | None
    birth_order: int | None
    problems: tuple[Problem, ...]


def read_patient(patient: Resource, *, related: Sequence[Resource], settings: IdentitySettings) -> PatientFacts:
    """Raises IdentityConflict where the message contradicts itself or names no patient that can be found again."""
    raise NotImplementedError
