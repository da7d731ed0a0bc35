"""Takes files of history into the store: read by several processes, written by this one, gone on with after any stop.

How far each file is in stands in the transaction that brings it in, so that after a kill nothing is taken twice or left
out. Beside a running service history only goes to its queue, and only while nothing else waits there.
"""

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from adapter.config import TrustSettings
from adapter.errors import Problem, ProblemCode
from adapter.pipeline.history import reads_of
from adapter.service.assembly import Mappings, Translator, Works, open_ring, open_store, utc_now
from adapter.service.history_reading import Answered, Question, Readers, ids_of, most_ahead
from adapter.sources import history
from adapter.sources.files import SUFFIXES
from adapter.sources.history import Part
from adapter.store import history as progress
from adapter.store import registry
from adapter.store.database import Connection, Database
from adapter.store.inbox import Inbox, QueuedMessage, open_inbox
from adapter.store.sealing import KeyRing
from adapter.store.states import IdentifierState

Report = Callable[[str, Problem], None]
"""Of a file, what of it could not be used."""

_IDS_AT_ONCE = 1 << 20
_SETTLE_EVERY = 8
"""Blocks. A child of whom a block brings much is then settled once for all of it."""
_LOOK_S = 0.02


class Backfill:
    """One run over some files, all of one source."""

    def __init__(
        self,
        settings: TrustSettings,
        *,
        feed: str,
        report: Report,
        processes: int = 1,
        now: Callable[[], datetime] = utc_now,
        mappings: Mappings | None = None,
    ) -> None:
        self._mappings = mappings
        self._settings = settings
        self._feed = feed
        self._report = report
        self._processes = processes
        self._now = now
        self.counts: Counter[str] = Counter()

    def take_in(self, paths: Sequence[Path]) -> None:
        """Store, judge and settle them; the caller holds the lock of the data folder."""
        mappings = self._mappings or Mappings.load(self._settings)
        readers = Readers(self._settings, mappings, processes=self._processes)
        works = Works(self._settings, now=self._now, mappings=mappings)
        gc.collect()
        gc.freeze()  # what was loaded stays: the collector need not look through it again and again
        try:
            self._take_in(works, readers, paths)
        finally:
            gc.unfreeze()
            works.close()
            readers.close()

    def _take_in(self, works: Works, readers: Readers, paths: Sequence[Path]) -> None:
        files = _Files(works.database, works.ring, feed=self._feed)
        translate = Translator(self._settings, works.mappings)
        # What stopped the run before may be in any block that was being read: they go the way on which it is found out.
        by_queue = 0 if works.pipeline.was_stopped_cleanly() else most_ahead(self._processes)
        if not by_queue:
            works.pipeline.start()
        questions = self._questions(files, paths, inbox=works.inbox, by_queue=by_queue)
        number = 0
        for number, answered in enumerate(readers.read(questions), start=1):
            self._count(answered)
            if number > by_queue:
                self._write(works, files, answered, translate)
            else:
                _queue(works.inbox, files, answered)
                if number == 1:
                    works.pipeline.start()
                works.drain()
            if number % _SETTLE_EVERY == 0:
                while works.step():
                    pass
        if by_queue and not number:
            works.pipeline.start()
        works.drain()
        works.expiry.run(now=works.now())
        works.pipeline.stop()

    def _write(self, works: Works, files: "_Files", answered: Answered, translate: Translator) -> None:
        numbered = [
            (QueuedMessage(number, *piece.row), piece)
            for number, piece in enumerate(answered.told.pieces, start=answered.question.first_id)
        ]
        early = dict(reads_of(numbered, translate=translate))
        messages, parts = [message for message, _ in numbered], answered.question.parts
        if not works.pipeline.take_in(messages, early, lambda conn: files.note(conn, parts)):
            _queue(works.inbox, files, answered)
            works.drain()

    def hand_over(self, paths: Sequence[Path]) -> None:
        """To the running service, which judges and settles them: a block whenever its queue is empty."""
        mappings = self._mappings or Mappings.load(self._settings)
        readers = Readers(self._settings, mappings, processes=self._processes)
        ring = open_ring(self._settings)
        database = open_store(self._settings, migrate=False)
        inbox = open_inbox(database, folder=self._settings.data_folder)
        files = _Files(database, ring, feed=self._feed)
        try:
            for answered in readers.read(self._questions(files, paths, inbox=None)):
                self._count(answered)
                while _depth(database, inbox):
                    time.sleep(_LOOK_S)
                _queue(inbox, files, answered)
        finally:
            inbox.close()
            database.close()
            ring.close()
            readers.close()

    def _questions(
        self, files: "_Files", paths: Sequence[Path], *, inbox: Inbox | None, by_queue: int = 0
    ) -> Iterator[Question]:
        """One for each block that is not in yet; with ids where there is an inbox that gives them."""
        received_at = self._now()
        first_id = left = 0
        confirmed: tuple[bytes, ...] = ()
        for number, parts in enumerate(history.blocks(self._parts(files, paths)), start=1):
            wanted = ids_of(parts)
            if inbox is not None and left < wanted:
                left = max(_IDS_AT_ONCE, wanted)
                first_id = inbox.reserve(left)
            # Alone this process reads each message when it writes it: nothing need be packed for another.
            is_judged = inbox is not None and self._processes > 1 and number > by_queue
            if is_judged and number % _SETTLE_EVERY == 1:
                confirmed = files.confirmed()
            yield Question(parts, first_id, self._feed, received_at, is_judged, confirmed)
            first_id, left = first_id + wanted, left - wanted

    def _parts(self, files: "_Files", paths: Sequence[Path]) -> Iterator[Part]:
        for path in _listed(paths):
            try:
                done = files.done(path)
                self.counts["files"] += 1
                self.counts["files.done"] += done > 0 and done == path.stat().st_size
                yield from history.cut(path, done=done)
            except OSError as error:
                text = (error.strerror or "cannot be read").lower()
                self._tell(str(path), Problem(code=ProblemCode.EMPTY, text=text))

    def _count(self, answered: Answered) -> None:
        self.counts["messages"] += answered.told.messages
        for place, problem in answered.told.problems:
            self._tell(answered.question.parts[place].path, problem)

    def _tell(self, path: str, problem: Problem) -> None:
        self.counts["problems"] += 1
        self._report(path, problem)


