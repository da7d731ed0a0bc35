"""Observed values: OBX-5 by the type of OBX-2, units, reference ranges, periods (HL7 v2-to-FHIR IG, OBX and SN maps).

A number is only ever made of text that is exactly a number, with or without a comparator; everything else stays text
and is told of. A decimal comma or thousands sign (`1,200`) is ambiguous, a flag in the value (`7.0*`) is not a number.
"""

import re
from datetime import datetime, timedelta
from decimal import Decimal

from adapter.errors import ProblemCode
from adapter.mapping.rules import FieldRule
from adapter.mapping.v2_codes import codeable_concept, system_uri
from adapter.mapping.v2_reader import COMPARATORS, Json, Reader

_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*-\s*({_NUMBER})\s*\Z", re.ASCII)
# `10^9/L` sent without escaping its caret, as many laboratories do.
_BARE_POWER = re.compile(r"\s*+[x*]?\s*+10\^\d+\s*/\s*\w+\s*\Z", re.ASCII | re.IGNORECASE)
_LONGEST_UNIT = 100
_LONGEST_MINUTES = 7 * 24 * 60
_MINUTES = re.compile(r"\d{1,9}\Z", re.ASCII)
_NARRATIVE = frozenset({"TX", "FT"})
_CODED = frozenset({"CE", "CWE", "CNE", "CF", "IS", "ID"})
_TIMES = frozenset({"DT", "DTM", "TS"})


def observation_value(reader: Reader, text: str, rule: FieldRule, kind: str = "", unit: str = "") -> Json | None:
    """The element or elements of value[x] for OBX-5; `kind` is OBX-2, `unit` is OBX-6."""
    if kind == "NM":
        return _numeric(reader, text, unit)
    kind = kind.partition(reader.component)[0].strip()
    if kind == "NM":
        return _numeric(reader, text, unit)
    if kind in _CODED:
        concept = codeable_concept(reader, reader.first(text), rule)
        if concept and reader.delimiters.repetition in text:
            reader.fault(ProblemCode.AMBIGUOUS_VALUE, "several coded values in one observation; the first is kept")
        return {"valueCodeableConcept": concept} if concept else None
    if kind == "SN":
        return _structured(reader, text, unit)
    if kind in _TIMES:
        time = reader.time(reader.parts(text)[0])
        return {"valueDateTime": time} if time else _plain(reader, text)
    if kind in ("ED", "RP"):
        return None
    return _other(reader, text, kind, unit)


def _other(reader: Reader, text: str, kind: str, unit: str) -> Json | None:
    if kind == "DR":
        found = period(reader, text, None)
        return {"valuePeriod": found} if found else None
    if kind == "NR":
        low, _, high = text.partition(reader.component)
        return _range(reader, low, high, unit) or _not_a_number(reader, text)
    if kind == "TM":
        time = _time_of_day(reader.text(text))
        return {"valueTime": reader.derive("time-of-day", text, time)} if time else _plain(reader, text)
    if kind == "VR":
        return {"valueString": reader.join("-", [reader.text(part) for part in reader.parts(text)])}
    if kind in _NARRATIVE and reader.delimiters.repetition in text:
        # Repetitions of a report text are its lines, empty ones among them (HL7 v2.5.1 §7.4.2.5).
        return {"valueString": reader.lines(reader.repetitions(text))}
    if kind == "ST" and unit:
        found = _measured(reader, text, unit)
        if found:
            return {"valueQuantity": found}
    return _plain(reader, text)


def _plain(reader: Reader, text: str) -> Json | None:
    value = reader.whole(text)
    return {"valueString": value} if value.strip() and value != '""' else None


def _not_a_number(reader: Reader, text: str) -> Json | None:
    found = _plain(reader, text)
    if found:
        reader.fault(ProblemCode.NOT_A_NUMBER, "declared numeric but not exactly a number; kept as text")
    return found


def _numeric(reader: Reader, text: str, unit: str) -> Json | None:
    found = _measured(reader, text, unit)
    return {"valueQuantity": found} if found else _not_a_number(reader, text)


def _measured(reader: Reader, text: str, unit: str) -> dict[str, Json] | None:
    """A number with or without comparator, and its unit; None where the text is anything else."""
    value = reader.number(text)
    if value is not None:
        return {"value": value, **unit_of(reader, unit)}
    comparator, rest = reader.comparator(text)
    value = reader.number(rest) if comparator else None
    return {"value": value, "comparator": comparator, **unit_of(reader, unit)} if value is not None else None


def unit_of(reader: Reader, text: str) -> dict[str, Json]:
    """OBX-6 as the unit elements of a Quantity: as written, with code and system only where the sender names one."""
    found = reader.units.get(text)
    if found is None:
        found = _unit(reader, text)
        if reader.remembers and len(text) <= _LONGEST_UNIT:
            if len(reader.units) > 1000:
                reader.units.clear()
            reader.units[text] = found
    return found


def _unit(reader: Reader, text: str) -> dict[str, Json]:
    if not text or text == '""':
        return {}
    if _BARE_POWER.match(text):
        return {"unit": reader.text(text)}
    parts = reader.parts(text)
    code = reader.text(parts[0])
    display = reader.text(parts[1]) if len(parts) > 1 else ""
    system = reader.text(parts[2]) if len(parts) > 2 else ""
    found: dict[str, Json] = {"unit": display or code} if display or code else {}
    if code and system:
        found |= {"system": system_uri(reader, system), "code": code}
    return found


