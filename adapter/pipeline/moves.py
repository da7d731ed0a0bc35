"""What identity events say, put into effect: merges and their undoing, numbers changed, visits moved.

Words on numbers go to the registry. A visit that goes to another patient takes along what was said of it, and nothing
else: its assertions and their bodies are sealed anew under the number it went to (behaviour 110). Where a visit is
now follows from the set of what was said of it, so a message that comes late goes there at once.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from adapter import identity
from adapter.assertion import OF_VISIT, Assertion, ItemKind, Merge, MergeWord, Resource, SourceIdentifier
from adapter.chart import sealed
from adapter.chart.known import CAME, MOVED, Known, Said, came_as, came_from, note, went_to
from adapter.chart.sealed import decode_assertion, encode_assertion
from adapter.chart.visits import VisitNames, numbers_now
from adapter.errors import IdentityConflict, MessageError, Problem, ProblemCode
from adapter.identity import IdentitySettings
from adapter.identity.persons import NUMBER_IN_USE
from adapter.pipeline.enrolment import Enrolment, Entry
from adapter.statement import Statement, VisitChange, Word
from adapter.store import assertions, messages
from adapter.store.assertions import AssertionRow
from adapter.store.database import Connection
from adapter.store.sealing import KeyRing

_NO_PRIOR = Problem(
    code=ProblemCode.NO_IDENTIFIER, text="the event does not say which number it speaks of", at="MRG[1]-1"
)
_NO_VISIT = Problem(
    code=ProblemCode.NO_VISIT_NUMBER, text="the event names no visit and no account that it speaks of", at="MRG[1]-5"
)
_NOT_FROM_TO = Problem(
    code=ProblemCode.NO_IDENTIFIER, text="a moved number needs the patient it came from and the one it goes to"
)


class _Saying(NamedTuple):
    word: MergeWord
    clock_us: int
    message_id: int


_MEANS = {
    Word.MERGE: MergeWord.MERGED,
    Word.RENAME: MergeWord.RENAMED,
    Word.LINK: MergeWord.LINKED,
    Word.UNLINK: MergeWord.APART,
    Word.MOVE_NUMBER: MergeWord.APART,
}


class Moves:
    """The identity events of one batch."""

    def __init__(self, conn: Connection, ring: KeyRing, enrolment: Enrolment, *, settings: IdentitySettings) -> None:
        self._conn = conn
        self._ring = ring
        self._enrolment = enrolment
        self._settings = settings
        self._due: set[SourceIdentifier] = set()
        """Numbers under which there may be something of a visit that has gone elsewhere."""
        self._charts: dict[SourceIdentifier, VisitNames] = {}
        """Of the numbers between which visits went, as stored before this batch."""
        self.counts: Counter[str] = Counter()
        self.rehomed: list[AssertionRow] = []
        self.homes: dict[int, Entry] = {}
        """By message: where its body belongs now."""

    def hear(self, statement: Statement, numbers: Sequence[SourceIdentifier], *, message_id: int) -> bool:
        """Take in what the event says of the patient's `numbers`; whether it brings them anything that we keep.

        MessageError where it cannot mean what it says.
        """
        word = statement.word
        if word is None:
            return False
        self.counts[f"identity.{word.value}"] += 1
        if word in (Word.MOVE_VISIT, Word.MOVE_ACCOUNT, Word.VISIT_NUMBER, Word.ACCOUNT_NUMBER):
            return self._hear_of_visits(statement, numbers[0])
        prior = [number for each in statement.prior for number in self._numbers(each)]
        if not prior:
            raise IdentityConflict(_NO_PRIOR)
        said = _Saying(_MEANS[word], statement.clock_us, message_id)
        if word is Word.MERGE or word is Word.RENAME:
            self._given_up(numbers[0], prior, said)
        elif word is Word.MOVE_NUMBER:
            self._move_number(numbers, prior, said)
        elif word is Word.LINK:
            self._pairs(numbers[:1], prior[:1], said)
        else:
            self._pairs(numbers, prior, said)
        return False

    def _numbers(self, patient: Resource) -> tuple[SourceIdentifier, ...]:
        return identity.read_patient(patient, related=(), settings=self._settings).identifiers

    def _say(self, survivor: SourceIdentifier, prior: SourceIdentifier, said: _Saying) -> None:
        merge = Merge(survivor, prior, said.clock_us, said.word is not MergeWord.APART, said.word)
        self._enrolment.merge(merge, message_id=said.message_id)

    def _given_up(self, survivor: SourceIdentifier, prior: Sequence[SourceIdentifier], said: _Saying) -> None:
        others = [number for number in prior if number != survivor]
        if not others:
            self.counts[f"problem.{ProblemCode.SELF_MERGE.value}"] += 1
        for number in others:
            self._say(survivor, number, said)
        if others and said.word is MergeWord.RENAMED:
            problems = self._enrolment.problems_of(self._enrolment.named(survivor))
            if NUMBER_IN_USE in problems:
                raise IdentityConflict(NUMBER_IN_USE)

    def _pairs(self, numbers: Sequence[SourceIdentifier], others: Sequence[SourceIdentifier], said: _Saying) -> None:
        """Of two patients in one message; which of them is named first means nothing."""
        for one, other in sorted({(min(a, b), max(a, b)) for a in numbers for b in others if a != b}):
            self._say(one, other, said)

    def _move_number(
        self, numbers: Sequence[SourceIdentifier], prior: Sequence[SourceIdentifier], said: _Saying
    ) -> None:
        """A43: PID-3 and MRG-1 are the number that moves, MRG-4 and PID-2 from where and to where."""
        moved = [number for number in numbers if number in prior]
        goes = [number for number in numbers if number not in prior]
        came = [number for number in prior if number not in numbers]
        if not moved or not goes or not came:
            raise IdentityConflict(_NOT_FROM_TO)
        self._pairs(moved, came, said)
        self._pairs(moved, goes[:1], said._replace(word=MergeWord.LINKED))

    def _hear_of_visits(self, statement: Statement, number: SourceIdentifier) -> bool:
        brings = False
        is_move = statement.word in (Word.MOVE_VISIT, Word.MOVE_ACCOUNT)
        for change in statement.changes:
            named = _named(change, is_account=statement.word is Word.MOVE_ACCOUNT) if is_move else ""
            if is_move and not named:
                raise MessageError(_NO_VISIT)
            if is_move and change.prior is not None:
                source = self._numbers(change.prior)[0]
                if source != number:
                    brings |= self._enrolment.named(source).is_kept
                    self._move(named, source, number, clock_us=statement.clock_us)
        if not statement.changes or (not is_move and not _says_both(statement.changes)):
            raise MessageError(_NO_VISIT)
        return brings

    def _move(self, key: str, source: SourceIdentifier, target: SourceIdentifier, *, clock_us: int) -> None:
        left, came = self._enrolment.named(source), self._enrolment.named(target)
        left.learn(note(left.known, MOVED + key, Said(clock_us, list(target))))
        came.learn(note(came.known, came_as(key, source), Said(clock_us, list(source))))
        self._due |= {source, target}
        self._charts.clear()
        if came.is_kept:
            self._enrolment.hold(came)

    def home(self, name: bytes, statement: Statement) -> Entry | None:
        """Where what is said of this visit under the number of this name belongs, if an event moved it elsewhere."""
        entry = self._enrolment.by_name(name) if statement.visit else None
        if entry is None or not any(field.startswith((MOVED, CAME)) for field in entry.known.fields):
            return None
        number = entry.known.identifier
        # This message may say more of the visit's numbers, and a later one of its batch: all are placed after them.
        self._due.add(number)
        if number not in self._charts:
            self._charts[number] = self._chart(self._stored(self._together(number)))
        home = self._follow(entry, self._charts[number].names_of(statement.visit, statement.account))
        return None if home is entry else home

    def _follow(self, entry: Entry, names: Collection[str]) -> Entry:
        """Later and later words on a visit of these names, from number to number."""
        clock_us = -1
        while (said := _newest_word(entry.known, names)) is not None and said.clock_us > clock_us:
            clock_us = said.clock_us
            found = self._enrolment.find(SourceIdentifier(*said.value))
            if found is None:
                break
            entry = found
        return entry

    def went_to(self, entry: Entry) -> list[int]:
        """The numbers to which visits of this one went."""
        found = [self._enrolment.find(number) for number in went_to(entry.known)]
        return [each.row.id for each in found if each is not None]

    def carry(self) -> list[tuple[Entry, Entry]]:
        """Put everything where it belongs; from whom to whom something went. After what is new has been stored."""
        carried: list[tuple[Entry, Entry]] = []
        while self._due:
            entries = {entry.row.id: entry for entry in self._together(self._due.pop())}
            self._due -= {entry.known.identifier for entry in entries.values()}
            stored = self._stored(entries.values())
            chart = self._chart(stored)
            for row, each in stored:
                entry, (key, account) = self._enrolment.find(each.subject), _of_visit(each)
                if entry is None or not key:
                    continue
                home = self._follow(entry, chart.names_of(key, account))
                if home.row.id != row.identifier_id:
                    self._carry(row, each, home)
                    carried.append((entries[row.identifier_id], home))
        return carried

    def _stored(self, entries: Iterable[Entry]) -> list[tuple[AssertionRow, Assertion]]:
        rows = assertions.of_identifiers(self._conn, sorted(entry.row.id for entry in entries))
        return [(row, self._open(row)) for row in rows]

    def _chart(self, stored: Iterable[tuple[AssertionRow, Assertion]]) -> VisitNames:
        said = [each for _, each in stored]
        renamed = [item for each in said for item in each.items if item.kind is ItemKind.VISIT_NUMBER]
        return VisitNames(numbers_now(renamed), map(_of_visit, said))

    def _together(self, number: SourceIdentifier) -> Iterable[Entry]:
        """The entries between which the visits of a number went."""
        seen: dict[SourceIdentifier, Entry] = {}
        ahead = [number]
        while ahead:
            each = ahead.pop()
            if each not in seen:
                entry = seen[each] = self._enrolment.named(each)
                ahead += [*came_from(entry.known), *went_to(entry.known)]
        return seen.values()

    def _open(self, row: AssertionRow) -> Assertion:
        plain = self._ring.unseal(row.key_id, row.sealed, sealed.ASSERTION)
        return decode_assertion(plain, stamp_us=row.clock_us)

    def _carry(self, row: AssertionRow, assertion: Assertion, home: Entry) -> None:
        if not home.is_kept:
            self._enrolment.hold(home)
        key_id = home.row.key_id
        plain = encode_assertion(assertion, stamp_us=row.clock_us)
        moved = row._replace(
            identifier_id=home.row.id, key_id=key_id, sealed=self._ring.seal(key_id, plain, sealed.ASSERTION)
        )
        assertions.rehome(self._conn, [moved])
        self.rehomed.append(moved)
        message_id = assertions.message_of(row.id)
        self.homes[message_id] = home
        stored = messages.by_id(self._conn, message_id)
        if stored is not None and stored.key_id is not None and stored.sealed is not None:
            body = self._ring.unseal(stored.key_id, stored.sealed, sealed.MESSAGE)
            messages.reseal(self._conn, message_id, key_id=key_id, sealed=self._ring.seal(key_id, body, sealed.MESSAGE))


def _newest_word(known: Known, names: Collection[str]) -> Said | None:
    """Where a visit went last from this number, by whichever of its names an event told it."""
    told = [said for name in names if (said := known.fields.get(MOVED + name)) is not None]
    return max(told, key=lambda said: (said.clock_us, tuple(said.value)), default=None)


def of_visit(statement: Statement) -> dict[str, Resource]:
    """What an assertion keeps of the visit its message was about."""
    if not statement.visit:
        return {}
    account = {"account": statement.account} if statement.account else {}
    return {OF_VISIT: {"key": statement.visit, **account}}


def _of_visit(assertion: Assertion) -> tuple[str, str]:
    said = assertion.context.get(OF_VISIT) or {}
    return str(said.get("key", "")), str(said.get("account", ""))


def _named(change: VisitChange, *, is_account: bool) -> str:
    """What is moved: the visit, or the account where the event is about accounts and names one."""
    visit = change.prior_visit or change.visit
    account = change.prior_account or change.account
    return account or visit if is_account else visit or account


def _says_both(changes: Iterable[VisitChange]) -> bool:
    return all((each.prior_visit and each.visit) or (each.prior_account and each.account) for each in changes)
