"""The two processes of `csor-adapter run`, and the one that watches over them.

*receive* listens and appends, *work* processes, settles, dispatches and erases. The supervisor holds the data folder's
lock, which its children inherit: while any of them lives no second instance starts. If the supervisor dies, the pipe
on their standard input closes and they stop.
"""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from adapter.config import FolderSource, TrustSettings
from adapter.dispatch import Dispatcher
from adapter.errors import SetupError
from adapter.pipeline.reception import Reception
from adapter.service import coverage, listening, polling
from adapter.service.assembly import Mappings, Works, early_reader, open_ring, open_store, prepare, utc_now
from adapter.service.push_intake import PushIntake, types_of
from adapter.service.reader import ReaderProcess
from adapter.sources import folder as folder_source
from adapter.sources.intake import Intake
from adapter.store import counters, folder_files
from adapter.store.database import Database
from adapter.store.faults import StoreError
from adapter.store.inbox import open_inbox
from adapter.store.lock import DataFolderLock

log = structlog.get_logger()

PARTS = ("receive", "work")
COLLECT = (50_000, 20, 100)
"""Thresholds of the collector. A batch of reports is tens of thousands of objects without a cycle among them: with the
usual thresholds a fifth of the time went into looking for cycles, most of it through what was loaded at the start."""
_IDLE_S = 0.02
_FAULT_WAIT_S = 1.0
_COUNT_EVERY_S = 2.0
_EXPIRE_EVERY_S = 600.0
_RESTART_WAIT_S = (0.2, 30.0)
_STOP_S = 30.0
_WORK_NICE = 5
"""The work process and its reader keep every core busy while they catch up; no acknowledgement shall wait for them."""


class Tally:
    """Counts of the receive process, written to the store now and then by a thread of their own."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter; from any thread."""
        with self._lock:
            self._counts[name] += n

    def write(self) -> None:
        """Move what was counted to the store; kept for the next time where the store refuses."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            with self.database.write() as conn:
                counters.bump_many(conn, counts)
        except StoreError:
            with self._lock:
                self._counts.update(counts)


def receive(settings: TrustSettings, stopping: threading.Event) -> None:
    """Listen on every MLLP source and watch every folder until told to stop; then answer what was read."""
    ring = open_ring(settings)
    database = open_store(settings, migrate=False)
    inbox = open_inbox(database, folder=settings.data_folder)
    tally = Tally(database)
    reception = Reception(inbox, ring)
    pushed = PushIntake(database, ring, types=types_of(settings))
    try:
        asyncio.run(_listen(settings, reception, pushed, tally, stopping))
    finally:
        tally.write()
        inbox.close()
        database.close()
        ring.close()


async def _listen(
    settings: TrustSettings, reception: Reception, pushed: PushIntake, tally: Tally, stopping: threading.Event
) -> None:
    loop = asyncio.get_running_loop()
    intake = Intake(reception.store, prepare=reception.row, is_quick=reception.is_quick, loop=loop)
    notified = Intake(pushed.append, loop=loop)
    intake.start()
    notified.start()
    try:
        listeners = await listening.listen(settings, listening.Keeps(intake, notified), tally)
    except (OSError, SetupError):  # the supervisor tries again; the writers' threads must not keep this process
        await asyncio.to_thread(notified.stop)
        await asyncio.to_thread(intake.stop)
        raise
    noted = Noted(tally.database, reception)
    folders = [
        _started(source.name, partial(_watch, source, intake, noted, tally, stopping))
        for source in settings.sources
        if isinstance(source, FolderSource)
    ]
    counted = loop.time()
    while not stopping.is_set():
        await asyncio.sleep(0.05)
        if loop.time() - counted > _COUNT_EVERY_S:
            counted = loop.time()
            await asyncio.to_thread(tally.write)
    await listening.stop(listeners)
    for folder in folders:
        await asyncio.to_thread(folder.join, _STOP_S)
    await asyncio.to_thread(notified.stop)
    await asyncio.to_thread(intake.stop)


class Noted:
    """Which files of a folder were taken; what stands in the store is keyed."""

    def __init__(self, database: Database, reception: Reception) -> None:
        self._database = database
        self._blind = reception.blind_of_file

    def is_taken(self, feed: str, name_digest: bytes, content_digest: bytes) -> bool:
        """Whether this name with this content was taken before."""
        with self._database.read() as conn:
            return folder_files.is_taken(conn, feed=feed, blind=self._blind(name_digest, content_digest))

    def take(self, feed: str, name_digest: bytes, content_digest: bytes) -> None:
        """Remember it, durably."""
        with self._database.write() as conn:
            folder_files.taken(conn, feed=feed, blind=self._blind(name_digest, content_digest))


def _watch(source: FolderSource, intake: Intake, noted: Noted, tally: Tally, stopping: threading.Event) -> None:
    folder = folder_source.FolderSource(source.name, source.path, keep=intake.keep, taken=noted, counters=tally)
    folder.run(stopping, poll_s=source.poll_s)


def work(settings: TrustSettings, stopping: threading.Event) -> None:
    """Process, settle, dispatch and erase until told to stop; what was begun is finished."""
    mappings = Mappings.load(settings)
    if settings.store.url is None:
        reader = ReaderProcess(partial(early_reader, settings, mappings))
        try:
            _work(Works(settings, mappings=mappings, reader=reader), stopping)
        finally:
            reader.close()
    else:
        _work(Works(settings, mappings=mappings), stopping)


def _work(works: Works, stopping: threading.Event) -> None:
    works.pipeline.start()
    with works.database.write() as conn:
        coverage.begin(conn, [source.name for source in works.settings.sources], now=utc_now())
    gc.collect()
    gc.freeze()
    dispatcher = works.dispatcher()
    threads = []
    if dispatcher is None:
        log.warning("no sink in the trust file: rows are made and kept, nothing is sent")
    else:
        dispatcher.start(now=utc_now())
        threads.append(_started("dispatch", lambda: _dispatching(dispatcher, stopping)))
    pollers = polling.start(works.settings, stopping)
    expire_at = 0.0
    while not stopping.is_set():
        try:
            if time.monotonic() >= expire_at:
                works.expiry.run(now=utc_now())
                expire_at = time.monotonic() + _EXPIRE_EVERY_S
            if not works.step():
                stopping.wait(_IDLE_S)
        except StoreError as error:
            log.error("the store refuses", reason=type(error).__name__)
            stopping.wait(_FAULT_WAIT_S)
    polling.join(pollers)
    for thread in threads:
        thread.join(_STOP_S)
    works.pipeline.stop()
    works.close()


def _dispatching(dispatcher: Dispatcher, stopping: threading.Event) -> None:
    while not stopping.is_set():
        try:
            if not dispatcher.step(now=utc_now()):
                stopping.wait(_IDLE_S * 5)
        except StoreError as error:
            log.error("the store refuses", reason=type(error).__name__)
            stopping.wait(_FAULT_WAIT_S)


def _started(name: str, target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def run_part(part: str, settings: TrustSettings) -> None:
    """One child process: until SIGTERM, or until the supervisor is gone."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    _started("parent", lambda: _stop_without_parent(stopping))
    gc.set_threshold(*COLLECT)
    if part == "work":
        os.nice(_WORK_NICE)
    {"receive": receive, "work": work}[part](settings, stopping)


