"""The source clock of a FHIR resource and its rank on equal clocks (version, then status)."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from adapter.assertion import Resource

# HL7 table 0085 in FHIR words: a later stage of a result wins over an earlier one.
_STATUS_RANK: Mapping[str, int] = {
    "registered": 0,
    "preliminary": 1,
    "final": 2,
    "amended": 3,
    "corrected": 4,
    "cancelled": 5,
    "entered-in-error": 6,
}
_STATUSES = 10
_NUMBERED = re.compile(r"[0-9]{1,64}\Z")
"""An id has 64 characters at most (FHIR R4, 2.24.0.1, id)."""


class Clocks:
    """Clock and rank of the resources of one body; those that share `meta` and status are read once."""

    def __init__(self) -> None:
        self._met: dict[tuple[int, int, str], tuple[int, int]] = {}

    def read(self, resource: Resource, *, otherwise: str) -> tuple[int, int]:
        """`clock_us` and `rank`. The resources must live as long as this does: identity stands for text."""
        status = resource.get("status")
        if status is None:
            return clock_us(resource, otherwise=otherwise), rank(resource)
        shared = (id(resource.get("meta")), id(status), otherwise)
        found = self._met.get(shared)
        if found is None:
            found = self._met[shared] = (clock_us(resource, otherwise=otherwise), rank(resource))
        return found


def clock_us(resource: Resource, *, otherwise: str = "") -> int:
    """`meta.lastUpdated`, else the given time, in microseconds since 1970 UTC; 0 where neither can be read."""
    meta = resource.get("meta")
    updated = meta.get("lastUpdated") if isinstance(meta, dict) else None
    for text in (updated, otherwise):
        moment = _instant(text) if isinstance(text, str) else None
        if moment is not None:
            return int(moment.timestamp()) * 1_000_000 + moment.microsecond
    return 0


def _instant(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    # FHIR wants an offset in an instant; a server that leaves it out means UTC.
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def rank(resource: Resource) -> int:
    """Numbered versions first, then the stage of the status."""
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    number = int(version) if isinstance(version, str) and _NUMBERED.match(version) else 0
    return min(number, 2**48) * _STATUSES + _STATUS_RANK.get(_status(resource), 0)


def _status(resource: Resource) -> str:
    status = resource.get("status")
    if isinstance(status, str):
        return status
    verification = resource.get("verificationStatus")
    codings = verification.get("coding") if isinstance(verification, dict) else None
    first = codings[0] if isinstance(codings, list) and codings else None
    return str(first.get("code", "")) if isinstance(first, dict) else ""
