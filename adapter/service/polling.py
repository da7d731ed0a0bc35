"""Polls the FHIR servers of a trust, each in a thread of its own beside the loops of the work process.

Every thread has its own hold on the store, so that a server that hangs holds up nobody: at a stop it is waited for
a second and then left, since it can be killed anywhere.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import structlog

from adapter import config
from adapter.config import FhirSearchSource, TrustSettings
from adapter.config.fhir_answers import Hydrate
from adapter.envelope import utc_us
from adapter.errors import Halted, NotNow, SetupError, SourceFault
from adapter.outbound import open_session
from adapter.pipeline.reception import Reception
from adapter.service import bulk_running, certificates
from adapter.service.assembly import Now, identity_settings, open_ring, open_store, utc_now
from adapter.service.pacing import pace_of
from adapter.service.polling_child import Terms
from adapter.service.polling_crawl import Crawl
from adapter.service.polling_lookup import LookUp
from adapter.service.polling_memory import StoredMemory
from adapter.service.polling_pauses import Pauses
from adapter.service.polling_plan import answers_of, kinds_of, of_whole_types
from adapter.service.polling_status import fhir_sources
from adapter.service.push_reads import Pushed
from adapter.service.signing_in import credentials_of, key_pair
from adapter.service.sought import Sought
from adapter.sources.fhir_http import FhirServer, Limits
from adapter.sources.fhir_hydrate import Path
from adapter.sources.fhir_page import Entry
from adapter.sources.fhir_position import Search
from adapter.sources.fhir_request import Style
from adapter.sources.fhir_search import FhirSearches, Rules
from adapter.sources.peer_certificate import watched
from adapter.sources.smart_auth import Credentials
from adapter.store import polls
from adapter.store.faults import StoreError
from adapter.store.inbox import open_inbox

log = structlog.get_logger()

_SHORTEST_S = 1.0
_STOP_S = 0.8
_FAULT_WAIT_S = 10.0
_CRAWL_S = 60.0
"""How long one turn may go from patient to patient before whole types are looked at again."""
_LISTEN_S = 1.0

Read = Callable[[threading.Event], list[SourceFault]]
"""What kept single searches from their end."""


class Poller:
    """One source: its turns, and when the next one is."""

    def __init__(self, settings: TrustSettings, source: FhirSearchSource, *, now: Now = utc_now) -> None:
        self._now = now
        self._settings = settings
        self._source = source
        self._ring = open_ring(settings)
        self._database = open_store(settings, migrate=False)
        self._inbox = open_inbox(self._database, folder=settings.data_folder)
        self._pace = pace_of(source, settings, self._database)
        self._certificates = certificates.Seen(self._database, source=source.name)
        self._rules = config.rules_of(source, settings.fhir_search)
        self._every_s = source.every.total_seconds()
        self._credentials: Credentials | None = None
        """Kept from turn to turn: a token outlives them (behaviour 4)."""
        self._opening = threading.Lock()
        self._is_down = False
        """Whether the last reading did not come to its end."""
        self._shared: dict[str, Entry] = {}
        self._shared_on = self._now().date()
        self._keep = Reception(self._inbox, self._ring).append
        self._pauses = Pauses(self._database, source=source.name, timezone=settings.site.timezone, now=self._now)
        terms = self._terms()
        self._crawl = Crawl(self._database, self._ring, terms=terms, keep=self._keep, open_server=self.open_server)
        self._sought = Sought(self._database, self._ring, terms=terms)
        self._pushed = self._told()

    def run(self, stopping: threading.Event) -> None:
        """Turn after turn until told to stop, or halted; between turns whoever is due is read."""
        turn_at = time.monotonic()
        try:
            while not stopping.is_set():
                if self._is_called_before(turn_at, stopping):
                    wait_s = self._safely(self._read_called, stopping)
                    turn_at = max(turn_at, time.monotonic() + (wait_s or 0.0 if self._is_down else 0.0))
                elif stopping.is_set():
                    return
                else:
                    wait_s = self._safely(self._read, stopping)
                    turn_at = time.monotonic() + (wait_s or 0.0)
                if wait_s is None:
                    return
        finally:
            self.close()

    def close(self) -> None:
        """Close files and connections."""
        self._inbox.close()
        self._database.close()
        self._ring.close()

    def turn(self, stopping: threading.Event) -> float | None:
        """Read what has changed; seconds until the next turn, None if there shall be none before a restart."""
        return self._attempt(self._read, stopping)

    def _is_called_before(self, turn_at: float, stopping: threading.Event) -> bool:
        while (left_s := turn_at - time.monotonic()) > 0 and not stopping.wait(min(left_s, _LISTEN_S)):
            try:
                # What is down is not tried each second because somebody is called.
                if not self._is_down and self.is_called():
                    return True
            except StoreError as error:
                log.error("the store refuses; polling waits", feed=self._source.name, reason=type(error).__name__)
        return False

    def is_called(self) -> bool:
        """Whether anything is to be read before the next turn: what the server told of, or whoever is due."""
        if self._left_alone_s() > 0:
            return False
        if self._sought.is_due():
            return True
        return self._crawl.is_called() or (self._pushed is not None and self._pushed.is_due())

    def _safely(self, read: Read, stopping: threading.Event) -> float | None:
        self._is_down = True
        try:
            return self._attempt(read, stopping)
        except StoreError as error:
            log.error("the store refuses; polling waits", feed=self._source.name, reason=type(error).__name__)
        except Exception as error:  # noqa: BLE001
            # Not swallowed: logged each time, and the source's age in `status` grows. One source never ends the others.
            log.error("polling failed; it is tried again", feed=self._source.name, reason=type(error).__name__)
        return _FAULT_WAIT_S

    def _attempt(self, read: Read, stopping: threading.Event) -> float | None:
        began = time.monotonic()
        wait_s = self._left_alone_s()
        if wait_s > 0:
            return wait_s
        try:
            faults = read(stopping)
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
        self._is_down = False
        every = self._source.every if self._pushed is None else self._pushed.every(self._source.every)
        return max(_SHORTEST_S, every.total_seconds() - (time.monotonic() - began))

    def _left_alone_s(self) -> float:
        with self._database.read() as conn:
            not_before_us = polls.source(conn, self._source.name).not_before_us
        return 0.0 if not_before_us is None else (not_before_us - utc_us(self._now())) / 1_000_000

    def _ended(self, fault: SourceFault | None, *, retry_after_s: float | None = None) -> float:
        """Note how a turn ended; how long to wait for the next."""
        wait_s = max(self._source.every.total_seconds(), retry_after_s or 0.0)
        if fault is SourceFault.STOPPED:
            return wait_s
        not_before_us = utc_us(self._now() + timedelta(seconds=retry_after_s)) if retry_after_s else None
        with self._database.write() as conn:
            polls.set_source(conn, self._source.name, not_before_us=not_before_us, trouble=fault.value if fault else "")
        return wait_s

    def _read(self, stopping: threading.Event) -> list[SourceFault]:
        """What has changed in whole types; then patient by patient, for as long as a turn may take."""
        return self._told_and_changed(stopping, is_whole=True) + self._read_patients(stopping)

    def called(self, stopping: threading.Event) -> float | None:
        """The same of what it told of and of who is due, between turns."""
        return self._attempt(self._read_called, stopping)

    def _read_called(self, stopping: threading.Event) -> list[SourceFault]:
        """What the server told of, and who is due."""
        return self._told_and_changed(stopping, is_whole=False) + self._read_patients(stopping)

    def _told_and_changed(self, stopping: threading.Event, *, is_whole: bool) -> list[SourceFault]:
        if self._pushed is not None:
            server = self.open_server()
            try:
                is_whole = self._pushed.read(server, self._keep, stopping) or is_whole
            finally:
                server.close()
        searches = of_whole_types(kinds_of(self._rules)) if is_whole else []
        faults = self._changes(searches, stopping) if searches else []
        if self._pushed is not None and is_whole and not faults and not stopping.is_set():
            self._pushed.caught_up()
        return faults

    def _told(self) -> Pushed | None:
        settings = self._source.subscriptions
        if settings is None:
            return None
        source = self._source.name
        return Pushed(self._database, self._ring, source=source, settings=settings, rules=self._rules, how=self._how())

    def _read_patients(self, stopping: threading.Event) -> list[SourceFault]:
        if self._shared_on != self._now().date():
            # A ward may have another name tomorrow.
            self._shared_on = self._now().date()
            self._shared.clear()
        self._sought.serve(self.open_server, self._keep, stopping)
        return self._crawl.run(stopping, until=time.monotonic() + max(_CRAWL_S, self._every_s))

    def _changes(self, searches: Sequence[Search], stopping: threading.Event) -> list[SourceFault]:
        source, rules = self._source, self._rules
        first = datetime.combine(source.first, datetime.min.time(), self._settings.site.timezone)
        paused = self._pauses.types()
        wanted = [search for search in searches if search.resource_type not in paused]
        memory = StoredMemory(self._database, self._ring, source=source.name, first=first, overlap=rules.overlap)
        server = self.open_server()
        try:
            reader = FhirSearches(source.name, wanted, server=server, keep=self._keep, memory=memory, rules=self._how())
            faults = reader.turn(stopping)
        finally:
            server.close()
            self._pauses.pause(memory.paused_types())
        return faults + [SourceFault.PAUSED] * (len(wanted) < len(searches))

    def _how(self) -> Rules:
        rules = self._rules
        exclusive = {(one, other) for each in (rules.types or {}).values() for one, other in each.exclusive}
        return Rules(
            overlap=rules.overlap,
            count=rules.count,
            max_pages=rules.max_pages,
            now=self._now,
            hydrate=tuple(_path(each) for each in rules.hydrate),
            hydrate_style=Style(
                post=rules.post, lenient=rules.lenient, exclusive=tuple(pair for pair in exclusive if "_id" in pair)
            ),
            shared=self._shared,
        )

    def _terms(self) -> Terms:
        settings, rules = self._settings, self._rules
        numbers = settings.identity.hospital_numbers
        look_up = LookUp(
            way=rules.patients.look_up,
            systems={number.authority: number.fhir_system for number in numbers if number.fhir_system},
            settings=identity_settings(settings),
            style=Style(post=rules.post, lenient=rules.lenient),
        )
        return Terms(
            source=self._source.name,
            kinds=kinds_of(rules),
            every=rules.patients.every,
            full_reread=rules.full_reread,
            debounce=timedelta(seconds=settings.settle.debounce_s),
            parallel=rules.limits.parallel,
            rules=self._how(),
            pauses=self._pauses,
            look_up=look_up,
        )

    def open_server(self) -> FhirServer:
        """A connection to it, with the one pace and the one token of the source; for one thread."""
        source = self._source
        limits = Limits(
            silence_s=source.silence_s,
            answer_s=5 * source.silence_s,
            max_bytes=source.max_bytes,
            attempts=source.retry.attempts,
            first_wait_s=source.retry.first_s,
            longest_wait_s=source.retry.longest_s,
        )
        with self._opening:
            if self._credentials is None:
                self._credentials = credentials_of(source, pace=self._pace)
        return FhirServer(
            source.base_url,
            credentials=self._credentials,
            pace=self._pace,
            limits=limits,
            rules=answers_of(self._source, self._rules),
            session=watched(
                open_session(ca=source.ca, proxy=source.proxy, certificate=key_pair(source)), self._certificates
            ),
        )


def _path(each: Hydrate) -> Path:
    kind, *steps = each.path.split(".")
    return Path(kind, tuple(steps), each.depth, each.by == "search")


def start(settings: TrustSettings, stopping: threading.Event) -> list[threading.Thread]:
    """A thread for each FHIR source."""
    threads = []
    for source in fhir_sources(settings):
        poller = Poller(settings, source)
        rules = config.rules_of(source, settings.fhir_search)
        if source.bulk is not None:
            threads.append(bulk_running.start(settings, source, open_server=poller.open_server, stopping=stopping))
            if rules.bulk.instead_of_search:
                continue
        thread = threading.Thread(target=poller.run, args=(stopping,), name=f"polling {source.name}", daemon=True)
        thread.start()
        threads.append(thread)
    return threads


def join(threads: Iterable[threading.Thread]) -> None:
    """Wait for them a moment; one that hangs on its server ends with the process."""
    until = time.monotonic() + _STOP_S
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
