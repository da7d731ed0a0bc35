"""Which merges hold: the newest word on each pair of identifiers, whatever order the messages came in.

HL7 v2 A40: PID is the survivor, MRG the prior number; A24 links two that both go on, A47 changes a number. Un-merges
happen (A37), so nothing here forgets a pair.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from adapter.assertion import Merge, MergeWord, SourceIdentifier
from adapter.errors import Problem, ProblemCode


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMerges:
    """What is left of all merge messages."""

    directed: tuple[Merge, ...]
    """One per pair, oldest first: the first direction said since the last un-merge; a link where there is none."""
    apart: tuple[tuple[SourceIdentifier, SourceIdentifier], ...]
    """Pairs of which the last word is that they are two patients."""
    reversed: frozenset[SourceIdentifier]
    """Identifiers of pairs that were merged both ways: the second direction is held for a human."""
    named: frozenset[SourceIdentifier]
    """Every identifier a merge ever spoke of, so that its alias is remembered."""
    problems: tuple[Problem, ...]


def live_merges(merges: Iterable[Merge]) -> LiveMerges:
    """The same set of merges gives the same answer; a repeated merge is one merge."""
    pairs: dict[frozenset[SourceIdentifier], set[Merge]] = defaultdict(set)
    named: set[SourceIdentifier] = set()
    has_self_merge = False
    for merge in merges:
        named |= {merge.survivor, merge.prior}
        if merge.survivor == merge.prior:
            has_self_merge = True
        else:
            pairs[frozenset((merge.survivor, merge.prior))].add(merge)
    directed: list[Merge] = []
    apart: list[tuple[SourceIdentifier, SourceIdentifier]] = []
    turned: set[SourceIdentifier] = set()
    for pair, said in pairs.items():
        live = _since_unmerge(said)
        if live:
            # A link has no direction, and a number that is changed back was no second patient's.
            directed.append(next((merge for merge in live if merge.word is not MergeWord.LINKED), live[0]))
        else:
            one, other = sorted(pair)
            apart.append((one, other))
        if len({merge.survivor for merge in live if merge.word is MergeWord.MERGED}) > 1:
            turned |= pair
    return LiveMerges(
        directed=tuple(sorted(directed, key=_order)),
        apart=tuple(sorted(apart)),
        reversed=frozenset(turned),
        named=frozenset(named),
        problems=(_SELF_MERGE,) if has_self_merge else (),
    )


_SELF_MERGE = Problem(code=ProblemCode.SELF_MERGE, text="a merge of a number with itself was ignored")


def _since_unmerge(said: Iterable[Merge]) -> list[Merge]:
    """Merges later than the pair's last un-merge, oldest first; on equal clocks the un-merge wins."""
    undone = max((merge.clock_us for merge in said if not merge.live), default=None)
    live = [merge for merge in said if merge.live and (undone is None or merge.clock_us > undone)]
    return sorted(live, key=_order)


def _order(merge: Merge) -> tuple[int, SourceIdentifier, SourceIdentifier]:
    return merge.clock_us, merge.survivor, merge.prior
