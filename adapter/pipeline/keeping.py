"""Keep or put aside: what becomes of one translated message, inside the transaction of its batch.

Ours: enrolled, its assertion appended, its body sealed anew under the key of the identifier it came with. Not ours:
the body stays sealed under the day key until the hold ends. Nothing is decided about conditions here.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from adapter import cohort, identity
from adapter.assertion import Assertion, ItemKind, SourceIdentifier
from adapter.chart import sealed
from adapter.chart.fresh import Made, Written
from adapter.chart.known import Known, learn, mother_said, with_words
from adapter.chart.sealed import Note, decode_assertion, decode_note, encode_assertion, encode_note
from adapter.chart.stated import said_by
from adapter.cohort.triage import Reason
from adapter.errors import MessageError, Problem, ProblemCode
from adapter.fhir import Deletion
from adapter.identity import PatientFacts
from adapter.identity.patients import day_of
from adapter.pipeline.deletions import Deletions
from adapter.pipeline.enrolment import Enrolment, Entry
from adapter.pipeline.glance import Aside, Glances
from adapter.pipeline.moves import Moves, of_visit
from adapter.pipeline.replacements import Replacements
from adapter.pipeline.told import TRIAGE_ENCOUNTER, Rules, Teller, Told, naming_mother
from adapter.statement import Statement, Word
from adapter.store import assertions, crawls, dirty, verdicts
from adapter.store.assertions import AssertionRow
from adapter.store.database import Connection
from adapter.store.inbox import QueuedMessage
from adapter.store.messages import MessageRow
from adapter.store.sealing import KeyRing
from adapter.store.states import AssertionKind, IdentifierState, MessageState

REFUSED = "!"
"""An inbox kind that begins so was not taken as a message; the problem's code follows, and it is parked at once."""

_OF_PATIENTS = ("ADT^", "ORU^")

Arrived = QueuedMessage | MessageRow


class Early(NamedTuple):
    """All that follows from one statement alone, of a message with nothing but results."""

    stampless: bytes
    told: Told
    plain: bytes
    """Its assertion, encoded."""
    made: Sequence[Made] | None
    """Its rows, if no other statement speaks of the same results; None where its child had none when it was read."""


class Read(NamedTuple):
    """One body, read."""

    statements: Sequence[Statement]
    content: tuple[bytes, ...]
    """The bytes without what a resend changes (MSH-7 and MSH-10)."""
    stamp_us: int
    """MSH-7: the clock of items that have none of their own, and the one part of a message that a resend may lower."""
    body: bytes
    bodies: Sequence[bytes] = ()
    """The body taken apart where it is not all one patient's: then each is taken as a message of its own instead."""
    problems: Sequence[Problem] = ()
    """What of the body could not be used."""
    early: Early | None = None
    """Its one statement read further by another process; the statement here then holds no items."""
    whole: Callable[[], "Read"] | None = None
    """Where only that much was read of its one statement as triage asks: reads all of it."""
    aside: Aside | None = None
    """Where another process has read that much: of nobody we keep, unless the registry knows them."""
    deletions: Sequence[Deletion] = ()
    """Resources that a FHIR server has deleted; whose they were is not said."""


class Unread(NamedTuple):
    """One body that cannot be read, and why."""

    note: Note
    body: bytes


class Translate(Protocol):
    """Reads bodies; raises MessageError where the bytes will never pass."""

    def __call__(self, feed: str, media: str, body: bytes) -> Read:
        """All of it."""

    def first(self, feed: str, media: str, body: bytes) -> Read:
        """Only as far as triage asks, where that can be told from the rest."""


class Outcome(NamedTuple):
    """What became of one message."""

    state: MessageState
    reason: str
    key_id: bytes | None
    sealed: bytes | None
    stampless: bytes | None = None
    subject: bytes | None = None
    expires_us: int | None = None
    note: bytes | None = None
    """Sealed under the same key."""
    attempts: int = 0
    names: tuple[bytes, ...] = ()
    """Of a message put aside: further blinds of its patient, by which it is found if that patient is ours after all."""


class _New(NamedTuple):
    row: AssertionRow
    entry: Entry
    is_adt: bool
    assertion: Assertion | None
    made: Sequence[Made] | None
    born: str | None


