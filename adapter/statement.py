"""What the two input languages are translated into: one message's canonical statement about one patient.

The pipeline asks `identity` who the patient is and turns the statement into an assertion; nothing is decided here.
"""

import msgspec

from adapter.assertion import Item, Resource
from adapter.errors import Problem


class Statement(msgspec.Struct, kw_only=True):
    """One message (v2) or the resources of one patient in a body (FHIR), translated to canonical FHIR R4."""

    patient: Resource | None
    """The Patient as asserted; None where a FHIR body only refers to one."""
    patient_key: str = ""
    """FHIR: the reference under which the patient is named (`Patient/123`); empty for v2."""
    related: list[Resource] = msgspec.field(default_factory=list)
    """RelatedPerson resources: PID-21 and NK1, the mother's identifiers among them."""
    prior: list[Resource] = msgspec.field(default_factory=list)
    """Patients of MRG-1 that the sender has merged into `patient`."""
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
