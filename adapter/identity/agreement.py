"""What identifiers claim of their bearers, and whether two claims can be of one child.

Partial dates agree when one is a prefix of the other. Names are never compared: a newborn's change, twins share them.
"""

from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations

from adapter.errors import Problem, ProblemCode
from adapter.identity.nhs_number import NhsNumber

_CONTRARY = frozenset({"male", "female"})


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
    first_us: int | None = None
    """The least source clock at which anything was said under it."""

    @property
    def linking_number(self) -> NhsNumber | None:
        """Only a traced number may link records."""
        return self.nhs_number if self.nhs_verified else None


def births_agree(one: str, other: str) -> bool:
    """Compares days: a corrected hour of birth is no other child."""
    one, other = one.partition("T")[0], other.partition("T")[0]
    return one.startswith(other) or other.startswith(one)


def sexes_contradict(one: str | None, other: str | None) -> bool:
    """Only male against female: unknown and indeterminate contradict nothing in a newborn."""
    return one != other and {one, other} == _CONTRARY


def why_not_one(claims: Collection[Claim]) -> Problem | None:
    """Why these claims of one NHS number are not taken to be one child; None if they are."""
    problems = [problem for one, other in combinations(claims, 2) if (problem := _why_not_pair(one, other))]
    if any(number != claim.nhs_number for claim in claims for number, _ in claim.earlier):
        problems.append(
            Problem(
                code=ProblemCode.NUMBER_SHARED,
                text="an NHS number moved from one hospital number to another that had its own: perhaps swapped twins",
            )
        )
    return min(problems, key=lambda problem: (problem.code, problem.text), default=None)


def is_reused(claim: Claim) -> bool:
    """One hospital number, two verified NHS numbers, two birth dates: the number was given to another child."""
    return any(
        number != other_number and birth and other_birth and not births_agree(birth, other_birth)
        for (number, birth), (other_number, other_birth) in combinations(claim.earlier, 2)
    )


def _why_not_pair(one: Claim, other: Claim) -> Problem | None:
    if one.birth is None or other.birth is None:
        return Problem(
            code=ProblemCode.NUMBER_SHARED,
            text="two hospital numbers share an NHS number and one has no birth date to compare",
        )
    if not births_agree(one.birth, other.birth):
        return Problem(
            code=ProblemCode.BIRTH_DATES_DIFFER,
            text="two hospital numbers share an NHS number but have different birth dates",
        )
    if sexes_contradict(one.sex, other.sex):
        return Problem(
            code=ProblemCode.SEX_CONTRADICTS, text="two hospital numbers share an NHS number but differ in sex"
        )
    if one.birth_order and other.birth_order and one.birth_order != other.birth_order:
        return Problem(
            code=ProblemCode.NUMBER_SHARED, text="two hospital numbers share an NHS number but are different twins"
        )
    return None
