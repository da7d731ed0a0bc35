"""The process that reads ahead of the work process: unseals, parses, translates, makes the rows of results.

It has no store. Questions and answers lie in memory that both share and that has no name; only where they lie goes
through a pipe, so that neither ever waits to be rid of what the other has no time for. When it ends, whatever the
reason, the work process ends too: started again it goes one message at a time, by itself, and so finds the message.
"""

import gc
import mmap
import os
import signal
import struct
import threading
from collections import deque
from collections.abc import Callable
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait

SLOTS = 16
"""Questions under way: with 64 messages in each, twice what the work process takes at once."""
SLOT_BYTES = 4 << 20
"""What does not fit is not read ahead. Memory is used only where something was written."""
_STOP_S = 5.0
_HEAD = struct.Struct("<II")

Answer = Callable[[bytes], bytes]


class ReaderEnded(Exception):
    """The reader is gone; what it was reading may be why."""


class ReaderProcess:
    """The reader as the work process sees it. Start it before the store is opened: it must inherit no connection."""

    def __init__(self, build: Callable[[], Answer]) -> None:
        """`build` is called in the new process."""
        context = get_context("fork")
        self._memory = mmap.mmap(-1, SLOTS * SLOT_BYTES)
        self._pipe, theirs = context.Pipe()
        self._free = list(range(SLOTS))
        self._open: deque[int | None] = deque()
        """The slot of each question; None for one that did not fit."""
        self._process = context.Process(target=_serve, args=(build, self._memory, theirs, self._pipe), name="reader")
        self._process.start()
        theirs.close()

    def has_room(self) -> bool:
        """See adapter.pipeline.ahead.Reader, here and below."""
        return len(self._open) < SLOTS

    def ask(self, question: bytes) -> None:
        """Hand it over."""
        if len(question) > SLOT_BYTES:
            self._open.append(None)
            return
        slot = self._free.pop()
        _write(self._memory, slot, question)
        try:
            self._pipe.send_bytes(_HEAD.pack(slot, len(question)))
        except OSError:
            raise ReaderEnded from None
        self._open.append(slot)

    def has_answered(self) -> bool:
        """Whether the oldest question is answered."""
        return self._open[0] is None or self._pipe.poll()

    def answer(self) -> bytes:
        """The answer to the oldest question; waits for it."""
        if self._open.popleft() is None:
            return b""
        try:
            slot, size = _HEAD.unpack(self._pipe.recv_bytes())
        except (EOFError, OSError):
            raise ReaderEnded from None
        self._free.append(slot)
        return _lying(self._memory, slot, size)

    def close(self) -> None:
        """It ends by itself once nobody asks."""
        self._pipe.close()
        self._process.join(_STOP_S)
        self._process.kill()


def _serve(build: Callable[[], Answer], memory: mmap.mmap, pipe: Connection, theirs: Connection) -> None:
    theirs.close()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the work process says when
    threading.Thread(target=_end_without_parent, daemon=True).start()
    answer_to = build()
    gc.collect()
    gc.freeze()
    while True:
        try:
            slot, size = _HEAD.unpack(pipe.recv_bytes())
            answer = answer_to(_lying(memory, slot, size))
            if len(answer) > SLOT_BYTES:
                answer = b""
            _write(memory, slot, answer)
            pipe.send_bytes(_HEAD.pack(slot, len(answer)))
        except (EOFError, OSError):
            return


def _end_without_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(0)


def _write(memory: mmap.mmap, slot: int, content: bytes) -> None:
    start = slot * SLOT_BYTES
    memory[start : start + len(content)] = content


def _lying(memory: mmap.mmap, slot: int, size: int) -> bytes:
    start = slot * SLOT_BYTES
    return memory[start : start + size]
