"""An outsider takes the value at the first source, applies the printed steps with own code, and gets the field."""

import base64
import itertools
import re
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from adapter.fhir import Path as FhirPath
from adapter.mapping.csor_decided import PartTrace
from adapter.mapping.csor_trace import FieldTrace
from tests.mappings.examples import MAPPINGS, example, example_files, maps

# Decided by the absence of something, or by every coding at once: nothing to take a value from.
NOT_BY_HAND = {"constant", "collect"}


@cache
def line_of(place: str) -> str:
    name, _, number = place.rpartition(":")
    elsewhere = {"fhir-to-csor", "v2-to-fhir", "stories"} if name.endswith(".csv") else {"examples", "v2-to-fhir"}
    (file,) = [path for path in MAPPINGS.rglob(name) if not elsewhere & set(path.parts)]
    return file.read_text(encoding="utf-8").splitlines()[int(number) - 1]


def by_hand(value: Any, name: str, argument: str, result: str) -> str:
    text = str(value).strip()
    if name in ("table", "look-up"):
        assert result in line_of(argument)
        return result
    if name in ("named", "sign"):
        return _among_words(text, argument, result)
    if name in BY_HAND:
        return BY_HAND[name](text, argument)
    if name == "plausible":
        low, _, high = argument.partition("..")
        return str(not Decimal(low) <= Decimal(text) <= Decimal(high)).lower()
    if name == "normalise":
        bare = re.sub(r"[^A-Z0-9]", "", text.upper())
        return bare if argument == "snomed-ct" else re.sub(r"^(.{3})(\d).*|^(.{3}).*", _dotted, bare)
    simple = {
        "take": text,
        "number": text,
        "integer": text,
        "after-comparator": text.lstrip("<>=≤≥ "),
        "offset": text.removesuffix("Z") + "+00:00",
        "precision": {4: "year", 7: "month", 10: "day"}.get(len(text), "minute"),
        "flag": text.lower(),
        "present": "true",
        "join": argument + text,
    }
    return simple[name] if name != "multiply" else text if argument == "1" else str(Decimal(text) * Decimal(argument))


def _weeks_and_days(text: str, _: str) -> str:
    weeks, days = text.split("+")
    return str(int(weeks) * 7 + int(days))


BY_HAND = {
    "ward": lambda text, argument: {"NICU": "nicu", "SURG": "surgical"}[argument],
    "weeks-and-days": _weeks_and_days,
    "text-of-attachment": lambda text, _: base64.b64decode(text).decode(),
}


def _among_words(text: str, argument: str, result: str) -> str:
    """The line of the file has the result, and it or the entry that begins there has a word or code of the text."""
    assert result in line_of(argument)
    name, _, number = argument.rpartition(":")
    (file,) = [path for path in MAPPINGS.rglob(name) if "examples" not in path.parts]
    lines = file.read_text(encoding="utf-8").splitlines()[int(number) - 1 :]
    entry = [lines[0], *itertools.takewhile(lambda line: not re.match(r"  - (sign|study):", line), lines[1:])]
    words = [word.strip(" -").casefold() for line in entry for word in re.split(r'[][{},:"]', line)]
    assert any(len(word) > 1 and word in text.casefold() for word in words)
    return result


def _dotted(match: re.Match[str]) -> str:
    return f"{match[1]}.{match[2]}" if match[1] else match[3]


def value_at(source: str, resource: dict[str, Any], context: dict[str, Any]) -> Any:
    *references, rest = source.split(">")
    start = resource
    for reference in references:
        start = context[FhirPath(reference).first(start)["reference"]]
    return FhirPath(rest).first(start)


def check(field: str, trace: FieldTrace | PartTrace, resource: dict[str, Any], context: dict[str, Any]) -> None:
    if trace.steps[0].name in NOT_BY_HAND:
        return
    value = value_at(trace.sources[0], resource, context)
    assert value is not None, field
    for step in trace.steps:
        value = by_hand(value, step.name, step.argument, step.result)
        assert value == step.result, (field, step)


@pytest.mark.parametrize("path", example_files(), ids=lambda path: path.stem)
def test_the_printed_steps_lead_from_the_source_to_the_field(path: Path) -> None:
    golden = example(path)
    resource, context = golden.decoded(), golden.decoded_context()
    traced = maps().project_traced(golden.record, resource, context=context)
    for field, trace in (traced.lineage if traced is not None else {}).items():
        check(field, trace, resource, context)
        # The codings of a field are checked by `explain` with the whole of the code systems.
        for part in () if field == "codes" else trace.parts:
            check(f"{field}{part.at}", part, resource, context)
