"""How a FHIR server is asked for everything of a group of patients at once (FHIR Bulk Data Access)."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from adapter.config.fhir_types import ResourceType, Span, known_type
from adapter.datafile import Positioned

_BESIDE = ("Location", "Medication")
"""Types that others refer to and nobody searches for alone."""


def _known_type(value: object) -> object:
    return value if value in _BESIDE else known_type(value)


GroupId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,64}$")]


class Bulk(Positioned):
    """Exports; what a vendor's servers have in common stands in its file."""

    groups: tuple[GroupId, ...] = ()
    """`Group/ID/$export` of each; none: `Patient/$export`."""
    types: tuple[Annotated[ResourceType | Literal["Location", "Medication"], BeforeValidator(_known_type)], ...] = ()
    """As they are, and Patient; none: those that are searched for, with Specimen, Location and Medication where those
    refer to them."""
    type_join: Literal["comma", "repeat"] = "comma"
    """`_type=A,B` or `_type=A&_type=B`."""
    since: bool = True
    """Whether the server exports what has changed since a time; no: everything, each time."""
    instead_of_search: bool = False
    """The source is not searched at all."""
    every: Span = timedelta(days=1)
    full: Span = timedelta(days=28)
    """How often without `_since`: what exports of changes have missed is found then (behaviour 49)."""
    max_wait: Span = timedelta(days=30)
    """An export that takes longer is given up."""
    poll_min_s: Annotated[float, Field(gt=0)] = 60
    delete_after: bool = True
    """Files are deleted at the server when all are in."""
