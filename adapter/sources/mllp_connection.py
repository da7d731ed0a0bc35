"""One MLLP connection: bytes to frames, frames to the intake, answers back in the order of the frames.

A sender may close its side and still gets its answers; it may be slow, silent or garbled, and no other one notices.
"""

import asyncio
from collections import deque
from functools import partial
from ipaddress import ip_address
from typing import Protocol

import structlog

from adapter.envelope import Media
from adapter.errors import Problem, ProblemCode
from adapter.hl7v2.ack import EMPTY_BLOCK, NO_HEADER, AckError, too_large
from adapter.hl7v2.framing import Break, Broken, Deframer, Frame, TooLarge, frame
from adapter.hl7v2.header import Header, read_header
from adapter.sources.accept import Refusal
from adapter.sources.intake import Framed
from adapter.sources.mllp_desk import Desk

# asyncio reads by default into new buffers of 256 KiB, each a page-faulting mmap: slower than the reading itself.
_BUFFER_BYTES = 64 * 1024
_FRAME_OVERHEAD_BYTES = 512

_log = structlog.get_logger()


class _Stream(Protocol):
    """The parts of asyncio.Transport in use."""

    def write(self, data: bytes, /) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def is_closing(self) -> bool: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


class _Slot:
    """The place of one answer in the order of answers."""

    __slots__ = ("answer", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.answer: bytes | None = None


class MllpConnection(asyncio.BufferedProtocol):
    """The protocol of one connection; all its methods run on the loop."""

    def __init__(self, desk: Desk, *, is_secured: bool = False) -> None:
        """`is_secured`: by TLS, and its sender's address was looked at before the handshake."""
        self._desk = desk
        self._is_secured = is_secured
        self._deframer = Deframer(max_bytes=desk.limits.max_bytes)
        self._view = memoryview(bytearray(_BUFFER_BYTES))
        self._slots: deque[_Slot] = deque()
        self._unanswered_bytes = 0
        self._heard_at = 0.0
        self._is_paused = False
        self._is_peer_slow = False
        self._is_ended = False
        self._is_flush_due = False
        self._junk_bytes = 0
        self._loop = asyncio.get_running_loop()
        self._stream: _Stream

    # --- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the sender, or turn it away unread where its address is not allowed."""
        assert isinstance(transport, asyncio.Transport)
        self._stream = transport
        self._heard_at = self._loop.time()
        if not self._is_secured and is_refused(self._desk, transport):
            return
        self._desk.counters.count("mllp.connections")
        self._desk.connections.add(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop puts the next bytes."""
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Read the frames in what came."""
        self.take(bytes(self._view[:nbytes]))

    def take(self, data: bytes) -> None:
        """The next bytes of the connection, as they came or decrypted."""
        self._heard_at = self._loop.time()
        for event in self._deframer.feed(data):
            if type(event) is Frame:
                self._take_frame(event.body)
            elif type(event) is TooLarge:
                self._take_large(event)
            elif type(event) is Broken:
                self._keep_broken(event)
            else:
                self._junk_bytes += event.count  # type: ignore[union-attr]
                self._desk.counters.count("mllp.junk_bytes", event.count)  # type: ignore[union-attr]
        self._balance()

    def eof_received(self) -> bool:
        """The sender has closed its side: answer what is open, then close ours."""
        self._give_up(Break.CLOSED)
        self._is_ended = True
        return bool(self._slots)

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep what came of an open block. Frames handed in are kept all the same; their sender will send again."""
        if self not in self._desk.connections:
            return
        self._desk.connections.discard(self)
        self._give_up(Break.CLOSED)
        self._is_ended = True
        if self._junk_bytes:
            _log.warning("bytes outside any block were skipped", feed=self._desk.feed, bytes=self._junk_bytes)

    def pause_writing(self) -> None:
        """The sender does not read its answers: take no more from it."""
        self._is_peer_slow = True
        self._balance()

    def resume_writing(self) -> None:
        """It reads again."""
        self._is_peer_slow = False
        self._balance()

    # --- called by the listener

    def tick(self, now: float) -> None:
        """Give up a stalled block, close an idle connection."""
        if self._is_paused:
            return
        limits, silence_s = self._desk.limits, now - self._heard_at
        if self._deframer.is_inside and silence_s >= limits.frame_s:
            self._desk.counters.count("mllp.stalled")
            self._give_up(Break.STALLED)
        elif limits.idle_s and silence_s >= limits.idle_s and not self._slots and not self._deframer.is_inside:
            self._desk.counters.count("mllp.idle_closed")
            self._stream.close()

    def end(self) -> None:
        """Read no more; close when all is answered."""
        self._is_ended = True
        if not self._is_paused:
            self._is_paused = True
            self._stream.pause_reading()
        self._give_up(Break.CLOSED)
        if not self._slots:
            self._stream.close()

    def drop(self) -> None:
        """Close without waiting for answers."""
        self._stream.abort()

    # --- frames

    def _take_frame(self, body: bytes) -> None:
        desk = self._desk
        header = read_header(body)
        slot = self._slot(len(body))
        if header is None:
            self._take_unreadable(body, slot)
            return
        if desk.door is not None and (refused := desk.door.refusal(header)) is not None:
            self._take_refused(body, slot, header, refused)
            return
        received = Framed(feed=desk.feed, media=Media.HL7V2, received_at=desk.now(), body=body, header=header)
        desk.keep.submit(received, partial(self._answer, slot, header, None))

    def _take_refused(self, body: bytes, slot: _Slot, header: Header, refusal: Refusal) -> None:
        error = refusal.error
        self._desk.counters.count(f"mllp.{refusal.counted}")
        _log.warning("message rejected", feed=self._desk.feed, reason=error.text, bytes=len(body))
        problem = Problem(code=ProblemCode.NOT_TAKEN, text=error.text, at=f"MSH-{error.field}")
        received = self._desk.unaccepted(body, problem, length=len(body))
        self._desk.keep.submit(received, partial(self._answer, slot, header, error))

    def _take_unreadable(self, body: bytes, slot: _Slot) -> None:
        error, code = (NO_HEADER, ProblemCode.NO_MSH) if body else (EMPTY_BLOCK, ProblemCode.EMPTY)
        self._desk.counters.count("mllp.no_msh")
        _log.warning("message rejected", feed=self._desk.feed, reason=error.text, bytes=len(body))
        received = self._desk.unaccepted(body, Problem(code=code, text=error.text), length=len(body))
        self._desk.keep.submit(received, partial(self._answer, slot, None, error))

    def _take_large(self, event: TooLarge) -> None:
        error = too_large(event.length, limit=self._desk.limits.max_bytes)
        self._desk.counters.count("mllp.too_large")
        _log.warning("message rejected", feed=self._desk.feed, reason=error.text, bytes=event.length)
        problem = Problem(code=ProblemCode.TOO_LARGE, text=error.text)
        received = self._desk.unaccepted(event.prefix, problem, length=event.length, sha256=event.sha256)
        if event.broken is None:
            slot = self._slot(len(event.prefix))
            self._desk.keep.submit(received, partial(self._answer, slot, read_header(event.prefix), error))
        else:
            self._desk.keep.submit(received, self._count_if_lost)

    def _keep_broken(self, event: Broken) -> None:
        self._desk.counters.count("mllp.truncated")
        _log.warning("truncated message", feed=self._desk.feed, reason=str(event.reason), bytes=len(event.body))
        if event.body:
            problem = Problem(code=ProblemCode.TRUNCATED_FRAME, text=f"truncated message: {event.reason}")
            received = self._desk.unaccepted(event.body, problem, length=len(event.body))
            self._desk.keep.submit(received, self._count_if_lost)

    def _give_up(self, reason: Break) -> None:
        event = self._deframer.abandon(reason)
        if isinstance(event, Broken):
            self._keep_broken(event)
        elif event is not None:
            self._take_large(event)

    def _count_if_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._desk.counters.count("mllp.not_stored")

    # --- answers

    def _slot(self, size: int) -> _Slot:
        slot = _Slot(size + _FRAME_OVERHEAD_BYTES)
        self._slots.append(slot)
        self._unanswered_bytes += slot.size
        return slot

    def _answer(self, slot: _Slot, header: Header | None, refusal: AckError | None, error: Exception | None) -> None:
        slot.answer = b"".join(map(frame, self._desk.replies.of(header, refusal, error)))
        if len(self._slots) == 1:
            self._flush()
        elif not self._is_flush_due:
            # More answers for this connection are likely in the same commit: write them together.
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        slots, out = self._slots, []
        while slots and (answer := slots[0].answer) is not None:
            out.append(answer)
            self._unanswered_bytes -= slots.popleft().size
        if self._stream.is_closing():
            self._desk.counters.count("mllp.undelivered_answers", len(out))
            return
        if out:
            self._stream.write(b"".join(out) if len(out) > 1 else out[0])
        if self._is_ended and not slots:
            self._stream.close()
        elif self._is_paused:
            self._balance()

    def _balance(self) -> None:
        """Pause reading while too much waits for the disk or the sender does not read; resume at half of it."""
        limit = self._desk.limits.unanswered_bytes
        if self._is_ended:
            return
        if not self._is_paused and (self._is_peer_slow or self._unanswered_bytes > limit):
            self._is_paused = True
            self._stream.pause_reading()
        elif self._is_paused and not self._is_peer_slow and self._unanswered_bytes <= limit // 2:
            self._is_paused = False
            self._heard_at = self._loop.time()
            self._stream.resume_reading()


def is_refused(desk: Desk, transport: asyncio.Transport) -> bool:
    """Whether the sender's address is not allowed; if so, it is turned away, counted and logged."""
    if not desk.allow:
        return False
    address = str(transport.get_extra_info("peername", ("",))[0])
    peer = ip_address(address.partition("%")[0])
    peer = getattr(peer, "ipv4_mapped", None) or peer
    if any(peer in network for network in desk.allow):
        return False
    desk.counters.count("mllp.refused_address")
    _log.warning("connection refused: address is not allowed", feed=desk.feed, address=address)
    transport.abort()
    return True
