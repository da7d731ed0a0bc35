"""Sequence numbers of senders (MSH-13, HL7 v2.5.1 §2.9.1.4): which are missing, and who began anew. Kept over restarts.

Counted in the order of arrival, for each feed and sender. A number that comes late fills its gap; -1 and 0 announce a
new beginning. Nothing is held up for a missing number: only a person can ask the sender for it.
"""

from collections import Counter
from typing import NamedTuple

import msgspec
import structlog

from adapter.store import cursors
from adapter.store.database import Connection
from adapter.store.sealing import KeyRing

log = structlog.get_logger()

CURSOR = "sequence:"
"""With the name of the feed: where its numbers stand."""
_GAPS_KEPT = 50
_SENDERS_KEPT = 32
_HEADER_BYTES = 1_000
_NUMBER = 12
"""MSH-13: MSH-1 is the separator itself, so it is the thirteenth piece."""
_BEGINNINGS = frozenset({-1, 0})


class _Sender(msgspec.Struct):
    last: int
    missing: list[tuple[int, int]] = []
    """First and last of each gap that is still open."""


class Standing(msgspec.Struct):
    """The numbers of one feed."""

    senders: dict[str, _Sender] = {}
    """By the keyed hash of MSH-3 and MSH-4."""
    gaps: int = 0
    restarts: int = 0
    late: int = 0
    lost: int = 0
    """Missing from before a new beginning, or from gaps too many to remember."""

    @property
    def missing(self) -> int:
        """How many never came."""
        return self.lost + sum(map(_open, self.senders.values()))


class Heard(NamedTuple):
    """MSH-13 of one message, and whose it is."""

    sender: str
    number: int


_STANDING = msgspec.json.Decoder(Standing)


def standing_of(text: str | None) -> Standing:
    """As it was stored."""
    return _STANDING.decode(text) if text else Standing()


class Sequences:
    """The numbers of one batch."""

    def __init__(self, conn: Connection, ring: KeyRing) -> None:
        self._conn = conn
        self._ring = ring
        self._standings: dict[str, Standing] = {}
        self.counts: Counter[str] = Counter()

    def hear(self, feed: str, body: bytes) -> None:
        """The next message of a feed."""
        heard = self._read(feed, body)
        if heard is None:
            return
        standing = self._standings.get(feed)
        if standing is None:
            standing = self._standings[feed] = standing_of(cursors.get(self._conn, CURSOR + feed))
        before = standing.gaps, standing.restarts
        _take(standing, heard)
        if standing.gaps > before[0]:
            self.counts["sequence.gap"] += 1
            log.warning("sequence numbers are missing", feed=feed, missing=standing.missing)
        if standing.restarts > before[1]:
            self.counts["sequence.restart"] += 1
            log.warning("sequence numbers began anew", feed=feed)

    def write(self) -> None:
        """In the transaction of the batch."""
        for feed, standing in sorted(self._standings.items()):
            cursors.set(self._conn, CURSOR + feed, msgspec.json.encode(standing).decode())

    def _read(self, feed: str, body: bytes) -> Heard | None:
        start = body.find(b"MSH", 0, _HEADER_BYTES)
        fields = (
            body[start : start + _HEADER_BYTES].split(body[start + 3 : start + 4], _NUMBER + 1) if start >= 0 else []
        )
        if len(fields) <= _NUMBER or not fields[_NUMBER] or b"\r" in fields[_NUMBER]:
            return None
        try:
            number = int(fields[_NUMBER])
        except ValueError:
            return None
        return Heard(self._ring.blind("sequence", feed, fields[2], fields[3]).hex(), number)


def _take(standing: Standing, heard: Heard) -> None:
    sender, number = standing.senders.get(heard.sender), heard.number
    if sender is None:
        if len(standing.senders) < _SENDERS_KEPT:
            standing.senders[heard.sender] = _Sender(max(number, 0))
    elif number in _BEGINNINGS:
        _begin(standing, sender, 0)
    elif number > sender.last:
        if number > sender.last + 1:
            standing.gaps += 1
            sender.missing = [*sender.missing, (sender.last + 1, number - 1)]
            standing.lost += sum(last - first + 1 for first, last in sender.missing[:-_GAPS_KEPT])
            sender.missing = sender.missing[-_GAPS_KEPT:]
        sender.last = number
    elif not _fill(sender, number):
        if number != sender.last:  # the same again is a resend
            _begin(standing, sender, number)
    else:
        standing.late += 1


def _begin(standing: Standing, sender: _Sender, number: int) -> None:
    standing.restarts += 1
    standing.lost += _open(sender)
    sender.missing = []
    sender.last = number


def _open(sender: _Sender) -> int:
    return sum(last - first + 1 for first, last in sender.missing)


def _fill(sender: _Sender, number: int) -> bool:
    for at, (first, last) in enumerate(sender.missing):
        if first <= number <= last:
            left = [(low, high) for low, high in ((first, number - 1), (number + 1, last)) if low <= high]
            sender.missing = [*sender.missing[:at], *left, *sender.missing[at + 1 :]]
            return True
    return False
