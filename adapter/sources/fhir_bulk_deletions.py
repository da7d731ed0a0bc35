"""What a server has deleted, out of the transaction Bundles of an export; and the withdrawal that it comes to. Pure.

A deletion tells type and id, not whose it was. So it is told again as the newest version that we hold, entered in
error: as an assertion with a clock, which wins over every version before it and over none after, whichever comes first.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

_NAME = re.compile(r"([A-Z][A-Za-z]{1,63}/[A-Za-z0-9.-]{1,64})(?:\?.*)?")
_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_IN_ERROR = "entered-in-error"
_BY_VERIFICATION = frozenset({"Condition", "AllergyIntolerance"})
_WITHOUT_STATUS = frozenset({"Patient", "RelatedPerson", "Location", "Medication", "Practitioner", "Organization"})

Resource = dict[str, Any]


class Deletions(NamedTuple):
    """Of one Bundle."""

    names: dict[str, str]
    """`Observation/123`, and when; empty where the Bundle does not say when."""


class _Meta(msgspec.Struct):
    lastUpdated: str | None = None


class _Request(msgspec.Struct):
    method: str = ""
    url: str = ""


class _Entry(msgspec.Struct):
    request: _Request | None = None


class _Bundle(msgspec.Struct):
    resourceType: str
    meta: _Meta | None = None
    entry: list[_Entry] | None = None


_BUNDLE = msgspec.json.Decoder(_Bundle)


def deletions_of(raw: bytes, *, base_url: str) -> Deletions | None:
    """None where the line is no such Bundle."""
    try:
        bundle = _BUNDLE.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if bundle.resourceType != "Bundle":
        return None
    at = (bundle.meta.lastUpdated if bundle.meta else None) or ""
    names: dict[str, str] = {}
    for entry in bundle.entry or ():
        if entry.request is not None and entry.request.method == "DELETE":
            matched = _NAME.fullmatch(entry.request.url.removeprefix(base_url + "/").removeprefix("/"))
            if matched:
                names[matched[1]] = at
    return Deletions(names)


def withdrawn(resource: Resource, *, at: str) -> Resource | None:
    """The resource as entered in error at that time; None for a type that cannot say so."""
    kind = resource["resourceType"]
    if kind in _WITHOUT_STATUS:
        return None
    meta = {name: value for name, value in resource.get("meta", {}).items() if name != "versionId"}
    told = {**resource, "meta": {**meta, "lastUpdated": at}}
    if kind in _BY_VERIFICATION:
        # FHIR R4, Condition, con-5: clinicalStatus is absent when the verification status is entered-in-error.
        told.pop("clinicalStatus", None)
        told["verificationStatus"] = {"coding": [{"system": _VERIFICATION, "code": _IN_ERROR}]}
    else:
        told["status"] = _IN_ERROR
    return told


def deletion_body(names: Iterable[str], *, at: str) -> bytes:
    """What cannot be told so: the deletion itself, which waits for a person."""
    entries = [{"request": {"method": "DELETE", "url": name}} for name in names]
    return msgspec.json.encode(
        {"resourceType": "Bundle", "type": "transaction", "meta": {"lastUpdated": at}, "entry": entries}
    )


def withdrawal_body(told: Resource, context: Mapping[str, Resource], *, encode: msgspec.json.Encoder) -> bytes:
    """The withdrawal, with what the resource referred to under the very references it has."""
    entries: list[Resource] = [{"resource": told}]
    for reference, part in context.items():
        entries.append({"fullUrl": reference, "resource": part} if "://" in reference else {"resource": part})
    return encode.encode({"resourceType": "Bundle", "type": "collection", "entry": entries})
