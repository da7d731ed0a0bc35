"""Evidence that is no code: the sentence of a report that names the condition, the form of an operative record."""

from adapter.assertion import ItemKind
from adapter.cohort import CohortRules, Evidence
from adapter.mapping.csor_outcome import Step
from adapter.narrative import Mention
from adapter.narrative.passages import passages
from adapter.settle.bodies import Cut
from adapter.settle.drafted import read_of
from adapter.settle.judging import report_of
from adapter.settle.lineage_rows import Drafted, RowTracer, as_cut

Found = tuple[Cut | None, None, Cut | None]
"""What says it, no system of codes, and when."""
_NOTHING: Found = (None, None, None)


class ProseExplainer:
    """Finds again what was read in words."""

    def __init__(self, tracer: RowTracer, *, rules: CohortRules) -> None:
        self._tracer = tracer
        self._rules = rules

    def sentence(self, child: Drafted, evidence: Evidence, *, condition: str) -> Found:
        """The first sentence of the report that counts; the bytes are those of the whole text, `part` is in it."""
        spoken = child.past.singles[ItemKind.IMAGING].get(evidence.ref)
        read = report_of(spoken) if spoken else read_of(child.past.singles[ItemKind.DOCUMENT][evidence.ref])
        if read is None:
            return _NOTHING
        words, written = ("conclusion", "effectiveDateTime") if spoken else ("description", "context.period.start")
        text = read.resource[words]
        mention = self._counts(text, evidence, condition)
        folded = self._tracer.refolder.read(read)
        whole = self._tracer.refolder.cut(folded, words)
        date = self._tracer.refolder.cut(folded, written)
        if mention is None or whole is None:
            return _NOTHING
        start, end = next(
            (each.start, each.end) for each in passages(text) if each.start <= mention.start and mention.end <= each.end
        )
        place = self._rules.places[mention.name]
        steps = (Step("part", f"{start}:{end}", text[start:end]), Step("term", place, mention.name))
        return whole._replace(then=steps, then_rule=place), None, date

    def record(self, child: Drafted, evidence: Evidence) -> Found:
        """By its form the record is of the condition; its date is what the surgeon wrote."""
        for row in child.rows.values():
            if row.kind == "operation_note" and row.key == evidence.ref:
                fields = self._tracer.fields(child, row)
                return as_cut(fields.get("condition")), None, as_cut(fields.get("operated_dt"))
        return _NOTHING

    def _counts(self, text: str, evidence: Evidence, condition: str) -> Mention | None:
        rules = [
            rule
            for each in self._rules.conditions
            if each.rule.name == condition
            for rule in each.rule.evidence
            if rule.name == evidence.kind
        ]
        found = (
            mention
            for mention in self._rules.reader.read(text)
            for rule in rules
            if mention.name in rule.terms and mention.assertion in rule.assertions
        )
        return next(found, None)
