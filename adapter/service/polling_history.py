"""Reads a patient's whole history once, when we begin to hold them: what was put aside before may be erased by now.

Of an infant first seen by a late code the films and values that matter are days to weeks old (ARCHITECTURE, triage and
hold). What the log has in the same version is not stored again.
"""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec
import structlog

from adapter.assertion import Resource
from adapter.chart import sealed
from adapter.chart.known import Known
from adapter.chart.sealed import decode_assertion
from adapter.errors import SourceFault
from adapter.service.polling_memory import counter
from adapter.sources.fhir_page import Entry, version_of
from adapter.sources.fhir_search import Position, Search
from adapter.store import assertions, counters, polls
from adapter.store.database import Database
from adapter.store.sealing import KeyDestroyed, KeyRing

log = structlog.get_logger()

PATIENTS_AT_ONCE = 20
"""In one turn, so that changes do not wait for histories."""
_KNOWN = msgspec.json.Decoder(Known)
_BY_ID = re.compile(r"Patient/([A-Za-z0-9.-]{1,64})")
_FIRST = datetime(1900, 1, 1, tzinfo=UTC)

ReadSearches = Callable[[Sequence[Search], "HistoryMemory"], list[SourceFault]]
"""All these searches to their end."""


class HistoryMemory:
    """For the searches of one patient: no cursor, and after a restart they begin again."""

    def __init__(self, database: Database, *, source: str, versions: frozenset[str]) -> None:
        self._database = database
        self._source = source
        self._versions = versions
        self._positions: dict[str, Position] = {}

    def position(self, search: Search) -> Position:
        """Where it stands."""
        return self._positions.get(search.name, Position(first=_FIRST))

    def known(self, search: Search, entries: Sequence[Entry]) -> set[bytes]:
        """Digests of those that the log has in this version."""
        return {entry.digest for entry in entries if entry.version in self._versions}

    def page_in(self, search: Search, position: Position, entries: Sequence[Entry], counts: Mapping[str, int]) -> None:
        """Where it stands now, and what is to be counted."""
        self._positions[search.name] = position
        with self._database.write() as conn:
            counters.bump_many(conn, {counter(self._source, f"history.{name}"): n for name, n in counts.items() if n})

    def trouble(self, search: Search, fault: SourceFault) -> None:
        """Why it could not go on."""
        with self._database.write() as conn:
            counters.bump(conn, counter(self._source, f"history.fault.{fault.value}"))


class Histories:
    """Of one source."""

    def __init__(self, database: Database, ring: KeyRing, *, source: str, searches: Sequence[Search]) -> None:
        self._database = database
        self._ring = ring
        self._source = source
        self._searches = searches

    def read(self, read: ReadSearches, stop: threading.Event) -> list[SourceFault]:
        """Of some of those who are held by now; SourceErrors about the server as a whole fly on."""
        with self._database.read() as conn:
            waiting = polls.without_history(conn, self._source, limit=10 * PATIENTS_AT_ONCE)
        faults: list[SourceFault] = []
        asked = 0
        for row in waiting:
            patient_id = self._patient_id(row)
            if patient_id is not None:
                asked += 1
                if asked > PATIENTS_AT_ONCE or stop.is_set():
                    break
                memory = HistoryMemory(self._database, source=self._source, versions=self._versions(row))
                faults += read([search._replace(patient_id=patient_id) for search in self._searches], memory)
                if stop.is_set():
                    break
                log.info("history read", feed=self._source, identifier_id=row.identifier_id)
            with self._database.write() as conn:
                polls.history_read(conn, self._source, row.identifier_id)
        return faults

    def _patient_id(self, row: polls.PatientRow) -> str | None:
        """None for a patient of another source, or one that has no address of their own."""
        try:
            known = _KNOWN.decode(self._ring.unseal(row.key_id, row.sealed, sealed.IDENTIFIER))
        except KeyDestroyed:
            return None
        matched = _BY_ID.fullmatch(known.identifier.value)
        return matched[1] if matched and known.identifier.authority == f"fhir:{self._source}" else None

    def _versions(self, row: polls.PatientRow) -> frozenset[str]:
        with self._database.read() as conn:
            stored = assertions.of_identifiers(conn, [row.identifier_id])
        found: set[str] = set()
        for each in stored:
            plain = self._ring.unseal(each.key_id, each.sealed, sealed.ASSERTION)
            stated = decode_assertion(plain, stamp_us=each.clock_us)
            found.update(_version(resource) for item in stated.items for resource in item.resources)
            found.update(_version(resource) for resource in stated.context.values())
        return frozenset(found - {""})


def _version(resource: Resource) -> str:
    meta = resource.get("meta")
    identity = resource.get("id")
    if not isinstance(meta, dict) or not identity:
        return ""
    return version_of(f"{resource['resourceType']}/{identity}", meta.get("versionId"), meta.get("lastUpdated"))
