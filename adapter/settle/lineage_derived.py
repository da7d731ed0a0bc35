"""Where the fields came from that no one resource gives: stays, courses, examinations, facts of birth, outcomes.

What a row is derived from is what `drafting` derived it from; of these rows the one whose value it is, is named.
"""

from collections.abc import Collection, Mapping
from typing import Any

from adapter.csor import derive
from adapter.csor.derive import OutcomeRules, Stated
from adapter.csor.derive.stated import span
from adapter.mapping.csor_outcome import Step
from adapter.settle.bodies import Cut
from adapter.settle.drafted import Row
from adapter.settle.lineage_rows import Drafted, RowTracer, as_cut, inside
from adapter.settle.lineage_values import FieldLineage, Value

_NAMES = {"ward_stay": "ward-stay", "medication_course": "course", "imaging_study": "examination", "infant": "birth"}
_OTHER_FIELDS = {
    ("ward_stay", "end_dt"): ("end_dt", "discharge_dt", "start_dt"),
    ("medication_course", "end_dt"): ("end_dt", "start_dt"),
}
"""Where a field is given by another one: a stay ends with the visit or the next move, a course with its last dose."""


class DerivedExplainer:
    """Explains derived fields of any row but events."""

    def __init__(self, tracer: RowTracer, *, rules: OutcomeRules) -> None:
        self._tracer = tracer
        self._rules = rules

    def explain(self, child: Drafted, row: Row, name: str) -> FieldLineage | None:
        """One field that has a value; None where nothing gives it."""
        match row.kind, name:
            case "operation", "index_for":
                return self._index(child, row)
            case "medication_course", "administrations":
                return self._counted(child, row)
            case "infant", _:
                return self._of_birth(child, row, name)
            case "mother_baby_link", _:
                return self._mother(child, row)
        found = self._copied(child, row, name)
        if found is None and isinstance(row.fields[name], list):
            return self._collected(child, row, name)
        return found

    def taken(self, child: Drafted, part: Row, name: str, *, step: Step, field: str) -> FieldLineage | None:
        """A field as a contributing row has it under `name`, and the step that takes it."""
        given = self._tracer.fields(child, part).get(name)
        if given is None:
            return None
        values = tuple(each._replace(steps=(*each.steps, _same(step, each.value))) for each in given.values)
        return FieldLineage(field, given.value, given.rule, values)

    def coded(self, child: Drafted, row: Row, wanted: Collection[tuple[str, str]]) -> tuple[FieldLineage, Value] | None:
        """The first code of a procedure that is one of these."""
        given = self._tracer.fields(child, row).get("codes")
        for number, coding in enumerate(row.fields.get("codes") or ()):
            if given is not None and coding.get("listed") and (coding["system"], coding["code"]) in wanted:
                return given, next(each for each in given.values if each.at == f"[{number}].code")
        return None

    def definitive(self, child: Drafted, row: Row, condition: str) -> Cut | None:
        """The code by which an operation is the index operation of a condition."""
        found = self.coded(child, row, self._rules.definitive.get(condition, frozenset()))
        return as_cut(*found) if found else None

    def _copied(self, child: Drafted, row: Row, name: str) -> FieldLineage | None:
        value = row.fields[name]
        nearest = sorted(row.parts, key=lambda part: part.fields.get("start_dt") != row.fields.get("start_dt"))
        for field in _OTHER_FIELDS.get((row.kind, name), (name,)):
            for part in (*nearest, *row.beside):
                if part.fields.get(field) == value:
                    return self.taken(child, part, field, step=_derived(row), field=name)
        return None

    def _collected(self, child: Drafted, row: Row, name: str) -> FieldLineage | None:
        """A list that several rows have parts of."""
        values: list[Value] = []
        rule = ""
        for number, each in enumerate(row.fields[name]):
            part = next(part for part in row.parts if each in (part.fields.get(name) or ()))
            before = f"[{part.fields[name].index(each)}]"
            given = self._tracer.fields(child, part)[name]
            rule = rule or given.rule
            for value in given.values:
                if value.at == before or value.at.startswith(f"{before}."):
                    steps = (*value.steps, _same(_derived(row), value.value))
                    values.append(value._replace(at=f"[{number}]{value.at.removeprefix(before)}", steps=steps))
        return FieldLineage(name, row.fields[name], rule, tuple(values)) if values else None

    def _counted(self, child: Drafted, row: Row) -> FieldLineage | None:
        """Doses, one for each moment at which one began."""
        starts = {
            span(part.fields.get("start_dt")): self._tracer.fields(child, part).get("start_dt")
            for part in row.parts
            if part.fields.get("basis") == "administered"
        }
        given = [each for each in starts.values() if each is not None]
        cuts = tuple(cut for each in given if (cut := as_cut(each)) is not None)
        count = row.fields["administrations"]
        value = Value("", count, cuts, (Step("count", "", str(count)),))
        return FieldLineage("administrations", count, given[0].rule, (value,)) if given else None

    def _of_birth(self, child: Drafted, row: Row, name: str) -> FieldLineage | None:
        for part in row.parts:
            facts = derive.birth_facts([Stated(part.key, part.fields)])
            if facts is not None and facts.fields.get(name) == row.fields[name]:
                found = self.taken(child, part, "value_canonical", step=_derived(row), field=name)
                if found is None:
                    return None
                (value,) = found.values
                steps = (*value.steps[:-1], value.steps[-1]._replace(result=str(row.fields[name])))
                return found._replace(value=row.fields[name], values=(value._replace(steps=steps),))
        return None

    def _index(self, child: Drafted, row: Row) -> FieldLineage | None:
        values: list[Value] = []
        rule = ""
        for number, condition in enumerate(row.fields["index_for"]):
            found = self.coded(child, row, self._rules.definitive.get(condition, frozenset()))
            if found is not None:
                given, value = found
                rule = given.rule
                steps = (*value.steps, Step("index-operation", "rules.yaml", condition))
                values.append(Value(f"[{number}]", condition, value.cuts, steps))
        return FieldLineage("index_for", row.fields["index_for"], rule, tuple(values)) if values else None

    def _mother(self, child: Drafted, row: Row) -> FieldLineage | None:
        cut = self._tracer.refolder.mother(child.person_id, child.mother) if child.mother else None
        if cut is None:
            return None
        source = row.fields["link_source"]
        value = Value("", source, (cut,), (Step("mother", cut.position, source),))
        return FieldLineage("link_source", source, self._tracer.rule_of(row.kind, "link_source"), (value,))


def as_stored(found: FieldLineage, stored: Mapping[str, Any]) -> FieldLineage:
    """What stands in the row is what is explained: where it was drafted anew otherwise, the two differ."""
    value = stored[found.field]
    return found._replace(
        value=value, values=tuple(each._replace(value=inside(value, each.at)) for each in found.values)
    )


def _derived(row: Row) -> Step:
    return Step("derived", _NAMES[row.kind], "")


def _same(step: Step, value: Any) -> Step:
    return step._replace(result=str(value).lower() if isinstance(value, bool) else str(value))
