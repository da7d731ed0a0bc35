"""Asks a FHIR server which of its patients bears a number, or is who we describe. Others judge whether it is ours."""

import threading
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from adapter.assertion import Resource
from adapter.sources import fhir_request
from adapter.sources.fhir_http import FhirServer
from adapter.sources.fhir_page import Entry
from adapter.sources.fhir_request import Request, Style

_MOST_PAGES = 5
_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
_MEDIA = "application/fhir+json"
_MOST_MATCHES = 5
"""More than one certain match is one too many."""


class Candidate(NamedTuple):
    """A Patient that the server names."""

    patient_id: str
    patient: Resource
    entry: Entry

    def __repr__(self) -> str:
        return "Candidate(···)"


def by_identifier(
    server: FhirServer, number: tuple[str, str], *, style: Style, stop: threading.Event
) -> list[Candidate]:
    """Patients that bear this number (system, value), also where the server did not use the parameter."""
    pairs = [("identifier", "|".join(number))]
    request = fhir_request.search(server.base_url, "Patient", pairs, style=style)
    found: dict[str, Candidate] = {}
    for _ in range(_MOST_PAGES):
        page = server.page(request, stop)
        each = [_candidate(entry) for entry in page.entries]
        found.update({one.patient_id: one for one in each if one is not None and _bears(one.patient, number)})
        if not page.next_link or len(found) > 1:
            break
        request = fhir_request.follow(page.next_link)
    return list(found.values())


def certain_matches(server: FhirServer, described: Resource, *, stop: threading.Event) -> list[Candidate]:
    """FHIR R4, Patient/$match: only what the server itself is certain of."""
    parameters = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "resource", "resource": described},
            {"name": "onlyCertainMatches", "valueBoolean": True},
            {"name": "count", "valueInteger": _MOST_MATCHES},
        ],
    }
    url = f"{server.base_url}/Patient/$match"
    request = Request(url, "POST", {"Content-Type": _MEDIA}, msgspec.json.encode(parameters))
    page = server.page(request, stop)
    each = [_candidate(entry) for entry in page.entries if _is_certain(entry)]
    return list({one.patient_id: one for one in each if one is not None}.values())


def _candidate(entry: Entry) -> Candidate | None:
    patient = msgspec.json.decode(entry.raw).get("resource") or {}
    if patient.get("resourceType") != "Patient" or not isinstance(patient.get("id"), str):
        return None
    return Candidate(patient["id"], patient, entry)


def _bears(patient: Resource, number: tuple[str, str]) -> bool:
    return any((each.get("system"), each.get("value")) == number for each in patient.get("identifier") or ())


def _is_certain(entry: Entry) -> bool:
    search = msgspec.json.decode(entry.raw).get("search") or {}
    grades: Sequence[Resource] = search.get("extension") or ()
    return any(each.get("url") == _GRADE and each.get("valueCode") == "certain" for each in grades)
