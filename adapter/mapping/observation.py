"""Reads the parts of one Observation that make a laboratory value. Decides nothing; bears with any JSON."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from adapter.assertion import Resource
from adapter.mapping.concepts import Coding
from adapter.mapping.csor_conversions import to_decimal

_MEASURED_TEXT = re.compile(r"(<=|>=|<|>|≤|≥)?\s*([+-]?\d{1,15}(?:\.\d{1,15})?)\Z")
_COMPARATORS = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "≤": "<=", "≥": ">="}

_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"

UNRESOLVED = (Coding(None, None, None),)
"""In place of the codings of a specimen that is referred to but was not sent."""


def key_of(resource: Resource, context: Mapping[str, Resource], quantity: Any) -> tuple[Any, ...] | None:
    """The texts that decide what a value is, as they stand; None where they stand in an unusual form."""
    specimen = resource.get("specimen")
    test = _concept_key(resource.get("code"))
    if test is None or type(quantity) is not dict:
        return None
    if specimen is None:
        return (test, quantity.get("unit"), quantity.get("code"), None)
    target = specimen.get("reference") if type(specimen) is dict else None
    found = context.get(target) if type(target) is str else None
    sampled = _concept_key(found.get("type")) if found is not None else None
    return None if sampled is None else (test, quantity.get("unit"), quantity.get("code"), sampled)


def _concept_key(concept: Any) -> tuple[Any, ...] | None:
    if type(concept) is not dict:
        return None
    codings = concept.get("coding")
    if type(codings) is not list:
        return None
    if len(codings) == 1:
        coding = codings[0]
        if type(coding) is not dict:
            return None
        get = coding.get
        return (get("system"), get("code"), get("display"), concept.get("text"))
    parts: list[Any] = [concept.get("text")]
    for coding in codings:
        if type(coding) is not dict:
            return None
        parts.append((coding.get("system"), coding.get("code"), coding.get("display")))
    return tuple(parts)


def quantity_value(quantity: Resource) -> tuple[Decimal | None, str | None, str | None]:
    """Number, comparator and text of a Quantity."""
    raw = quantity.get("value")
    if raw is None:
        return None, None, None
    value = raw if type(raw) is Decimal else to_decimal(raw)
    sent = quantity.get("comparator")
    if sent is None:
        return value, None, str(raw)
    comparator = _COMPARATORS.get(sent) if type(sent) is str else None
    if comparator is None:
        # Whatever it says, the number alone would say something else.
        return None, None, f"{sent}{raw}" if type(sent) is str else str(raw)
    return value, comparator, f"{comparator}{raw}"


def codings_of(concept: Resource) -> tuple[Coding, ...]:
    """The codings of a CodeableConcept as hashable values; what is no text is left out."""
    listed = concept.get("coding")
    if type(listed) is not list:
        return ()
    if len(listed) == 1 and type(listed[0]) is dict:
        get = listed[0].get
        coding = Coding(get("system"), get("code"), get("display"))
        if _is_text(coding):
            return (coding,)
    return tuple(
        Coding(*(part if isinstance(part := each.get(key), str) else None for key in Coding._fields))
        for each in listed
        if isinstance(each, dict)
    )


def _is_text(coding: Coding) -> bool:
    system, code, display = coding
    return (
        (system is None or type(system) is str)
        and (code is None or type(code) is str)
        and (display is None or type(display) is str)
    )


def specimen_of(
    reference: Resource, resource: Resource, context: Mapping[str, Resource]
) -> tuple[tuple[Coding, ...], str | None]:
    """Codings and text of the specimen's type; its display where the specimen itself was not sent."""
    found = referred(reference, resource, context)
    if found is None:
        display = reference.get("display")
        is_named = isinstance(display, str) and bool(display.strip())
        return ((), display) if is_named else (UNRESOLVED, None)
    kind = found.get("type")
    if type(kind) is not dict:
        return (), None
    text = kind.get("text")
    return codings_of(kind), text if type(text) is str else None


def moment_of(resource: Resource, context: Mapping[str, Resource] | None = None) -> str | None:
    """When it was sampled or measured, as text of at least a day; None where nobody says."""
    moment = resource.get("effectiveDateTime")
    if moment is None:
        period = resource.get("effectivePeriod")
        moment = period.get("start") if type(period) is dict else resource.get("effectiveInstant")
    if moment is None and context is not None:
        sampled = referred(resource.get("specimen"), resource, context)
        collection = sampled.get("collection") if sampled is not None else None
        moment = collection.get("collectedDateTime") if type(collection) is dict else None
    return moment if type(moment) is str and len(moment) >= len("2026-01-01") else None


def referred(reference: Any, resource: Resource, context: Mapping[str, Resource]) -> Resource | None:
    """The resource a reference means: contained, or of the context under the reference as written."""
    target = reference.get("reference") if type(reference) is dict else None
    if type(target) is not str:
        return None
    if target[:1] != "#":
        return context.get(target)
    contained = resource.get("contained")
    inside: Sequence[Any] = contained if isinstance(contained, list) else ()
    return next((each for each in inside if isinstance(each, dict) and each.get("id") == target[1:]), None)


def other_value(resource: Resource) -> tuple[Decimal | None, str | None, str | None]:
    """Number, comparator and text of a value that is no Quantity; text such as `<5` is read as a number."""
    text = resource.get("valueString")
    if isinstance(text, str):
        match = _MEASURED_TEXT.match(text.strip())
        if match is None:
            return None, None, text.strip() or None
        return Decimal(match[2]), _COMPARATORS.get(match[1] or ""), text.strip()
    whole = resource.get("valueInteger")
    if isinstance(whole, int) and not isinstance(whole, bool):
        return Decimal(whole), None, str(whole)
    concept = resource.get("valueCodeableConcept")
    if isinstance(concept, dict):
        codings = codings_of(concept)
        if any(coding.system == _ABSENT for coding in codings):  # says why there is none, in words that are no value
            return None, None, None
        words = [concept.get("text"), *(word for coding in codings for word in (coding[2], coding[1]))]
        return None, None, next((word for word in words if isinstance(word, str) and word), None)
    return None, None, None
