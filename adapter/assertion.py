"""What one message asserts about one patient, in the form the assertion log keeps: canonical FHIR, never overwritten.

These are plain values that the loops hand between rooms; no behaviour beyond ordering lives here.
"""

from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

import msgspec

Resource = dict[str, Any]
"""A FHIR R4 resource as decoded JSON; numbers are Decimal. Never changed in place once built: parts are shared."""


OF_FEED = "of|"
"""A natural key that begins so goes on with the name of the feed whose number it is: two feeds speak of one thing."""


OF_VISIT = "of-visit"
"""In the context of an assertion: `{"key": "visit|V1"}`, the visit that its message was about; for ADT, too, `account`.
An identity event may take the visit away from the patient it came with."""


class ItemKind(StrEnum):
    """What an item speaks of, and so how items of one key are merged."""

    PATIENT = "patient"
    ENCOUNTER = "encounter"
    CONDITIONS = "conditions"
    """All diagnoses of one visit (v2: the DG1 list), or one FHIR Condition."""
    PROCEDURES = "procedures"
    OBSERVATION = "observation"
    """One laboratory value."""
    RESULT_LIST = "result-list"
    """Which results one report of an order holds, from a feed whose reports are whole."""
    MEASUREMENT = "measurement"
    """One measurement without a sample: growth, gestation, Apgar score."""
    IMAGING = "imaging"
    """One examination: an ImagingStudy, the DiagnosticReport of one, or its ServiceRequest."""
    MEDICATION = "medication"
    """One MedicationAdministration or MedicationRequest."""
    VISIT_NUMBER = "visit-number"
    """That the visit of the key has another number now (A42, A50): that of its resource."""
    DOCUMENT = "document"
    """One DocumentReference: a letter or a note, or a file that came with a report."""
    BOOKING = "booking"
    """One Appointment. Nobody has arrived."""
    NOTE = "note"
    """One QuestionnaireResponse: a structured operation note."""


class Form(StrEnum):
    """How an item speaks."""

    PATCH = "patch"
    """v2: values set, paths in `cleared` cleared, the rest silent."""
    SNAPSHOT = "snapshot"
    """FHIR: all that is known; what is absent is absent."""
    ACTION = "action"
    """v2 lists with action codes (DG1-21, PR1-20): only the entries named are added, changed or taken out."""


class SourceIdentifier(NamedTuple):
    """A patient identifier as received: the authority that gave it, and its value."""

    authority: str
    value: str

    def __repr__(self) -> str:
        return "SourceIdentifier(···)"


class Item(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One canonical statement under one natural key."""

    kind: ItemKind
    key: str
    """Natural key inside the feed or the trust; equal keys speak of the same thing."""
    clock_us: int
    """Source clock in microseconds since 1970 UTC (ARCHITECTURE section 1)."""
    rank: int
    """Breaks ties of the clock: status precedence, higher wins; then the content hash; never arrival."""
    event: str
    """The v2 trigger event (`A01`), or empty."""
    form: Form
    resources: list[Resource]
    cleared: tuple[str, ...] = ()
    """FHIR paths that the sender cleared with `""`."""


class MergeWord(IntEnum):
    """What a sender says of two patient identifiers."""

    APART = 0
    """They are two patients (A37): what was said before to join them is taken back."""
    MERGED = 1
    """The prior one was given up for the survivor (A40)."""
    LINKED = 2
    """Both are one patient's, and both go on (A24): neither survives the other."""
    RENAMED = 3
    """The number was changed into one that nobody had (A47)."""


class Merge(msgspec.Struct, frozen=True, array_like=True):
    """The sender says that `prior` now is `survivor` (A40), or no longer is (`live=False`)."""

    survivor: SourceIdentifier
    prior: SourceIdentifier
    clock_us: int
    live: bool = True
    word: MergeWord = MergeWord.MERGED


class Assertion(msgspec.Struct, frozen=True, array_like=True):
    """All that one message asserts about one patient."""

    feed: str
    subject: SourceIdentifier
    """The identifier under which it arrived and is sealed."""
    items: list[Item]
    context: dict[str, Resource]
    """Resources that items refer to (Specimen, ServiceRequest), by reference as it stands in the item."""
