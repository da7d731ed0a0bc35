"""Which identifiers are one person: a pure function of the set of live facts and merges, whatever their order.

Never matches on names, addresses or birth dates alone: twins share them all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from adapter.assertion import Merge, SourceIdentifier
from adapter.errors import Problem
from adapter.identity.nhs_number import NhsNumber

Component = frozenset[SourceIdentifier]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the live messages of one source identifier say of its bearer."""

    nhs_number: NhsNumber | None = None
    nhs_verified: bool = False
    birth: str | None = None
    sex: str | None = None
    birth_order: int | None = None
    earlier: frozenset[tuple[NhsNumber, str | None]] = frozenset()
    """Verified NHS numbers that came under this identifier at any time, each with the birth said along with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Who is one person, and for whom nothing may be published until a human has looked."""

    component_of: Mapping[SourceIdentifier, Component]
    """Every identifier named in a claim or a merge."""
    survivor_of: Mapping[Component, SourceIdentifier]
    """The identifier the merges lead to; of a component without merges, its least."""
    blocked: Mapping[Component, tuple[Problem, ...]]
    problems: tuple[Problem, ...]
    """What was ignored and blocks nobody: a merge of a number with itself."""


def resolve(
    claims: Mapping[SourceIdentifier, Claim],
    merges: Iterable[Merge],
    *,
    together: Iterable[tuple[SourceIdentifier, ...]] = (),
) -> Resolution:
    """`together`: identifiers that stood in one message for one patient (several hospital numbers in PID-3)."""
    raise NotImplementedError
