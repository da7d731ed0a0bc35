"""What one FHIR Identifier is: an NHS number, another nation's, or a number of some hospital.

The forms are those of HL7 UK A.3 (`n^^^NHS^NH`), of UK Core and of the feeds seen (VENDORS, a.4, 2025).
"""

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Any, NamedTuple

from adapter.assertion import Resource

_NHS_SYSTEMS = frozenset(
    {
        "https://fhir.nhs.uk/Id/nhs-number",
        "http://fhir.nhs.uk/Id/nhs-number",
        "http://fhir.nhs.net/Id/nhs-number",
        "https://fhir.hl7.org.uk/Id/nhs-number",
        "urn:oid:2.16.840.1.113883.2.1.4.1",
    }
)
_NHS_TYPES = frozenset({"NH", "NHS", "NHSNMBR"})
_NHS_AUTHORITIES = frozenset({"NHS", "NHSNBR"})
_PERHAPS_TYPES = frozenset({"SS", "SB"})
"""PID-19 as the official map names it; Barts and Manchester send the NHS number there (seen 2025)."""
_OTHER_NATION = re.compile(r"(^|[/:])(chi|chi-number|hcn|h&c|hsc-number|hcn-number)$", re.IGNORECASE)
_TRACE_STATUS = re.compile(r"(?:NSTS)?0?([1-8])", re.IGNORECASE)


class Meaning(Enum):
    """Whose number it claims to be."""

    NHS = auto()
    PERHAPS_NHS = auto()
    """From a field that some senders use for it: taken if valid, no word if not."""
    OTHER_NATION = auto()
    LOCAL = auto()


class Named(NamedTuple):
    """One identifier, taken apart."""

    value: str
    system: str
    authority: str
    type: str
    trace_status: str
    is_old: bool
    meaning: Meaning

    def __repr__(self) -> str:
        return "Named(···)"


def read_identifier(identifier: Resource) -> Named:
    """Takes a FHIR Identifier apart; what is missing is empty text."""
    get = identifier.get
    system = str(get("system", ""))
    authority = _authority(identifier)
    kind = _type(identifier)
    return Named(
        str(get("value", "")).strip(),
        system,
        authority,
        kind,
        _trace_status(identifier) if "extension" in identifier else "",
        get("use") == "old",
        _meaning(system, authority, kind),
    )


@lru_cache(maxsize=1024)
def _meaning(system: str, authority: str, kind: str) -> Meaning:
    if system in _NHS_SYSTEMS or authority.upper() in _NHS_AUTHORITIES or kind.upper() in _NHS_TYPES:
        return Meaning.NHS
    if kind.upper() in _PERHAPS_TYPES:
        return Meaning.PERHAPS_NHS
    if any(_OTHER_NATION.search(name) for name in (system, authority, kind)):
        return Meaning.OTHER_NATION
    return Meaning.LOCAL


def _authority(identifier: Resource) -> str:
    assigner: dict[str, Any] | None = identifier.get("assigner")
    if assigner is None:
        return ""
    return str(assigner.get("display") or assigner.get("identifier", {}).get("value") or "").strip()


def _type(identifier: Resource) -> str:
    concept: dict[str, Any] | None = identifier.get("type")
    for coding in concept.get("coding", ()) if concept is not None else ():
        if coding.get("code"):
            return str(coding["code"]).strip()
    return ""


def _trace_status(identifier: Resource) -> str:
    """Two digits of the NHS Data Dictionary's NHS NUMBER STATUS INDICATOR CODE, else as sent."""
    for extension in identifier.get("extension", []):
        if "NHSNumberVerificationStatus" not in str(extension.get("url", "")):
            continue
        for coding in extension.get("valueCodeableConcept", {}).get("coding", []):
            return _two_digits(str(coding.get("code", "")).strip())
    return ""


@lru_cache(maxsize=256)
def _two_digits(status: str) -> str:
    match = _TRACE_STATUS.fullmatch(status)
    return f"0{match[1]}" if match else status
