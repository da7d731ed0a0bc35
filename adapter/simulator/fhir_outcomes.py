"""What a FHIR server says instead of a resource, or beside the matches of a search: OperationOutcomes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from adapter.simulator.fhir_rules import Breach


class Note(NamedTuple):
    """One issue."""

    code: str
    """Of FHIR's issue types."""
    text: str
    severity: str = "error"
    vendor_code: str = ""
    vendor_system: str = ""


class Refused(Exception):
    """No answer but an OperationOutcome."""

    def __init__(
        self,
        status: int,
        note: Note,
        *,
        breach: Breach | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(note.text)
        self.status = status
        self.outcome = stated(note)
        self.breach = breach
        """What the client should not have asked; None where it could not know."""
        self.headers = headers or {}


def refused(status: int, code: str, text: str) -> Refused:
    """One that a vendor has no code for."""
    return Refused(status, Note(code, text))


def outcome(code: str, text: str, *, severity: str = "error") -> dict[str, Any]:
    """An OperationOutcome with one issue."""
    return stated(Note(code, text, severity))


def stated(note: Note) -> dict[str, Any]:
    """The issue as a resource; a vendor's own code stands in its details."""
    issue: dict[str, Any] = {"severity": note.severity, "code": note.code, "diagnostics": note.text}
    if note.vendor_code:
        coding = {"system": note.vendor_system, "code": note.vendor_code, "display": note.text}
        issue["details"] = {"coding": [coding], "text": note.text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
