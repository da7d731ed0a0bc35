"""How a FHIR server behaves: what vendors decide differently, by switches (the defaults are those of a HAPI server)."""

from dataclasses import dataclass
from enum import Enum

from adapter.simulator.fhir_token import TokenDesk

POPULATION_REFUSED = frozenset(
    {
        "Encounter",
        "Condition",
        "Procedure",
        "Observation",
        "DiagnosticReport",
        "ImagingStudy",
        "MedicationAdministration",
    }
)
"""What Epic and Oracle Health search only patient by patient."""


class Unknown(Enum):
    """What the server does with a search parameter it does not know."""

    REFUSE = "refuse"
    """400 and an OperationOutcome: strict."""
    IGNORE = "ignore"
    """The self link shows which parameters were used."""
    WARN = "warn"
    """Ignored, and an entry of mode `outcome` says so, as Epic does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One server."""

    path: str = "/fhir/r4"
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free port."""
    token: str = ""
    """Empty: nobody needs one."""
    sign_in: TokenDesk | None = None
    """Where set, tokens are to be had at `/token`, and only those are taken."""
    page_size: int = 20
    page_size_limit: int = 200
    on_unknown: Unknown = Unknown.REFUSE
    default_sort: str = ""
    """Order of first appearance; `-_lastUpdated` is Oracle Health's."""
    is_paging_stable: bool = True
    """Pages show the result as at the first page; else each page searches anew, and rows move under the reader."""
    link_life_pages: int | None = None
    """A link expires once the server has served so many pages after giving it; None: never."""
    is_next_relative: bool = False
    has_total: bool = True
    patient_needed: frozenset[str] = frozenset()
    exclusive: tuple[frozenset[str], ...] = ()
    """Parameters that may not be combined."""
