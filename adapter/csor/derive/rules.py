"""What outcomes are read from: lists of codes, handed in because they are data (`mappings/outcomes/`)."""

from collections.abc import Mapping
from typing import NamedTuple

Code = tuple[str, str]
"""Short name of the system and code, as rows write them: `("opcs-4", "T28.1")`."""


class OutcomeRules(NamedTuple):
    """The lists."""

    definitive: Mapping[str, frozenset[Code]]
    """Condition → procedures of which the first is its index operation (ruling R17)."""
    stoma: Mapping[str, frozenset[Code]]
    """`stoma_formation`, `stoma_closure`, `stoma_revision` → their procedures."""
    no_theatre: frozenset[Code]
    """Procedures that are no visit to theatre: ventilation, imaging, nutrition, lines."""
    no_theatre_chapters: tuple[Code, ...]
    """The same by the first characters of a code."""
    home: frozenset[str]
    """Discharge destinations that are a home."""
    to_hospital: frozenset[str]
    """Discharge destinations that are another hospital."""
    from_hospital: frozenset[str]
    """Sources of admission that are another hospital."""
    died: frozenset[str]
    """Discharge methods that say that the child died."""
    stays: frozenset[str]
    """Classes of visits whose end is a discharge."""
