"""The rows of one child drafted once more, and the fields that a resource gives led back to the messages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from adapter.assertion import Resource
from adapter.chart.known import mother_named_by
from adapter.cohort import CaseState, CohortRules
from adapter.fhir.path import Path
from adapter.identity.patients import birth_of, day_of
from adapter.mapping import CsorMaps
from adapter.mapping.csor_decided import PartTrace
from adapter.mapping.csor_outcome import Step
from adapter.mapping.csor_trace import FieldTrace, rule_place
from adapter.settle.bodies import Cut
from adapter.settle.drafted import Row
from adapter.settle.drafting import Drafting
from adapter.settle.judging import judged
from adapter.settle.lineage_values import FieldLineage, Value
from adapter.settle.projection import History, RecordId, history
from adapter.settle.refolding import Folded, Refolder
from adapter.store.rows import CsorRow


class Drafted(NamedTuple):
    """One child as settling sees it."""

    person_id: int
    patient: Resource
    past: History
    cases: Sequence[CaseState]
    rows: Mapping[RecordId, Row]
    mother: str | None


class RowTracer:
    """Drafts children and traces their rows; keeps both."""

    def __init__(self, refolder: Refolder, *, csor: CsorMaps, rules: CohortRules, drafting: Drafting) -> None:
        self.refolder = refolder
        self._csor = csor
        self._rules = rules
        self._drafting = drafting
        self._children: dict[int, Drafted] = {}
        self._traced: dict[int, Mapping[str, FieldLineage]] = {}
        """By the identity of the row, which the child keeps alive."""

    def child(self, person_id: int) -> Drafted:
        """Everything but its results."""
        if person_id not in self._children:
            known, key, sources = self.refolder.child(person_id)
            past, patient = history(sources, study_of=self._csor.study_of), self.refolder.person(person_id).resource
            cases = judged(past, patient, self._drafting.notes(past), rules=self._rules)
            mother = mother_named_by(known)
            rows = self._drafting.rows_of(past, patient, cases, sources=sources, key=key, mother=mother)
            by_id = {self._drafting.record_id(row): row for row in rows}
            self._children[person_id] = Drafted(person_id, patient, past, cases, by_id, mother)
        return self._children[person_id]

    def fields(self, child: Drafted, row: Row) -> Mapping[str, FieldLineage]:
        """Those that its own resource gives."""
        if id(row) not in self._traced:
            folded = None
            if row.read is not None:
                folded = self.refolder.read(row.read)
            elif row.kind == "infant":
                folded = self.refolder.person(child.person_id)
            found = self._mapped(row.kind, folded, row.fields, patient=child.patient) if folded else ()
            self._traced[id(row)] = {each.field: each for each in found}
        return self._traced[id(row)]

    def result(self, row: CsorRow, assertion_ids: Sequence[int], stored: Mapping[str, Any]) -> list[FieldLineage]:
        """All fields of a result."""
        folded = self.refolder.result(row, assertion_ids)
        patient = self.refolder.person(row.person_id).resource
        return list(self._mapped(row.kind, folded, stored, patient=patient)) if folded else []

    def rule_of(self, kind: str, name: str) -> str:
        """The line of the mapping that a field has."""
        return next((rule_place(each.rule) for each in self._csor.kinds[kind].rules if each.rule.name == name), "")

    def _mapped(
        self, kind: str, folded: Folded, stored: Mapping[str, Any], *, patient: Resource
    ) -> Iterator[FieldLineage]:
        birth = day_of(birth_of(patient))
        traced = self._csor.project_traced(kind, folded.resource, context=folded.context, birth=birth)
        for name, trace in (traced.lineage if traced else {}).items():
            value = stored.get(name)
            if value is not None:
                yield FieldLineage(name, value, trace.rule, tuple(self._values(folded, trace, value)))

    def _values(self, folded: Folded, trace: FieldTrace, value: Any) -> Iterator[Value]:
        parts = trace.parts or tuple(_listed(folded, trace, value)) or (("", trace.sources, trace.steps),)
        for at, sources, steps in parts:
            cuts = tuple(cut for source in sources if (cut := self.refolder.cut(folded, source)) is not None)
            yield Value(at, inside(value, at), cuts, steps)


def _listed(folded: Folded, trace: FieldTrace, value: Any) -> Iterator[PartTrace]:
    """A list of words each of which stood somewhere."""
    if isinstance(value, list) and trace.steps[0].name == "collect":
        for number, each in enumerate(value):
            own = tuple(at for at in trace.sources if Path(at).first(folded.resource) == each)
            yield PartTrace(f"[{number}]", own[:1], (Step("take", "", str(each)),))


def inside(value: Any, at: str) -> Any:
    """`[0].code` of a list of codes; the value itself for an empty place."""
    return Path(f"list{at}").first({"list": value}) if at else value


def as_cut(given: FieldLineage | None, value: Value | None = None) -> Cut | None:
    """The bytes of one value with all its steps, to stand beside the bytes of others."""
    if given is None:
        return None
    taken = value or given.values[0]
    return taken.cuts[0]._replace(then=taken.steps, then_rule=given.rule) if taken.cuts else None
