"""The states of what is stored, and the moves between them. The diagrams are in docs/states.md.

A move is one `UPDATE … WHERE state = ?` whose row count is checked; a move that is not drawn here is a fault of ours.
"""

from collections.abc import Mapping
from enum import StrEnum


class MessageState(StrEnum):
    """What became of one message after it was acknowledged."""

    RECEIVED = "received"
    """On disk, sealed under the day key, not yet processed: new, or put back by `replay`, or released."""
    PROCESSED = "processed"
    """Its assertions are stored; the body is sealed under the key of the identifier it arrived with."""
    NOT_OURS = "not_ours"
    """Triage put it aside: kept under the day key until `expires_us`, so that a late diagnosis can release it."""
    PARKED = "parked"
    """It will not pass as it is; `reason` is the code of the Problem. A person looks."""
    ERASED = "erased"
    """The body and its key reference are gone; only the keyed hashes remain, so that a resend is still a duplicate."""


MESSAGE_MOVES: Mapping[MessageState, frozenset[MessageState]] = {
    MessageState.RECEIVED: frozenset({MessageState.PROCESSED, MessageState.NOT_OURS, MessageState.PARKED}),
    MessageState.PROCESSED: frozenset({MessageState.RECEIVED, MessageState.ERASED}),
    MessageState.NOT_OURS: frozenset({MessageState.RECEIVED, MessageState.PROCESSED, MessageState.ERASED}),
    MessageState.PARKED: frozenset(
        {MessageState.RECEIVED, MessageState.PROCESSED, MessageState.NOT_OURS, MessageState.ERASED}
    ),
    MessageState.ERASED: frozenset(),
}


class AssertionKind(StrEnum):
    """Which assertions settle must read: all of ADT each time, results only when they are new."""

    ADT = "adt"
    RESULT = "result"
    CONTEXT = "context"
    """FHIR: samples alone, that results of other messages refer to."""


class IdentifierState(StrEnum):
    """Why an identifier is known."""

    ALIAS = "alias"
    """Named only in a merge; nothing is kept under it."""
    HELD = "held"
    """Assertions are kept in case this infant becomes a case; erased when the hold ends."""
    CONFIRMED = "confirmed"
    """Belongs to a child of the cohort: every message passes, at any age."""


class PersonState(StrEnum):
    """Whether a connected component of identifiers is a child of the cohort."""

    HELD = "held"
    CONFIRMED = "confirmed"


class DeliveryState(StrEnum):
    """Where one frozen batch of one child stands on its way to CSOR."""

    PENDING = "pending"
    """Frozen, never offered."""
    SENDING = "sending"
    """Handed to the sink; found in this state at start-up it means a crash, and becomes `unsure`."""
    ACCEPTED = "accepted"
    """CSOR gave a receipt."""
    RETRY = "retry"
    """CSOR surely did not take it; offered again at `next_us`."""
    UNSURE = "unsure"
    """It may have arrived: only these same bytes under the same idempotency key are offered, before newer changes."""
    REFUSED = "refused"
    """CSOR said no; nothing newer of this child leaves until a person acts."""


DELIVERY_MOVES: Mapping[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.PENDING: frozenset({DeliveryState.SENDING}),
    DeliveryState.SENDING: frozenset(
        {DeliveryState.ACCEPTED, DeliveryState.RETRY, DeliveryState.UNSURE, DeliveryState.REFUSED}
    ),
    DeliveryState.RETRY: frozenset({DeliveryState.SENDING}),
    DeliveryState.UNSURE: frozenset({DeliveryState.SENDING}),
    DeliveryState.REFUSED: frozenset({DeliveryState.PENDING}),
    DeliveryState.ACCEPTED: frozenset(),
}


class BulkState(StrEnum):
    """Where one export of a FHIR server stands."""

    STARTING = "starting"
    """About to be asked for. Found after a crash: the server may have begun it without our knowing where."""
    EXPORTING = "exporting"
    """The server works on it; where to ask is on our disk."""
    DOWNLOADING = "downloading"
    """The manifest is on our disk, its files come one by one."""
    TAKING = "taking"
    """All files are on our disk; they go to the inbox, patient by patient."""
    CLOSING = "closing"
    """All is in the inbox; the server is told to delete its files."""
    WHOLE = "whole"
    PARTIAL = "partial"
    """Something of it was broken or missing: the types concerned are asked for again from where they stood."""
    FAILED = "failed"
    """Nothing of it counts."""


BULK_MOVES: Mapping[BulkState, frozenset[BulkState]] = {
    BulkState.STARTING: frozenset({BulkState.EXPORTING, BulkState.FAILED}),
    BulkState.EXPORTING: frozenset({BulkState.STARTING, BulkState.DOWNLOADING, BulkState.FAILED}),
    BulkState.DOWNLOADING: frozenset({BulkState.TAKING, BulkState.FAILED}),
    BulkState.TAKING: frozenset({BulkState.CLOSING, BulkState.FAILED}),
    BulkState.CLOSING: frozenset({BulkState.WHOLE, BulkState.PARTIAL, BulkState.FAILED}),
    BulkState.WHOLE: frozenset(),
    BulkState.PARTIAL: frozenset(),
    BulkState.FAILED: frozenset(),
}
BULK_OPEN = frozenset(state for state, moves in BULK_MOVES.items() if moves)