class _Files:
    """How far each is in, and what else the store knows that helps to read them."""

    def __init__(self, database: Database, ring: KeyRing, *, feed: str) -> None:
        self._database = database
        self._ring = ring
        self._feed = feed

    def _blind(self, path: Path) -> bytes:
        """A file is another one when it was written since."""
        stat = path.stat()
        name = sha256(str(path.resolve()).encode()).digest()
        return self._ring.blind("history", self._feed, name, f"{stat.st_size}|{stat.st_mtime_ns}")

    def done(self, path: Path) -> int:
        """Up to which byte."""
        blind = self._blind(path)
        with self._database.read() as conn:
            return progress.done(conn, [blind]).get(blind, 0)

    def confirmed(self) -> tuple[bytes, ...]:
        """Blinds of the numbers of those who have rows now."""
        with self._database.read() as conn:
            return tuple(registry.blinds_in(conn, IdentifierState.CONFIRMED))

    def note(self, conn: Connection, parts: Iterable[Part]) -> None:
        """These are in."""
        progress.note(conn, [(self._blind(Path(part.path)), part.end) for part in parts])

    def note_now(self, parts: Iterable[Part]) -> None:
        """The same in a transaction of its own."""
        with self._database.write() as conn:
            self.note(conn, parts)


def _queue(inbox: Inbox, files: _Files, answered: Answered) -> None:
    """Durable before it is noted: a kill between the two brings the same messages again, which are known then."""
    inbox.append([piece.row for piece in answered.told.pieces])
    files.note_now(answered.question.parts)


def _depth(database: Database, inbox: Inbox) -> int:
    with database.read() as conn:
        return inbox.facts(conn).depth


def _listed(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES)
        else:
            yield path
