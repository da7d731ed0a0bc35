"""What a FHIR server says of itself (CapabilityStatement), held against what is asked of it. Pure.

Statements are often wrong by leaving out (Sunrise's is known to be): what one lacks is to be asked about, not refused.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from adapter.errors import Declined, SourceFault


class Offer(NamedTuple):
    """Of one resource type."""

    interactions: frozenset[str]
    parameters: frozenset[str]
    includes: frozenset[str]


class Capability(NamedTuple):
    """A statement."""

    fhir_version: str
    types: Mapping[str, Offer]


class Need(NamedTuple):
    """What one search, or read, takes of a server."""

    resource_type: str
    interaction: str
    parameters: frozenset[str] = frozenset()
    includes: frozenset[str] = frozenset()


class _Interaction(msgspec.Struct):
    code: str | None = None


class _Parameter(msgspec.Struct):
    name: str | None = None


class _Resource(msgspec.Struct):
    type: str = ""
    interaction: list[_Interaction] | None = None
    searchParam: list[_Parameter] | None = None
    searchInclude: list[str] | None = None


class _Rest(msgspec.Struct):
    mode: str = ""
    resource: list[_Resource] | None = None


class _Statement(msgspec.Struct):
    resourceType: str = ""
    fhirVersion: str = ""
    rest: list[_Rest] | None = None


_STATEMENT = msgspec.json.Decoder(_Statement)
_ALWAYS = frozenset({"_count", "_sort", "_include", "_revinclude", "_format"})
"""They shape an answer and choose nothing: statements seldom name them."""


def read_capability(body: bytes) -> Capability:
    """The statement; Declined where the bytes are none."""
    try:
        found = _STATEMENT.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = _Statement()
    if found.resourceType != "CapabilityStatement":
        raise Declined(SourceFault.NOT_A_SEARCHSET, "what stands there is no CapabilityStatement")
    resources = [each for rest in found.rest or [] if rest.mode in ("server", "") for each in rest.resource or []]
    return Capability(found.fhirVersion, {each.type: _offer(each) for each in resources})


def _offer(resource: _Resource) -> Offer:
    return Offer(
        frozenset(each.code for each in resource.interaction or [] if each.code),
        frozenset(each.name for each in resource.searchParam or [] if each.name),
        frozenset(resource.searchInclude or []),
    )


def lacking(capability: Capability, needs: Iterable[Need]) -> list[str]:
    """What it does not name of what is needed, in words; each once."""
    found: dict[str, None] = {}
    for need in needs:
        offer = capability.types.get(need.resource_type)
        if offer is None:
            found[f"the type {need.resource_type}"] = None
            continue
        if need.interaction not in offer.interactions:
            found[f"{need.interaction} of {need.resource_type}"] = None
        for name in sorted(need.parameters - _ALWAYS - offer.parameters):
            found[f"{need.resource_type} by {name}"] = None
        if "*" not in offer.includes:
            for include in sorted(need.includes - offer.includes):
                found[f"_include={include}"] = None
    return list(found)
