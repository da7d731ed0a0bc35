"""One laboratory value: analyte, number, comparator, canonical value, decided together from code, specimen and unit.

The hot path. What code, unit and specimen decide is remembered by their texts; per value only the number is read.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from adapter.assertion import Resource
from adapter.errors import Problem, ProblemCode
from adapter.mapping.codelists import CodeLists
from adapter.mapping.concepts import UNMAPPED, Coding, Concepts, Meaning, Specimen
from adapter.mapping.csor_codings import codes_of
from adapter.mapping.csor_outcome import length_of, problem
from adapter.mapping.observation import (
    UNRESOLVED,
    codings_of,
    key_of,
    moment_of,
    other_value,
    quantity_value,
    specimen_of,
)
from adapter.mapping.units import ConflictingUnits, Conversion, Units

_LIMIT, _LONGEST_REMEMBERED = 4_096, 2_000
"""Decisions remembered: far more than a laboratory has tests; beyond it all are forgotten."""

_PROBLEM_TEXTS: Mapping[ProblemCode, tuple[str, str]] = {
    ProblemCode.UNKNOWN_CODE: ("Observation.code", "the test is not known; add it to mappings/concepts"),
    ProblemCode.AMBIGUOUS_VALUE: ("Observation.code", "its codes name different analytes; the value stays unmapped"),
    ProblemCode.WRONG_SPECIMEN: ("Observation.specimen", "not from the blood of the child; the value stays unmapped"),
    ProblemCode.UNKNOWN_SPECIMEN: (
        "Observation.specimen",
        "what was sampled is not known; state it in the message or in the table of the laboratory",
    ),
}


class Measured(NamedTuple):
    """What one Observation says, in the order of `csor_rules.LABORATORY`."""

    analyte: str
    codes: list[dict[str, Any]] | None
    value: Decimal | None
    comparator: str | None
    value_original: str | None
    unit_original: str | None
    canonical: Decimal | None
    unit: str | None
    is_implausible: bool | None
    specimen: str
    unit_inferred: bool | None
    """True where the sender sent no unit and the laboratory's table states it."""
    problems: tuple[Problem, ...]


class Sent(NamedTuple):
    """The texts that decide what a value is: the key under which the decision is remembered."""

    codings: tuple[Coding, ...]
    text: str | None
    unit: str | None
    unit_code: str | None
    specimen_codings: tuple[Coding, ...] | None
    """None where no specimen is named."""
    specimen_text: str | None


class Decision(NamedTuple):
    """All of a value but its number."""

    codes: list[dict[str, Any]] | None
    meaning: Meaning
    sampled: Specimen | None
    conversion: Conversion | None
    unit_original: str | None
    unit_inferred: bool | None
    problems: tuple[Problem, ...]
    is_canonical: bool
    """The unit that was sent is the canonical one: the value is as it should be."""


