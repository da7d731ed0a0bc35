"""Reads a FHIR server patient by patient: our own held and confirmed children, by several workers, most urgent first.

    registry, calls of messages ─▶ who is due ─▶ one worker: by id, then every search ─▶ inbox ─▶ how the child stands

The list is our own registry, never a search of the server (behaviour 12). A patient is read by one worker at a time;
where each of its searches stands is in the store, so that a kill at any page loses nothing.
"""

import threading
import time
from collections.abc import Callable, Sequence

import structlog

from adapter.envelope import utc_us
from adapter.errors import SourceFault
from adapter.service.polling_child import ChildReader, Terms, known_of
from adapter.service.polling_patient import Erased
from adapter.sources.fhir_http import FhirServer
from adapter.sources.folder import KeepAll
from adapter.store import crawls
from adapter.store.crawls import PatientRow
from adapter.store.database import Database
from adapter.store.sealing import KeyDestroyed, KeyRing

log = structlog.get_logger()

_AT_ONCE = 200
_LOOK_EVERY_S = 600.0
"""How often the registry is looked through for anybody whom no message has told of."""
_STOP_S = 0.5
_TICK_S = 0.05


class Crawl:
    """One source. `run` may be called again and again, from one thread."""

    def __init__(
        self,
        database: Database,
        ring: KeyRing,
        *,
        terms: Terms,
        keep: KeepAll,
        open_server: Callable[[], FhirServer],
    ) -> None:
        self._database = database
        self._ring = ring
        self._terms = terms
        self._keep = keep
        self._open_server = open_server
        self._lock = threading.Lock()
        self._in_hand: dict[int, int] = {}
        """Identifiers by patient: whom a worker reads at this moment."""
        self._ended: BaseException | None = None
        """What is wrong with the server as a whole."""
        self._faults: list[SourceFault] = []
        self._looked_at = -_LOOK_EVERY_S

    def run(self, stop: threading.Event, *, until: float) -> list[SourceFault]:
        """Read whoever is due until nobody is, or until that monotonic time; what kept something of single patients.

        What speaks of the server as a whole (NotNow, Halted) flies on; whoever was being read stays due.
        """
        self._ended, self._faults = None, []
        self._look_around()
        self._hear()
        count = min(self._terms.parallel, max(1, self._due_count()))
        threads = [
            threading.Thread(target=self._work, args=(stop, until), name=f"crawl {self._terms.source}", daemon=True)
            for _ in range(count - 1)
        ]
        for thread in threads:
            thread.start()
        self._work(stop, until)
        self._join(threads, stop)
        if self._ended is not None:
            raise self._ended
        return self._faults

    def is_called(self) -> bool:
        """Whether somebody is due now, by a message or by the time."""
        self._hear()
        return self._due_count() > 0

    def _join(self, threads: Sequence[threading.Thread], stop: threading.Event) -> None:
        """Until all have ended; after a stop only a moment, since one may hang on the server."""
        while any(thread.is_alive() for thread in threads) and not stop.wait(_TICK_S):
            pass
        until = time.monotonic() + _STOP_S
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self, stop: threading.Event, until: float) -> None:
        server: FhirServer | None = None
        try:
            while self._ended is None and not stop.is_set() and time.monotonic() < until:
                row = self._next()
                if row is None:
                    return
                server = server or self._open_server()
                try:
                    self._serve(row, server, stop)
                finally:
                    with self._lock:
                        self._in_hand.pop(row.id, None)
        except BaseException as error:  # noqa: BLE001
            # Handed to whoever runs the crawl: the first one speaks for all.
            self._ended = self._ended or error
        finally:
            if server is not None:
                server.close()

    def _next(self) -> PatientRow | None:
        """The most urgent whom nobody reads."""
        with self._lock:
            self._hear()
            with self._database.read() as conn:
                found = crawls.due(conn, self._terms.source, now_us=self._now_us(), limit=len(self._in_hand) + 1)
            row = next((each for each in found if each.id not in self._in_hand), None)
            if row is not None:
                self._in_hand[row.id] = row.identifier_id
            return row

    def _hear(self) -> None:
        """Whom messages have called since."""
        now_us = self._now_us()
        debounce_us = int(self._terms.debounce.total_seconds() * 1_000_000)
        name = self._terms.source
        with self._database.read() as conn:
            called = crawls.calls(
                conn,
                name,
                quiet_since_us=now_us - debounce_us,
                waiting_since_us=now_us - 10 * debounce_us,
                limit=_AT_ONCE,
            )
        if not called:
            return
        with self._database.write() as conn:
            busy = set(self._in_hand.values())
            heard = []
            for each in called:
                ids = {each.identifier_id}
                if not each.is_new:
                    ids = {facts.id for facts in crawls.family(conn, [each.identifier_id])}
                    if ids & busy:
                        continue  # what is read at this moment is read once more after it
                    crawls.enlist(conn, name, ids, at_us=now_us)
                    crawls.hasten(conn, name, ids, at_us=now_us)
                elif crawls.facts_of(conn, each.identifier_id) is not None:
                    crawls.enlist(conn, name, ids, at_us=now_us)
                heard.append(each)
            crawls.answered(conn, name, heard)

    def _look_around(self) -> None:
        """Whoever was held before this source was there, or became so by a way that calls nobody."""
        if time.monotonic() - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = time.monotonic()
        while True:
            with self._database.read() as conn:
                found = crawls.unlisted(conn, self._terms.source, limit=_AT_ONCE)
            if not found:
                return
            with self._database.write() as conn:
                crawls.enlist(conn, self._terms.source, found, at_us=self._now_us())

    def _due_count(self) -> int:
        with self._database.read() as conn:
            return len(crawls.due(conn, self._terms.source, now_us=self._now_us(), limit=self._terms.parallel))

    def _now_us(self) -> int:
        return utc_us(self._terms.rules.now())

    def _serve(self, row: PatientRow, server: FhirServer, stop: threading.Event) -> None:
        with self._database.read() as conn:
            facts = crawls.facts_of(conn, row.identifier_id)
        known = facts and known_of(self._ring, facts)
        if facts is None or known is None:
            self._forget(row)
            return
        try:
            reader = ChildReader(self._database, self._ring, terms=self._terms, keep=self._keep, server=server)
            self._faults += reader.serve(row, facts, known, stop)
        except (Erased, KeyDestroyed):
            self._forget(row)

    def _forget(self, row: PatientRow) -> None:
        """Erased while it waited, or while it was read."""
        with self._database.write() as conn:
            crawls.forget(conn, [row.identifier_id])
