"""mappings/cohort/: which evidence leads to which state. Read here, decided in `eligibility`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Code = tuple[str, str]
"""System URI and code, both in normal form."""

CodeRows = Mapping[str, Mapping[Code, bool]]
"""List name → its codes; True where the row may confirm: confidence high or verified, or signed by a reviewer (R7)."""

Normalise = Callable[[str, str], Code]
"""(system, code) as sent → the normal form the code lists are written in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortRules:
    """All conditions, ready to judge by."""

    normalise: Normalise


def can_confirm(confidence: str, *, reviewed_by: str) -> bool:
    """Ruling R7: rows of medium or low confidence that nobody has signed can raise suspicion, not confirm."""
    role = confidence.rpartition("role:")[2].strip() or confidence.strip()
    return role in {"high", "verified"} or bool(reviewed_by.strip())


def load_rules(folder: Path, *, codelists: CodeRows, normalise: Normalise) -> CohortRules:
    """Reads conditions.yaml; raises SetupError with every fault, unknown list names among them."""
    raise NotImplementedError
