"""Messages of history, read by whichever process has time: sealed, and judged as far as that needs no registry.

What is of nobody we keep by its age, wards and codes, results of those we may keep, and FHIR bodies of one patient are
read to their end here; all else the writing process reads by itself. The outcome is the same: here too nothing is
decided that the registry may decide otherwise.
"""

import pickle
from collections.abc import Container, Iterable, Iterator
from functools import partial

import msgspec

from adapter import cohort
from adapter.cohort import Reason
from adapter.envelope import Media, Received
from adapter.errors import Problem
from adapter.pipeline.early import EarlyReader, readings
from adapter.pipeline.enrolment import Namer, Names
from adapter.pipeline.glance import Aside
from adapter.pipeline.keeping import Read, Translate
from adapter.pipeline.reception import Sealer
from adapter.pipeline.separation import piece_of
from adapter.pipeline.told import Rules, Teller
from adapter.sources.intake import Unaccepted
from adapter.statement import Statement
from adapter.store.inbox import InboxRow, QueuedMessage
from adapter.store.sealing import KeyRing


class Piece(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One message: how it will be stored, and what is known of it."""

    row: InboxRow
    body: bytes = b""
    aside: Aside | None = None
    early: bytes = b""
    """For `readings`."""
    whole: bytes = b""
    """A `Read`, pickled: between processes of ours alone."""


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What one block of history holds."""

    pieces: list[Piece]
    problems: list[tuple[int, Problem]]
    """(which part of the block, what is wrong with it)."""
    messages: int
    """How many were in it, before bodies of several patients were taken apart."""


class HistoryReader:
    """Reads messages without a store."""

    def __init__(self, ring: KeyRing, *, translate: Translate, rules: Rules, early: EarlyReader) -> None:
        self._ring = ring
        self._sealer = Sealer(ring)
        self._translate = translate
        self._teller = Teller(rules)
        self._namer = Namer(ring)
        self._triage = rules.triage
        self._early = early

    def sealed(self, received: Received) -> Iterator[Piece]:
        """As it is, for who will read it."""
        yield Piece(self._sealer.row(received))

    def pieces(self, received: Received, *, first_id: int, confirmed: Container[bytes]) -> Iterator[Piece]:
        """The message, or one for each of its patients; the first one's id will be `first_id`.

        `confirmed`: blinds of the numbers of the children who have rows. Of the many more who are held none are made.
        """
        row = self._sealer.row(received)
        if isinstance(received, Unaccepted):
            yield Piece(row)
            return
        read = self._first(row, received.body)
        if read is None or not read.bodies:
            yield self._piece(QueuedMessage(first_id, *row), row, received.body, read, confirmed)
            return
        for number, body in enumerate(read.bodies, start=first_id):
            each = piece_of(self._ring, row, body)
            yield self._piece(QueuedMessage(number, *each), each, body, self._first(each, body), confirmed)

    def _first(self, row: InboxRow, body: bytes) -> Read | None:
        try:
            return self._translate.first(row.feed, row.media, body)
        except Exception:  # the writing process meets it too, and knows what to do about it
            return None

    def _piece(
        self, message: QueuedMessage, row: InboxRow, body: bytes, read: Read | None, confirmed: Container[bytes]
    ) -> Piece:
        try:
            return Piece(row) if read is None else self._read(message, row, body, read, confirmed)
        except Exception:  # see above
            return Piece(row)

    def _read(
        self, message: QueuedMessage, row: InboxRow, body: bytes, read: Read, confirmed: Container[bytes]
    ) -> Piece:
        if message.media == Media.FHIR:
            return self._fhir(row, body, read)
        if read.whole is None or len(read.statements) != 1:
            return Piece(row)
        reason, names = self._judged(message.feed, read.statements[0])
        if reason is not None:
            return Piece(row, body, Aside(reason, names))
        is_confirmed = any(number in confirmed for number in names.numbers)
        return Piece(row, early=self._early.of_body(message, body, makes=is_confirmed))

    def _fhir(self, row: InboxRow, body: bytes, read: Read) -> Piece:
        if read.bodies or read.problems or len(read.statements) != 1 or not _is_plain(read.statements[0]):
            return Piece(row)
        reason, names = self._judged(row.feed, read.statements[0])
        if reason is not None:
            return Piece(row, body, Aside(reason, names))
        return Piece(row, whole=pickle.dumps(read, pickle.HIGHEST_PROTOCOL))

    def _judged(self, feed: str, statement: Statement) -> tuple[Reason | None, Names]:
        """Why it would be put aside, if it would; and whose it is."""
        patient, facts = self._teller.whose(feed, statement)
        verdict = cohort.triage(facts, rules=self._triage)
        return None if verdict.keep else verdict.reason, self._namer.names(patient)


def _is_plain(statement: Statement) -> bool:
    """It says nothing of two patients, or of numbers."""
    return statement.word is None and not statement.prior and not statement.changes and not statement.problems


def reads_of(numbered: Iterable[tuple[QueuedMessage, Piece]], *, translate: Translate) -> Iterator[tuple[int, Read]]:
    """What is known of them, for the writing process; (id, what was read)."""
    for message, piece in numbered:
        if piece.aside is not None:
            whole = partial(translate, message.feed, message.media, piece.body)
            yield message.id, Read([], (), 0, piece.body, whole=whole, aside=piece.aside)
        elif piece.early:
            yield from readings(piece.early).items()
        elif piece.whole:
            yield message.id, pickle.loads(piece.whole)  # noqa: S301 - written by our own process a moment ago
