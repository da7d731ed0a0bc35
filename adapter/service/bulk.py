"""Bulk exports of a FHIR source, in a thread of its own beside the loops of the work process.

    starting ─▶ exporting ─▶ downloading ─▶ taking ─▶ closing ─▶ whole | partial | failed

What each state needs is on disk before it is entered, so a restart goes on where it was: it asks on at the address it
has (behaviour 41), fetches only files it lacks, gives only parts it has not given. docs/states.md has the diagram.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
import structlog

from adapter.config import FhirSearchRules
from adapter.envelope import utc_us
from adapter.errors import Declined, Halted, NotNow, SourceError, SourceFault
from adapter.pipeline.reception import Reception
from adapter.service import bulk_papers as papers_of_jobs
from adapter.service.assembly import utc_now
from adapter.service.bulk_files import Sorting, fetch, spool_name
from adapter.service.bulk_intake import Intake, Place, Scope, note_sorted
from adapter.service.bulk_members import Members
from adapter.service.bulk_orders import PATIENT, Terms, next_order, terms_of, wait_us
from adapter.service.bulk_papers import Papers, key_of
from adapter.service.polling_memory import counter
from adapter.sources.fhir_bulk import BulkServer, InTheWay, Lost, Order, Waiting, Wire, instant_of
from adapter.store import bulk, counters
from adapter.store.bulk import JobRow, TypeRow
from adapter.store.bulk_spool import Spool
from adapter.store.database import Connection, Database
from adapter.store.inbox import Inbox
from adapter.store.sealing import KeyDestroyed, KeyRing, Tampered
from adapter.store.states import BulkState

log = structlog.get_logger()

_OF_PAPERS = ("Bundle", "OperationOutcome")
"""Types of files that tell what was deleted and what went wrong."""

_IDLE_S = 30.0
_LONGEST_WAIT_S = 3600.0
_MOST_TRIES = 30
"""Of a server that answers with errors when asked how far it is; with growing waits this is a day."""
_DELETE_TRIES = 3
_KEPT = 20
"""Exports that have ended, for whoever looks back."""
QUEUE_LIMIT = 64
"""Bundles that may wait in the inbox: the live feeds stand in the same queue."""

_BEFORE_TAKING = frozenset({BulkState.STARTING, BulkState.EXPORTING, BulkState.DOWNLOADING})

MAX_WAIT = "max-wait"
LOST = "lost"
UNREADABLE = "unreadable"


class Rooms(NamedTuple):
    """What an exporter works with."""

    database: Database
    ring: KeyRing
    inbox: Inbox
    spool: Spool


class Exporter:
    """One group of one source, or all its patients."""

    def __init__(
        self, rooms: Rooms, *, source: str, level: str, rules: FhirSearchRules, hold: timedelta, queue_limit: int
    ) -> None:
        self._rooms = rooms
        self._source = source
        self._terms: Terms = terms_of(rules, level)
        self._rules = rules.bulk
        self._queue_limit = queue_limit
        hold_us = int(hold.total_seconds() * 1_000_000)
        self._members = Members(rooms.database, rooms.ring, (source, self._terms), hold_us=hold_us)

    def turn(self, wire: Wire, stop: threading.Event) -> float:
        """As far as it goes now; seconds until it is worth another. Halted and setup faults fly on."""
        server = BulkServer(wire, stop)
        while not stop.is_set():
            job = self._open()
            if job is None:
                return self._idle_s()
            wait_s = (job.next_us - utc_us(utc_now())) / 1_000_000
            if wait_s > 0:
                return wait_s
            try:
                self._step(job, server, wire.base_url)
            except _Later as error:
                return error.wait_s
            except (KeyDestroyed, Tampered):
                self._fail(job, UNREADABLE)
            except Halted as error:
                self._note(job, error.fault.value)
                raise
            except Declined as error:
                self._declined(job, error)
            except NotNow as error:
                return self._not_now(job, error)
        return _IDLE_S

    def _open(self) -> JobRow | None:
        """The export that goes on, or the next one that is due."""
        now_us = utc_us(utc_now())
        with self._rooms.database.read() as conn:
            job = bulk.open_job(conn, self._source, self._terms.level)
            if job is not None:
                return job
            known = bulk.types(conn, self._source, self._terms.level)
        newcomers = self._members.newcomers(now_us)
        order = next_order(self._terms, known, now_us=now_us)
        if newcomers and not self._members.has_just_failed(now_us):
            order = Order(self._terms.level, self._terms.types, patients=tuple(newcomers), join=self._rules.type_join)
        return None if order is None else self._begin(order, newcomers=tuple(newcomers.values()))

    def _begin(self, order: Order, *, newcomers: tuple[int, ...]) -> JobRow:
        with self._rooms.database.write() as conn:
            bulk.forget_before(conn, self._source, self._terms.level, keep=_KEPT)
            return self._insert(conn, order, newcomers=newcomers)

    def _insert(self, conn: Connection, order: Order, *, newcomers: tuple[int, ...]) -> JobRow:
        ring = self._rooms.ring
        key_id = ring.day_key(utc_now().date())
        papers = Papers(patients=order.patients, newcomers=newcomers if order.patients else ())
        return bulk.begin(
            conn,
            (self._source, self._terms.level),
            asked=(order.types, order.since),
            now_us=utc_us(utc_now()),
            sealed=(key_id, papers_of_jobs.seal(ring, key_id, papers)),
        )

    def _idle_s(self) -> float:
        with self._rooms.database.read() as conn:
            known = bulk.types(conn, self._source, self._terms.level)
        return min(_IDLE_S, wait_us(self._terms, known, now_us=utc_us(utc_now())) / 1_000_000)

    def _step(self, job: JobRow, server: BulkServer, base_url: str) -> None:
        papers = papers_of_jobs.unseal(self._rooms.ring, job)
        match BulkState(job.state):
            case BulkState.STARTING:
                self._start(job, papers, server)
            case BulkState.EXPORTING:
                self._ask(job, papers, server)
            case BulkState.DOWNLOADING:
                self._download(job, papers, server)
            case BulkState.TAKING:
                self._take(job, papers, server, base_url)
            case BulkState.CLOSING:
                self._close(job, papers, server)
            case BulkState.WHOLE | BulkState.PARTIAL | BulkState.FAILED:
                raise AssertionError("an export that has ended is not open")

    # starting

    def _start(self, job: JobRow, papers: Papers, server: BulkServer) -> None:
        self._delete_left(server)
        order = self._order(job, papers)
        try:
            url = server.start(order)
        except InTheWay as error:
            if not error.earlier:
                raise
            # Behaviour 42: it can only be one of ours that a crash has hidden from us. Whether it is this one, its
            # manifest tells: then it is finished, else deleted.
            log.warning("an earlier export is taken up", feed=self._source, export=job.id)
            self._keep(job, msgspec.structs.replace(papers, status_url=error.earlier, is_adopted=True))
            return
        except Declined:
            if not papers.patients:
                raise
            # Some servers take no names of patients: then everything, once, is the only way to have all of a new one.
            self._ask_for_everything(job, papers)
            return
        self._keep(job, msgspec.structs.replace(papers, status_url=url, is_adopted=False))

    def _ask_for_everything(self, job: JobRow, papers: Papers) -> None:
        log.info("the server exports no single patients: all are asked for", feed=self._source, export=job.id)
        self._write(job, BulkState.STARTING, msgspec.structs.replace(papers, patients=()))

    def _keep(self, job: JobRow, papers: Papers) -> None:
        """Where to ask is on disk before it is asked (behaviour 41)."""
        self._write(_calm(job), BulkState.EXPORTING, papers)

    def _order(self, job: JobRow, papers: Papers) -> Order:
        return Order(
            job.level,
            tuple(job.types.split(",")),
            since=job.since,
            patients=papers.patients,
            join=self._rules.type_join,
        )

    # exporting

    def _ask(self, job: JobRow, papers: Papers, server: BulkServer) -> None:
        if utc_us(utc_now()) - job.began_us > int(self._rules.max_wait.total_seconds() * 1_000_000):
            log.critical("AN EXPORT TAKES TOO LONG and is given up", feed=self._source, export=job.id)
            self._fail(job, MAX_WAIT)
            return
        found = server.status(papers.status_url)
        if isinstance(found, Waiting):
            wait_s = max(found.retry_after_s or 0.0, self._rules.poll_min_s)
            row = _calm(job)._replace(percent=found.percent)
            self._write(row._replace(next_us=_in(wait_s)), BulkState.EXPORTING, papers)
            return
        if papers.is_adopted and not self._order(job, papers).is_of(found.request):
            server.delete(papers.status_url)
            self._write(job, BulkState.STARTING, msgspec.structs.replace(papers, status_url="", is_adopted=False))
            return
        row = _calm(job)._replace(server_time=found.transaction_time, percent=100)
        with self._rooms.database.write() as conn:
            bulk.add_files(conn, job.id, [(each.kind, _known_type(each.resource_type, job)) for each in found.files])
            self._moved(conn, row, BulkState.DOWNLOADING, papers.with_manifest(found))

    # downloading

    def _download(self, job: JobRow, papers: Papers, server: BulkServer) -> None:
        with self._rooms.database.read() as conn:
            waiting = [row for row in bulk.files(conn, job.id) if not row.is_in]
        for row in waiting:
            found = fetch(server, self._rooms.spool, job, papers, row)
            with self._rooms.database.write() as conn:
                bulk.file_in(conn, found)
            if found.trouble:
                place = {"export": job.id, "file": row.number, "type": row.type}
                log.error("a file of an export is not whole", feed=self._source, reason=found.trouble, **place)
        # Behaviour 43: only now that every file is on our disk.
        self._write(_calm(job), BulkState.TAKING, papers)

    # taking

    def _take(self, job: JobRow, papers: Papers, server: BulkServer, base_url: str) -> None:
        place = Place(self._source, base_url, self._rooms.spool)
        reception = Reception(self._rooms.inbox, self._rooms.ring)
        intake = Intake(self._rooms.database, self._rooms.ring, reception, place)
        if job.taken < 0:
            self._wait_for_queue()
            self._sort(job, papers, intake, base_url)
            return
        scope = self._scope(job, papers, intake)
        while job.taken < job.parts:
            self._wait_for_queue()
            job, papers = intake.take(job, papers, server, scope)
        self._write(job, BulkState.CLOSING, papers)

    def _sort(self, job: JobRow, papers: Papers, intake: Intake, base_url: str) -> None:
        with self._rooms.database.read() as conn:
            files = bulk.files(conn, job.id)
        sorting = Sorting(self._rooms.spool, job, files, base_url=base_url)
        # Before the job goes on: killed in between, they are told again in the same bytes.
        intake.tell(sorting.deletions())
        intake.keep_shared(job, sorting.run())
        note_sorted(job, sorting, self._rooms.database)
        reason = ",".join(sorted(sorting.affected & frozenset(job.types.split(","))))
        self._write(job._replace(taken=0, parts=sorting.parts, reason=reason), BulkState.TAKING, papers)
        for row in files:
            self._rooms.spool.remove(job.id, spool_name(row.number))

    def _scope(self, job: JobRow, papers: Papers, intake: Intake) -> Scope:
        types = set(job.types.split(","))
        # Types that were not whole are asked for again from where they stood; but not of these patients alone.
        is_whole = types >= set(self._terms.types) and not job.since and not (papers.patients and job.reason)
        wanted = papers.patients or self._members.newcomers(utc_us(utc_now()))
        with self._rooms.database.read() as conn:
            known = bulk.types(conn, self._source, self._terms.level)
        earlier: Mapping[str, datetime] = {}
        if is_whole and not papers.patients and self._rules.since:
            earlier = {name: at for name, row in known.items() if (at := instant_of(row.since)) is not None}
        blinds = frozenset(intake.blind_patient(f"Patient/{each}".encode()) for each in wanted)
        return Scope(is_whole, blinds, earlier)

    def _wait_for_queue(self) -> None:
        with self._rooms.database.read() as conn:
            depth = self._rooms.inbox.facts(conn).depth
        if depth >= self._queue_limit:
            raise _Later(0.5)

    # closing

    def _close(self, job: JobRow, papers: Papers, server: BulkServer) -> None:
        is_left = self._rules.delete_after and not self._is_deleted(job, papers, server)
        affected = frozenset(filter(None, job.reason.split(",")))
        now_us = utc_us(utc_now())
        with self._rooms.database.write() as conn:
            if not papers.patients:
                known = bulk.types(conn, self._source, job.level)
                rows = [
                    _asked(job, name, known.get(name), is_whole=name not in affected) for name in job.types.split(",")
                ]
                bulk.set_types(conn, self._source, job.level, rows)
            if not affected:
                bulk.patients_whole(conn, self._source, job.level, papers.newcomers)
            bulk.forget_files(conn, job.id)
            counters.bump(conn, counter(self._source, "bulk.runs"))
            after = BulkState.PARTIAL if affected else BulkState.WHOLE
            bulk.move(conn, job, after, ended_us=now_us, is_left=is_left)
            self._fetch_joined(conn, papers)
        self._rooms.spool.remove_all(job.id)
        log.info("export taken", feed=self._source, export=job.id, state=after.value, affected=sorted(affected))

    def _is_deleted(self, job: JobRow, papers: Papers, server: BulkServer) -> bool:
        """False where it will be tried again before the next export."""
        try:
            server.delete(papers.status_url)
        except Declined as error:
            log.warning("the export cannot be deleted", feed=self._source, export=job.id, reason=str(error))
        except NotNow as error:
            if error.fault is SourceFault.STOPPED or job.tries < _DELETE_TRIES:
                raise
            return False
        return True

    # newcomers

    def _fetch_joined(self, conn: Connection, papers: Papers) -> None:
        """Behaviour 49: whoever is new in a group is fetched whole, also what was changed long ago."""
        if papers.joined and self._terms.level != PATIENT:
            patients = tuple(name.removeprefix("Patient/") for name in papers.joined)
            self._insert(conn, Order(self._terms.level, self._terms.types, patients=patients), newcomers=())

    # what went wrong

    def _not_now(self, job: JobRow, error: NotNow) -> float:
        if error.fault is SourceFault.STOPPED:
            return _IDLE_S
        log.warning("an export waits", feed=self._source, export=job.id, state=job.state, reason=str(error))
        tries = job.tries + 1
        if tries > _MOST_TRIES and error.fault is SourceFault.SERVER_ERROR and job.state == BulkState.EXPORTING:
            self._fail(job, error.fault.value)
            return _IDLE_S
        backed_off: float = self._rules.poll_min_s * 2 ** min(tries - 1, 12)
        wait_s = max(error.retry_after_s or 0.0, min(_LONGEST_WAIT_S, backed_off))
        self._note(job._replace(tries=tries, next_us=_in(wait_s)), error.fault.value)
        return wait_s

    def _note(self, job: JobRow, fault: str) -> None:
        """Why it waits; what is known of its types by then is not written over."""
        reason = fault if job.state in _BEFORE_TAKING else job.reason
        with self._rooms.database.write() as conn:
            bulk.move(conn, job._replace(reason=reason), BulkState(job.state))
            counters.bump(conn, counter(self._source, f"bulk.fault.{fault}"))

    def _declined(self, job: JobRow, error: SourceError) -> None:
        log.error("an export failed", feed=self._source, export=job.id, state=job.state, reason=str(error))
        self._fail(job, LOST if isinstance(error, Lost) else error.fault.value)

    def _fail(self, job: JobRow, reason: str) -> None:
        """Nothing of it counts: the types are asked for again in time, from where they stood."""
        is_of_all = True
        is_left = False
        with suppress(KeyDestroyed):
            papers = papers_of_jobs.unseal(self._rooms.ring, job)
            is_of_all = not papers.patients
            is_left = bool(papers.status_url) and reason != LOST
        with self._rooms.database.write() as conn:
            if is_of_all:
                known = bulk.types(conn, self._source, job.level)
                rows = [_asked(job, name, known.get(name), is_whole=False) for name in job.types.split(",")]
                bulk.set_types(conn, self._source, job.level, rows)
            bulk.forget_files(conn, job.id)
            counters.bump(conn, counter(self._source, f"bulk.failed.{reason}"))
            bulk.move(conn, job, BulkState.FAILED, reason=reason, ended_us=utc_us(utc_now()), is_left=is_left)
        self._rooms.spool.remove_all(job.id)

    def _delete_left(self, server: BulkServer) -> None:
        """Behaviour 42: what was given up may stand in the way of the next."""
        with self._rooms.database.read() as conn:
            left = bulk.left(conn, self._source, self._terms.level)
        for job in left:
            with suppress(KeyDestroyed, Declined):
                server.delete(papers_of_jobs.unseal(self._rooms.ring, job).status_url)
            with self._rooms.database.write() as conn:
                bulk.let_go(conn, job.id)

    def _write(self, job: JobRow, after: BulkState, papers: Papers) -> None:
        with self._rooms.database.write() as conn:
            self._moved(conn, job, after, papers)

    def _moved(self, conn: Connection, job: JobRow, after: BulkState, papers: Papers) -> None:
        bulk.move(conn, job._replace(sealed=papers_of_jobs.seal(self._rooms.ring, key_of(job), papers)), after)


class _Later(Exception):
    """Nothing is wrong; the inbox is full for now."""

    def __init__(self, wait_s: float) -> None:
        super().__init__()
        self.wait_s = wait_s


def _calm(job: JobRow) -> JobRow:
    """Whatever went wrong before is over."""
    return job._replace(tries=0, reason="")


def _asked(job: JobRow, name: str, before: TypeRow | None, *, is_whole: bool) -> TypeRow:
    """What is known of a type after an export (behaviours 44 and 45)."""
    since, full_us = (before.since, before.full_us) if before else ("", 0)
    if is_whole:
        since = job.server_time
        full_us = full_us if job.since else job.began_us
    return TypeRow(name, since, full_us, job.began_us)


def _known_type(name: str, job: JobRow) -> str:
    """A server may write anything there, a name as well; what is stored in clear is what we asked for."""
    return name if name in {*job.types.split(","), *_OF_PAPERS} else "other"


def _in(seconds: float) -> int:
    return utc_us(datetime.now(UTC) + timedelta(seconds=seconds))
