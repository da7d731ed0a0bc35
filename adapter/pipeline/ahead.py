"""Keeps a second process busy with the messages that come next, and gathers what it has read."""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from adapter.pipeline.early import question, readings
from adapter.pipeline.keeping import Read
from adapter.store.inbox import QueuedMessage

CHUNK = 64
"""Messages of one question."""


class Reader(Protocol):
    """Another process, asked and answering in order. It raises where that process has ended."""

    def has_room(self) -> bool:
        """Whether one more question can be put before an answer is taken."""

    def ask(self, question: bytes) -> None:
        """Hand it over."""

    def has_answered(self) -> bool:
        """Whether the oldest question is answered."""

    def answer(self) -> bytes:
        """The answer to the oldest question; waits for it. Empty where there is none."""


class Queue(Protocol):
    """An inbox that nobody else takes from."""

    def after(self, position: int, limit: int) -> Sequence[QueuedMessage]:
        """Messages behind a position, in order."""


class Ahead:
    """The questions under way."""

    def __init__(self, reader: Reader, queue: Queue) -> None:
        self._reader = reader
        self._queue = queue
        self._asked: deque[int] = deque()
        """The last id of each question that is not answered."""
        self._last = 0

    def ask(self) -> None:
        """Hand over what has come since, as much as there is room for."""
        while self._reader.has_room():
            messages = self._queue.after(self._last, CHUNK)
            if not messages:
                return
            self._reader.ask(question(messages))
            self._last = messages[-1].id
            self._asked.append(self._last)

    def gather(self, *, first: int, limit: int) -> tuple[dict[int, Read], int]:
        """What is read of the messages from the id `first` on, and how many of them to take now.

        That is what one question covers, which is waited for, and more where more is answered.
        """
        self._last = max(self._last, first - 1)
        while self._asked and self._asked[0] < first:  # they went alone in the meantime
            self._asked.popleft()
            self._reader.answer()
        self.ask()
        found: dict[int, Read] = {}
        count = 0
        while self._asked and count + CHUNK <= limit and (not count or self._reader.has_answered()):
            count = self._asked.popleft() - first + 1
            found.update(readings(self._reader.answer()))
        return found, count or limit
