"""A body of several patients becomes one message for each, so that erasing one child erases that child's bytes alone.

The pieces go to the end of the inbox, durably, before the whole is given up in the work transaction. After a crash in
between they are handed in again and known by their content as duplicates.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from adapter.chart import sealed
from adapter.pipeline.keeping import Arrived, Read, Unread
from adapter.pipeline.reception import content_blind
from adapter.store.inbox import Inbox, InboxRow
from adapter.store.sealing import KeyRing


def hand_in(inbox: Inbox, ring: KeyRing, batch: Sequence[tuple[Arrived, Read | Unread]]) -> None:
    """Append the pieces of every message of the batch that was taken apart; on disk at return."""
    rows = [
        piece_of(ring, message, body)
        for message, read in batch
        if isinstance(read, Read) and read.bodies
        for body in read.bodies
    ]
    inbox.append(rows)


def piece_of(ring: KeyRing, message: Arrived | InboxRow, body: bytes) -> InboxRow:
    """A message for one of its patients; it is known by its content alone."""
    key_id = ring.day_key(datetime.fromtimestamp(message.received_us / 1_000_000, UTC).date())
    content = content_blind(ring, message.feed, body)
    return InboxRow(
        message.feed,
        message.media,
        message.kind,
        message.received_us,
        content,
        content,
        key_id,
        ring.seal(key_id, body, sealed.MESSAGE),
    )
