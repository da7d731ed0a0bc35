"""What the answers of a FHIR server mean beyond the standard, and what to read besides what a search gives."""

import re
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from adapter.datafile import Positioned
from adapter.fhir.issues import is_code

_STATUS = re.compile(r"http-[1-5][0-9][0-9]")


def _code(text: str) -> str:
    if not is_code(text):
        # Nothing else is read from a server where a code stands: a patient's name might stand there.
        raise ValueError("should be a vendor's number of at most five digits, or a code of FHIR's own")
    return text


def _signal(text: str) -> str:
    return text if _STATUS.fullmatch(text) else _code(text)


OutcomeCode = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_code)]
"""Of `OperationOutcome.issue.details.coding`, which is a vendor's own, or of `issue.code`."""
Signal = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_signal)]
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
