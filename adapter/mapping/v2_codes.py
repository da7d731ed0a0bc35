"""Coded values and identifiers: CE, CWE, CNE, IS, ID, CX, EI."""

from adapter.mapping.rules import FieldRule
from adapter.mapping.v2_reader import Json, Reader

IDENTIFIER_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
TRACE_STATUS = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus"
INFERRED = {"url": "urn:csor-adapter:system-inferred", "valueBoolean": True}

# CWE.1/2/3/7, the alternate 4/5/6/8 and the second alternate 10/11/12/13, counted from 0 (HL7 v2.8 §2.A.13).
_TRIPLETS = ((0, 1, 2, 6), (3, 4, 5, 7), (9, 10, 11, 12))

_FORMS, _LONGEST_FORM = 2048, 100
"""Ways of writing an identifier that are remembered: its authority, type and dates."""


def codeable_concept(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """CWE, CE, CNE, IS or ID as CodeableConcept: every triplet a coding, the original text as text."""
    parts = reader.parts(text)
    codings = [coding for at in _TRIPLETS if at[0] < len(parts) and (coding := _coding(reader, parts, at, rule))]
    original = reader.text(parts[8]) if len(parts) > 8 else ""
    coded = [coding for coding in codings if "code" in coding]
    concept: dict[str, Json] = {"coding": coded} if coded else {}
    if not original and not coded and codings:
        original = codings[0]["display"]
    if original:
        concept["text"] = original
    return concept or None


def coding(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """The first triplet that has a code, as Coding."""
    parts = reader.parts(text)
    for at in _TRIPLETS:
        found = _coding(reader, parts, at, rule) if at[0] < len(parts) else None
        if found and "code" in found:
            return found
    return None


def code(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """The first component through the rule's table; None where the table does not know it."""
    value = reader.text(reader.parts(text)[0])
    if not value:
        return None
    return reader.target(rule.table, value) if rule.table else value


def _coding(reader: Reader, parts: list[str], at: tuple[int, int, int, int], rule: FieldRule) -> dict[str, Json] | None:
    value = reader.text(parts[at[0]])
    display = reader.text(parts[at[1]]) if at[1] < len(parts) else ""
    if not value:
        return {"display": display} if display else None
    entry = reader.look_up(rule.table, value) if rule.table and at[0] == 0 else None
    if entry:
        found = {"system": entry.system} if entry.system else {}
        return found | {"code": reader.target(rule.table or "", value), "display": entry.display or display}
    named = reader.text(parts[at[2]]) if at[2] < len(parts) else ""
    # A code for a procedure or a diagnosis is worth nothing without its system: T28.1 is two things.
    system = system_uri(reader, named) if named else (rule.system if at[0] == 0 else None)
    coding: dict[str, Json] = {"system": system} if system else {}
    coding["code"] = value
    if display:
        coding["display"] = display
    if at[3] < len(parts) and parts[at[3]] and (version := reader.text(parts[at[3]])):
        coding["version"] = version
    if not named and rule.infers_system and system:
        coding["extension"] = [INFERRED]
    return coding


def system_uri(reader: Reader, named: str) -> str:
    """The URI of a coding system as v2 names it: the table, HL7 tables by number, else `urn:id:NAME`."""
    known = reader.target("coding-systems", named)
    if known:
        return known
    if named[:3].upper() == "HL7" and named[3:].isdigit():
        return reader.prefixed("http://terminology.hl7.org/CodeSystem/v2-", named[3:])
    if named.count(".") > 2 and named.replace(".", "").isdigit():
        return reader.prefixed("urn:oid:", named)
    name = reader.derive("hyphens", named, named.replace(" ", "-")) if " " in named else named
    return name if ":" in named else reader.prefixed("urn:id:", name)


def identifier(reader: Reader, text: str, rule: FieldRule, trace_status: str = "", *_: str) -> Json | None:
    """CX as Identifier. The NHS number gets its own system, and the trace status of PID-32."""
    parts = reader.parts(text)
    value = reader.text(parts[0])
    if not value:
        return None
    written = (text[len(parts[0]) :], trace_status)
    form = reader.forms.get(written)
    if form is None:
        faults = len(reader.faults)
        form = _identifier_form(reader, parts, trace_status)
        if reader.remembers and len(reader.faults) == faults and len(written[0]) <= _LONGEST_FORM:
            if len(reader.forms) >= _FORMS:
                reader.forms.clear()
            reader.forms[written] = form
    found: dict[str, Json] = form.copy()
    found["value"] = _ten_digits(reader, value) if form.get("system") == NHS_NUMBER else value
    if trace_status and rule.with_ and "extension" not in found:
        # PID-19 names no system: that it is an NHS number its digits tell, to identity.
        extension = _trace_status(reader, trace_status)
        found |= {"extension": [extension]} if extension else {}
    return found


def _identifier_form(reader: Reader, parts: list[str], trace_status: str) -> dict[str, Json]:
    """All but the value: few hospitals, many patients."""
    found: dict[str, Json] = {}
    kind = reader.text(parts[4]) if len(parts) > 4 else ""
    authority = parts[3] if len(parts) > 3 else ""
    name, system = _authority(reader, authority)
    system = reader.target("identifier-systems", reader.prefixed("TYPE:", kind)) or system
    if kind:
        known = reader.target("identifier-type", kind)
        found["type"] = {"coding": [{"system": IDENTIFIER_TYPES, "code": known or kind}]}
    if system:
        found["system"] = system
    found["value"] = ""
    if name:
        found["assigner"] = {"display": name}
    span = {
        name: time
        for name, at in (("start", 6), ("end", 7))
        if len(parts) > at and parts[at] and (time := reader.time(parts[at]))
    }
    if span:
        found["period"] = span
    if trace_status and system == NHS_NUMBER:
        extension = _trace_status(reader, trace_status)
        found |= {"extension": [extension]} if extension else {}
    return found


def _ten_digits(reader: Reader, value: str) -> str:
    """An NHS number as FHIR has it; hospitals send it with blanks and dashes, too (behaviour 100)."""
    digits = value.replace(" ", "").replace("-", "")
    return (
        reader.derive("digits", value, digits) if digits != value and len(digits) == 10 and digits.isdigit() else value
    )


def licence(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """DLN as Identifier: a driver's licence and its last day."""
    parts = reader.parts(text)
    value = reader.text(parts[0])
    if not value:
        return None
    found: dict[str, Json] = {"type": {"coding": [{"system": IDENTIFIER_TYPES, "code": "DL"}]}, "value": value}
    last = reader.time(parts[2]) if len(parts) > 2 and parts[2] else None
    return found | {"period": {"end": last}} if last else found


def _authority(reader: Reader, text: str) -> tuple[str, str | None]:
    """HD: the name of the assigner, and the system where the authority has a universal id or a known one."""
    if not text:
        return "", None
    inner = reader.inner
    pieces = inner.parts(text)
    name = inner.text(pieces[0])
    system = reader.target("identifier-systems", reader.prefixed("AUTHORITY:", name)) if name else None
    universal = inner.text(pieces[1]) if len(pieces) > 1 else ""
    kind = inner.text(pieces[2]).upper() if len(pieces) > 2 else ""
    if system or not universal:
        return name, system
    if kind in ("ISO", "UUID"):
        return name, reader.prefixed("urn:oid:" if kind == "ISO" else "urn:uuid:", universal)
    return name, universal if ":" in universal else None


def _trace_status(reader: Reader, text: str) -> Json | None:
    status = reader.text(reader.parts(reader.first(text))[0])
    entry = reader.look_up("nhs-trace-status", status) if status else None
    if entry is None:
        return None
    coding = {"system": entry.system, "code": reader.target("nhs-trace-status", status), "display": entry.display}
    return {"url": TRACE_STATUS, "valueCodeableConcept": {"coding": [coding]}}


def entity_identifier(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """EI (or the first part of an EIP) as Identifier."""
    parts = reader.parts(text)
    if rule.from_ and rule.from_[0].count(".") == 0 and reader.inner.component in parts[0]:
        # EIP: placer & filler identifiers as components of EI subcomponents (HL7 v2.5.1 §2.A.29).
        reader, parts = reader.inner, reader.inner.parts(parts[0])
    value = reader.text(parts[0])
    if not value:
        return None
    found: dict[str, Json] = {}
    kind = reader.text(parts[3]).upper() if len(parts) > 3 else ""
    universal = reader.text(parts[2]) if len(parts) > 2 else ""
    if universal and kind in ("ISO", "UUID"):
        found["system"] = reader.prefixed("urn:oid:" if kind == "ISO" else "urn:uuid:", universal)
    found["value"] = value
    name = reader.text(parts[1]) if len(parts) > 1 else ""
    if name:
        found["assigner"] = {"display": name}
    return found
