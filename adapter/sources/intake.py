"""One writer thread with group commit: all that waits goes to the disk in one transaction, then each sender is told.

Sources hand in bytes and are called back; how bytes are sealed and stored is the business of `prepare` and `append`.
What comes on the event loop is made ready there, while the writer waits for the disk: else each would wait for the
other, and for the interpreter lock between them.
"""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, NamedTuple, Protocol

import structlog

from adapter.envelope import Received
from adapter.errors import Problem
from adapter.hl7v2.header import Header

Done = Callable[[Exception | None], None]
"""Told once: None when the message is on the disk, else why it is not."""
Prepare = Callable[[Received], Any]
"""Makes one ready to be stored, in any thread. What it gives, never a Received, is given to `Append` in its place."""
Append = Callable[[Sequence[Any]], None]
"""Makes all of them durable in one transaction, or raises and keeps none."""

_log = structlog.get_logger()

# Senders that were just answered send again within this time; a commit costs the disk the same for one row as for many.
_GATHER_S = 0.0002
_LONG_BYTES = 64 * 1024
"""What is longer is made ready by the writer: other senders need not wait for it."""


class Unaccepted(Received, frozen=True, kw_only=True):
    """Bytes that were not taken as a message and are kept for a person to see; never to be processed as one."""

    problem: Problem
    length: int
    """Of the whole; more than the body where only its beginning is kept."""
    sha256: bytes = b""
    """Of the whole, where only its beginning is kept."""


class Framed(Received, frozen=True, kw_only=True):
    """A v2 message with the MSH that was read to answer it, so that storing need not read it again."""

    header: Header


class Keep(Protocol):
    """Where sources on the event loop put what they receive."""

    def submit(self, received: Received, done: Done) -> None:
        """Keep it durably, in order of submission, and then call `done` on the loop, once."""


class Counters(Protocol):
    """Where sources count what happens."""

    def count(self, name: str, n: int = 1) -> None:
        """Add to a counter."""


class Scheduler(Protocol):
    """The two methods of the event loop that the intake needs."""

    def call_soon(self, callback: Callable[[], object], /) -> object:
        """Call at the end of this turn of the loop."""

    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> object:
        """Call on the loop, from another thread."""


class IntakeStopped(RuntimeError):
    """Handed in after the intake was told to stop: not kept."""


class _Job(NamedTuple):
    """What one turn of the loop, or one waiting thread, handed in together."""

    received: Sequence[Any]
    """Each as it came, or ready."""
    tell: Done


class Intake:
    """The writer. Without a loop only `keep` serves, for sources in threads and for the command line."""

    def __init__(
        self,
        append: Append,
        *,
        prepare: Prepare | None = None,
        is_quick: Callable[[Received], bool] | None = None,
        loop: Scheduler | None = None,
        max_batch: int = 2000,
    ) -> None:
        """Without `prepare` what was received goes to `append` as it is.

        `is_quick`: whether `prepare` need wait for nothing now; else the writer does it, and the loop goes on.
        """
        self._append = append
        self._prepare = prepare
        self._is_quick = is_quick
        self._loop = loop
        self._max_batch = max_batch
        self._turn: list[tuple[Any, Done]] = []
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._stopped = False
        self._is_failing = False
        self._expected = 0
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="intake")

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, received: Received, done: Done) -> None:
        """Keep it with the next commit. On the loop only; what one turn of the loop brings is handed over at its end.

        Waking the writer once a turn, not once a message, gives large commits and few switches of the interpreter lock.
        """
        assert self._loop is not None, "submit needs a loop; keep() does not"
        ready = self._ready(received)
        with self._closing:  # `stop` may be handing over in another thread
            if not self._turn:
                self._loop.call_soon(self._hand_over)
            self._turn.append((ready, done))

    def _ready(self, received: Received) -> Any:
        if self._prepare is None or len(received.body) > _LONG_BYTES:
            return received
        if self._is_quick is not None and not self._is_quick(received):
            return received
        try:
            return self._prepare(received)
        except Exception:  # noqa: BLE001 - the writer meets it too, and tells the sender
            return received

    def keep(self, received: Sequence[Received]) -> None:
        """Keep them all in one commit and return when they are on the disk, or raise why not. Not on the loop."""
        told: SimpleQueue[Exception | None] = SimpleQueue()
        self._enqueue(_Job(received, told.put))
        error = told.get()
        if error is not None:
            raise error

    def stop(self) -> None:
        """Write all that was handed in and tell its senders, then end the thread. Sources must have stopped before."""
        self._hand_over()
        with self._closing:
            self._stopped = True
            self._queue.put(None)
        self._thread.join()

    def _hand_over(self) -> None:
        with self._closing:
            turn, self._turn = self._turn, []
        if turn:
            ready, turn_done = zip(*turn, strict=True)
            self._enqueue(_Job(ready, partial(self._wake, turn_done)))

    def _enqueue(self, job: _Job) -> None:
        with self._closing:
            if not self._stopped:
                self._queue.put(job)
                return
        job.tell(IntakeStopped("the intake has stopped"))

    def _wake(self, turn_done: Sequence[Done], error: Exception | None) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(partial(_answer, turn_done, error))

    def _run(self) -> None:
        stopping = False
        while not stopping and (job := self._queue.get()) is not None:
            jobs, stopping = self._drain([job])
            if not stopping and _size(jobs) < self._expected:
                time.sleep(_GATHER_S)
                jobs, stopping = self._drain(jobs)
            # Four fifths of the last commit, so that one sender fewer is not waited for; sinks with what comes.
            self._expected = _size(jobs) * 4 // 5
            self._write(jobs)

    def _drain(self, jobs: list[_Job]) -> tuple[list[_Job], bool]:
        """With what waits now; and whether the end was among it."""
        size = _size(jobs)
        while size < self._max_batch and not self._queue.empty():
            another = self._queue.get()
            if another is None:
                return jobs, True
            jobs.append(another)
            size += len(another.received)
        return jobs, False

    def _write(self, jobs: list[_Job]) -> None:
        received = jobs[0].received if len(jobs) == 1 else [one for job in jobs for one in job.received]
        error: Exception | None = None
        try:
            if self._prepare is not None:
                received = [self._prepare(one) if isinstance(one, Received) else one for one in received]
            self._append(received)
        except Exception as raised:  # noqa: BLE001
            # Not swallowed: every sender is told, and so sends again. Its text may hold row values, so only its type
            # is logged.
            error = raised
        self._log_turn(error, len(received))
        for job in jobs:
            job.tell(error)

    def _log_turn(self, error: Exception | None, messages: int) -> None:
        if error is not None and not self._is_failing:
            _log.error("storing failed; senders are told to send again", error=type(error).__name__, messages=messages)
        elif error is None and self._is_failing:
            _log.warning("storing works again")
        self._is_failing = error is not None


def _size(jobs: Sequence[_Job]) -> int:
    return sum(len(job.received) for job in jobs)


def _answer(turn_done: Sequence[Done], error: Exception | None) -> None:
    for done in turn_done:
        done(error)