def _structured(reader: Reader, text: str, unit: str) -> Json | None:
    """SN: comparator, number, separator, number."""
    parts = [*reader.parts(text), "", "", ""][:4]
    comparator, first, separator, second = parts[0].strip(), parts[1], parts[2].strip(), parts[3]
    if comparator == "=":
        comparator = ""
    if separator in (":", "/"):
        return _with_original(reader, _ratio(reader, comparator, first, second), parts) or _joined(reader, parts)
    if separator == "-" and not comparator:
        return _with_original(reader, _range(reader, first, second, unit), parts) or _joined(reader, parts)
    if not separator and not second and (not comparator or comparator in COMPARATORS):
        value = reader.number(first)
        if value is not None:
            sign = {"comparator": reader.text(parts[0])} if comparator else {}
            return {"valueQuantity": {"value": value, **sign, **unit_of(reader, unit)}}
    return _joined(reader, parts)


def _with_original(reader: Reader, value: Json | None, parts: list[str]) -> Json | None:
    """SN[Ratio] and SN[Range]: a ratio or range goes with the text it was made of."""
    if not isinstance(value, dict):
        return None
    text = reader.join(" ", [reader.text(part) for part in parts])
    original = {"url": "http://hl7.org/fhir/StructureDefinition/originalText", "valueString": text}
    return {kind: {"extension": [original], **inner} for kind, inner in value.items() if isinstance(inner, dict)}


def _joined(reader: Reader, parts: list[str]) -> Json | None:
    value = reader.join(" ", [reader.text(part) for part in parts])
    if value:
        reader.fault(ProblemCode.NOT_A_NUMBER, "a structured number that no FHIR number can hold; kept as text")
    return {"valueString": value} if value else None


def _ratio(reader: Reader, comparator: str, first: str, second: str) -> Json | None:
    above, below = reader.number(first), reader.number(second)
    if above is None or below is None or (comparator and comparator not in COMPARATORS):
        return None
    sign = {"comparator": comparator} if comparator else {}
    return {"valueRatio": {"numerator": {"value": above, **sign}, "denominator": {"value": below}}}


def _range(reader: Reader, first: str, second: str, unit: str) -> Json | None:
    low, high = reader.number(first), reader.number(second)
    if low is None and high is None or (low is None and first.strip()) or (high is None and second.strip()):
        return None
    ends: dict[str, Decimal | None] = {"low": low, "high": high}
    return {"valueRange": {k: {"value": v, **unit_of(reader, unit)} for k, v in ends.items() if v is not None}}


def _time_of_day(text: str) -> str | None:
    digits = re.fullmatch(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d(?:\.\d+)?)?", text, re.ASCII)
    return f"{digits[1]}:{digits[2]}:{digits[3] or '00'}" if digits else None


def reference_range(reader: Reader, text: str, rule: FieldRule, unit: str = "") -> Json | None:
    """OBX-7 as text, and as low and high where it is exactly `3.5-5.0`, `<5` or `>90`."""
    value = reader.text(text)
    if not value:
        return None
    found: dict[str, Json] = {}
    ends = _RANGE.match(value)
    comparator, rest = reader.comparator(value)
    if ends:
        pieces = {"low": value[slice(*ends.span(1))], "high": value[slice(*ends.span(2))]}
    else:
        pieces = {"high" if comparator[0] == "<" else "low": rest} if comparator else {}
    for name, piece in pieces.items():
        number = reader.number(piece)
        if number is not None:
            found[name] = {"value": number, **unit_of(reader, unit)}
    return found | {"text": value}


def quantity(reader: Reader, text: str, rule: FieldRule, *_: str) -> Json | None:
    """CQ as Quantity: a number and its unit."""
    amount, _mark, unit = text.partition(reader.component)
    value = reader.number(amount)
    if value is None:
        if reader.text(amount):
            reader.fault(ProblemCode.NOT_A_NUMBER, "not exactly a number; left out")
        return None
    return {"value": value, **unit_of(reader.inner, unit)}


def period(reader: Reader, text: str, rule: FieldRule | None, *_: str) -> Json | None:
    """DR as Period."""
    parts = reader.parts(text)
    found = {
        name: time
        for name, piece in zip(("start", "end"), parts, strict=False)
        if piece and (time := reader.time(piece))
    }
    return found or None


def performed(reader: Reader, text: str, rule: FieldRule, minutes: str = "", *_: str) -> Json | None:
    """When a procedure was done: a period where its first minute and its minutes are known, else a time or a day."""
    start = reader.time(reader.parts(text)[0])
    if start is None:
        return None
    length = reader.text(minutes)
    if "T" not in start or not _MINUTES.match(length) or not 0 < int(length) <= _LONGEST_MINUTES:
        return {"performedDateTime": start}
    try:
        end = datetime.fromisoformat(start) + timedelta(minutes=int(length))
    except (ValueError, OverflowError):  # the last night of the year 9999
        return {"performedDateTime": start}
    return {"performedPeriod": {"start": start, "end": reader.derive("minutes-after", start, end.isoformat(), length)}}


def dose(reader: Reader, text: str, rule: FieldRule, unit: str = "", *_: str) -> Json | None:
    """An amount of a drug, with the unit of another field, as Quantity."""
    found = _measured(reader, text, unit)
    if found is None and reader.text(text):
        reader.fault(ProblemCode.NOT_A_NUMBER, "not exactly a number; left out")
    return found


def attachment(reader: Reader, text: str, rule: FieldRule, kind: str = "", *_: str) -> Json | None:
    """ED as Attachment without its data: the document stays in the sealed message, where its bytes are kept already."""
    parts = [*reader.parts(text), "", "", "", ""]
    if kind.strip() != "ED" or not parts[4]:
        return None
    known = reader.join("/", [reader.text(parts[1]), reader.text(parts[2])])
    return {"contentType": known if "/" in known else "application/octet-stream"}