class Laboratory:
    """The tables of analytes, specimens and units, with a memory of what they decided."""

    def __init__(self, *, concepts: Concepts, units: Units, codelists: CodeLists) -> None:
        self._concepts = concepts
        self._units = units
        self._codelists = codelists
        self._memory: dict[tuple[Any, ...] | None, Decision] = {}
        self._met: dict[tuple[Any, ...], tuple[Any, Any, Decision]] = {}
        """By the identity of the parts a feed's results share, which each entry keeps alive; text is compared after."""

    def measure(self, resource: Resource, context: Mapping[str, Resource], birth: str | None = None) -> tuple[Any, ...]:
        """Everything the row needs of one Observation, as the values of `Measured` in a plain tuple.

        With `birth` the value is held to what is plausible at that age, else to the widest range.
        """
        quantity = resource.get("valueQuantity")
        decision = self._decision(resource, context, quantity)
        codes, meaning, _, conversion, unit_original, inferred, problems, is_canonical = decision
        comparator: str | None = None
        original: str | None
        if type(quantity) is dict:
            value = quantity.get("value")
            if type(value) is Decimal and "comparator" not in quantity:
                original = str(value)
            else:
                value, comparator, original = quantity_value(quantity)
        else:
            value, comparator, original = other_value(resource)
        analyte, specimen = meaning[0], meaning[1]
        if value is None and original is not None and analyte != UNMAPPED:
            problems += _NO_NUMBER
        if original is None:  # what is absent needs no unit
            problems = tuple(each for each in problems if each.code is not ProblemCode.UNKNOWN_UNIT)
        if value is None or conversion is None:
            n = None
            return (analyte, codes, value, comparator, original, unit_original, n, n, n, specimen, n, problems)
        canonical = value if is_canonical else conversion.apply(value)
        is_implausible = False
        if canonical is not None and not conversion[8] <= canonical <= conversion[9]:
            is_implausible = conversion.is_implausible(canonical, birth=birth, moment=moment_of(resource, context))
            problems += _IMPLAUSIBLE if is_implausible else ()
        unit = conversion[3]
        return (
            analyte, codes, value, comparator, original, unit_original, canonical, unit, is_implausible, specimen,
            inferred, problems,
        )  # fmt: skip

    def _decision(self, resource: Resource, context: Mapping[str, Resource], quantity: Any) -> Decision:
        concept, specimen = resource.get("code"), resource.get("specimen")
        try:
            sampled = None if specimen is None else context[specimen["reference"]]["type"]
            met_key = (id(concept), id(sampled), quantity["unit"], quantity.get("code"))
            met = self._met.get(met_key)
            if met is not None and met[0] is concept and met[1] is sampled:
                return met[2]
            key = key_of(resource, context, quantity)
            decision = self._memory.get(key)
            if decision is None:
                return self._decide(resource, context)
        except (TypeError, KeyError, AttributeError):
            # No quantity, or something in the key is no text and cannot be looked up: no reason to stop.
            return self._decide(resource, context)
        if len(self._met) >= _LIMIT:
            self._met.clear()
        self._met[met_key] = (concept, sampled, decision)
        return decision

    def _decide(self, resource: Resource, context: Mapping[str, Resource]) -> Decision:
        """From the tables; remembered, and by sender and day of collection where these matter."""
        quantity = resource.get("valueQuantity")
        key = key_of(resource, context, quantity)
        dated = (key, _sender(resource), _day(resource, context))
        try:
            known = self._memory.get(dated)
        except TypeError:
            return self.decide(self.sent(resource, context, quantity), resource, context)
        if known is not None:
            return known
        decision = self.decide(self.sent(resource, context, quantity), resource, context)
        if key is not None and length_of(key) <= _LONGEST_REMEMBERED:
            if len(self._memory) >= _LIMIT:
                self._memory.clear()
            self._memory[key if decision.meaning.is_timeless else dated] = decision
        return decision

    def sent(self, resource: Resource, context: Mapping[str, Resource], quantity: Any) -> Sent:
        """The deciding texts of an Observation."""
        concept = resource.get("code")
        specimen = resource.get("specimen")
        specimen_codings: tuple[Coding, ...] | None = None
        specimen_text = None
        if type(specimen) is dict:
            specimen_codings, specimen_text = specimen_of(specimen, resource, context)
        unit = unit_code = None
        if type(quantity) is dict:
            unit, unit_code = quantity.get("unit"), quantity.get("code")
            if type(unit) is not str:
                unit = None
            if type(unit_code) is not str:
                unit_code = None
        if type(concept) is not dict:
            return Sent((), None, unit, unit_code, specimen_codings, specimen_text)
        text = concept.get("text")
        return Sent(
            codings_of(concept), text if type(text) is str else None, unit, unit_code, specimen_codings, specimen_text
        )

    def decide(self, sent: Sent, resource: Resource, context: Mapping[str, Resource]) -> Decision:
        """All but the number, from the tables."""
        sampled: Specimen | None = None
        if sent.specimen_codings is not None and (sent.specimen_codings or sent.specimen_text):
            sampled = self._concepts.specimen(sent.specimen_codings, sent.specimen_text)
        meaning = self._concepts.meaning(
            sent.codings, text=sent.text, specimen=sampled, sender=_sender(resource), day=_day(resource, context)
        )
        problems: tuple[Problem, ...] = ()
        if sent.specimen_codings == UNRESOLVED:
            problems += _UNRESOLVED_SPECIMEN
        if meaning.problem is not None:
            at, text = _PROBLEM_TEXTS[meaning.problem]
            problems += problem(meaning.problem, text, at=at)
        conversion, found = self._conversion(sent, meaning, resource)
        return Decision(
            codes=codes_of((coding._asdict() for coding in sent.codings), self._codelists) or None,
            meaning=meaning,
            sampled=sampled,
            conversion=conversion,
            unit_original=sent.unit or sent.unit_code,
            unit_inferred=True if conversion is not None and meaning.unit and not _has_unit(sent) else None,
            problems=problems + found,
            is_canonical=conversion is not None and conversion.factor == 1,
        )

    def _conversion(
        self, sent: Sent, meaning: Meaning, resource: Resource
    ) -> tuple[Conversion | None, tuple[Problem, ...]]:
        has_number = "valueQuantity" in resource or other_value(resource)[0] is not None
        if meaning.analyte == UNMAPPED or not has_number:
            return None, ()
        given = (sent.unit, sent.unit_code) if _has_unit(sent) else (meaning.unit,)
        try:
            found = self._units.conversion(meaning.analyte, *given)
        except ConflictingUnits:
            return None, problem(ProblemCode.UNKNOWN_UNIT, "text and code of the unit differ; not converted", at=_UNIT)
        if found is None:
            text = "no unit of this analyte; the value is kept as sent; add it to mappings/units"
            return None, problem(ProblemCode.UNKNOWN_UNIT, text, at=_UNIT)
        return found, ()


_VALUE = "Observation.value"
_UNIT = "Observation.valueQuantity.unit"
_NO_NUMBER = problem(ProblemCode.NOT_A_NUMBER, "the value is not a number; it is kept as text", at=_VALUE)
_IMPLAUSIBLE = problem(ProblemCode.IMPLAUSIBLE, "outside the plausible range; kept and flagged", at=_VALUE)
_UNRESOLVED_SPECIMEN = problem(
    ProblemCode.UNRESOLVED_REFERENCE, "the specimen is referred to but was not sent", at="Observation.specimen"
)


def _has_unit(sent: Sent) -> bool:
    """Blanks are no unit."""
    return any(text is not None and not text.isspace() and text for text in (sent.unit, sent.unit_code))


def _sender(resource: Resource) -> str:
    meta = resource.get("meta")
    source = meta.get("source") if isinstance(meta, dict) else None
    return source if isinstance(source, str) else ""


def _day(resource: Resource, context: Mapping[str, Resource]) -> str:
    return (moment_of(resource, context) or "")[:10]
