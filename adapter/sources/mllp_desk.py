"""What all connections of one MLLP listener share: limits, allowed senders, our stamps, where frames go."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from itertools import count
from typing import Protocol

from adapter.envelope import Media
from adapter.errors import Problem
from adapter.hl7v2.framing import DEFAULT_MAX_BYTES
from adapter.sources.intake import Counters, Keep, Unaccepted


class Watched(Protocol):
    """A connection as its listener sees it."""

    def tick(self, now: float) -> None:
        """Look at how long it has been silent."""

    def end(self) -> None:
        """Read no more; close when all is answered."""

    def drop(self) -> None:
        """Close without waiting for answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MllpLimits:
    """What one connection may cost."""

    max_bytes: int = DEFAULT_MAX_BYTES
    """Of one message."""
    frame_s: float = 30.0
    """Silence inside a block after which it is given up."""
    idle_s: float = 0.0
    """Silence between blocks after which the connection is closed; 0 keeps it for ever."""
    unanswered_bytes: int = 8 * 1024 * 1024
    """Received and not yet on the disk: above this, reading pauses."""


class Stamps:
    """Our own MSH-10 and MSH-7: unique over restarts, and cheap. `clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._numbers = count(1)
        # Ten digits of seconds and a count stay within the 20 characters of MSH-10 before v2.7.
        self._series = b"%d-%%d" % int(clock())
        self._second = -1
        self._text = b""

    def control_id(self) -> bytes:
        """The next MSH-10."""
        return self._series % next(self._numbers)

    def time(self) -> bytes:
        """MSH-7 of now, in UTC, to the second."""
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y%m%d%H%M%S%z").encode()
        return self._text


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all connections of one listener share."""

    feed: str
    keep: Keep
    counters: Counters
    limits: MllpLimits
    allow: tuple[IPv4Network | IPv6Network, ...]
    """Senders taken; empty for all."""
    stamps: Stamps
    connections: set[Watched]
    handshakes: set[asyncio.Task[None]]
    now: Callable[[], datetime]

    def unaccepted(self, body: bytes, problem: Problem, *, length: int, sha256: bytes = b"") -> Unaccepted:
        """Bytes to keep although they are no message."""
        return Unaccepted(
            feed=self.feed,
            media=Media.HL7V2,
            received_at=self.now(),
            body=body,
            problem=problem,
            length=length,
            sha256=sha256,
        )
