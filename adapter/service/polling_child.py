"""Reads one child at one FHIR server, or finds the id it has there, and says how the child stands then.

A server that denies, or does not answer, takes nothing away of what we have (behaviours 38 and 68): only the state of
the child at that source changes, with the reason, for a person to see.
"""

import re
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, timedelta
from typing import NamedTuple

import msgspec
import structlog

from adapter.chart import sealed
from adapter.chart.known import Known
from adapter.envelope import Media, Received, utc_us
from adapter.errors import Declined, SourceError, SourceFault
from adapter.service.polling_lookup import LookUp
from adapter.service.polling_patient import PatientMemory, reason_of
from adapter.service.polling_pauses import Pauses
from adapter.service.polling_plan import Kind, asked_of, next_due_us
from adapter.sources.fhir_crawl import PATIENT, FhirCrawl
from adapter.sources.fhir_http import FhirServer
from adapter.sources.fhir_page import body_of
from adapter.sources.fhir_search import Rules
from adapter.sources.folder import KeepAll
from adapter.store import crawls
from adapter.store.crawls import CrawlState, Facts, PatientRow, SearchRow, Urgency
from adapter.store.database import Database
from adapter.store.sealing import KeyDestroyed, KeyRing

log = structlog.get_logger()

_ALARMS = frozenset({SourceFault.UNFILTERED, SourceFault.OTHER_PATIENT})
"""What is wrong with the server or the settings, and not with one child."""
_OF_SERVER = "fhir:"
_BY_ID = re.compile(r"Patient/([A-Za-z0-9.-]{1,64})")
_KNOWN = msgspec.json.Decoder(Known)
_ABSENT = {
    SourceFault.PERSON: CrawlState.DENIED,
    SourceFault.DENIED: CrawlState.DENIED,
    SourceFault.MERGED: CrawlState.MERGED,
    SourceFault.GONE: CrawlState.DELETED,
    SourceFault.NOT_FOUND: CrawlState.DELETED,
}
"""What an error in answer to a read by id says of the patient."""
_SURVIVOR_NOT_TOLD = "survivor-not-told"


class Terms(NamedTuple):
    """How one source is crawled."""

    source: str
    kinds: Sequence[Kind]
    every: timedelta
    full_reread: timedelta
    debounce: timedelta
    parallel: int
    rules: Rules
    pauses: Pauses
    look_up: LookUp


def known_of(ring: KeyRing, facts: Facts) -> Known | None:
    """What the registry knows under an identifier; None once it is erased."""
    if facts.sealed is None:
        return None
    try:
        return _KNOWN.decode(ring.unseal(facts.key_id, facts.sealed, sealed.IDENTIFIER))
    except KeyDestroyed:
        return None


