"""Fields that are decided together, because one resource says them only as a whole: who decides them, and how it shows.

A decider stands in for the conversions of its fields: the compiled function asks it once for each resource.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from adapter.assertion import Resource
from adapter.fhir.path import Path
from adapter.mapping.csor_outcome import Step
from adapter.mapping.csor_rules import MEASUREMENT, As, FieldRule
from adapter.mapping.measures import Measures
from adapter.mapping.observation import moment_of

Decide = Callable[[Resource, Mapping[str, Resource], str | None], Sequence[Any] | None]
"""From a resource, its context and the birth of the child: the values of all fields, and last the problems; None where
the resource gives no such row."""


class PartTrace(NamedTuple):
    """The lineage of one value inside a field that is a list; the steps lead from the source to it."""

    at: str
    """`[0].code`."""
    sources: tuple[str, ...]
    steps: tuple[Step, ...]


class Lineage(NamedTuple):
    """Where a field came from; without steps it has no value."""

    sources: tuple[str, ...] = ()
    """FHIR paths to leaves."""
    steps: tuple[Step, ...] = ()
    parts: tuple[PartTrace, ...] = ()
    """Of a field that is a list: each of its values."""


def of_parts(parts: Sequence[PartTrace]) -> Lineage:
    """The lineage of a list."""
    sources = dict.fromkeys(source for part in parts for source in part.sources)
    return Lineage(tuple(sources), (Step("collect", str(len(parts)), ""),), tuple(parts))


Trace = Callable[[FieldRule, Resource, Mapping[str, Resource], str | None], Lineage]


class Decider(NamedTuple):
    """Who decides the fields of one kind of row."""

    conversions: frozenset[As]
    decide: Decide
    place: Callable[[FieldRule], int]
    """The place of a field among the values."""
    trace: Trace
    always: bool = False
    """Never None, so that nobody need ask."""
    otherwise: str = "decided"
    """Why there is no row where it says None."""


def measures_decider(measures: Measures) -> Decider:
    """The fields of one measurement."""

    def decide(resource: Resource, _: Mapping[str, Resource], birth: str | None) -> Sequence[Any] | None:
        return measures.measure(resource, birth)

    def trace(rule: FieldRule, resource: Resource, _: Mapping[str, Resource], birth: str | None) -> Lineage:
        return _MeasureLineage(measures, resource, birth).of(rule.as_)

    return Decider(
        frozenset(MEASUREMENT),
        decide,
        lambda rule: MEASUREMENT.index(rule.as_),
        trace,
        otherwise="no measure of the record",
    )


class _MeasureLineage:
    """Sources and steps of the fields of one measurement."""

    def __init__(self, measures: Measures, resource: Resource, birth: str | None) -> None:
        found, decision = measures.measure(resource, birth), measures.decision(resource)
        assert found is not None and decision is not None  # noqa: S101 - there is a row
        self._found, self._decision, self._resource, self._birth = found, decision, resource, birth
        self._quantity = quantity if isinstance(quantity := resource.get("valueQuantity"), dict) else None

    def of(self, conversion: As) -> Lineage:
        found, decided = self._found, (f"code.{self._decision.source}",)
        match conversion:
            case As.MEASURE:
                return Lineage(decided, (Step("look-up", self._decision.place, found.measure),))
            case As.TEST_CODES:
                places = tuple(f"code.{place}" for place, _ in Path("coding.code").located(self._resource["code"]))
                return Lineage(places, (Step("collect", str(len(found.codes or ())), ""),))
            case As.VALUE_NUMBER:
                return Lineage((self._source(),), (Step("number", "", str(found.value)),))
            case As.UNIT_ORIGINAL:
                element = "unit" if self._quantity is not None and self._quantity.get("unit") else "code"
                return Lineage((f"valueQuantity.{element}",), (Step("take", "", found.unit_original or ""),))
            case As.UNIT_CANONICAL:
                place = self._decision.conversion.place if self._decision.conversion is not None else ""
                return Lineage(decided, (Step("look-up", place, found.unit or ""),))
            case As.IMPLAUSIBLE:
                last = Step("plausible", self._limits(), str(bool(found.is_implausible)).lower())
                return Lineage((self._source(),), (*self._to_canonical(), last))
            case _:
                return Lineage((self._source(),), self._to_canonical())

    def _source(self) -> str:
        if self._quantity is not None:
            return "valueQuantity.value"
        return next((name for name in ("valueString", "valueInteger") if name in self._resource), "value")

    def _limits(self) -> str:
        conversion = self._decision.conversion
        if conversion is None:
            return ""
        low, high = conversion.range_at(birth=self._birth, moment=moment_of(self._resource))
        return f"{low}..{high}"

    def _to_canonical(self) -> tuple[Step, ...]:
        found, conversion = self._found, self._decision.conversion
        canonical = str(found.canonical)
        if found.value is None:
            return (Step("weeks-and-days", "", canonical),)
        number = Step("number", "", str(found.value))
        if conversion is not None and conversion.factor is not None:
            return (number, Step("multiply", str(conversion.factor), canonical))
        return (number, Step("formula", str(conversion.formula) if conversion is not None else "", canonical))
