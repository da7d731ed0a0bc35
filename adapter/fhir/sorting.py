"""Of what kind of item a resource is: by its type, by its category, and by codes, which are data and handed in.

What is no item is named by a rule, so that it can be counted: nothing is passed over in silence.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from adapter.assertion import ItemKind, Resource

IsCode = Callable[[str, str], bool]
"""Whether a code (system, code, as sent) is one of a table."""


class Known(NamedTuple):
    """Codes that tell what a resource is where its category does not."""

    is_imaging: IsCode
    is_measurement: IsCode


class LeftOut(StrEnum):
    """The rule by which a resource is no item."""

    LABORATORY_REPORT = "report-whose-observations-speak-for-themselves"
    OTHER_OBSERVATION = "observation-neither-of-the-laboratory-nor-a-measurement"
    OTHER_REQUEST = "request-that-is-no-examination"
    BELIEVED_MEDICATION = "medication-neither-ordered-nor-given"
    NOT_NEEDED = "type-that-no-row-needs"


NOTHING_KNOWN = Known(lambda system, code: False, lambda system, code: False)

CONTEXT_TYPES = frozenset({"Specimen", "ServiceRequest", "Medication", "Location"})
"""What items refer to. Medication and Location name no patient."""
_PLAIN: Mapping[str, ItemKind | LeftOut] = {
    "Encounter": ItemKind.ENCOUNTER,
    "Condition": ItemKind.CONDITIONS,
    "Procedure": ItemKind.PROCEDURES,
    "ImagingStudy": ItemKind.IMAGING,
    "MedicationAdministration": ItemKind.MEDICATION,
    "MedicationRequest": ItemKind.MEDICATION,
    "MedicationStatement": LeftOut.BELIEVED_MEDICATION,
    "QuestionnaireResponse": ItemKind.NOTE,
}
_BY_CODE = frozenset({"Observation", "ServiceRequest"})
"""Sorted by category and code alone."""
ITEM_TYPES = frozenset({*_PLAIN, "Observation", "DiagnosticReport", "ServiceRequest"} - {"MedicationStatement"})

# HL7 table 0074 (FHIR diagnostic-service-sections), the sections that make pictures; LOINC and SNOMED CT of the same.
_IMAGING = frozenset(
    {"RAD", "RX", "RUS", "CT", "NMR", "NMS", "CUS", "OUS", "VUS", "XRC", "VR", "imaging"}
    | {"LP29684-5", "394914008", "363679005"}
)
# FHIR observation-category, and the sections of table 0074 that test samples.
_LABORATORY = frozenset({"laboratory", "LAB", "CH", "HM", "MB", "BG", "SR", "TX", "IMM", "BLB", "CP"})
_MEASUREMENT = "vital-signs"


class Sorter:
    """Sorts the resources of one body; those that share category and code are sorted once."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._met: dict[tuple[str, int, int], ItemKind | LeftOut] = {}

    def sort(self, resource: Resource) -> ItemKind | LeftOut:
        """As `sort`. The resources must live as long as this does: the identity of an element stands for its text."""
        kind = resource["resourceType"]
        if kind not in _BY_CODE:
            return sort(resource, self._known)
        shared = (kind, id(resource.get("category")), id(resource.get("code")))
        found = self._met.get(shared)
        if found is None:
            found = self._met[shared] = sort(resource, self._known)
        return found


def sort(resource: Resource, known: Known) -> ItemKind | LeftOut:
    """The kind of item a resource is, or the rule by which it is none."""
    kind = resource["resourceType"]
    match kind:
        case "Observation":
            return _observation(resource, known)
        case "DiagnosticReport":
            is_imaging = bool(resource.get("imagingStudy")) or _is_imaging(resource, known)
            return ItemKind.IMAGING if is_imaging else LeftOut.LABORATORY_REPORT
        case "ServiceRequest":
            return ItemKind.IMAGING if _is_imaging(resource, known) else LeftOut.OTHER_REQUEST
        case _:
            return _PLAIN.get(kind, LeftOut.NOT_NEEDED)


def _observation(resource: Resource, known: Known) -> ItemKind | LeftOut:
    categories = {code for _, code in _codes(resource.get("category"))}
    if not categories.isdisjoint(_LABORATORY):
        return ItemKind.OBSERVATION
    if _MEASUREMENT in categories or any(known.is_measurement(*coding) for coding in _codes(resource.get("code"))):
        return ItemKind.MEASUREMENT
    # Many laboratories send no category; whoever sends another one says that it is something else.
    return LeftOut.OTHER_OBSERVATION if categories else ItemKind.OBSERVATION


def _is_imaging(resource: Resource, known: Known) -> bool:
    if any(code in _IMAGING for _, code in _codes(resource.get("category"))):
        return True
    return any(known.is_imaging(*coding) for coding in _codes(resource.get("code")))


def _codes(concepts: object) -> Iterator[tuple[str, str]]:
    """System and code of every coding of a concept or of a list of them."""
    for concept in concepts if isinstance(concepts, list) else [concepts]:
        codings = concept.get("coding") if isinstance(concept, dict) else None
        for coding in codings if isinstance(codings, list) else ():
            code = coding.get("code")
            if isinstance(code, str):
                yield coding.get("system") or "", code