class ChildReader:
    """For the children that one worker serves, one after the other."""

    def __init__(self, database: Database, ring: KeyRing, *, terms: Terms, keep: KeepAll, server: FhirServer) -> None:
        self._database = database
        self._ring = ring
        self._terms = terms
        self._keep = keep
        self._server = server

    def serve(self, row: PatientRow, facts: Facts, known: Known, stop: threading.Event) -> list[SourceFault]:
        """Read the child, or look its id up, and note how it stands; what is wrong with the source.

        After a stop the child stays due. NotNow and Halted fly on, as do Erased and KeyDestroyed.
        """
        authority, value = known.identifier
        named = _BY_ID.fullmatch(value)
        if authority == _OF_SERVER + self._terms.source and named:
            return self._read(row, facts, named[1], stop)
        # Where every type is read whole, its patients come without being looked for.
        if authority.startswith(_OF_SERVER) or not any(kind.is_of_patients for kind in self._terms.kinds):
            self._stand(row._replace(state=CrawlState.ELSEWHERE, reason="", due_us=None))
        else:
            self._look_up(row, facts, stop)
        return []

    def _read(self, row: PatientRow, facts: Facts, patient_id: str, stop: threading.Event) -> list[SourceFault]:
        terms = self._terms
        paused = terms.pauses.types()
        kinds = [kind for kind in terms.kinds if kind.search.resource_type not in paused]
        of_types = {kind.search.name for kind in terms.kinds if not kind.is_of_patients}
        memory = PatientMemory(self._database, self._ring, row=row, facts=facts, elsewhere=of_types)
        now_us = self._now_us()
        is_called = row.urgency == Urgency.CALLED
        asked = asked_of(kinds, memory.rows, now_us=now_us, every=terms.every, is_called=is_called)
        memory.expect(asked)
        crawl = FhirCrawl(terms.source, server=self._server, keep=self._keep, memory=memory, rules=terms.rules)
        faults = crawl.turn([each.search._replace(patient_id=patient_id) for each in asked], stop)
        alarms = [fault for fault in faults if fault in _ALARMS]
        if stop.is_set():
            return alarms
        terms.pauses.pause(
            name.partition("?")[0] for name, error in memory.errors.items() if error.fault is SourceFault.PAUSED
        )
        self._stand(self._after(row, memory, now_us))
        log.info("child read", feed=terms.source, identifier_id=row.identifier_id, searches=len(asked))
        return alarms

    def _after(self, row: PatientRow, memory: PatientMemory, began_us: int) -> PatientRow:
        """How the child stands after this reading."""
        absent = next((error for name, error in memory.errors.items() if name.partition("?")[0] == PATIENT), None)
        again_us = began_us + _us(self._terms.full_reread)
        if absent is not None and absent.fault in _ABSENT:
            is_unsaid = absent.fault is SourceFault.MERGED and not (isinstance(absent, Declined) and absent.survivor)
            reason = _SURVIVOR_NOT_TOLD if is_unsaid else reason_of(absent)
            due_us = None if absent.fault is SourceFault.PERSON else again_us
            return row._replace(state=_ABSENT[absent.fault], reason=reason, urgency=Urgency.ROUTINE, due_us=due_us)
        if (denied := _to_a_person(memory.errors.values())) is not None:
            return row._replace(state=CrawlState.DENIED, reason=reason_of(denied), urgency=Urgency.ROUTINE, due_us=None)
        due_us = self._next_due_us(memory.rows, began_us)
        named = {kind.search.name for kind in self._terms.kinds}
        troubles = [each.trouble for name, each in memory.rows.items() if each.trouble and name in named]
        if troubles:
            return row._replace(state=CrawlState.INCOMPLETE, reason=troubles[0], urgency=Urgency.ROUTINE, due_us=due_us)
        return row._replace(
            state=CrawlState.COMPLETE, reason="", urgency=Urgency.ROUTINE, due_us=due_us, whole_us=began_us
        )

    def _next_due_us(self, rows: dict[str, SearchRow], began_us: int) -> int | None:
        """Never now again: what was asked for in vain waits for its time."""
        paused = self._terms.pauses.types()
        kinds = [kind for kind in self._terms.kinds if kind.search.resource_type not in paused]
        due_us = next_due_us(kinds, rows, every=self._terms.every)
        if paused and len(kinds) < len(self._terms.kinds):
            tomorrow_us = self._terms.pauses.end_us()
            due_us = min(tomorrow_us, due_us if due_us is not None else tomorrow_us)
        return None if due_us is None else max(due_us, began_us + _us(self._terms.every))

    def _look_up(self, row: PatientRow, facts: Facts, stop: threading.Event) -> None:
        terms = self._terms
        with self._database.read() as conn:
            family = crawls.family(conn, [facts.id])
        known = [each for each in (known_of(self._ring, one) for one in family) if each is not None]
        again_us = self._now_us() + _us(terms.full_reread)
        routine = row._replace(urgency=Urgency.ROUTINE, reason="", due_us=again_us)
        if any(each.identifier.authority == _OF_SERVER + terms.source for each in known):
            self._stand(routine._replace(state=CrawlState.LINKED))
            return
        try:
            self._server.check_granted(PATIENT)
            found = terms.look_up.find(known, self._server, stop)
        except Declined as error:
            self._stand(routine._replace(state=CrawlState.INCOMPLETE, reason=reason_of(error)))
            return
        if found.candidate is not None:
            now = terms.rules.now()
            body = body_of([found.candidate.entry], timestamp=now.astimezone(UTC).isoformat())
            self._keep([Received(feed=terms.source, media=Media.FHIR, received_at=now, body=body)])
            self._stand(routine._replace(state=CrawlState.LINKED))
        elif found.reason == "no-number":
            self._stand(routine._replace(state=CrawlState.ELSEWHERE))
        elif found.reason == "not-found":
            self._stand(routine._replace(state=CrawlState.INCOMPLETE, reason=found.reason))
        else:
            log.warning("a child cannot be told among the server's patients", feed=terms.source, reason=found.reason)
            self._stand(routine._replace(state=CrawlState.PERSON, reason=found.reason, due_us=None))

    def _stand(self, row: PatientRow) -> None:
        with self._database.write() as conn:
            crawls.stand(conn, row)

    def _now_us(self) -> int:
        return utc_us(self._terms.rules.now())


def _to_a_person(errors: Iterable[SourceError]) -> SourceError | None:
    return next((error for error in errors if error.fault is SourceFault.PERSON), None)


def _us(span: timedelta) -> int:
    return int(span.total_seconds() * 1_000_000)
