"""Where each field of a row came from: the FHIR paths that were read, the rule, and the steps in between.

Off the hot path. It walks the same rules with the same conversions as the compiled functions; a test holds the two to
the same values.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from adapter.assertion import Resource
from adapter.fhir.path import Path
from adapter.mapping.codelists import CodeLists
from adapter.mapping.csor_codings import code_of, is_kept
from adapter.mapping.csor_compile import Ready
from adapter.mapping.csor_decided import Decider, Lineage, PartTrace
from adapter.mapping.csor_outcome import NOTHING, Outcome, Step
from adapter.mapping.csor_rules import ALL_VALUES, LABORATORY, As, Condition, FieldRule
from adapter.mapping.laboratory import Decision, Laboratory, Measured
from adapter.mapping.observation import moment_of, referred


class FieldTrace(NamedTuple):
    """The lineage of one field; the steps, applied in order to the value of the first source, give the field."""

    sources: tuple[str, ...]
    """FHIR paths to leaves (`code.coding[0].code`); of a referred resource after `specimen>`."""
    rule: str
    """`lab_result.yaml:12`."""
    steps: tuple[Step, ...]
    parts: tuple[PartTrace, ...] = ()
    """Of a field that is a list of codes: each of its values."""


def trace_codes(codings: Sequence[tuple[str, Any]], codelists: CodeLists) -> Iterator[PartTrace]:
    """The values of a field that keeps every coding; of each coding its place and itself."""
    kept = [(place, coding) for place, coding in codings if is_kept(coding, codelists)]
    for number, (place, coding) in enumerate(kept):
        value = code_of(coding, codelists)
        system, is_listed = value["system"], str(value["listed"]).lower()
        if value["listed"]:
            named = Step("table", codelists.place_of(system), system)
            code = Step("normalise", system, value["code"])
        else:
            named, code = Step("take", "", system or ""), Step("take", "", value["code"])
        steps = {
            "system": ("system", named),
            "code": ("code", code),
            "display": ("display", Step("take", "", value["display"] or "")),
            "listed": ("code", Step("well-formed", system or "", is_listed)),
        }
        for name, (element, step) in steps.items():
            if value[name] is not None:
                yield PartTrace(f"[{number}].{name}", (f"{place}.{element}",), (step,))


def rule_place(rule: FieldRule) -> str:
    """File and line of a rule, for people."""
    return f"{rule._file.rpartition('/')[2]}:{rule._line}"


def trace_field(ready: Ready, resource: Resource, context: Mapping[str, Resource]) -> FieldTrace:
    """The lineage of a field that has a conversion of its own."""
    rule, convert = ready
    assert convert is not None  # noqa: S101 - fields decided together are traced by their decider
    located = first_located(rule.path, resource, context)
    outcome: Outcome = NOTHING
    if located and rule.as_ in ALL_VALUES:
        outcome = convert([value for _, value in located])
    elif located:
        located = located[:1]
        outcome = convert(located[0][1])
    if outcome.value is None:
        return FieldTrace((), rule_place(rule), ())
    if outcome.used is not None:
        place = located[outcome.used][0]
        if outcome.leaf and isinstance(outcome.value, list):
            parts = tuple(
                PartTrace(f"[{n}]", (f"{place}.{outcome.leaf}",), (step,)) for n, step in enumerate(outcome.steps)
            )
            return FieldTrace((parts[0].sources[0],), rule_place(rule), (Step("collect", str(len(parts)), ""),), parts)
        return FieldTrace((f"{place}.{outcome.leaf}" if outcome.leaf else place,), rule_place(rule), outcome.steps)
    return FieldTrace(tuple(place for place, _ in located), rule_place(rule), outcome.steps)


def first_located(paths: Sequence[str], resource: Resource, context: Mapping[str, Resource]) -> list[tuple[str, Any]]:
    """The values of the first path that has any, each with its place."""
    for text in paths:
        *references, rest = text.split(">")
        start: Resource | None = resource
        for reference in references:
            start = referred(Path(reference).first(start), resource, context) if start is not None else None
        found = Path(rest).located(start) if start is not None else []
        if found:
            return [(">".join([*references, place]), value) for place, value in found]
    return []


def holds(condition: Condition, resource: Resource, context: Mapping[str, Resource]) -> bool:
    """Whether a resource meets a condition of `include-if`: the question that the compiled function asks."""
    words = [_condition_word(value) for _, value in first_located([condition.path], resource, context)]
    if condition.is_none_of:
        return not any(word in condition.is_none_of for word in words)
    return any(word in condition.is_one_of for word in words) or (condition.or_absent and not words)


def _condition_word(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else None


def laboratory_decider(laboratory: Laboratory) -> Decider:
    """The fields of one laboratory value."""

    def trace(rule: FieldRule, resource: Resource, context: Mapping[str, Resource], birth: str | None) -> Lineage:
        return _trace_measured(rule, laboratory, resource, context, birth=birth)

    return Decider(
        frozenset(LABORATORY), laboratory.measure, lambda rule: LABORATORY.index(rule.as_), trace, always=True
    )


def _trace_measured(
    rule: FieldRule,
    laboratory: Laboratory,
    resource: Resource,
    context: Mapping[str, Resource],
    *,
    birth: str | None = None,
) -> Lineage:
    """The lineage of a field that the laboratory decides."""
    measured = Measured(*laboratory.measure(resource, context, birth))
    decision = laboratory.decide(laboratory.sent(resource, context, resource.get("valueQuantity")), resource, context)
    low_high = None
    if decision.conversion is not None:
        low_high = decision.conversion.range_at(birth=birth, moment=moment_of(resource, context))
    return Lineage(*_Lineage(measured, decision, resource, low_high).of(rule.as_))


_Found = tuple[tuple[str, ...], tuple[Step, ...]]


class _Lineage:
    """Sources and steps of the fields of one value."""

    def __init__(
        self, measured: Measured, decision: Decision, resource: Resource, low_high: tuple[Decimal, Decimal] | None
    ) -> None:
        self._measured = measured
        self._decision = decision
        self._resource = resource
        self._limits = f"{low_high[0]}..{low_high[1]}" if low_high is not None else ""
        self._quantity = isinstance(resource.get("valueQuantity"), dict)

    def of(self, conversion: As) -> _Found:
        match conversion:
            case As.ANALYTE:
                return self._decided(), (self._looked_up(self._measured.analyte),)
            case As.TEST_CODES:
                count = len(self._measured.codes or ())
                return self._codings(), (Step("collect", str(count), ""),) if count else ()
            case As.SPECIMEN_TYPE:
                return self._specimen()
            case As.UNIT_ORIGINAL:
                return self._unit_original()
            case As.UNIT_CANONICAL:
                return self._unit_canonical()
            case As.UNIT_INFERRED:
                return self._unit_inferred()
            case _:
                return self._value(conversion)

    def _looked_up(self, result: str) -> Step:
        meaning = self._decision.meaning
        if meaning.problem is not None:
            return Step("constant", meaning.problem.name, result)
        return Step("look-up", meaning.place, result)

    def _decided(self) -> tuple[str, ...]:
        """The element that decided what the test is, before the others."""
        source = self._decision.meaning.source
        return (f"code.{source}",) if source else self._codings()

    def _codings(self) -> tuple[str, ...]:
        concept = self._resource.get("code")
        found = Path("coding.code").located(concept) if isinstance(concept, dict) else []
        return tuple(f"code.{place}" for place, _ in found) or ("code.text",)

    def _specimen(self) -> _Found:
        sampled = self._decision.sampled
        result = self._measured.specimen
        if sampled is not None and sampled.place:
            return (f"specimen>type.{sampled.source}",), (Step("look-up", sampled.place, result),)
        if sampled is None and self._decision.meaning.place and result != "unknown":
            return self._decided(), (Step("look-up", self._decision.meaning.place, result),)
        return (), (Step("constant", "UNKNOWN_SPECIMEN", result),)

    def _unit_original(self) -> _Found:
        unit = self._decision.unit_original
        if unit is None:
            return (), ()
        quantity = self._resource["valueQuantity"]
        element = "unit" if quantity.get("unit") == unit else "code"
        return (f"valueQuantity.{element}",), (Step("take", f"valueQuantity.{element}", unit),)

    def _unit_canonical(self) -> _Found:
        conversion = self._decision.conversion
        if conversion is None or self._measured.unit is None:
            return (), ()
        sources, _ = self._unit_original()
        return sources or self._decided(), (Step("look-up", conversion.place, conversion.canonical),)

    def _unit_inferred(self) -> _Found:
        meaning = self._decision.meaning
        if not self._measured.unit_inferred:
            return (), ()
        return self._decided(), (Step("constant", f"unit {meaning.unit} of {meaning.place}", "true"),)

    def _value(self, conversion: As) -> _Found:
        measured = self._measured
        source = "valueQuantity.value" if self._quantity else self._other_path()
        number = Step("number" if self._quantity else "after-comparator", "", _text(measured.value))
        if conversion is As.VALUE_ORIGINAL:
            return self._original(source)
        if conversion is As.VALUE_COMPARATOR:
            return self._comparator(source)
        if measured.value is None:
            return (), ()
        if conversion is As.VALUE_NUMBER:
            return (source,), (number,)
        if measured.canonical is None:
            return (), ()
        steps = (number, self._converted())
        if conversion is As.VALUE_CANONICAL:
            return (source,), steps
        return (source,), (*steps, Step("plausible", self._limits, str(bool(measured.is_implausible)).lower()))

    def _converted(self) -> Step:
        rule = self._decision.conversion
        result = _text(self._measured.canonical)
        if rule is None or rule.factor is None:
            return Step("ph", "", result)
        return Step("multiply", str(rule.factor), result)

    def _original(self, source: str) -> _Found:
        original = self._measured.value_original
        if original is None:
            return (), ()
        if self._quantity and self._measured.comparator:
            steps = (Step("join", self._measured.comparator, original),)
            return (source, "valueQuantity.comparator"), steps
        return (source,), (Step("take", source, original),)

    def _comparator(self, source: str) -> _Found:
        comparator = self._measured.comparator
        if comparator is None:
            return (), ()
        if self._quantity:
            path = "valueQuantity.comparator"
            return (path,), (Step("take", path, comparator),)
        return (source,), (Step("comparator", "", comparator),)

    def _other_path(self) -> str:
        names = ("valueString", "valueInteger")
        return next((name for name in names if name in self._resource), None) or self._word_of_concept()

    def _word_of_concept(self) -> str:
        """Of a coded value, the element whose word was kept."""
        concept = self._resource.get("valueCodeableConcept")
        paths = [Path(name).located(concept) if concept else [] for name in ("text", "coding.display", "coding.code")]
        found = [place for located in paths for place, word in located if word == self._measured.value_original]
        return f"valueCodeableConcept.{found[0]}" if found else "valueCodeableConcept"


def _text(value: Any) -> str:
    return "" if value is None else str(value)
