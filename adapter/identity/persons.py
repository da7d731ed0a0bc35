"""Which identifiers are one person: a pure function of the set of live facts and merges, whatever their order.

Never matches on names, addresses or birth dates alone: twins share them all.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise

from adapter.assertion import Merge, MergeWord, SourceIdentifier
from adapter.errors import Problem, ProblemCode
from adapter.identity.agreement import Claim, is_reused, why_not_one
from adapter.identity.merges import LiveMerges, live_merges
from adapter.identity.nhs_number import NhsNumber

Component = frozenset[SourceIdentifier]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Who is one person, and for whom nothing may be published until a human has looked."""

    component_of: Mapping[SourceIdentifier, Component]
    """Every identifier named in a claim or a merge."""
    survivor_of: Mapping[Component, SourceIdentifier]
    """The identifier the merges lead to; of a component without merges, its least."""
    blocked: Mapping[Component, tuple[Problem, ...]]
    given_up: frozenset[SourceIdentifier]
    """Merged into another number, or changed into one."""
    problems: tuple[Problem, ...]
    """What was ignored and blocks nobody: a merge of a number with itself."""


def resolve(
    claims: Mapping[SourceIdentifier, Claim],
    merges: Iterable[Merge],
    *,
    together: Iterable[tuple[SourceIdentifier, ...]] = (),
) -> Resolution:
    """`together`: identifiers that stood in one message for one patient (several hospital numbers in PID-3)."""
    live = live_merges(merges)
    beside = sorted({pair for named in together for pair in pairwise(sorted(set(named)))})
    groups = _Groups([*claims, *live.named, *(one for pair in beside for one in pair)])
    blame: dict[SourceIdentifier, set[Problem]] = defaultdict(set)
    _link_by_number(groups, claims, live=live, beside=beside, blame=blame)
    _link_by_word(groups, claims, live=live, beside=beside, blame=blame)
    for identifier in live.reversed:
        blame[identifier].add(_REVERSED)
    for identifier, claim in claims.items():
        if is_reused(claim):
            blame[identifier].add(_REUSED)
    for one, other in live.apart:
        if groups.are_one(one, other):
            blame[one].add(_STILL_ONE)
    return _resolution(groups, live=live, blame=blame)


_REVERSED = Problem(
    code=ProblemCode.REVERSED_MERGE,
    text="two numbers were merged both ways without an un-merge between: a person must say which one survives",
)
_REUSED = Problem(
    code=ProblemCode.NUMBER_REUSED,
    text="one hospital number came with two NHS numbers and two birth dates: it may have been given to another child",
)
_STILL_ONE = Problem(
    code=ProblemCode.STILL_ONE,
    text="two numbers were taken apart, but other merges or a shared NHS number still make them one patient",
)
NUMBER_IN_USE = Problem(
    code=ProblemCode.NUMBER_IN_USE,
    text="a number was changed into one that was in use before: it may be another child's, so nothing is joined",
)
_TWO_REGISTERED = Problem(
    code=ProblemCode.TWO_NHS_NUMBERS,
    text="a merge joins two patients with different verified NHS numbers: both are kept until a person decides",
)


class _Groups:
    """Disjoint sets of identifiers (union-find); which member stands for a group means nothing."""

    def __init__(self, identifiers: Iterable[SourceIdentifier]) -> None:
        self._parent = {identifier: identifier for identifier in identifiers}

    def copy(self) -> "_Groups":
        groups = _Groups(())
        groups._parent = dict(self._parent)
        return groups

    def root(self, identifier: SourceIdentifier) -> SourceIdentifier:
        while self._parent[identifier] != identifier:
            self._parent[identifier] = self._parent[self._parent[identifier]]
            identifier = self._parent[identifier]
        return identifier

    def join(self, one: SourceIdentifier, other: SourceIdentifier) -> None:
        self._parent[self.root(one)] = self.root(other)

    def are_one(self, one: SourceIdentifier, other: SourceIdentifier) -> bool:
        return self.root(one) == self.root(other)

    def members(self) -> list[Component]:
        found: dict[SourceIdentifier, set[SourceIdentifier]] = defaultdict(set)
        for identifier in self._parent:
            found[self.root(identifier)].add(identifier)
        return [frozenset(group) for group in found.values()]

    def of(self, identifier: SourceIdentifier) -> list[SourceIdentifier]:
        root = self.root(identifier)
        return [other for other in self._parent if self.root(other) == root]


