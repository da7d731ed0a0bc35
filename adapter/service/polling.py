"""Polls the FHIR servers of a trust, each in a thread of its own beside the loops of the work process.

Every thread has its own hold on the store, so that a server that hangs holds up nobody: at a stop it is waited for
a second and then left, since it can be killed anywhere.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import structlog

from adapter import config
from adapter.config import FhirSearchSource, TrustSettings
from adapter.envelope import utc_us
from adapter.errors import Halted, NotNow, SetupError, SourceFault
from adapter.outbound import open_session
from adapter.pipeline.reception import Reception
from adapter.service import certificates
from adapter.service.assembly import open_ring, open_store, utc_now
from adapter.service.pacing import pace_of
from adapter.service.polling_history import Histories
from adapter.service.polling_memory import StoredMemory
from adapter.service.polling_status import fhir_sources, searches_of
from adapter.service.signing_in import credentials_of, key_pair
from adapter.sources.fhir_http import FhirServer, Limits
from adapter.sources.fhir_search import FhirSearches, Memory, Rules, Search
from adapter.sources.peer_certificate import watched
from adapter.sources.smart_auth import Credentials
from adapter.store import polls
from adapter.store.faults import StoreError
from adapter.store.inbox import open_inbox

log = structlog.get_logger()

_SHORTEST_S = 1.0
_STOP_S = 0.8
_FAULT_WAIT_S = 10.0


class Poller:
    """One source: its turns, and when the next one is."""

    def __init__(self, settings: TrustSettings, source: FhirSearchSource) -> None:
        self._settings = settings
        self._source = source
        self._ring = open_ring(settings)
        self._database = open_store(settings, migrate=False)
        self._inbox = open_inbox(self._database, folder=settings.data_folder)
        self._pace = pace_of(source, settings, self._database)
        self._certificates = certificates.Seen(self._database, source=source.name)
        self._credentials: Credentials | None = None
        """Kept from turn to turn: a token outlives them (behaviour 4)."""

    def run(self, stopping: threading.Event) -> None:
        """Turn after turn until told to stop, or halted."""
        try:
            wait_s: float | None = 0.0
            while wait_s is not None and not stopping.wait(wait_s):
                wait_s = self._safely(stopping)
        finally:
            self.close()

    def close(self) -> None:
        """Close files and connections."""
        self._inbox.close()
        self._database.close()
        self._ring.close()

    def _safely(self, stopping: threading.Event) -> float | None:
        try:
            return self.turn(stopping)
        except StoreError as error:
            log.error("the store refuses; polling waits", feed=self._source.name, reason=type(error).__name__)
        except Exception as error:  # noqa: BLE001
            # Not swallowed: logged each time, and the source's age in `status` grows. One source never ends the others.
            log.error("polling failed; it is tried again", feed=self._source.name, reason=type(error).__name__)
        return _FAULT_WAIT_S

    def turn(self, stopping: threading.Event) -> float | None:
        """Read what has changed; seconds until the next turn, None if there shall be none before a restart."""
        began = time.monotonic()
        wait_s = self._left_alone_s()
        if wait_s > 0:
            return wait_s
        try:
            faults = self._read(stopping)
        except SetupError as error:
            log.error("polling cannot begin", feed=self._source.name, reason=str(error))
            return self._ended(SourceFault.SETUP)
        except Halted as error:
            log.critical(
                "POLLING IS STOPPED until the service is started again", feed=self._source.name, reason=str(error)
            )
            self._ended(error.fault)
            return None
        except NotNow as error:
            return self._ended(error.fault, retry_after_s=error.retry_after_s)
        self._ended(faults[0] if faults else None)
        return max(_SHORTEST_S, self._source.every.total_seconds() - (time.monotonic() - began))

    def _left_alone_s(self) -> float:
        with self._database.read() as conn:
            not_before_us = polls.source(conn, self._source.name).not_before_us
        return 0.0 if not_before_us is None else (not_before_us - utc_us(utc_now())) / 1_000_000

    def _ended(self, fault: SourceFault | None, *, retry_after_s: float | None = None) -> float:
        """Note how a turn ended; how long to wait for the next."""
        wait_s = max(self._source.every.total_seconds(), retry_after_s or 0.0)
        if fault is SourceFault.STOPPED:
            return wait_s
        not_before_us = utc_us(utc_now() + timedelta(seconds=retry_after_s)) if retry_after_s else None
        with self._database.write() as conn:
            polls.set_source(conn, self._source.name, not_before_us=not_before_us, trouble=fault.value if fault else "")
        return wait_s

    def _read(self, stopping: threading.Event) -> list[SourceFault]:
        """What has changed; then the history of those who are held since."""
        source = self._source
        rules = config.rules_of(source, self._settings.fhir_search)
        searches = searches_of(rules)
        first = datetime.combine(source.first, datetime.min.time(), self._settings.site.timezone)
        changes = StoredMemory(self._database, self._ring, source=source.name, first=first, overlap=rules.overlap)
        histories = Histories(self._database, self._ring, source=source.name, searches=searches)
        server = self._server()

        def read(searches: Sequence[Search], memory: Memory) -> list[SourceFault]:
            return FhirSearches(
                source.name,
                searches,
                server=server,
                keep=Reception(self._inbox, self._ring).append,
                memory=memory,
                rules=Rules(overlap=rules.overlap, count=rules.count, now=utc_now),
            ).turn(stopping)

        try:
            return read(searches, changes) + histories.read(read, stopping)
        finally:
            server.close()

    def _server(self) -> FhirServer:
        source = self._source
        limits = Limits(
            silence_s=source.silence_s,
            answer_s=5 * source.silence_s,
            max_bytes=source.max_bytes,
            attempts=source.retry.attempts,
            first_wait_s=source.retry.first_s,
            longest_wait_s=source.retry.longest_s,
        )
        if self._credentials is None:
            self._credentials = credentials_of(source, pace=self._pace)
        return FhirServer(
            source.base_url,
            credentials=self._credentials,
            pace=self._pace,
            limits=limits,
            session=watched(
                open_session(ca=source.ca, proxy=source.proxy, certificate=key_pair(source)), self._certificates
            ),
        )


def start(settings: TrustSettings, stopping: threading.Event) -> list[threading.Thread]:
    """A thread for each FHIR source."""
    threads = []
    for source in fhir_sources(settings):
        poller = Poller(settings, source)
        thread = threading.Thread(target=poller.run, args=(stopping,), name=f"polling {source.name}", daemon=True)
        thread.start()
        threads.append(thread)
    return threads


def join(threads: Iterable[threading.Thread]) -> None:
    """Wait for them a moment; one that hangs on its server ends with the process."""
    until = time.monotonic() + _STOP_S
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
