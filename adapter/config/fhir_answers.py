"""What the answers of a FHIR server mean beyond the standard, and what to read besides what a search gives."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from adapter.datafile import Positioned

# What is no number of a vendor and no word of FHIR is never read from a server: a patient's name might stand there.
_WORD = r"[a-z]{2,20}(-[a-z]{2,20}){0,3}|MSG_[A-Z_]{2,40}|[0-9]{1,6}"
OutcomeCode = Annotated[str, StringConstraints(strip_whitespace=True, pattern=rf"^({_WORD})$")]
"""Of `OperationOutcome.issue.details.coding`, which is a vendor's own, or of `issue.code`."""
Signal = Annotated[str, StringConstraints(strip_whitespace=True, pattern=rf"^(http-[1-5]\d\d|{_WORD})$")]
_Path = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z]+(\.[a-z][A-Za-z]*)+$")]


class OutcomeAction(StrEnum):
    """What is done about an issue that a server tells of."""

    MARK_INCOMPLETE = "mark-incomplete"
    """The patient's data may lack something."""
    PERSON = "person"
    """Not tried again before a person has looked; what is there stays (behaviour 38)."""
    PAUSE_UNTIL_TOMORROW = "pause-until-tomorrow"
    """The resource type is not asked for before the next local day (behaviour 39)."""
    IGNORED_PARAMETER = "ignored-parameter"
    """The result was not filtered as asked for: we filter it (behaviour 26)."""
    NOTHING_FOUND = "nothing-found"
    RESTART_SEARCH = "restart-search"
    MERGED = "merged"
    """The patient lives on under another id (behaviour 67)."""
    DELETED = "deleted"
    IGNORE = "ignore"
    """Counted, and nothing else."""


class OutcomeRule(Positioned):
    """One code of a vendor."""

    code: OutcomeCode
    action: OutcomeAction


class Hydrate(Positioned):
    """References whose targets are read by id where a search did not bring them (behaviour 30)."""

    path: Annotated[_Path, Field(alias="from")]
    """`DiagnosticReport.result`: the element that holds the reference, or a list of them."""
    depth: Annotated[int, Field(ge=1, le=5)] = 1
    """How many references in a row: what was read is followed in its turn."""
    by: Literal["read", "search"] = "read"
    """One request for each, or one search by `_id` for many, where the server takes a list of ids."""


class Paging(Positioned):
    """When links have expired, and what then."""

    expired: tuple[Signal, ...] = ("http-404", "http-410")
    """A status, or a code of an outcome, in answer to a next link."""
    on_expired: Literal["restart", "incomplete"] = "restart"