_OF_TWO = (Word.LINK, Word.UNLINK)
_DELETIONS = frozenset({"A23", "A29"})
_DELETES = Problem(
    code=ProblemCode.RECORD_DELETED,
    text="it deletes the record of a child of the register: `replay` it to withdraw the rows, or leave it here",
)

NOT_ADT = frozenset({ItemKind.OBSERVATION, ItemKind.RESULT_LIST, ItemKind.PATIENT})


def stampless_of(ring: KeyRing, feed: str, content: Sequence[bytes], ordinal: int) -> bytes:
    """How the same content is known under another stamp."""
    return ring.blind("stampless", feed, *content, str(ordinal))


def asserted(feed: str, subject: SourceIdentifier, statement: Statement) -> Assertion:
    """What is kept of a statement."""
    context = {name: resource for name, resource in statement.context.items() if name != TRIAGE_ENCOUNTER}
    context |= naming_mother(statement)
    context |= of_visit(statement)
    return Assertion(feed, subject, statement.items, context)


def parked(ring: KeyRing, message: Arrived, note: Note, *, body: bytes, attempts: int = 0) -> Outcome:
    """Kept for a person, under the key it has."""
    if message.key_id is None:
        raise ValueError(f"message {message.id} has no body")
    kept = ring.seal(message.key_id, body, sealed.MESSAGE)
    told = ring.seal(message.key_id, encode_note(note), sealed.NOTE)
    return Outcome(MessageState.PARKED, note.problems[0][0], message.key_id, kept, note=told, attempts=attempts)


