"""mappings/cohort/: which evidence leads to which state. Read and checked here, decided in `eligibility`."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from adapter.cohort.codes import Code, CodeRows, Normalise
from adapter.cohort.triage import TriageRules
from adapter.datafile import Duration, Positioned, did_you_mean, hyphenated, load_model
from adapter.errors import ExitCode, Finding, SetupError
from adapter.narrative import Assertion, Reader

Origin = Literal["diagnosis", "procedure", "histology", "text", "note"]
NecScope = Literal["surgical", "definite", "all"]
"""Which infants with necrotising enterocolitis the register takes (R2)."""
WhenOlder = Literal["hold", "suspect", "ignore"]
StateName = Literal["suspected", "probable", "confirmed", "refuted"]
HoldProblem = Literal[
    "EXOMPHALOS_AND_GASTROSCHISIS", "EVIDENCE_CONTRADICTS", "FIRST_SEEN_LATE", "FEMALE_WITH_VALVES", "AGE_UNKNOWN"
]
Names = tuple[str, ...]
Mentions = Callable[[str], frozenset[tuple[str, str]]]
"""A text → (name, what it says of it)."""
WrittenCode = Annotated[str, Field(pattern=r"^\S+\|\S+$")]
"""`system|code`: a code always carries its system."""


class _Model(Positioned):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=hyphenated)


class EvidenceRule(_Model):
    """One kind of evidence: where it is looked for, and by which codes."""

    name: str
    means: str
    from_: Origin
    lists: Names = ()
    codes: tuple[WrittenCode, ...] = ()
    but_not: tuple[WrittenCode, ...] = ()
    terms: Names = ()
    """For `from: text`: names of texts.yaml."""
    assertions: tuple[Assertion, ...] = ("present",)
    """For `from: text`: what a text must say of the name."""
    statuses: Names = ("completed", "amended")
    """For `from: note`: of which standing the record must be."""
    age_up_to: Duration | None = None
    when_older: WhenOlder = "suspect"
    triggers: bool = True
    """Whether such a code alone keeps an infant's message."""

    @property
    def limit_days(self) -> int | None:
        return None if self.age_up_to is None else self.age_up_to // timedelta(days=1)


class StateRule(_Model):
    """All that is named must hold."""

    state: StateName
    nec_scope: tuple[NecScope, ...] = ()
    """Only where the trust file sets one of these; empty: always."""
    firm: Names = ()
    live: Names = ()
    any_firm: Names = ()
    any_live: Names = ()
    two_live_of: Names = ()
    none_live: Names = ()
    late: Names = ()
    refuted: Names = ()
    refuted_or_withdrawn: Names = ()
    in_order: Names = ()
    """Some firm item of the second on or after some firm item of the first."""
    beside: Names = ()
    """Not needed, but told in the reasons where it is there."""
    hold: bool = False
    problem: HoldProblem | None = None
    because: str = ""

    def names(self) -> set[str]:
        return self.shown().union(self.none_live, self.refuted, self.refuted_or_withdrawn, self.in_order)

    def shown(self) -> set[str]:
        """The evidence that speaks for this state."""
        return set().union(self.firm, self.live, self.any_firm, self.any_live, self.two_live_of, self.late, self.beside)


class SexRule(_Model):
    """A condition of one sex: the other, and unknown, are held for a person (R6)."""

    must_be: Literal["male", "female"]
    problem: HoldProblem | None = None
    despite: Names = ()
    """What counts for a child of the other sex, and is then held; a look-alike of hers says nothing. Empty: all."""

    def is_other(self, sex: str | None) -> bool:
        return sex in ("male", "female") and sex != self.must_be


class ConditionRule(_Model):
    """One condition of the register."""

    name: str
    means: str
    sex: SexRule | None = None
    late_presenting_after: Duration | None = None
    """A child whose every sign came later is flagged."""
    evidence: tuple[EvidenceRule, ...]
    states: tuple[StateRule, ...]

    @property
    def late_presenting_days(self) -> int | None:
        return None if self.late_presenting_after is None else self.late_presenting_after // timedelta(days=1)


class Term(_Model):
    """A name and the phrases that mean it in a text."""

    name: str
    means: str
    phrases: Annotated[Names, Field(min_length=1)]


class TextsFile(_Model):
    kind: Literal["cohort-texts"]
    terms: tuple[Term, ...]


class ConditionsFile(_Model):
    kind: Literal["cohort"]
    conditions: tuple[ConditionRule, ...]


class TriageFile(_Model):
    kind: Literal["triage"]
    treatment_functions: frozenset[str]
    well_baby_functions: frozenset[str]
    obstetric_functions: frozenset[str]
    ward_types: frozenset[str]
    identity_events: frozenset[str]
    infant_up_to: Duration
    child_up_to: Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition with its codes looked up."""

    rule: ConditionRule
    states: tuple[StateRule, ...]
    """Those of the rule that the scope of the trust asks for."""
    codes: Mapping[str, Mapping[Code, bool]]
    """Evidence name → the codes that make it; True where the code may confirm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortRules:
    """All conditions, ready to judge by."""

    conditions: tuple[Condition, ...]
    normalise: Normalise
    mentions: Mentions
    """What a text says of each name of texts.yaml."""
    reader: Reader
    """The same with the sentences, for lineage."""
    places: Mapping[str, str]
    """Where each of these names is defined: `texts.yaml:12`."""


