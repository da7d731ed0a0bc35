"""What the two input languages are translated into: one message's canonical statement about one patient.

The pipeline asks `identity` who the patient is and turns the statement into an assertion; nothing is decided here.
"""

from enum import StrEnum

import msgspec

from adapter.assertion import Item, Resource
from adapter.errors import Problem


class Word(StrEnum):
    """What an identity event says (`mappings/v2-to-fhir/tables/identity-events.csv`)."""

    MERGE = "merge"
    """The prior number was given up for the patient's."""
    LINK = "link"
    UNLINK = "unlink"
    RENAME = "rename"
    """The prior number was changed into the patient's."""
    MOVE_NUMBER = "move-number"
    """One number goes from one patient to another."""
    MOVE_VISIT = "move-visit"
    """One visit goes from the prior patient to the patient; with the next word all visits of one account."""
    MOVE_ACCOUNT = "move-account"
    VISIT_NUMBER = "visit-number"
    """A visit has another number now, or is one with another visit."""
    ACCOUNT_NUMBER = "account-number"
    """The same of an account."""


class VisitChange(msgspec.Struct, frozen=True, kw_only=True):
    """The visit or account that one MRG segment names, by natural keys; empty where not said."""

    prior: Resource | None
    """The patient of MRG-1."""
    prior_visit: str
    visit: str
    prior_account: str
    account: str


class Statement(msgspec.Struct, kw_only=True):
    """One message (v2) or the resources of one patient in a body (FHIR), translated to canonical FHIR R4."""

    patient: Resource | None
    """The Patient as asserted; None where a FHIR body only refers to one."""
    patient_key: str = ""
    """FHIR: the reference under which the patient is named (`Patient/123`); empty for v2."""
    replaced: list[tuple[int, str]] = msgspec.field(default_factory=list)
    """FHIR: (clock, record by which the patient's was replaced, or empty), as each version of the Patient says it."""
    related: list[Resource] = msgspec.field(default_factory=list)
    """RelatedPerson resources: PID-21 and NK1, the mother's identifiers among them."""
    prior: list[Resource] = msgspec.field(default_factory=list)
    """Patients of MRG-1, or of the second PID: what is said of them and of `patient` is `word`."""
    word: Word | None = None
    """Of an identity event."""
    changes: list[VisitChange] = msgspec.field(default_factory=list)
    """Of an identity event that names visits or accounts, one for each MRG."""
    visit: str = ""
    """The natural key of the visit that the message is about (`visit|V1`), whatever kind of message it is."""
    account: str = ""
    """ADT: the natural key of the account (PID-18)."""
    items: list[Item] = msgspec.field(default_factory=list)
    context: dict[str, Resource] = msgspec.field(default_factory=dict)
    """Resources the items refer to (Specimen, ServiceRequest), by the reference as it stands in the item."""
    event: str = ""
    """The v2 trigger event, `A01`; empty for FHIR."""
    kind: str = ""
    """`ADT^A01` or the resource type: what may stand in a log."""
    clock_us: int = 0
    """Source clock of the message in microseconds since 1970 UTC."""
    problems: list[Problem] = msgspec.field(default_factory=list)
