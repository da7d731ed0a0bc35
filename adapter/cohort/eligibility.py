"""Is this child one of ours? The state of each condition, recomputed from all live evidence; never a one-way flag."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from adapter.cohort.evidence import Coded, Evidence
from adapter.cohort.rules import CohortRules
from adapter.errors import Problem


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

    @property
    def is_included(self) -> bool:
        """Confirmed, and no person has to look first."""
        return self.state is State.CONFIRMED and not self.held


def judge(
    conditions: Iterable[Coded],
    procedures: Iterable[Coded],
    *,
    birth: str | None,
    sex: str | None,
    rules: CohortRules,
) -> list[CaseState]:
    """One CaseState per condition of the rules, in their order; state NONE where nothing speaks for it."""
    raise NotImplementedError
