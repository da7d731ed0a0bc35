"""How a FHIR server behaves: what vendors decide differently, by switches (the defaults are those of a HAPI server)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any, NamedTuple

from adapter.simulator.fhir_outcomes import Note
from adapter.simulator.fhir_rules import Rule
from adapter.simulator.fhir_token import TokenDesk
from adapter.simulator.fhir_versions import Version

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

CONTROLS = frozenset({"_count", "_sort", "_include", "_total", "_format", "_summary"})
"""Parameters that choose nothing, but how the answer looks."""


Read = Callable[[str, str], Version | None]
"""The current version of a resource, by type and id."""


class Unknown(Enum):
    """What the server does with a search parameter it does not know."""

    REFUSE = "refuse"
    """400 and an OperationOutcome: strict."""
    IGNORE = "ignore"
    """The self link shows which parameters were used."""
    WARN = "warn"
    """Ignored, and an entry of mode `outcome` says so, as Epic does."""


class Sizes(NamedTuple):
    """How many resources a page of a type holds."""

    default: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """A vendor's own codes by what they tell of; what it has none for is told without."""

    system: str = ""
    of: Mapping[str, str] = field(default_factory=dict)
    """nothing-found, ignored, expired, merged, deleted, not-found, too-many, incomplete, quota."""
    severities: Mapping[str, str] = field(default_factory=dict)
    """By code, where it is not `error`."""

    def note(self, about: str, code: str, text: str) -> Note:
        """An issue under the vendor's code for it, or with a code itself as `about`."""
        vendor_code = self.of.get(about, about if about in self.severities else "")
        return Note(code, text, self.severities.get(vendor_code, "error"), vendor_code, self.system)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """What the server of a vendor allows, and how it answers otherwise than the standard would let one hope."""

    name: str = "hapi"
    rules: tuple[Rule, ...] = ()
    parameters: Mapping[str, frozenset[str]] | None = None
    """The types that are served, and which of their parameters; None: all that the simulator has."""
    controls: frozenset[str] = CONTROLS
    includes: frozenset[str] | None = None
    """None: all that the simulator has."""
    id_overrides: bool = False
    """With `_id` all other parameters are ignored, but those that are about pages."""
    is_post_query_ignored: bool = False
    """Of POST _search only the body is read."""
    pages: Mapping[str, Sizes] = field(default_factory=dict)
    """By type; else those of the settings."""
    most_patients: int | None = None
    """A search of Patient that finds more is refused."""
    quota: Mapping[str, int] = field(default_factory=dict)
    """Searches of a type on one day of the hospital."""
    codes: Codes = Codes()
    expired_status: int = 410
    shape: Callable[[dict[str, Any], Read], dict[str, Any]] | None = None
    """How a resource is shown, given how others are read."""
    hides: Callable[[Mapping[str, Any]], bool] | None = None
    """What is in no search, though it can be had by its id."""
    hides_from_ids: bool = False
    """Nor in a search by `_id`: only a read gives it."""
    redirects_merged: bool = False
    """A read of a Patient that was merged is answered by a redirect to the survivor."""
    is_newest_first: bool = False
    """By clinical time, or by last update where the search asks for that."""
    is_uneven: bool = False
    """The second of three pages is empty, the third half as long, and both have a next link."""
    shows_stale: bool = False
    """From the second page on, a row of the page before comes again in the version it had before."""
    a_page_takes: timedelta = timedelta(0)
    """How far the hospital's clock moves with each page: rows change while they are read."""


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
    mode: Mode = Mode()
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
