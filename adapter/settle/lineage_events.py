"""Where an `outcome_event` came from: the code or the time that states it, and the operations it follows."""

from collections.abc import Iterator
from typing import NamedTuple

from adapter.csor.derive import OutcomeRules
from adapter.mapping.csor_outcome import Step
from adapter.settle.bodies import Cut
from adapter.settle.drafted import Row
from adapter.settle.lineage_cases import CaseExplainer
from adapter.settle.lineage_derived import DerivedExplainer
from adapter.settle.lineage_rows import Drafted, RowTracer, as_cut
from adapter.settle.lineage_values import FieldLineage, Value


class _Told(NamedTuple):
    """By which fields of a row one rule tells an event."""

    what: tuple[str, ...]
    when: str


_TOLD = {
    "patient-deceased": _Told(("death_datetime", "deceased"), "death_datetime"),
    "discharge-method": _Told(("discharge_method",), "discharge_dt"),
    "discharge-destination": _Told(("discharge_destination",), "discharge_dt"),
    "source-of-admission": _Told(("source_of_admission",), "admit_dt"),
    "procedure-code": _Told((), "knife_to_skin"),
    "after-index-operation": _Told((), "knife_to_skin"),
}


class EventExplainer:
    """Explains events by the rows that they were told from."""

    def __init__(
        self, tracer: RowTracer, *, derived: DerivedExplainer, cases: CaseExplainer, rules: OutcomeRules
    ) -> None:
        self._tracer = tracer
        self._derived = derived
        self._cases = cases
        self._rules = rules

    def explain(self, child: Drafted, row: Row) -> Iterator[FieldLineage | None]:
        """Each field that has a value."""
        says = self._says(child, row)
        yield says
        if says is not None:
            cuts = says.values[0].cuts
            rule = row.fields["rule"]
            yield says._replace(
                field="rule", value=rule, values=(Value("", rule, cuts, (Step("constant", "what states it", rule),)),)
            )
        if row.fields.get("event_dt") is not None:
            yield self._when(child, row)
        if row.fields.get("condition") is not None:
            yield self._condition(child, row)

    def _says(self, child: Drafted, row: Row) -> FieldLineage | None:
        rule, event = row.fields["rule"], row.fields["event_type"]
        step = Step("event", rule, event)
        if rule == "after-index-operation":
            return self._after(child, row, step)
        for part in row.parts:
            if rule == "procedure-code":
                found = self._derived.coded(child, part, self._rules.stoma[event])
                if found is not None:
                    given, value = found
                    made = Value("", event, value.cuts, (*value.steps, step))
                    return FieldLineage("event_type", event, given.rule, (made,))
            for name in _TOLD[rule].what:
                taken = self._tracer.fields(child, part).get(name)
                if taken is not None:
                    (value,) = taken.values
                    made = Value("", event, value.cuts, (*value.steps, step))
                    return FieldLineage("event_type", event, taken.rule, (made,))
        return None

    def _after(self, child: Drafted, row: Row, step: Step) -> FieldLineage | None:
        """The code and the time of an index operation, and the time of what came after it."""
        later = self._first(row)
        for before in row.parts:
            for condition in before.fields.get("index_for") or ():
                code = self._derived.definitive(child, before, condition)
                times = [self._tracer.fields(child, each).get("knife_to_skin") for each in (before, later)]
                cuts = tuple(cut for cut in (code, *map(as_cut, times)) if cut is not None)
                if len(cuts) == 3 and times[1] is not None:
                    value = Value("", row.fields["event_type"], cuts, (step,))
                    return FieldLineage("event_type", row.fields["event_type"], times[1].rule, (value,))
        return None

    def _first(self, row: Row) -> Row:
        """What the event happened at."""
        when = _TOLD[row.fields["rule"]].when
        own = [part for part in row.parts if part.fields.get(when) == row.fields["event_dt"]]
        return sorted(own or row.parts, key=lambda part: bool(part.fields.get("index_for")))[0]

    def _when(self, child: Drafted, row: Row) -> FieldLineage | None:
        step = Step("derived", "event", "")
        return self._derived.taken(child, self._first(row), _TOLD[row.fields["rule"]].when, step=step, field="event_dt")

    def _condition(self, child: Drafted, row: Row) -> FieldLineage | None:
        condition = row.fields["condition"]
        if row.fields["rule"] == "after-index-operation":
            for part in row.parts:
                code = self._derived.definitive(child, part, condition)
                if code is not None and condition in (part.fields.get("index_for") or ()):
                    return _condition(condition, (code,), Step("index-operation", "rules.yaml", condition))
        cuts = self._cases.evidence(child, condition)
        return _condition(condition, cuts, Step("only-condition", "", condition)) if cuts else None


def _condition(condition: str, cuts: tuple[Cut, ...], step: Step) -> FieldLineage:
    return FieldLineage("condition", condition, cuts[0].then_rule, (Value("", condition, cuts, (step,)),))
