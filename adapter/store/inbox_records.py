"""What goes into the inbox and comes out of it, and what an inbox does, whichever database it is in."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from sqlalchemy import Connection


class InboxRow(NamedTuple):
    """One message to append, in column order."""

    feed: str
    media: str
    kind: str
    """`ADT^A01`, a resource type, or `other`: one of the words we know, never a sender's free text."""
    received_us: int
    control: bytes
    content: bytes
    key_id: bytes
    sealed: bytes


class QueuedMessage(NamedTuple):
    """One message waiting; the fields of InboxRow under its id."""

    id: int
    feed: str
    media: str
    kind: str
    received_us: int
    control: bytes
    content: bytes
    key_id: bytes
    sealed: bytes


class InboxFacts(NamedTuple):
    """What status and health want to know."""

    depth: int
    oldest_received_us: int | None
    key_ids: frozenset[bytes]
    """The day keys that what waits depends on."""


class Inbox(Protocol):
    """The queue, whichever database it is in."""

    def append(self, rows: Sequence[InboxRow]) -> list[int]:
        """Append in one durable transaction; their ids, ascending, never reused.

        A StoreError means that nothing was stored: answer AE.
        """

    def reserve(self, count: int) -> int:
        """So many ids that no message of the queue will ever have, the first of them; durable at return."""

    def claim(self, conn: Connection, *, limit: int) -> list[QueuedMessage]:
        """The next messages that are not done, in order."""

    def done(self, conn: Connection, message_ids: Sequence[int]) -> None:
        """These claimed messages, a run from the first claimed on, are dealt with once `conn` commits."""

    def sweep(self, conn: Connection) -> int:
        """Remove what committed work is done with; the count. Never part of a work transaction."""

    def facts(self, conn: Connection) -> InboxFacts:
        """How much waits, since when, and under which keys."""

    def close(self) -> None:
        """Close its connections."""