def _stop_without_parent(stopping: threading.Event) -> None:
    # The supervisor never writes: the read returns when its end of the pipe closes.
    os.read(sys.stdin.fileno(), 1)  # not through the buffer, whose lock the end of the interpreter wants
    stopping.set()


class Supervisor:
    """Starts both parts, starts them again when they die, stops receive before work."""

    def __init__(self, config_file: Path, settings: TrustSettings) -> None:
        self._config_file = config_file
        settings.data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = DataFolderLock(settings.data_folder)
        prepare(settings)
        listening.refuse_if_unusable(settings)
        self._parts: dict[str, subprocess.Popen[bytes]] = {}
        self._started_at: dict[str, float] = {}
        self._waits: dict[str, float] = {}
        self._due: dict[str, float] = {}

    def run(self) -> int:
        """Until SIGTERM or SIGINT; the exit code."""
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        for part in PARTS:
            self._start(part)
        while not stopping.wait(0.1):
            for part in PARTS:
                self._revive(part)
        for part in PARTS:
            self._stop(part)
        self._lock.release()
        return 0

    def _start(self, part: str) -> None:
        command = [sys.executable, "-m", "adapter", "run", "--config", str(self._config_file), "--part", part]
        self._parts[part] = subprocess.Popen(
            command, stdin=subprocess.PIPE, pass_fds=[self._lock.descriptor], start_new_session=False
        )
        self._started_at[part] = time.monotonic()
        log.info("started", process=part, pid=self._parts[part].pid)

    def _revive(self, part: str) -> None:
        """Start it again once its wait is over; the other part and a stop are not held up by that wait."""
        code = self._parts[part].poll()
        if code is None:
            return
        if part not in self._due:
            wait_s = self._waits[part] = self._wait_s(part)
            self._due[part] = time.monotonic() + wait_s
            log.error("a part died and is started again", process=part, exit_code=code, retry_s=wait_s)
        if time.monotonic() >= self._due[part]:
            del self._due[part]
            self._start(part)

    def _wait_s(self, part: str) -> float:
        shortest, longest = _RESTART_WAIT_S
        ran_s = time.monotonic() - self._started_at[part]
        return shortest if ran_s > longest else min(longest, self._waits.get(part, shortest / 2) * 2)

    def _stop(self, part: str) -> None:
        process = self._parts[part]
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            log.error("a part did not stop in time", process=part)
            process.kill()
            process.wait()
