"""What text may look like that leaves the trust: closed lists and narrow grammars, nothing a name could pass (R21)."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

from adapter.csor.payload import NUMERIC_TEXT

_SYSTEMS = r"icd-10|opcs-4|snomed-ct|loinc"
_UNIT = r"(10\*\d{1,2}|[kcmunpf]?(g|L|m|mol|eq|s|Pa|U)|\[pH\]|\[IU\]|\{INR\}|\{score\}|Cel|%|min|h|d|1)"

TEXT_SHAPES: dict[str, re.Pattern[str]] = {
    name: re.compile(shape)
    for name, shape in {
        # NHS Data Dictionary; the nations' ethnic categories have one or two characters
        "infant.ethnic_category": r"[A-Z]|99|98|[1-6][A-Z]",
        "infant.nhs_number_status": r"0[1-8]",
        "admission.admission_method": r"[1-389][0-9A-D]",
        "admission.source_of_admission": r"\d\d",
        "admission.discharge_method": r"\d",
        "admission.discharge_destination": r"\d\d",
        "admission.treatment_function": r"\d{3}",
        "diagnosis.code_system": _SYSTEMS,
        "diagnosis.clinical_status": r"active|recurrence|relapse|inactive|remission|resolved",
        "operation.procedure_system": _SYSTEMS,
        "lab_result.unit_ucum": rf"{_UNIT}([./]{_UNIT}){{0,2}}",
        "vital_sign.unit_ucum": rf"{_UNIT}([./]{_UNIT}){{0,2}}|1|%|/min",
        # FHIR data-absent-reason
        "lab_result.absent_reason": (
            r"unknown|asked-unknown|temp-unknown|not-asked|asked-declined|masked|not-applicable|unsupported|as-text"
            r"|error|not-a-number|negative-infinity|positive-infinity|not-performed|not-permitted"
        ),
        # HL7 table 0078, its words; `<` and `>` are told by the comparator
        "lab_result.abnormal_flag": (r"A|AA|B|D|DET|H|HH|HU|HX|I|IE|IND|L|LL|LU|LX|MS|N|ND|NEG|POS|R|S|U|VS|W|WR"),
    }.items()
}
"""For every field of open text that leaves as it is: what it may look like. A field that is not named here stays."""

_CODES = {
    "icd-10": re.compile(r"[A-Z]\d[0-9AB](\.\d)?"),
    "opcs-4": re.compile(r"[A-HJ-Z]\d\d(\.\d)?"),
    "snomed-ct": re.compile(r"[1-9]\d{5,17}"),
    "loinc": re.compile(r"\d{1,5}-\d"),
}
_NUMERIC_TEXT = re.compile(NUMERIC_TEXT)
_MOST_DIGITS = 7
"""Before the point. Eight make a date, ten a national number: no result of a laboratory needs them."""
_LIMIT = 10**_MOST_DIGITS


@lru_cache(maxsize=4096)
def is_code(system: str, code: str) -> bool:
    """Well formed in its system; a SNOMED CT identifier also by partition and check digit."""
    pattern = _CODES.get(system)
    if pattern is None or not pattern.fullmatch(code):
        return False
    return system != "snomed-ct" or _is_concept_id(code)


@lru_cache(maxsize=4096)
def is_numeric_text(text: str) -> bool:
    """The numeric grammar, and no more digits than a result has."""
    return _NUMERIC_TEXT.fullmatch(text) is not None and len(text.lstrip("<>=-").partition(".")[0]) <= _MOST_DIGITS


def is_number(value: Any) -> bool:
    """A finite number with no more digits than a result has."""
    if type(value) is Decimal:
        return value.is_finite() and value.adjusted() < _MOST_DIGITS
    return type(value) in (int, float) and -_LIMIT < value < _LIMIT


# Verhoeff's dihedral check (J. Verhoeff 1969), as SNOMED CT identifiers use it (SNOMED CT TIG, 5.5).
_D5 = [[(i + j) % 5 if j < 5 else (i + j) % 5 + 5 for j in range(10)] for i in range(5)] + [
    [(i - j) % 5 + 5 if j < 5 else (i - j) % 5 for j in range(10)] for i in range(5, 10)
]
_SHIFT = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def _is_concept_id(code: str) -> bool:
    """Partition 00, or 10 with a namespace; a ten-digit national number all but never passes."""
    if code[-3:-1] != "00" and not (code[-3:-1] == "10" and len(code) > 10):
        return False
    check = 0
    for place, digit in enumerate(reversed(code)):
        value = int(digit)
        for _ in range(place % 8):
            value = _SHIFT[value]
        check = _D5[check][value]
    return check == 0
