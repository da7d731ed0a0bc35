"""One message's journey from the inbox to the assertion log, read top to bottom.

    claim ─▶ duplicate? ─▶ unseal ─▶ parse, translate ─▶ who is it? ─▶ ours? ─▶ keep: assertion, body under its key
                                                                          └─▶ put aside, sealed, until the hold ends

Work and inbox position commit in one transaction. After a crash messages go one at a time, each attempt committed
before it begins; the third crash on one message parks it. Nothing here depends on the order of arrival.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from adapter.chart import sealed
from adapter.errors import MessageError, ProblemCode
from adapter.pipeline.enrolment import Entry
from adapter.pipeline.keeping import REFUSED, Arrived, Keeper, Outcome, Read, Rules, Translate
from adapter.store import attempts, counters, cursors, messages
from adapter.store.database import Connection, Database
from adapter.store.faults import StoreError
from adapter.store.inbox import Inbox, QueuedMessage
from adapter.store.messages import MessageRow
from adapter.store.sealing import KeyRing
from adapter.store.states import MessageState

log = structlog.get_logger()

MAX_ATTEMPTS = 3
_CLEAN_STOP = "clean-stop"
_SWEEP_EVERY = 5_000
_CACHE_LIMIT = 20_000


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
        self._database = database
        self._inbox = inbox
        self._ring = ring
        self._translate = translate
        self._rules = rules
        self._now = now
        self._registry_cache: dict[bytes, Entry] = {}
        self._alone_through = 0
        self._waits_alone = False
        self._unswept = 0

    def start(self) -> None:
        """After anything but a clean stop, what is in the queue now goes one at a time."""
        with self._database.write() as conn:
            is_clean = cursors.get(conn, _CLEAN_STOP) == "yes"
            cursors.set(conn, _CLEAN_STOP, "no")
            queued = self._inbox.claim(conn, limit=256)
        if not is_clean:
            self._alone_through = queued[-1].id if queued else 0
            self._waits_alone = True

    def stop(self) -> None:
        """All that was begun is committed: the next start need not be careful."""
        self._sweep()
        with self._database.write() as conn:
            cursors.set(conn, _CLEAN_STOP, "yes")

    def forget(self, blind: bytes) -> None:
        """An identifier was changed or erased elsewhere: read it again."""
        self._registry_cache.pop(blind, None)

    def take(self, *, limit: int = 256) -> int:
        """Process up to `limit` messages; how many were. Raises StoreError where the disk refuses."""
        with self._database.read() as conn:
            next_one = self._claim(conn, limit=1)
        if not next_one:
            self._waits_alone = False
            self._sweep()
            return 0
        message = next_one[0]
        is_stored = isinstance(message, MessageRow)
        if self._waits_alone if is_stored else message.id <= self._alone_through:
            return self._alone(message)
        try:
            return self._together(limit=limit)
        except (StoreError, KeyboardInterrupt):
            self._registry_cache.clear()
            raise
        except Exception as error:  # which of them it was shows when they go one at a time
            self._registry_cache.clear()
            log.error("batch failed, going one at a time", reason=type(error).__name__, inbox_id=message.id)
            if is_stored:
                self._waits_alone = True
            else:
                self._alone_through = message.id + limit
            return 1

    def _claim(self, conn: Connection, *, limit: int) -> Sequence[Arrived]:
        return messages.waiting(conn, limit=limit) or self._inbox.claim(conn, limit=limit)

    def _alone(self, message: Arrived) -> int:
        count = attempts.note(self._database, message.id)
        if count > MAX_ATTEMPTS:
            self._park_crashed(message)
            return 1
        try:
            return self._together(limit=1)
        except (StoreError, KeyboardInterrupt):
            self._registry_cache.clear()
            raise
        except Exception as error:  # counted like a crash: the note above stands
            self._registry_cache.clear()
            log.error("message failed", inbox_id=message.id, attempt=count, reason=type(error).__name__)
            return 1

    def _park_crashed(self, message: Arrived) -> None:
        reason = ProblemCode.CRASHED_THREE_TIMES.value
        with self._database.write() as conn:
            outcome = Outcome(MessageState.PARKED, reason, message.key_id, message.sealed)
            self._write(conn, [(message, outcome)])
            self._done(conn, [message])
            counters.bump(conn, f"problem.{reason}")
        log.error("message parked", inbox_id=message.id, reason=reason)

    def _together(self, *, limit: int) -> int:
        with self._database.write() as conn:
            batch = self._claim(conn, limit=limit)
            keeper = Keeper(conn, self._ring, self._registry_cache, rules=self._rules, now_us=_us(self._now()))
            fresh = self._without_duplicates(conn, batch, keeper)
            self._write(conn, keeper.judge_all([(message, self._read(message)) for message in fresh]))
            self._done(conn, batch)
            counters.bump_many(conn, keeper.counts)
        if self._unswept >= _SWEEP_EVERY:
            self._sweep()
        if len(self._registry_cache) > _CACHE_LIMIT:
            self._registry_cache.clear()
        return len(batch)

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

    def _read(self, message: Arrived) -> Read | ProblemCode:
        if message.kind.startswith(REFUSED):
            return ProblemCode(message.kind.removeprefix(REFUSED))
        if message.key_id is None or message.sealed is None:
            raise ValueError(f"message {message.id} has no body")
        body = self._ring.unseal(message.key_id, message.sealed, sealed.MESSAGE)
        try:
            return self._translate(message.media, body)
        except MessageError as error:
            return error.problem.code

    def _write(self, conn: Connection, outcomes: Sequence[tuple[Arrived, Outcome]]) -> None:
        new = []
        for message, outcome in outcomes:
            if isinstance(message, MessageRow):
                _move_stored(conn, message, outcome)
            else:
                new.append(_row(message, outcome))
            if self._waits_alone or message.id <= self._alone_through:
                attempts.clear(conn, message.id)
        messages.insert_many(conn, new)

    def _done(self, conn: Connection, batch: Sequence[Arrived]) -> None:
        queued = [message.id for message in batch if isinstance(message, QueuedMessage)]
        if queued:
            self._inbox.done(conn, queued)
            self._unswept += len(queued)

    def _sweep(self) -> None:
        if self._unswept:
            with self._database.read() as conn:
                self._inbox.sweep(conn)
            self._unswept = 0


def _row(message: QueuedMessage, outcome: Outcome) -> MessageRow:
    return MessageRow(
        id=message.id,
        feed=message.feed,
        media=message.media,
        kind=message.kind.removeprefix(REFUSED),
        received_us=message.received_us,
        state=outcome.state.value,
        reason=outcome.reason,
        size=len(message.sealed),
        control=message.control,
        content=message.content,
        stampless=outcome.stampless,
        subject=outcome.subject,
        attempts=0,
        expires_us=outcome.expires_us,
        key_id=outcome.key_id,
        sealed=outcome.sealed,
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
    messages.set_subject(conn, message.id, stampless=outcome.stampless, subject=outcome.subject)


def _us(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)
