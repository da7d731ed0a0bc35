"""Which patient record a server has given up for which: `Patient.link` of type `replaced-by` (R4; Oracle Millennium).

Where a server tells a merge by an error instead (Epic 4107), the adapter writes the same word itself, marked by a tag,
and such a Patient says nothing else of the patient.
"""

from typing import NamedTuple

from adapter.assertion import Resource
from adapter.fhir.clock import clock_us
from adapter.fhir.part import Part
from adapter.fhir.references import Index

WRITTEN_HERE = "urn:csor-adapter:written-here"
"""System of the tag of what the adapter wrote itself into its inbox."""


_REPLACED_BY = "replaced-by"


class Replaced(NamedTuple):
    """What one version of a Patient says of it."""

    clock_us: int
    by: str
    """`Patient/456`; empty where it is not replaced."""


def replaced(part: Part, index: Index) -> Replaced:
    """What this version of a Patient says."""
    survivor = ""
    for link in part.resource.get("link") or ():
        if isinstance(link, dict) and link.get("type") == _REPLACED_BY:
            other = link.get("other")
            survivor = (index.patient_key(other, part.resource) if isinstance(other, dict) else None) or survivor
    # Without a time it is older than everything that has one.
    return Replaced(max(1, clock_us(part.resource, otherwise=part.timestamp)), survivor)


def is_only_replaced(patient: Resource) -> bool:
    """Whether it says no more than that one record is replaced by another: written here, or a server's bare remains."""
    meta = patient.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    is_ours = any(isinstance(tag, dict) and tag.get("system") == WRITTEN_HERE for tag in tags or ())
    is_replaced = any(isinstance(link, dict) and link.get("type") == _REPLACED_BY for link in patient.get("link") or ())
    return is_ours or (is_replaced and not patient.get("identifier") and not patient.get("birthDate"))
