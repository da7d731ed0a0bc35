"""MLLP framing without input or output: bytes go in, frames and faults come out, memory stays bounded.

HL7 Lower Layer Protocol (MLLP release 1): a block is VT, the message, FS, CR. This room knows nothing of sockets,
acknowledgements or time; who reads the socket calls `abandon` when a block has stalled or the peer has gone.
"""

import hashlib
from enum import StrEnum
from typing import Protocol

import msgspec

START = b"\x0b"
END = b"\x1c"
CARRIAGE_RETURN = b"\r"
DEFAULT_MAX_BYTES = 64 * 1024 * 1024
KEPT_PREFIX_BYTES = 4096

_START, _CR = START[0], CARRIAGE_RETURN[0]


class Break(StrEnum):
    """Why a block that was begun has no end."""

    SECOND_START = "a second start block came before the end block"
    STALLED = "no end block came in time"
    CLOSED = "the connection ended before the end block"


class Frame(msgspec.Struct, frozen=True, gc=False):
    """A whole block, without its framing bytes."""

    body: bytes


class Junk(msgspec.Struct, frozen=True, gc=False):
    """Bytes outside any block, skipped (fillers such as LF and NUL are common between frames)."""

    count: int


class Broken(msgspec.Struct, frozen=True, gc=False):
    """The first part of a block that never ended."""

    body: bytes
    reason: Break


class TooLarge(msgspec.Struct, frozen=True, gc=False):
    """A block over the limit: its beginning, and what proves later which message it was."""

    prefix: bytes
    length: int
    sha256: bytes
    broken: Break | None = None
    """Set where the block did not even end."""


Event = Frame | Junk | Broken | TooLarge


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


def frame(body: bytes) -> bytes:
    """Wrap one message for the wire."""
    return START + body + END + CARRIAGE_RETURN


class Deframer:
    """Cuts one connection's bytes into blocks; every byte is looked at once, however the packets fall.

    A block ends at FS alone, since FS cannot stand in a message and some senders leave out the CR; the CR that follows
    is swallowed. Other bytes up to the next VT are junk.
    """

    __slots__ = ("_after_end", "_hash", "_inside", "_length", "_max_bytes", "_part", "_prefix")

    def __init__(self, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._after_end = False
        self._inside = False
        self._part = bytearray()
        self._hash: _Hash | None = None
        self._prefix = b""
        self._length = 0

    @property
    def is_inside(self) -> bool:
        """A block was begun and has not ended."""
        return self._inside

    @property
    def held_bytes(self) -> int:
        """Memory held for the open block."""
        return len(self._part) + len(self._prefix)

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes of the connection, in any portion."""
        events: list[Event] = []
        at, size = 0, len(data)
        while at < size:
            at = self._read_inside(data, at, events) if self._inside else self._read_outside(data, at, events)
        return events

    def abandon(self, reason: Break) -> Broken | TooLarge | None:
        """Give up the open block, if there is one, and be ready for the next."""
        if not self._inside:
            return None
        self._inside = False
        if self._hash is not None:
            return self._close_large(reason)
        return Broken(self._take_part(), reason)

    def _read_outside(self, data: bytes, at: int, events: list[Event]) -> int:
        if self._after_end:
            self._after_end = False
            if data[at] == _CR:
                return at + 1
        start = data.find(START, at)
        if start != at:
            events.append(Junk((len(data) if start < 0 else start) - at))
        if start < 0:
            return len(data)
        self._inside = True
        return start + 1

    def _read_inside(self, data: bytes, at: int, events: list[Event]) -> int:
        end = data.find(END, at)
        limit = len(data) if end < 0 else end
        # One search for the end serves all restarts before it, else a flood of VT would cost the square of its length.
        while (second := data.find(START, at, limit)) >= 0:
            self._restart(data, at, second, events)
            at = second + 1
        if end < 0:
            self._keep(data, at, limit)
            return limit
        self._inside = False
        self._after_end = True
        if not self._part and self._hash is None and end - at <= self._max_bytes:
            events.append(Frame(data[at:end]))
            return end + 1
        self._keep(data, at, end)
        events.append(Frame(self._take_part()) if self._hash is None else self._close_large(None))
        return end + 1

    def _restart(self, data: bytes, at: int, second: int, events: list[Event]) -> None:
        self._keep(data, at, second)
        broken = self.abandon(Break.SECOND_START)
        # Some gateways send VT twice: an empty first part is filler, not a lost message.
        events.append(Junk(1) if broken is None or broken == _EMPTY_PART else broken)
        self._inside = True

    def _keep(self, data: bytes, at: int, end: int) -> None:
        piece = data[at:end]
        if self._hash is not None:
            self._hash.update(piece)
            self._length += len(piece)
            if len(self._prefix) < KEPT_PREFIX_BYTES:
                self._prefix += piece[: KEPT_PREFIX_BYTES - len(self._prefix)]
            return
        self._part += piece
        if len(self._part) > self._max_bytes:
            self._hash = hashlib.sha256(self._part)
            self._length = len(self._part)
            self._prefix = bytes(self._part[:KEPT_PREFIX_BYTES])
            self._part = bytearray()

    def _take_part(self) -> bytes:
        body = bytes(self._part)
        self._part = bytearray()
        return body

    def _close_large(self, reason: Break | None) -> TooLarge:
        assert self._hash is not None
        event = TooLarge(self._prefix, self._length, self._hash.digest(), reason)
        self._hash, self._prefix, self._length = None, b"", 0
        return event


_EMPTY_PART = Broken(b"", Break.SECOND_START)
