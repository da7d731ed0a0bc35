"""One message's journey from the inbox to the assertion log, read top to bottom.

    claim ─▶ duplicate? ─▶ unseal ─▶ parse, translate ─▶ who is it? ─▶ ours? ─▶ keep: assertion, body under its key
                                                                          └─▶ put aside, sealed, until the hold ends

Work and inbox position commit in one transaction. After a crash messages go one at a time, each attempt committed
before it begins; the third crash on one message parks it. Nothing here depends on the order of arrival. Where another
process reads ahead, it unseals, parses and translates results before their turn.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import structlog

from adapter.chart import sealed
from adapter.chart.fresh import Fresh
from adapter.chart.sealed import Note, Refusal, decode_note, decode_refusal
from adapter.envelope import Media, utc_us
from adapter.errors import MessageError, Problem, ProblemCode
from adapter.pipeline.ahead import Ahead
from adapter.pipeline.enrolment import Entry
from adapter.pipeline.keeping import REFUSED, Arrived, Keeper, Outcome, Read, Translate, Unread, parked
from adapter.pipeline.separation import hand_in
from adapter.pipeline.sequences import Sequences
from adapter.pipeline.told import Rules
from adapter.store import attempts, counters, cursors, messages
from adapter.store.database import Connection, Database
from adapter.store.faults import StoreError
from adapter.store.inbox import Inbox, QueuedMessage
from adapter.store.messages import MessageRow
from adapter.store.sealing import OVERHEAD_BYTES, KeyRing
from adapter.store.states import MessageState

log = structlog.get_logger()

MAX_ATTEMPTS = 3
BATCH = 512
"""Messages of one transaction: pages of the indexes, which random keys touch everywhere, are written once for all."""
_CLEAN_STOP = "clean-stop"
_SWEEP_EVERY = 5_000
"""Messages. A sweep waits for the disk three times: while there is work it comes seldom."""
_SWEEP_CALM = timedelta(seconds=1)
"""An empty queue is swept when nothing has come for so long."""
_CACHE_LIMIT = 20_000
_FRESH_LIMIT = 1_024
_NEVER_WHOLE = frozenset({ProblemCode.TRUNCATED_FRAME.value, ProblemCode.TOO_LARGE.value})
"""Kinds of what was refused because a part of it is missing: no replay makes a message of these."""


class Pipeline:
    """Takes messages from the inbox, in order, and first those that a replay or a release has put back."""

    def __init__(
        self,
        database: Database,
        inbox: Inbox,
        ring: KeyRing,
        *,
        translate: Translate,
        rules: Rules,
        now: Callable[[], datetime],
    ) -> None:
        self.ahead: Ahead | None = None
        """Where another process reads ahead; on SQLite only, where nobody else takes from the inbox."""
        self._database = database
        self._inbox = inbox
        self._ring = ring
        self._translate = translate
        self._rules = rules
        self._now = now
        self.fresh = Fresh(limit=_FRESH_LIMIT if database.is_sqlite else 0)
        self._registry_cache: dict[bytes, Entry] = {}
        self._alone_through = 0
        self._waits_alone = False
        self._unswept = 0
        self._calm_since: datetime | None = None

    def start(self) -> None:
        """After anything but a clean stop, what is in the queue now goes one at a time."""
        with self._database.write() as conn:
            is_clean = cursors.get(conn, _CLEAN_STOP) == "yes"
            cursors.set(conn, _CLEAN_STOP, "no")
            queued = self._inbox.claim(conn, limit=BATCH)
            if is_clean:
                self._retry_crashed(conn)
        if not is_clean:
            self._alone_through = queued[-1].id if queued else 0
            self._waits_alone = True

    def was_stopped_cleanly(self) -> bool:
        """Or never began: nothing that stopped it may come again."""
        with self._database.read() as conn:
            return cursors.get(conn, _CLEAN_STOP) != "no"

    def _retry_crashed(self, conn: Connection) -> None:
        """Once, and alone: what crashed may have been the machine, or a fault that a new version does not have."""
        reason = ProblemCode.CRASHED_THREE_TIMES.value
        for number in messages.parked_for(conn, reason=reason, attempts=MAX_ATTEMPTS):
            messages.set_state(conn, number, before=MessageState.PARKED, after=MessageState.RECEIVED)
            attempts.clear(conn, number)
            counters.bump(conn, "crashed.retried")
            log.info("a message parked by crashes is tried once more", inbox_id=number)

    def stop(self) -> None:
        """All that was begun is committed: the next start need not be careful."""
        self._sweep()
        with self._database.write() as conn:
            cursors.set(conn, _CLEAN_STOP, "yes")

    def forget(self, blind: bytes) -> None:
        """An identifier was changed or erased elsewhere: read it again."""
        self._registry_cache.pop(blind, None)

    def take(self, *, limit: int = BATCH) -> int:
        """Process up to `limit` messages; how many were. Raises StoreError where the disk refuses."""
        with self._database.read() as conn:
            next_one = self._claim(conn, limit=1)
        if not next_one:
            self._waits_alone = False
            self._rest()
            return 0
        self._calm_since = None
        message = next_one[0]
        is_stored = isinstance(message, MessageRow)
        if self._goes_alone(message):
            return self._alone(message)
        if self.ahead is None or is_stored:
            return self._batch(message, limit=limit, early={})
        early, count = self.ahead.gather(first=message.id, limit=limit)
        count = self._batch(message, limit=count, early=early)
        self.ahead.ask()  # so that it is read while this batch is settled
        return count

    def _batch(self, first: Arrived, *, limit: int, early: Mapping[int, Read]) -> int:
        try:
            return self._together(limit=limit, early=early)
        except (StoreError, KeyboardInterrupt):
            self._registry_cache.clear()
            raise
        except Exception as error:  # which of them it was shows when they go one at a time
            self._registry_cache.clear()
            log.error("batch failed, going one at a time", reason=type(error).__name__, inbox_id=first.id)
            if isinstance(first, MessageRow):
                self._waits_alone = True
            else:
                self._alone_through = first.id + limit
            return 1

    def _claim(self, conn: Connection, *, limit: int) -> Sequence[Arrived]:
        stored = messages.waiting(conn, limit=limit)
        # One that has crashed before takes no others with it.
        marked = next((place for place, message in enumerate(stored) if message.attempts), len(stored))
        return stored[: marked or 1] or self._inbox.claim(conn, limit=limit)

    def _goes_alone(self, message: Arrived) -> bool:
        if isinstance(message, MessageRow):
            return self._waits_alone or message.attempts > 0
        return message.id <= self._alone_through

    def _alone(self, message: Arrived) -> int:
        count = attempts.note(self._database, message.id)
        before = message.attempts if isinstance(message, MessageRow) else 0
        if count > (1 if before else MAX_ATTEMPTS):
            self._park_crashed(message, attempts_made=before + count - 1)
            return 1
        try:
            return self._together(limit=1, early={})
        except (StoreError, KeyboardInterrupt):
            self._registry_cache.clear()
            raise
        except Exception as error:  # counted like a crash: the note above stands
            self._registry_cache.clear()
            log.error("message failed", inbox_id=message.id, attempt=count, reason=type(error).__name__)
            return 1

    def _park_crashed(self, message: Arrived, *, attempts_made: int) -> None:
        code = ProblemCode.CRASHED_THREE_TIMES
        once_more = "once more after the next clean stop" if attempts_made == MAX_ATTEMPTS else "only by `replay`"
        text = f"processing it stopped the adapter {attempts_made} times; it is tried again {once_more}"
        note = Note.of(Problem(code=code, text=text))
        with self._database.write() as conn:
            outcome = parked(self._ring, message, note, body=self._unseal(message), attempts=attempts_made)
            attempts.clear(conn, message.id)
            self._write(conn, [(message, outcome)])
            self._done(conn, [message])
            counters.bump(conn, f"problem.{code.value}")
        log.error("message parked", inbox_id=message.id, reason=code.value, attempts=attempts_made)

    def take_in(
        self, messages: Sequence[QueuedMessage], early: Mapping[int, Read], note: Callable[[Connection], None]
    ) -> bool:
        """Messages of history, which never were in the queue, in one transaction with what `note` writes.

        False where one of them failed: nothing is kept then, and they are for the queue, where that one is found.
        """
        try:
            with self._database.write() as conn:
                keeper = self._keep(conn, messages, early, is_live=False)
                note(conn)
        except (StoreError, KeyboardInterrupt):
            self._registry_cache.clear()
            raise
        except Exception as error:  # which of them it was shows when they go one at a time
            self._registry_cache.clear()
            log.error("a block of history failed; it goes by the queue", reason=type(error).__name__)
            return False
        self._remember(keeper)
        return True

    def _together(self, *, limit: int, early: Mapping[int, Read]) -> int:
        with self._database.write() as conn:
            batch = self._claim(conn, limit=limit)
            keeper = self._keep(conn, batch, early, is_live=True)
            self._done(conn, batch)
        self._remember(keeper)
        return len(batch)

    def _keep(self, conn: Connection, batch: Sequence[Arrived], early: Mapping[int, Read], *, is_live: bool) -> Keeper:
        keeper = Keeper(conn, self._ring, self._registry_cache, rules=self._rules, now_us=utc_us(self._now()))
        fresh = self._without_duplicates(conn, batch, keeper)
        read = [(message, early.get(message.id) or self._read(message)) for message in fresh]
        hand_in(self._inbox, self._ring, read)
        if is_live:  # in an archive numbers of MSH-13 are missing, and stand in no order
            keeper.counts += self._hear_numbers(conn, read)
        self._write(conn, keeper.judge_all(read))
        counters.bump_many(conn, keeper.counts)
        return keeper

    def _remember(self, keeper: Keeper) -> None:
        for changed in keeper.relearnt:
            self.fresh.drop(changed)
        self.fresh.keep(keeper.results)
        if self._unswept >= _SWEEP_EVERY:
            self._sweep()
        if len(self._registry_cache) > _CACHE_LIMIT:
            self._registry_cache.clear()

    def _hear_numbers(self, conn: Connection, read: Sequence[tuple[Arrived, Read | Unread]]) -> Counter[str]:
        """Sequence numbers of what has just come; a piece of a message that was taken apart has been heard."""
        sequences = Sequences(conn, self._ring)
        for message, each in read:
            is_new = isinstance(message, QueuedMessage) and message.control != message.content
            if is_new and message.media == Media.HL7V2:
                sequences.hear(message.feed, each.body)
        sequences.write()
        return sequences.counts

    def _without_duplicates(self, conn: Connection, batch: Sequence[Arrived], keeper: Keeper) -> list[Arrived]:
        """A resend of a control id and content is done already; a reused control id with other content is not."""
        fresh: list[Arrived] = [message for message in batch if isinstance(message, MessageRow)]
        arrived = [message for message in batch if isinstance(message, QueuedMessage)]
        seen = messages.seen(conn, [message.control for message in arrived])
        contents = {control: {each.content for each in those} for control, those in seen.items()}
        for message in arrived:
            stored = contents.setdefault(message.control, set())
            if message.content in stored:
                keeper.counts["duplicate"] += 1
                continue
            if stored:
                keeper.counts["control-id-reused"] += 1
            stored.add(message.content)
            fresh.append(message)
        return fresh

    def _read(self, message: Arrived) -> Read | Unread:
        body = self._unseal(message)
        if message.kind.startswith(REFUSED):
            return Unread(self._refusal(message).note, body)
        if message.kind in _NEVER_WHOLE and isinstance(message, MessageRow) and message.key_id and message.note:
            return Unread(decode_note(self._ring.unseal(message.key_id, message.note, sealed.NOTE)), body)
        try:
            return self._translate.first(message.feed, message.media, body)
        except MessageError as error:
            return Unread(Note.of(error.problem), body)

    def _unseal(self, message: Arrived) -> bytes:
        if message.key_id is None or message.sealed is None:
            raise ValueError(f"message {message.id} has no body")
        if message.kind.startswith(REFUSED):
            return self._refusal(message).body
        return self._ring.unseal(message.key_id, message.sealed, sealed.MESSAGE)

    def _refusal(self, message: Arrived) -> Refusal:
        return decode_refusal(self._ring.unseal(message.key_id or b"", message.sealed or b"", sealed.REFUSED))

    def _write(self, conn: Connection, outcomes: Sequence[tuple[Arrived, Outcome]]) -> None:
        new = []
        for message, outcome in outcomes:
            if isinstance(message, MessageRow):
                _move_stored(conn, message, outcome)
            else:
                new.append(_row(message, outcome))
            if self._goes_alone(message):
                attempts.clear(conn, message.id)
        messages.insert_many(conn, new)
        messages.add_names(conn, [(name, message.id) for message, outcome in outcomes for name in outcome.names])

    def _done(self, conn: Connection, batch: Sequence[Arrived]) -> None:
        queued = [message.id for message in batch if isinstance(message, QueuedMessage)]
        if queued:
            self._inbox.done(conn, queued)
            self._unswept += len(queued)

    def _rest(self) -> None:
        """Nothing waits."""
        now = self._now()
        if self._calm_since is None or now < self._calm_since:  # a clock may be set back
            self._calm_since = now
        if now - self._calm_since >= _SWEEP_CALM:
            self._sweep()

    def _sweep(self) -> None:
        if self._unswept:
            with self._database.read() as conn:
                self._inbox.sweep(conn)
            self._unswept = 0


def _row(message: QueuedMessage, outcome: Outcome) -> MessageRow:
    # In the order of the columns: by name it would take twice as long.
    return MessageRow(
        message.id,
        message.feed,
        message.media,
        message.kind.removeprefix(REFUSED),
        message.received_us,
        outcome.state.value,
        outcome.reason,
        len(outcome.sealed or message.sealed) - OVERHEAD_BYTES,
        message.control,
        message.content,
        outcome.stampless,
        outcome.subject,
        outcome.attempts,
        outcome.expires_us,
        outcome.key_id,
        outcome.sealed,
        outcome.note,
    )


def _move_stored(conn: Connection, message: MessageRow, outcome: Outcome) -> None:
    if outcome.state is MessageState.ERASED:
        messages.set_state(conn, message.id, before=MessageState.RECEIVED, after=MessageState.PROCESSED)
        messages.erase(conn, [message.id], before=MessageState.PROCESSED)
        return
    messages.set_state(
        conn,
        message.id,
        before=MessageState.RECEIVED,
        after=outcome.state,
        reason=outcome.reason,
        expires_us=outcome.expires_us,
    )
    if outcome.key_id is not None and outcome.sealed is not None:
        messages.reseal(conn, message.id, key_id=outcome.key_id, sealed=outcome.sealed)
    if message.note is not None or outcome.note is not None:
        tried = max(message.attempts, outcome.attempts)
        messages.set_note(conn, message.id, note=outcome.note, attempts=tried)
    messages.set_subject(conn, message.id, stampless=outcome.stampless, subject=outcome.subject)