_Pairs = list[tuple[SourceIdentifier, SourceIdentifier]]
_Blame = dict[SourceIdentifier, set[Problem]]


def _link_by_number(
    groups: _Groups, claims: Mapping[SourceIdentifier, Claim], *, live: LiveMerges, beside: _Pairs, blame: _Blame
) -> None:
    """Joins the bearers of one verified NHS number if nothing contradicts, else blocks them all."""
    said = groups.copy()
    for one, other in [*((merge.survivor, merge.prior) for merge in live.directed), *beside]:
        said.join(one, other)
    bearers: dict[NhsNumber, list[SourceIdentifier]] = defaultdict(list)
    for identifier, claim in claims.items():
        if claim.linking_number is not None:
            bearers[claim.linking_number].append(identifier)
    for sharing in bearers.values():
        doubtful = {one for pair in combinations(sharing, 2) if not said.are_one(*pair) for one in pair}
        problem = why_not_one([claims[identifier] for identifier in doubtful])
        if problem is None:
            for one, other in pairwise(sharing):
                groups.join(one, other)
        else:
            for identifier in sharing:
                blame[identifier].add(problem)


def _link_by_word(
    groups: _Groups, claims: Mapping[SourceIdentifier, Claim], *, live: LiveMerges, beside: _Pairs, blame: _Blame
) -> None:
    """Joins what the hospital says is one; a merge of two registered NHS numbers joins nothing yet."""
    renamed = {(merge.survivor, merge.prior): merge for merge in live.directed if merge.word is MergeWord.RENAMED}
    for one, other in [*beside, *((merge.survivor, merge.prior) for merge in live.directed)]:
        if groups.are_one(one, other):
            continue
        if _was_in_use(renamed.get((one, other)), claims):
            blame[one].add(NUMBER_IN_USE)
            blame[other].add(NUMBER_IN_USE)
            continue
        members = [*groups.of(one), *groups.of(other)]
        numbers = {claims[member].linking_number for member in members if member in claims} - {None}
        if len(numbers) > 1:
            blame[one].add(_TWO_REGISTERED)
            blame[other].add(_TWO_REGISTERED)
        else:
            groups.join(one, other)


def _was_in_use(renaming: Merge | None, claims: Mapping[SourceIdentifier, Claim]) -> bool:
    """Whether the new number had a patient before the number was changed into it (behaviour 111)."""
    bearer = claims.get(renaming.survivor) if renaming else None
    if renaming is None or bearer is None or bearer.first_us is None:
        return False
    return bearer.first_us < renaming.clock_us


def _resolution(groups: _Groups, *, live: LiveMerges, blame: Mapping[SourceIdentifier, set[Problem]]) -> Resolution:
    component_of: dict[SourceIdentifier, Component] = {}
    survivor_of: dict[Component, SourceIdentifier] = {}
    blocked: dict[Component, tuple[Problem, ...]] = {}
    for component in groups.members():
        survivor_of[component] = _survivor(component, live=live)
        problems = set().union(*(blame.get(member, set()) for member in component))
        if problems:
            blocked[component] = tuple(sorted(problems, key=lambda problem: (problem.code, problem.text)))
        for member in component:
            component_of[member] = component
    return Resolution(
        component_of=component_of,
        survivor_of=survivor_of,
        blocked=blocked,
        given_up=frozenset(merge.prior for merge in live.directed if merge.word is not MergeWord.LINKED),
        problems=live.problems,
    )


def _survivor(component: Component, *, live: LiveMerges) -> SourceIdentifier:
    """Where the newest merge leads whose survivor was not itself merged away; in a circle, where the newest leads."""
    merges = [merge for merge in live.directed if merge.survivor in component and merge.prior in component]
    if not merges:
        return min(component)
    priors = {merge.prior for merge in merges}
    final = [merge for merge in merges if merge.survivor not in priors]
    return (final or merges)[-1].survivor
