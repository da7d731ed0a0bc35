"""What hl7apy, an independent implementation of the standard, says of a message. For `check` and tests only.

hl7apy repeats the values it complains of; a report here never does.
"""

import os
import re
from functools import cache

from hl7apy import load_reference
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message
from hl7apy.exceptions import HL7apyException, InvalidEncodingChars, UnsupportedVersion
from hl7apy.parser import parse_message
from hl7apy.validation import Validator

# hl7apy also lets these out on bad input.
_UNFORESEEN = (AttributeError, LookupError, TypeError, ValueError, RecursionError)
_VALUE = re.compile(r"Value .* not in table (\S+) in element (\S+)$", re.DOTALL)
_ELEMENT = re.compile(r"<(\w+) (\S*?)(?: \(([A-Z_0-9 ]*)\))?(?: of type \S+)?>")
_PLAIN = re.compile(
    r"(Missing required child|Child limit exceeded|Exceeded max length \(\d+\) of|Datatype \w+ is not correct for)"
    r" (\S+)( \(it must be [\w ]+\))?$"
)
# hl7apy 1.3 holds no datatype for some withdrawn and `varies` fields and then compares None with None.
_ARTEFACT = "Datatype None is not correct"


def report(raw: bytes) -> list[str]:
    """Deviations from the standard, one line each; empty where hl7apy finds none."""
    text = re.sub(r"[\r\n]+", "\r", raw.decode("utf-8", "replace")).strip("\r\x0b\x1c\ufeff ")
    try:
        message = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT)
    except UnsupportedVersion:
        return ["not checked: hl7apy does not know the version in MSH-12"]
    except InvalidEncodingChars as error:
        return [f"not checked: {error}"]
    except (HL7apyException, *_UNFORESEEN) as error:
        return [f"not checked: hl7apy cannot read it ({type(error).__name__})"]
    return list(dict.fromkeys(filter(None, map(_without_values, _findings(message)))))


@cache
def field_name(segment: str, field: int) -> str:
    """`patient identifier list` for PID-3, as the latest version that hl7apy has names it; empty for what it lacks."""
    for version in ("2.8.2", "2.5.1", "2.3"):
        try:
            return str(load_reference(f"{segment}_{field}", "Field", version)[3]).replace("_", " ").lower()
        except (HL7apyException, *_UNFORESEEN):
            continue
    return ""


def _findings(message: Message) -> list[str]:
    # The validator writes its findings to a file only: one in memory, since they hold patients' values.
    target = os.memfd_create("conformance")
    with os.fdopen(os.dup(target), encoding="utf-8") as written:
        stopped = _validate(message, target)
        written.seek(0)
        return [*re.split(r"\n(?=Error: |Warning: )", written.read().rstrip("\n")), stopped]


def _validate(message: Message, target: int) -> str:
    try:
        Validator.validate(message, report_file=target)
    except HL7apyException:
        return ""  # the first finding again; the report has them all
    except _UNFORESEEN as error:
        return f"Error: hl7apy stopped ({type(error).__name__})"
    return ""


def _without_values(line: str) -> str:
    kind, _, finding = line.partition(": ")
    kind = kind.lower()
    if not finding or finding.startswith(_ARTEFACT):
        return ""
    if value := _VALUE.match(finding):
        return f"{kind}: {value[2]}: value not in table {value[1]}"
    if plain := _PLAIN.match(finding):
        return f"{kind}: {plain[2]}: {plain[1].lower()}{plain[3] or ''}"
    if element := _ELEMENT.search(finding):
        return f"{kind}: {element[2] or element[1].lower()}: {_what(finding)}"
    return f"{kind}: {_what(finding)}"


def _what(finding: str) -> str:
    if finding.startswith("Invalid children"):
        return "holds parts that the standard does not have there"
    if finding.startswith("Unknown element"):
        return "message structure is not in the standard"
    return finding if finding.startswith("hl7apy stopped") else "differs from the standard"
