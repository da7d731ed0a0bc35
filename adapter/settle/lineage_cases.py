"""Where a case came from: the rule that gave its state, and the bytes of each code, sentence and date that count."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from adapter.cohort import CaseState, CohortRules, Evidence
from adapter.cohort.reasons import day, told
from adapter.fhir.path import Path
from adapter.mapping import CodeLists
from adapter.mapping.csor_outcome import Step
from adapter.settle.bodies import Cut
from adapter.settle.drafted import Read
from adapter.settle.judging import case_flags
from adapter.settle.lineage_prose import ProseExplainer
from adapter.settle.lineage_rows import Drafted, RowTracer, inside
from adapter.settle.lineage_values import FieldLineage, Value
from adapter.settle.projection import History, Listed
from adapter.settle.refolding import Folded

_DATES = ("onsetDateTime", "onsetPeriod.start", "recordedDate", "performedDateTime", "performedPeriod.start")


class _Shown(NamedTuple):
    """One item of evidence, found again."""

    evidence: Evidence
    said: Cut | None
    """The code as sent, the sentence of a text, or the form of an operative record; `then` to what it says."""
    system: Cut | None
    date: Cut | None


class CaseExplainer:
    """Finds the evidence of a case in the messages of the child."""

    def __init__(self, tracer: RowTracer, *, rules: CohortRules, codelists: CodeLists) -> None:
        self._tracer = tracer
        self._refolder = tracer.refolder
        self._rules = rules
        self._codelists = codelists
        self._prose = ProseExplainer(tracer, rules=rules)

    def explain(self, child: Drafted, stored: Mapping[str, Any]) -> Iterator[FieldLineage]:
        """Each field of a `condition_case` that has a value."""
        case = _case(child, stored["condition"])
        if case is None or not case.place:
            return
        shown = [self._shown(child, case, each) for each in case.evidence]
        file = case.place.partition(":")[0]
        line = next(each.rule._line for each in self._rules.conditions if each.rule.name == case.condition)
        named = Step("constant", f"{file}:{line}", case.condition)
        yield FieldLineage("condition", stored["condition"], named.argument, (Value("", case.condition, (), (named,)),))
        for field, values in _fields(case, shown, self._codelists).items():
            if stored.get(field) is not None:
                yield FieldLineage(field, stored[field], case.place, tuple(_as_stored(values, stored[field])))

    def evidence(self, child: Drafted, condition: str) -> tuple[Cut, ...]:
        """What counts for a condition of the child."""
        case = _case(child, condition)
        shown = [self._shown(child, case, each) for each in case.evidence] if case else []
        return tuple(each.said for each in shown if each.said is not None)

    def _shown(self, child: Drafted, case: CaseState, evidence: Evidence) -> _Shown:
        if evidence.origin == "text":
            return _Shown(evidence, *self._prose.sentence(child, evidence, condition=case.condition))
        if evidence.origin == "note":
            return _Shown(evidence, *self._prose.record(child, evidence))
        past = child.past
        lists = past.procedures if evidence.is_operation else past.diagnoses
        entry, coding = self._entry(lists[evidence.ref], evidence)
        code = self._refolder.cut(entry, f"{coding}.code")
        if code is not None:
            code = code._replace(then=self._listed(case, evidence), then_rule=case.place)
        return _Shown(evidence, code, self._refolder.cut(entry, f"{coding}.system"), self._date(past, entry, evidence))

    def _entry(self, listed: Sequence[Listed], evidence: Evidence) -> tuple[Folded, str]:
        """The entry of the list with this code, and the one with this date where the code comes more than once."""
        wanted = (evidence.system, evidence.code)
        found = [
            (entry, place)
            for entry in listed
            for place, coding in Path("code.coding").located(entry.resource)
            if self._rules.normalise(coding.get("system", ""), coding.get("code", "")) == wanted
        ]
        dated = [each for each in found if _date_path(each[0].resource, evidence.at)]
        (resource, said, nth), place = (dated or found)[0]
        read = Read(resource, said.source.assertion.context, (said,), said.source, nth=nth)
        return self._refolder.read(read), place

    def _date(self, past: History, entry: Folded, evidence: Evidence) -> Cut | None:
        path = _date_path(entry.resource, evidence.at)
        if path:
            return self._refolder.cut(entry, path)
        # R2b: no date of its own, so the visit's beginning was taken.
        said = tuple(past.encounters.get(evidence.ref, ()))
        if not said or not evidence.at:
            return None
        visit = self._refolder.read(Read(past.visits[evidence.ref].encounter, {}, said, is_visit=True))
        return self._refolder.cut(visit, "period.start")

    def _listed(self, case: CaseState, evidence: Evidence) -> tuple[Step, ...]:
        normal = Step("normalise", evidence.system_name, evidence.code)
        for condition in self._rules.conditions:
            for rule in condition.rule.evidence:
                if condition.rule.name == case.condition and rule.name == evidence.kind:
                    found = (self._codelists.lookup(name, evidence.system, evidence.code) for name in rule.lists)
                    return (normal, *[Step("look-up", row.place, evidence.code) for row in found if row][:1])
        return (normal,)


def _case(child: Drafted, condition: str) -> CaseState | None:
    return next((each for each in child.cases if each.condition == condition), None)


def _date_path(resource: Mapping[str, Any], at: str) -> str:
    return next((path for path in _DATES if at and Path(path).first(dict(resource)) == at), "")


def _fields(case: CaseState, shown: Sequence[_Shown], codelists: CodeLists) -> dict[str, list[Value]]:
    said = tuple(each.said for each in shown if each.said)
    coded = [each for each in shown if each.evidence.is_coded]
    first = next((each for each in shown if each.evidence.at), None)
    dates = (first.date,) if first and first.date else ()
    return {
        "state": [Value("", case.state.value, said, (Step("state", case.place, case.state.value),))],
        "because": [_sentence(case, shown)],
        "first_evidence": [Value("", case.first_evidence, dates, (Step("take", "", case.first_evidence or ""),))],
        "evidence": [value for number, each in enumerate(coded) for value in _code(number, each, codelists)],
        "flags": [
            Value(f"[{number}]", flag, (), (Step("constant", case.place, flag),))
            for number, flag in enumerate(case_flags(case))
        ],
    }


def _code(number: int, shown: _Shown, codelists: CodeLists) -> Iterator[Value]:
    name = shown.evidence.system_name
    named = Step("table", codelists.place_of(name), name)
    yield Value(f"[{number}].system", name, (shown.system,) if shown.system else (), (named,))
    code = (shown.said._replace(then=()),) if shown.said else ()
    listed = shown.said.then if shown.said else ()
    yield Value(f"[{number}].code", shown.evidence.code, code, listed)
    yield Value(f"[{number}].listed", True, code, (Step("present", "", "true"),))


def _sentence(case: CaseState, shown: Sequence[_Shown]) -> Value:
    """The sentence with its codes and days taken out: `{0} coded {1}`, filled from the cuts in order."""
    text = case.because
    cuts: list[Cut] = []
    for each in shown:
        words, code, date = told(each.evidence), each.evidence.code, day(each.evidence.at)
        if words not in text:
            continue
        frame = words
        if code and each.said is not None:
            frame = frame.replace(code, f"{{{len(cuts)}}}", 1)
            cuts.append(each.said._replace(then=(Step("normalise", each.evidence.system_name, code),)))
        if each.date is not None and frame.endswith(date):
            frame = frame.removesuffix(date) + f"{{{len(cuts)}}}"
            cuts.append(each.date._replace(then=(*each.date.then, Step("day", "", date))))
        text = text.replace(words, frame)
    return Value("", case.because, tuple(cuts), (Step("sentence", text, case.because),))


def _as_stored(values: Sequence[Value], stored: Any) -> Iterator[Value]:
    """What stands in the row is what is explained: where it was judged anew otherwise, the two differ."""
    for value in values:
        yield value._replace(value=inside(stored, value.at))
