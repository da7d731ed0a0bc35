"""What all connections of one MLLP listener share: limits, allowed senders, our answers, where frames go."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from adapter.envelope import Media
from adapter.errors import Problem
from adapter.hl7v2.framing import DEFAULT_MAX_BYTES
from adapter.sources.accept import Door
from adapter.sources.intake import Counters, Keep, Unaccepted
from adapter.sources.replies import Replies


class Watched(Protocol):
    """A connection as its listener sees it."""

    def tick(self, now: float) -> None:
        """Look at how long it has been silent."""

    def end(self) -> None:
        """Read no more; close when all is answered."""

    def drop(self) -> None:
        """Close without waiting for answers."""


class Cancellable(Protocol):
    """A handshake under way."""

    def cancel(self) -> None:
        """Give it up."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all connections of one listener share."""

    feed: str
    keep: Keep
    counters: Counters
    limits: MllpLimits
    allow: tuple[IPv4Network | IPv6Network, ...]
    """Senders taken; empty for all."""
    door: Door | None
    """None: whatever has a readable MSH is taken."""
    replies: Replies
    connections: set[Watched]
    handshakes: set[Cancellable]
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
