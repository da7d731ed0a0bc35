"""Reads one patient of a FHIR server: by id first, which tells merge, deletion and denial apart; then every search.

What the server says of the id lands in the inbox like any page. A merge is never followed by itself (behaviour 67): the
id we know is told to be replaced, and the survivor is read when the registry keeps it.
"""

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

import msgspec
import structlog

from adapter.errors import Declined, SourceFault
from adapter.sources.fhir_http import FhirServer
from adapter.sources.fhir_page import Entry, Page
from adapter.sources.fhir_position import Search
from adapter.sources.fhir_search import FhirSearches, Memory, Rules
from adapter.sources.folder import KeepAll

_log = structlog.get_logger()

PATIENT = "Patient"
WRITTEN_HERE = "urn:csor-adapter:written-here"
"""The system of a tag: the adapter itself put down what a server said otherwise than by a resource."""
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
            self._tell(error, search, reader)
        self._memory.trouble(search, error)
        _log.warning("the patient is not to be had", feed=self._feed, reason=error.fault.value, code=error.code)
        return error.fault

    def _tell(self, error: Declined, search: Search, reader: FhirSearches) -> None:
        """What an error says of the patient goes the way of all that is said of them, once."""
        now = self._rules.now()
        if error.fault is SourceFault.MERGED and error.survivor:
            body = replaced_by(search.patient_id, error.survivor, at=now)
        elif error.fault is SourceFault.GONE:
            body = deleted(search.patient_id, at=now)
        else:
            return
        # Known by what it says, not by when it was said; whatever the server says next of this id is news again.
        said = sha256(f"{error.fault.value} {error.survivor}".encode()).digest()
        entry = Entry(body, said, now, f"{PATIENT}/{search.patient_id}")
        reader.take(search, Page([entry], "", [], ""), body=body)


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


def replaced_by(patient_id: str, survivor: str, *, at: datetime) -> bytes:
    """A body: what a server that answers with an error means, in the form of one that answers with the Patient.

    It says nothing else of the patient, and it is as new as the answer.
    """
    link = {"other": {"reference": f"{PATIENT}/{survivor}"}, "type": "replaced-by"}
    meta = {"lastUpdated": _instant(at), "tag": [{"system": WRITTEN_HERE, "code": "merge"}]}
    patient = {"resourceType": PATIENT, "id": patient_id, "meta": meta, "active": False, "link": [link]}
    return _bundle({"resource": patient}, of_type="collection")


def deleted(patient_id: str, *, at: datetime) -> bytes:
    """A body: the server says that the record of the patient was deleted."""
    request = {"method": "DELETE", "url": f"{PATIENT}/{patient_id}"}
    return _bundle({"request": request}, of_type="transaction", timestamp=_instant(at))


def _bundle(entry: Mapping[str, object], *, of_type: str, **more: str) -> bytes:
    return msgspec.json.encode({"resourceType": "Bundle", "type": of_type, **more, "entry": [entry]})


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
