"""A watched folder: every complete file is taken once, also after a restart. Moves and deletes nothing.

A file is complete when two looks find it unchanged; names that begin with a dot or end in .tmp or .part are still being
written. File names may hold patients' numbers, so logs name a file by its inode (`find -inum`).
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import structlog

from adapter.envelope import Received
from adapter.errors import Problem
from adapter.hl7v2.framing import DEFAULT_MAX_BYTES
from adapter.sources.files import SUFFIXES, read_file
from adapter.sources.intake import Counters, Unaccepted

UNFINISHED = (".tmp", ".part")
_COMMIT_MESSAGES = 500
_COMMIT_BYTES = 8 * 1024 * 1024

_log = structlog.get_logger()

KeepAll = Callable[[Sequence[Received]], None]
"""Makes all of them durable and returns, or raises (Intake.keep)."""


class TakenFiles(Protocol):
    """Remembers over restarts which files were taken. Digests are SHA-256; who stores them keys them."""

    def is_taken(self, feed: str, name_digest: bytes, content_digest: bytes) -> bool:
        """Whether this name with this content was taken before."""

    def take(self, feed: str, name_digest: bytes, content_digest: bytes) -> None:
        """Remember it, durably."""


class _Look(NamedTuple):
    """What tells one state of a file from another."""

    inode: int
    size: int
    mtime_ns: int


class FolderSource:
    """One folder of one feed. Its messages are durable before the file is marked as taken.

    A kill between the two brings the same messages once more, which dedupe drops; the other order could lose them.
    """

    def __init__(
        self,
        feed: str,
        path: Path,
        *,
        keep: KeepAll,
        taken: TakenFiles,
        counters: Counters,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        self._feed = feed
        self._path = path
        self._keep = keep
        self._taken = taken
        self._counters = counters
        self._max_bytes = max_bytes
        self._seen: dict[str, _Look] = {}
        self._done: dict[str, _Look] = {}
        self._is_missing = False

    def run(self, stop: threading.Event, *, poll_s: float) -> None:
        """Look again and again until told to stop."""
        while not stop.wait(poll_s):
            self.look()

    def look(self) -> int:
        """One look at the folder; the number of files taken."""
        try:
            now = self._list()
        except OSError as error:
            if not self._is_missing:
                _log.error("folder cannot be read; it is looked for again", feed=self._feed, error=error.strerror)
                self._counters.count("folder.unreadable")
            self._is_missing = True
            return 0
        self._is_missing = False
        complete = [name for name, look in now.items() if self._seen.get(name) == look]
        self._done = {name: look for name, look in self._done.items() if now.get(name) == look}
        self._seen = now
        return sum(self._take(name, now[name]) for name in complete if name not in self._done)

    def _list(self) -> dict[str, _Look]:
        found = {}
        with os.scandir(self._path) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                name = entry.name.lower()
                if name.startswith(".") or name.endswith(UNFINISHED) or Path(name).suffix not in SUFFIXES:
                    continue
                if entry.is_file():
                    stat = entry.stat()
                    found[entry.name] = _Look(stat.st_ino, stat.st_size, stat.st_mtime_ns)
        return found

    def _take(self, name: str, look: _Look) -> bool:
        """Bring one file into the inbox; at the next look again if it cannot be read or stored now."""
        path = self._path / name
        try:
            digests = hashlib.sha256(os.fsencode(name)).digest(), _content_digest(path)
            is_new = not self._taken.is_taken(self._feed, *digests)
            if is_new:
                self._bring(path, look)
                self._taken.take(self._feed, *digests)
        except Exception as error:  # noqa: BLE001
            # Not swallowed: the file stays, is tried at the next look, and is counted and logged each time.
            self._counters.count("folder.failed")
            _log.error("file not taken", feed=self._feed, inode=look.inode, error=type(error).__name__)
            return False
        self._done[name] = look
        return is_new

    def _bring(self, path: Path, look: _Look) -> None:
        messages = problems = 0
        for portion in _portions(read_file(path, feed=self._feed, max_bytes=self._max_bytes)):
            received = [one for one in portion if isinstance(one, Received)]
            if received:
                self._keep(received)
            faults = [one for one in map(_problem_of, portion) if one is not None]
            for problem in faults:
                _log.warning(
                    "file has a problem", feed=self._feed, inode=look.inode, reason=problem.text, at=problem.at
                )
            messages += sum(not isinstance(one, Unaccepted) for one in received)
            problems += len(faults)
        self._counters.count("folder.files")
        self._counters.count("folder.messages", messages)
        self._counters.count("folder.problems", problems)
        _log.info(
            "file taken", feed=self._feed, inode=look.inode, bytes=look.size, messages=messages, problems=problems
        )


def _problem_of(one: Received | Problem) -> Problem | None:
    if isinstance(one, Unaccepted):
        return one.problem
    return one if isinstance(one, Problem) else None


def _portions(found: Iterator[Received | Problem]) -> Iterator[list[Received | Problem]]:
    """What is committed together: enough for speed, little enough for memory."""
    portion: list[Received | Problem] = []
    size = 0
    for one in found:
        portion.append(one)
        size += len(one.body) if isinstance(one, Received) else 0
        if len(portion) >= _COMMIT_MESSAGES or size >= _COMMIT_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _content_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
