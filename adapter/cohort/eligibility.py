"""Is this child one of ours? The state of each condition, recomputed from all live evidence; never a one-way flag."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypedDict, Unpack

from adapter.cohort.evidence import Evidence, collect
from adapter.cohort.moments import span
from adapter.cohort.reading import Coded, Noted, Standing, Told, read_coded, read_prose
from adapter.cohort.reasons import oldest_first, sentence
from adapter.cohort.rules import CohortRules, Condition, StateRule
from adapter.errors import Problem, ProblemCode


class State(StrEnum):
    """docs/states.md: recomputed each time."""

    NONE = "none"
    SUSPECTED = "suspected"
    PROBABLE = "probable"
    CONFIRMED = "confirmed"
    REFUTED = "refuted"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseState:
    """One condition of one child."""

    condition: str
    state: State
    held: bool
    """For a person to look at: nothing is sent for it meanwhile, whatever the state."""
    because: str
    """One sentence for a person of the trust (R8); it has dates of events, so it never leaves."""
    first_evidence: str | None
    first_seen_late: bool
    evidence: tuple[Evidence, ...]
    """What counts, oldest first."""
    problems: tuple[Problem, ...]
    late_presenting: bool = False
    """Congenital, and every sign of it came after the newborn period (diaphragmatic hernia)."""
    place: str = ""
    """The rule that gave the state: `conditions.yaml:41`, for lineage."""

    @property
    def is_included(self) -> bool:
        """Confirmed, and no person has to look first."""
        return self.state is State.CONFIRMED and not self.held


class Prose(TypedDict, total=False):
    """What is not coded."""

    texts: Iterable[Told]
    notes: Iterable[Noted]


def judge(
    conditions: Iterable[Coded],
    procedures: Iterable[Coded],
    *,
    birth: str | None,
    sex: str | None,
    rules: CohortRules,
    **prose: Unpack[Prose],
) -> list[CaseState]:
    """One CaseState per condition of the rules, in their order; state NONE where nothing speaks for it."""
    read = read_coded(conditions, procedures, normalise=rules.normalise)
    read += read_prose(prose.get("texts", ()), prose.get("notes", ()), rules=rules)
    return [_judge(condition, collect(condition, read, birth=birth), sex=sex) for condition in rules.conditions]


def _judge(condition: Condition, found: set[Evidence], *, sex: str | None) -> CaseState:
    evidence = _of_this_sex(condition, found, sex)
    kinds = _Kinds.of(evidence)
    for rule in condition.states if evidence else ():
        if _holds(rule, kinds, evidence):
            return _case(condition, rule, evidence, sex=sex)
    return CaseState(
        condition=condition.rule.name,
        state=State.NONE,
        held=False,
        because="Not included: no live evidence.",
        first_evidence=None,
        first_seen_late=False,
        evidence=(),
        problems=(),
    )


def _of_this_sex(condition: Condition, evidence: set[Evidence], sex: str | None) -> set[Evidence]:
    rule = condition.rule.sex
    if rule is None or not rule.despite or not rule.is_other(sex):
        return evidence
    return {item for item in evidence if item.kind in rule.despite}


def _case(condition: Condition, rule: StateRule, evidence: set[Evidence], *, sex: str | None) -> CaseState:
    counted = _counted(rule, evidence)
    problems = [*_held_by_rule(rule), *_held_by_age(counted), *_held_by_sex(condition, counted, sex)]
    is_refuted = rule.state == "refuted"
    held = not is_refuted and (rule.hold or bool(problems))
    dated = [item.at for item in counted if item.at]
    return CaseState(
        condition=condition.rule.name,
        state=State(rule.state),
        held=held,
        because=sentence(rule, counted, held=held, problems=problems),
        first_evidence=dated[0] if dated else None,
        first_seen_late=any(item.is_late for item in counted),
        evidence=counted,
        problems=() if is_refuted else tuple(problems),
        late_presenting=bool(dated) and all(item.is_late_presenting for item in counted if item.at),
        place=f"{rule._file.rpartition('/')[2]}:{rule._line}",
    )


class _Kinds(NamedTuple):
    """Which kinds of evidence there are, by how far they go."""

    firm: set[str]
    live: set[str]
    late: set[str]
    refuted: set[str]
    withdrawn: set[str]

    @classmethod
    def of(cls, evidence: Iterable[Evidence]) -> "_Kinds":
        kinds = cls(set(), set(), set(), set(), set())
        for item in evidence:
            if item.is_live:
                kinds.live.add(item.kind)
            if item.is_late:
                kinds.late.add(item.kind)
            if item.standing is Standing.FIRM:
                kinds.firm.add(item.kind)
            elif item.standing is Standing.REFUTED:
                kinds.refuted.add(item.kind)
            elif item.standing is Standing.WITHDRAWN:
                kinds.withdrawn.add(item.kind)
        return kinds


def _holds(rule: StateRule, kinds: _Kinds, evidence: set[Evidence]) -> bool:
    return (
        kinds.firm.issuperset(rule.firm)
        and kinds.live.issuperset(rule.live)
        and kinds.live.isdisjoint(rule.none_live)
        and kinds.late.issuperset(rule.late)
        and kinds.refuted.issuperset(rule.refuted)
        and all(name in kinds.refuted or name in kinds.withdrawn for name in rule.refuted_or_withdrawn)
        and _some(rule.any_firm, kinds.firm)
        and _some(rule.any_live, kinds.live)
        and (not rule.two_live_of or len(kinds.live.intersection(rule.two_live_of)) > 1)
        and (not rule.in_order or bool(_following(rule, evidence)))
    )


def _some(wanted: Collection[str], there: set[str]) -> bool:
    return not wanted or not there.isdisjoint(wanted)


def _following(rule: StateRule, evidence: set[Evidence]) -> set[Evidence]:
    """Firm items of the second kind on or after a firm item of the first; a day counts to its end."""
    first, second = rule.in_order
    firm = [item for item in evidence if item.standing is Standing.FIRM]
    begins = [found.earliest for item in firm if item.kind == first and (found := span(item.at))]
    return {
        item
        for item in firm
        if item.kind == second and begins and (found := span(item.at)) and found.latest >= min(begins)
    }


def _counted(rule: StateRule, evidence: set[Evidence]) -> tuple[Evidence, ...]:
    """The items that speak for the state; of what must follow in order, only what does."""
    counted = {item for item in evidence if item.kind in rule.shown() and item.is_live}
    taken_back = {*rule.refuted, *rule.refuted_or_withdrawn}
    counted |= {item for item in evidence if item.kind in taken_back and not item.is_live}
    if rule.in_order:
        following = _following(rule, evidence)
        counted = {item for item in counted if item.kind != rule.in_order[1] or item in following}
    return oldest_first(counted)


def _held_by_rule(rule: StateRule) -> list[Problem]:
    return [Problem(code=ProblemCode[rule.problem], text=rule.because)] if rule.problem else []


def _held_by_age(counted: Iterable[Evidence]) -> list[Problem]:
    if not any(item.is_of_unknown_age for item in counted):
        return []
    text = "the age at the event is not known, and a person must look: the birth or the event has no usable date"
    return [Problem(code=ProblemCode.AGE_UNKNOWN, text=text)]


def _held_by_sex(condition: Condition, counted: Iterable[Evidence], sex: str | None) -> list[Problem]:
    """Ruling R6: sex unknown or indeterminate is held, the other sex is an error of the data and held."""
    rule = condition.rule.sex
    if rule is None or sex == rule.must_be:
        return []
    if rule.despite and not any(item.kind in rule.despite for item in counted):
        return []
    if not rule.is_other(sex):
        text = f"the condition needs sex {rule.must_be}, which is not known, and a person must look"
        return [Problem(code=ProblemCode.SEX_UNKNOWN, text=text)]
    code = ProblemCode[rule.problem] if rule.problem else ProblemCode.SEX_CONTRADICTS
    return [Problem(code=code, text="the sex recorded contradicts the condition, and a person must look")]
