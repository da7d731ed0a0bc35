"""Reads one patient of a FHIR server: by id first, which tells merge, deletion and denial apart; then every search.

What the server says of the id lands in the inbox like any page. A merge is never followed by itself (behaviour 67): the
id we know is told to be replaced, and the survivor is read when the registry keeps it.
"""

import threading
from collections.abc import Sequence
from datetime import UTC
from typing import NamedTuple

import msgspec
import structlog

from adapter.envelope import Media, Received
from adapter.errors import Declined, SourceFault
from adapter.sources.fhir_http import FhirServer
from adapter.sources.fhir_page import Page
from adapter.sources.fhir_position import Search
from adapter.sources.fhir_search import FhirSearches, Memory, Rules
from adapter.sources.folder import KeepAll

_log = structlog.get_logger()

PATIENT = "Patient"
_NOT_THERE = frozenset(
    {SourceFault.NOT_FOUND, SourceFault.GONE, SourceFault.DENIED, SourceFault.PERSON, SourceFault.MERGED}
)
"""After these there is nothing to be asked for under this id."""


class _Reference(msgspec.Struct):
    reference: str = ""


class _Link(msgspec.Struct):
    type: str = ""
    other: _Reference | None = None


class _Patient(msgspec.Struct):
    link: list[_Link] | None = None


class _Entry(msgspec.Struct):
    resource: _Patient


_ENTRY = msgspec.json.Decoder(_Entry)


class Found(NamedTuple):
    """A Patient that was read by id."""

    page: Page
    survivor: str | None
    """The id by which it is replaced; empty where that is not said; None where it is not replaced."""


class FhirCrawl:
    """The searches of one patient. Not to be shared between threads."""

    def __init__(self, feed: str, *, server: FhirServer, keep: KeepAll, memory: Memory, rules: Rules) -> None:
        self._feed = feed
        self._server = server
        self._keep = keep
        self._memory = memory
        self._rules = rules

    def turn(self, searches: Sequence[Search], stop: threading.Event) -> list[SourceFault]:
        """Everything that was asked for; what kept some of it away. NotNow and Halted are about the whole server."""
        reader = FhirSearches(
            self._feed,
            [search for search in searches if search.resource_type != PATIENT],
            server=self._server,
            keep=self._keep,
            memory=self._memory,
            rules=self._rules,
        )
        faults: list[SourceFault] = []
        for search in searches:
            if search.resource_type == PATIENT:
                fault = self._by_id(search, reader, stop)
                if fault in _NOT_THERE:
                    return [fault]
                faults += [fault] if fault is not None else []
        return faults + reader.turn(stop)

    def _by_id(self, search: Search, reader: FhirSearches, stop: threading.Event) -> SourceFault | None:
        try:
            self._server.check_granted(PATIENT)
            found = read_patient(self._server, search.patient_id, stop=stop)
            reader.take(search, found.page)
            if found.survivor is None:
                return None
            error = Declined(SourceFault.MERGED, "the patient is replaced by another", survivor=found.survivor)
        except Declined as declined:
            error = declined
            if error.fault is SourceFault.MERGED and error.survivor:
                self._tell(replaced_by(search.patient_id, error.survivor))
        self._memory.trouble(search, error)
        _log.warning("the patient is not to be had", feed=self._feed, reason=error.fault.value, code=error.code)
        return error.fault

    def _tell(self, patient: bytes) -> None:
        now = self._rules.now()
        when = msgspec.json.encode(now.astimezone(UTC).isoformat())
        body = b'{"resourceType":"Bundle","type":"collection","timestamp":%s,"entry":[{"resource":%s}]}'
        received = Received(feed=self._feed, media=Media.FHIR, received_at=now, body=body % (when, patient))
        self._keep([received])


def read_patient(server: FhirServer, patient_id: str, *, stop: threading.Event) -> Found:
    """Declined where the server has none such, does not show it, or answers with another's (MERGED)."""
    entry = server.resource(f"{PATIENT}/{patient_id}", stop)._replace(is_include=False)
    return Found(Page([entry], "", [], ""), _survivor(_ENTRY.decode(entry.raw).resource))


def _survivor(patient: _Patient) -> str | None:
    """FHIR R4, Patient.link: `replaced-by` is the record to use in place of this one."""
    for link in patient.link or []:
        if link.type == "replaced-by":
            return link.other.reference.rpartition("/")[2] if link.other else ""
    return None


def replaced_by(patient_id: str, survivor: str) -> bytes:
    """What a server that answers with an error means, in the form of one that answers with the Patient."""
    link = {"other": {"reference": f"{PATIENT}/{survivor}"}, "type": "replaced-by"}
    return msgspec.json.encode({"resourceType": PATIENT, "id": patient_id, "active": False, "link": [link]})