def load_rules(
    folder: Path, *, codelists: CodeRows, normalise: Normalise, nec_scope: NecScope = "surgical"
) -> CohortRules:
    """Reads conditions.yaml and texts.yaml; SetupError with every fault, unknown list names among them."""
    file = load_model(folder / "conditions.yaml", ConditionsFile, exit_code=ExitCode.MAPPING)
    terms = _terms(folder, file)
    findings = [found for rule in file.conditions for found in _faults(rule, codelists, terms)]
    if findings:
        raise SetupError("the cohort rules cannot be used", findings=tuple(findings), exit_code=ExitCode.MAPPING)
    conditions = tuple(_condition(rule, codelists, nec_scope=nec_scope) for rule in file.conditions)
    reader = Reader({name: term.phrases for name, term in terms.items()})
    return CohortRules(
        conditions=conditions,
        normalise=lru_cache(maxsize=4096)(normalise),
        mentions=_mentions(reader),
        reader=reader,
        places={name: f"{Path(term._file).name}:{term._line}" for name, term in terms.items()},
    )


def _terms(folder: Path, file: ConditionsFile) -> dict[str, Term]:
    is_needed = any(evidence.from_ == "text" for rule in file.conditions for evidence in rule.evidence)
    if not is_needed:
        return {}
    texts = load_model(folder / "texts.yaml", TextsFile, exit_code=ExitCode.MAPPING)
    return {term.name: term for term in texts.terms}


def _mentions(reader: Reader) -> Mentions:
    # A child is judged anew with every visit, and its reports stay the same.
    @lru_cache(maxsize=1024)
    def mentions(text: str) -> frozenset[tuple[str, str]]:
        return frozenset((mention.name, mention.assertion) for mention in reader.read(text))

    return mentions


def load_triage(folder: Path, *, wards: Mapping[str, str], rules: CohortRules) -> TriageRules:
    """`wards`: the trust's ward codes and their types; the trigger codes come from the conditions."""
    file = load_model(folder / "triage.yaml", TriageFile, exit_code=ExitCode.MAPPING)
    return TriageRules(
        treatment_functions=file.treatment_functions,
        well_baby_functions=file.well_baby_functions,
        obstetric_functions=file.obstetric_functions,
        wards=frozenset(code for code, kind in wards.items() if kind in file.ward_types),
        identity_events=file.identity_events,
        infant_days=file.infant_up_to // timedelta(days=1),
        child_days=file.child_up_to // timedelta(days=1),
        trigger_codes=frozenset(_codes_of(rules, lambda evidence: evidence.triggers)),
        congenital_codes=frozenset(_codes_of(rules, lambda evidence: evidence.when_older == "hold")),
    )


def _codes_of(rules: CohortRules, is_wanted: Callable[[EvidenceRule], bool]) -> Iterator[Code]:
    for condition in rules.conditions:
        for evidence in condition.rule.evidence:
            if is_wanted(evidence):
                yield from condition.codes[evidence.name]


def _condition(rule: ConditionRule, codelists: CodeRows, *, nec_scope: NecScope) -> Condition:
    states = tuple(state for state in rule.states if not state.nec_scope or nec_scope in state.nec_scope)
    return Condition(
        rule=rule,
        states=states,
        codes={evidence.name: _looked_up(evidence, codelists) for evidence in rule.evidence},
    )


def _looked_up(evidence: EvidenceRule, codelists: CodeRows) -> dict[Code, bool]:
    """A code in several lists may confirm if any of them says so; a code written in the file itself may."""
    found: dict[Code, bool] = {}
    for name in evidence.lists:
        for code, confirms in codelists[name].items():
            found[code] = found.get(code, False) or confirms
    found |= dict.fromkeys(map(_read_code, evidence.codes), True)
    excluded = set(map(_read_code, evidence.but_not))
    return {code: confirms for code, confirms in found.items() if code not in excluded}


def _read_code(written: str) -> Code:
    system, _, code = written.partition("|")
    return system, code


def _faults(rule: ConditionRule, codelists: CodeRows, terms: Collection[str]) -> Iterator[Finding]:
    known = [evidence.name for evidence in rule.evidence]
    for evidence in rule.evidence:
        yield from _unknown(evidence, evidence.lists, codelists, what="code list")
        yield from _unknown(evidence, evidence.terms, terms, what="term")
        yield from _sourceless(evidence)
        if known.count(evidence.name) > 1:
            yield _finding(evidence, f'evidence "{evidence.name}" is named twice')
    for state in rule.states:
        yield from _unknown(state, sorted(state.names()), known, what="evidence")
        if state.in_order and len(state.in_order) != 2:
            yield _finding(state, "in-order takes two names: what comes first, and what comes on or after it")
    if rule.sex is not None:
        yield from _unknown(rule.sex, rule.sex.despite, known, what="evidence")


def _sourceless(evidence: EvidenceRule) -> Iterator[Finding]:
    """Evidence that could never be found."""
    if evidence.from_ == "text" and not evidence.terms:
        yield _finding(evidence, f'evidence "{evidence.name}" is from texts and has no terms')
    if evidence.from_ not in ("text", "note") and not evidence.lists and not evidence.codes:
        yield _finding(evidence, f'evidence "{evidence.name}" has neither lists nor codes')


def _unknown(at: Positioned, names: Iterable[str], known: Collection[str], *, what: str) -> Iterator[Finding]:
    for name in names:
        if name not in known:
            yield _finding(at, f'unknown {what} "{name}"', hint=did_you_mean(name, sorted(known)))


def _finding(at: Positioned, text: str, *, hint: str = "") -> Finding:
    return Finding(file=at._file, line=at._line, column=at._column, text=text, hint=hint)
