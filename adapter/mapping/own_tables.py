"""What a trust adds to the mappings: its wards, and the paths of its tables, which stand outside the package."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class OwnTables(NamedTuple):
    """All empty where a trust adds nothing."""

    nation: str = "england"
    """Whose national lists come first, where nations use one code for different things."""
    wards: Mapping[str, str] = {}
    """Ward code → what the ward is for (`WardKind`)."""
    imaging: Sequence[Path] = ()
    """Tables of examinations, as mappings/concepts/imaging.csv."""
    drugs: Sequence[Path] = ()
    """Tables of drugs, as mappings/concepts/drugs.csv."""
    operation_notes: Sequence[Path] = ()
    """Tables of questions, as mappings/operation-notes/*.yaml."""
    waits_for_final: bool = False
    """Whether a result that is not final yet gives no row."""
    denied_systems: Sequence[str] = ()
    """Beginnings of code systems whose codes may be a patient's words or numbers: what no list knows is not copied."""


NO_OWN_TABLES = OwnTables()
