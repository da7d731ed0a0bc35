"""Where a case came from: the rule that gave its state, and the bytes of each code and date that count as evidence."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from adapter.chart.origins import Stated
from adapter.cohort import CaseState, CohortRules, Evidence
from adapter.cohort.reasons import day, told
from adapter.fhir.path import Path
from adapter.mapping import CodeLists
from adapter.mapping.csor_outcome import Step
from adapter.settle.bodies import Cut
from adapter.settle.drafting import Drafting
from adapter.settle.judging import case_flags, judged
from adapter.settle.lineage_values import FieldLineage, Value
from adapter.settle.projection import History, Said, history
from adapter.settle.refolding import Folded, Refolder

_DATES = ("onsetDateTime", "onsetPeriod.start", "recordedDate", "performedDateTime", "performedPeriod.start")


class _Shown(NamedTuple):
    """One item of evidence, found again."""

    evidence: Evidence
    code: Cut | None
    system: Cut | None
    date: Cut | None
    listed: tuple[Step, ...]
    """From the code as sent to the line of the list it is on."""


class CaseExplainer:
    """Judges a child once more and finds the evidence in its messages."""

    def __init__(self, refolder: Refolder, *, rules: CohortRules, codelists: CodeLists, drafting: Drafting) -> None:
        self._refolder = refolder
        self._rules = rules
        self._codelists = codelists
        self._drafting = drafting

    def explain(
        self, person_id: int, stored: Mapping[str, Any], assertion_ids: Sequence[int]
    ) -> Iterator[FieldLineage]:
        """Each field of a `condition_case` that has a value."""
        past = history(self._refolder.sources(assertion_ids))
        patient = self._refolder.person(person_id).resource
        cases = judged(past, patient, self._drafting.notes(past), rules=self._rules)
        case = next((each for each in cases if each.condition == stored["condition"]), None)
        if case is None or not case.place:
            return
        shown = [self._shown(past, case, each) for each in case.evidence if each.is_coded]
        file = case.place.partition(":")[0]
        line = next(each.rule._line for each in self._rules.conditions if each.rule.name == case.condition)
        named = Step("constant", f"{file}:{line}", case.condition)
        yield FieldLineage("condition", stored["condition"], named.argument, (Value("", case.condition, (), (named,)),))
        for field, values in _fields(case, shown, self._codelists).items():
            if stored.get(field) is not None:
                yield FieldLineage(field, stored[field], case.place, tuple(_as_stored(values, stored[field])))

    def _shown(self, past: History, case: CaseState, evidence: Evidence) -> _Shown:
        lists = past.procedures if evidence.is_operation else past.diagnoses
        entry, coding = self._entry(lists[evidence.ref], evidence)
        code = self._refolder.cut(entry, f"{coding}.code")
        system = self._refolder.cut(entry, f"{coding}.system")
        return _Shown(evidence, code, system, self._date(past, entry, evidence), self._listed(case, evidence))

    def _entry(self, said: Said, evidence: Evidence) -> tuple[Folded, str]:
        """The entry of the list with this code, and the one with this date where the code comes more than once."""
        number = next(n for n, item in enumerate(said.source.assertion.items) if item is said.item)
        wanted = (evidence.system, evidence.code)
        found = [
            (nth, place)
            for nth, resource in enumerate(said.item.resources)
            for place, coding in Path("code.coding").located(resource)
            if self._rules.normalise(coding.get("system", ""), coding.get("code", "")) == wanted
        ]
        dated = [each for each in found if _date_path(said.item.resources[each[0]], evidence.at)]
        nth, place = (dated or found)[0]
        return self._refolder.entry(said.source, number, nth), place

    def _date(self, past: History, entry: Folded, evidence: Evidence) -> Cut | None:
        path = _date_path(entry.resource, evidence.at)
        if path:
            return self._refolder.cut(entry, path)
        # R2b: no date of its own, so the visit's beginning was taken.
        stated = [
            Stated(said.item, said.source.assertion_id, number)
            for said in past.encounters.get(evidence.ref, ())
            for number, item in enumerate(said.source.assertion.items)
            if item is said.item
        ]
        return self._refolder.cut(self._refolder.whole(stated), "period.start") if stated and evidence.at else None

    def _listed(self, case: CaseState, evidence: Evidence) -> tuple[Step, ...]:
        normal = Step("normalise", evidence.system_name, evidence.code)
        for condition in self._rules.conditions:
            for rule in condition.rule.evidence:
                if condition.rule.name == case.condition and rule.name == evidence.kind:
                    found = (self._codelists.lookup(name, evidence.system, evidence.code) for name in rule.lists)
                    return (normal, *[Step("look-up", row.place, evidence.code) for row in found if row][:1])
        return (normal,)


def _date_path(resource: Mapping[str, Any], at: str) -> str:
    return next((path for path in _DATES if at and Path(path).first(dict(resource)) == at), "")


def _fields(case: CaseState, shown: Sequence[_Shown], codelists: CodeLists) -> dict[str, list[Value]]:
    codes = tuple(each.code._replace(then=each.listed) for each in shown if each.code)
    first = next((each for each in shown if each.evidence.at), None)
    dates = (first.date,) if first and first.date else ()
    return {
        "state": [Value("", case.state.value, codes, (Step("state", case.place, case.state.value),))],
        "because": [_sentence(case, shown)],
        "first_evidence": [Value("", case.first_evidence, dates, (Step("take", "", case.first_evidence or ""),))],
        "evidence": [value for number, each in enumerate(shown) for value in _code(number, each, codelists)],
        "flags": [
            Value(f"[{number}]", flag, (), (Step("constant", case.place, flag),))
            for number, flag in enumerate(case_flags(case))
        ],
    }


def _code(number: int, shown: _Shown, codelists: CodeLists) -> Iterator[Value]:
    name = shown.evidence.system_name
    named = Step("table", codelists.place_of(name), name)
    yield Value(f"[{number}].system", name, (shown.system,) if shown.system else (), (named,))
    code = (shown.code,) if shown.code else ()
    yield Value(f"[{number}].code", shown.evidence.code, code, shown.listed)
    yield Value(f"[{number}].listed", True, code, (Step("present", "", "true"),))


def _sentence(case: CaseState, shown: Sequence[_Shown]) -> Value:
    """The sentence with its codes and days taken out: `{0} coded {1}`, filled from the cuts in order."""
    text = case.because
    cuts: list[Cut] = []
    for each in shown:
        words, code, date = told(each.evidence), each.evidence.code, day(each.evidence.at)
        if words not in text or each.code is None:
            continue
        frame = words.replace(code, f"{{{len(cuts)}}}", 1)
        cuts.append(each.code._replace(then=(Step("normalise", each.evidence.system_name, code),)))
        if each.date is not None and frame.endswith(date):
            frame = frame.removesuffix(date) + f"{{{len(cuts)}}}"
            cuts.append(each.date._replace(then=(Step("day", "", date),)))
        text = text.replace(words, frame)
    return Value("", case.because, tuple(cuts), (Step("sentence", text, case.because),))


def _as_stored(values: Sequence[Value], stored: Any) -> Iterator[Value]:
    """What stands in the row is what is explained: where it was judged anew otherwise, the two differ."""
    for value in values:
        yield value._replace(value=Path(f"list{value.at}").first({"list": stored}) if value.at else stored)