class Keeper:
    """Judges the messages of one batch."""

    def __init__(
        self, conn: Connection, ring: KeyRing, cache: dict[bytes, Entry], *, rules: Rules, now_us: int
    ) -> None:
        self._conn = conn
        self._ring = ring
        self._rules = rules
        self._now_us = now_us
        self._hold_us = int(rules.hold_unknown.total_seconds() * 1_000_000)
        self._enrolment = Enrolment(conn, ring, cache, now_us=now_us)
        self._moves = Moves(conn, ring, self._enrolment, settings=rules.identity)
        self._deletions = Deletions(conn, ring, self._enrolment, now_us=now_us)
        self._replacements = Replacements(conn, self._enrolment)
        self._teller = Teller(rules)
        self._glances = Glances(self._enrolment, self._teller, rules)
        self._keys: dict[int, list[bytes]] = {}
        """By message: how each of its statements is known under another stamp."""
        self._stored: dict[bytes, int] = {}
        """Those of which an assertion is stored, with its id."""
        self._new: dict[bytes, _New] = {}
        self._marks: list[tuple[Entry, int]] = []
        self._of_fhir: list[tuple[Entry, int]] = []
        self.results: list[Written] = []
        """What will be settled result by result, to be kept at hand once this batch is committed."""
        self.relearnt: list[int] = []
        """Stored assertions whose stamp was lowered."""
        self.counts: Counter[str] = Counter()
        self._calls: set[tuple[str, int, bool]] = set()
        """Whom a FHIR source is to read."""

    def judge_all(self, batch: Sequence[tuple[Arrived, Read | Unread]]) -> list[tuple[Arrived, Outcome]]:
        """The outcome of each message, in order; all that follows from it is written."""
        glanced = [(message, read) for message, read in batch if isinstance(read, Read) and read.whole is not None]
        self._glances.look(
            ((message.id, message.feed, read.statements[0]) for message, read in glanced if read.aside is None),
            seen={message.id: read.aside for message, read in glanced if read.aside is not None},
        )
        batch = [(message, self._as_needed(message, read)) for message, read in batch]
        self._look_up([(message, read) for message, read in batch if isinstance(read, Read) and read.whole is None])
        outcomes = []
        for message, read in batch:
            self._count(message)
            outcomes.append((message, self._judge(message, read)))
        reads = {message.id: read for message, read in batch}
        outcomes = self._released(outcomes, reads)
        self._flush()
        self.counts.update(self._moves.counts + self._deletions.counts)
        if self._moves.homes:
            outcomes = [(message, self._at_home(message, outcome, reads)) for message, outcome in outcomes]
        return outcomes

    def _at_home(self, message: Arrived, outcome: Outcome, reads: Mapping[int, Read | Unread]) -> Outcome:
        """A body of this batch whose visit was moved after its turn."""
        home = self._moves.homes.get(message.id)
        if home is None or outcome.key_id is None or message.id not in reads:
            return outcome
        body = self._ring.seal(home.row.key_id, reads[message.id].body, sealed.MESSAGE)
        return outcome._replace(key_id=home.row.key_id, sealed=body)

    def _as_needed(self, message: Arrived, read: Read | Unread) -> Read | Unread:
        """All of it, unless a glance tells that it is not ours."""
        if isinstance(read, Unread) or read.whole is None or self._glances.aside(message.id):
            return read
        try:
            return read.whole()
        except MessageError as error:
            return Unread(Note.of(error.problem), read.body)

    def _look_up(self, read: Sequence[tuple[Arrived, Read]]) -> None:
        """How the contents are known under another stamp, and what is stored of them."""
        keys = {message.id: self._stampless(message, each) for message, each in read}
        self._keys |= keys
        self._stored |= assertions.ids_of(self._conn, [key for each in keys.values() for key in each])

    def _released(
        self, outcomes: list[tuple[Arrived, Outcome]], reads: Mapping[int, Read | Unread]
    ) -> list[tuple[Arrived, Outcome]]:
        """What this batch put aside before a later message of it made its patient one of ours is judged again."""
        while self._enrolment.has_regrouped and (early := self._aside_of_ours(outcomes)):
            outcomes = [(m, self._judge(m, reads[m.id]) if m.id in early else outcome) for m, outcome in outcomes]
        return outcomes

    def _aside_of_ours(self, outcomes: Sequence[tuple[Arrived, Outcome]]) -> set[int]:
        names = {
            message.id: (outcome.subject, *outcome.names)
            for message, outcome in outcomes
            if outcome.state is MessageState.NOT_OURS and outcome.subject
        }
        ours = self._enrolment.kept_among({name for each in names.values() for name in each})
        return {number for number, each in names.items() if not ours.isdisjoint(each)}

    def _stampless(self, message: Arrived, read: Read) -> list[bytes]:
        if read.early is not None:
            return [read.early.stampless]
        return [
            stampless_of(self._ring, message.feed, read.content, ordinal) for ordinal in range(len(read.statements))
        ]

    def _count(self, message: Arrived) -> None:
        is_refused = message.kind.startswith(REFUSED)
        self.counts[f"refused.{message.kind.removeprefix(REFUSED)}" if is_refused else f"received.{message.kind}"] += 1

    def _park(self, message: Arrived, note: Note, body: bytes) -> Outcome:
        for code, _, _ in note.problems:
            self.counts[f"problem.{code}"] += 1
        return parked(self._ring, message, note, body=body)

    def _judge(self, message: Arrived, read: Read | Unread) -> Outcome:
        if isinstance(read, Read) and read.whole is not None:
            aside = self._glances.aside(message.id)
            if aside is not None:
                return self._aside(message, aside.reason.value, names=aside.names.all)
            read = self._as_needed(message, read)  # a message before it made its patient known
            if isinstance(read, Read):
                self._look_up([(message, read)])
        if isinstance(read, Unread):
            return self._park(message, read.note, read.body)
        outcomes: list[Outcome] = []
        if read.deletions:
            self._marks += self._deletions.hear(read.deletions, source=message.feed, message_id=message.id)
            # It names resources of nobody knows whom, so under nobody's key may it be kept.
            outcomes.append(Outcome(MessageState.ERASED, "deletion", None, None))
        if read.bodies:
            self.counts["separated"] += 1
            return Outcome(MessageState.ERASED, "separated", None, None)
        return self._judge_whole(message, read, outcomes)

    def _judge_whole(self, message: Arrived, read: Read, outcomes: list[Outcome]) -> Outcome:
        for ordinal, statement in enumerate(read.statements):
            if statement.patient is None and not statement.patient_key and not statement.kind.startswith(_OF_PATIENTS):
                continue  # an unknown type, or a message about no patient
            for problem in statement.problems:
                self.counts[f"problem.{problem.code.value}"] += 1
            key = self._keys[message.id][ordinal]
            if key in self._stored or key in self._new:
                outcomes.append(self._repeat(message, read, key, self._stored.get(key)))
                continue
            try:
                outcomes.append(self._one(message, read, statement, key=key, ordinal=ordinal))
            except MessageError as error:
                outcomes.append(self._park(message, Note.of(error.problem), read.body))
        if not outcomes and read.problems:
            return self._park(message, Note.of(*read.problems), read.body)
        if not outcomes:
            return self._aside(message, "no-patient", names=())
        return min(outcomes, key=lambda outcome: _PRECEDENCE[outcome.state])

    def _repeat(self, message: Arrived, read: Read, key: bytes, stored_id: int | None) -> Outcome:
        """The same content under another stamp: one assertion, with the least stamp."""
        self.counts["repeat"] += 1
        if stored_id is not None and assertions.lower_clock(self._conn, stored_id, clock_us=read.stamp_us):
            self.relearnt.append(stored_id)
            self._relearn(stored_id)
        elif stored_id is None and (new := self._new[key]).row.clock_us > read.stamp_us:
            self._new[key] = new._replace(row=new.row._replace(clock_us=read.stamp_us), assertion=None, made=None)
        return Outcome(MessageState.ERASED, "repeat", None, None, stampless=key)

    def _one(self, message: Arrived, read: Read, statement: Statement, *, key: bytes, ordinal: int) -> Outcome:
        told = read.early.told if read.early else self._teller.tell(message.feed, statement)
        patient = told.patient
        numbers = patient.numbers
        brings = self._moves.hear(statement, numbers, message_id=message.id)
        if statement.replaced:
            brings |= self._replacements.hear(statement, numbers[0], message_id=message.id)
        if statement.word in _OF_TWO:
            # Two patients in one body: what was said is in the registry, and neither's key may keep the other's name.
            return Outcome(MessageState.ERASED, statement.word.value, None, None)
        names = self._enrolment.names(patient)
        home = self._moves.home(names.numbers[0], statement)
        is_own = brings or self._enrolment.is_kept(names)
        is_kept = is_own or (home is not None and home.is_kept)
        verdict = cohort.triage(msgspec.structs.replace(told.triage, known=is_kept), rules=self._rules.triage)
        if not verdict.keep or (verdict.reason is Reason.IDENTITY_EVENT and not is_kept):
            return self._aside(message, verdict.reason.value, names=names.all)
        self._refuse_deletion(message, statement, numbers[0])
        if home is None or is_own:
            entry = self._enrolment.enrol(patient, told.said, state=IdentifierState.HELD)
        if home is not None:
            entry = home
            self._enrolment.hold(home)
        if statement.event in _DELETIONS and statement.patient_key:
            self._deletions.audit({"source": message.feed, "message": message.id, "records": 1})
        self._append(message, read, statement, homes=(numbers[0], entry), key=key, ordinal=ordinal)
        body = self._ring.seal(entry.row.key_id, read.body, sealed.MESSAGE)
        return Outcome(MessageState.PROCESSED, verdict.reason.value, entry.row.key_id, body, key, names.numbers[0])

    def _refuse_deletion(self, message: Arrived, statement: Statement, number: SourceIdentifier) -> None:
        """A record of a child in the register is deleted by a person alone: who replays the message decides so."""
        if statement.event not in _DELETIONS:
            return
        entry = self._enrolment.find(number)
        if entry is None or entry.row.state != IdentifierState.CONFIRMED or entry.known.is_given_up:
            return
        if isinstance(message, MessageRow) and message.note is not None and message.key_id is not None:
            note = decode_note(self._ring.unseal(message.key_id, message.note, sealed.NOTE))
            if note.problems[0][0] == ProblemCode.RECORD_DELETED:
                self.counts["deletion.accepted"] += 1
                return
        raise MessageError(_DELETES)

    def _aside(self, message: Arrived, reason: str, *, names: tuple[bytes, ...]) -> Outcome:
        self.counts[f"not-ours.{reason}"] += 1
        return Outcome(
            MessageState.NOT_OURS,
            reason,
            message.key_id,
            message.sealed,
            subject=names[0] if names else None,
            expires_us=message.received_us + self._hold_us,
            names=names[1:],
        )

    def _append(
        self,
        message: Arrived,
        read: Read,
        statement: Statement,
        *,
        homes: tuple[SourceIdentifier, Entry],
        key: bytes,
        ordinal: int,
    ) -> None:
        subject, entry = homes
        is_adt = not {item.kind for item in statement.items} <= NOT_ADT
        assertion, made, born = None, None, None
        if read.early is not None:
            plain, made = read.early.plain, read.early.made
            born = day_of(read.early.told.patient.birth)
        else:
            assertion = asserted(message.feed, subject, statement)
            plain = encode_assertion(assertion, stamp_us=read.stamp_us)
        row = AssertionRow(
            id=assertions.new_id(message.id, ordinal),
            identifier_id=entry.row.id,
            kind=_kind(statement, is_adt=is_adt, is_early=read.early is not None).value,
            clock_us=read.stamp_us,
            stampless=key,
            key_id=entry.row.key_id,
            sealed=self._ring.seal(entry.row.key_id, plain, sealed.ASSERTION),
        )
        self._new[key] = _New(row, entry, is_adt, assertion, made, born)
        self._calls.update((source, row.identifier_id, False) for source in self._rules.called_by.get(message.feed, ()))
        if statement.patient_key:
            self._of_fhir.append((entry, row.id))

    def _relearn(self, assertion_id: int) -> None:
        """A stamp was lowered: what that identifier's messages say is folded again from all of them."""
        for row in assertions.by_ids(self._conn, [assertion_id]):
            entry = self._enrolment.by_id(row.identifier_id)
            known = Known(entry.known.identifier)
            # What was moved away with its visit still says what its PID said under this number.
            near = {row.identifier_id, *self._moves.went_to(entry)}
            for each in assertions.of_identifiers(self._conn, sorted(near)):
                stated = decode_assertion(
                    self._ring.unseal(each.key_id, each.sealed, sealed.ASSERTION), stamp_us=each.clock_us
                )
                if stated.subject != entry.known.identifier:
                    continue
                known = learn(known, mother_said(stated.context, stated.items))
                for item in stated.items:
                    if item.kind is ItemKind.PATIENT:
                        facts = identity.read_patient(item.resources[0], related=(), settings=self._rules.identity)
                        known = learn(known, said_by(stated.items, facts), seen=_seen(facts))
            entry.known = with_words(known, entry.known)
            entry.is_changed = True
            self._enrolment.regroup({entry.row.id})
            self._marks.append((entry, assertion_id))

    def _flush(self) -> None:
        self._enrolment.flush()
        new = list(self._new.values())
        stored_ids = assertions.insert_many(self._conn, [each.row for each in new])
        for each, stored_id in zip(new, stored_ids, strict=True):
            row = each.row
            if each.is_adt:
                self._marks.append((each.entry, dirty.WHOLE))
            elif each.entry.row.state == IdentifierState.CONFIRMED:
                self._marks.append((each.entry, row.id))
                # Neither is at hand where the stamp was lowered since: the store says how it reads now.
                if (each.assertion is not None or each.made is not None) and stored_id == row.id:
                    written = Written(row.id, row.identifier_id, row.key_id, each.assertion, each.made, each.born)
                    self.results.append(written)
        if self._of_fhir:
            ours = [number for entry, number in self._of_fhir if entry.row.state == IdentifierState.CONFIRMED]
            verdicts.due(self._conn, ours)
        for pair in self._moves.carry():
            self._marks += [(entry, mark) for entry in pair for mark in (dirty.MOVED, dirty.WHOLE)]
        moved = {row.id for row in self._moves.rehomed}
        self.relearnt += moved
        self.results = [written for written in self.results if written.assertion_id not in moved]
        self._enrolment.flush()
        dirty.mark(self._conn, [(entry.row.person_id, mark) for entry, mark in self._marks], at_us=self._now_us)
        self._calls.update((source, number, True) for source in self._rules.crawls for number in self._enrolment.new)
        crawls.call(self._conn, self._calls, at_us=self._now_us)


def _kind(statement: Statement, *, is_adt: bool, is_early: bool) -> AssertionKind:
    if is_adt:
        return AssertionKind.ADT
    is_context = bool(statement.patient_key) and not statement.items and not is_early
    return AssertionKind.CONTEXT if is_context else AssertionKind.RESULT


# Of a body with several patients, the one we keep decides where the body stays; then the one a person must see.
_PRECEDENCE = {
    MessageState.PROCESSED: 0,
    MessageState.PARKED: 1,
    MessageState.NOT_OURS: 2,
    MessageState.ERASED: 3,
    MessageState.RECEIVED: 4,
}


def _seen(facts: PatientFacts) -> tuple[str, str | None] | None:
    return (facts.nhs_number.digits, facts.birth) if facts.nhs_number and facts.nhs_verified else None
