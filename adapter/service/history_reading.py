"""Blocks of history read by several processes: this one and its helpers, whoever has time.

Helpers have no store. Answers come back in the order in which blocks were given out; while the oldest is not there yet,
this process reads a block itself, so that no core waits for another. A helper that ends takes nothing with it: what it
was reading is read here.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from adapter.config import TrustSettings
from adapter.errors import Problem, ProblemCode
from adapter.pipeline.early import EarlyReader
from adapter.pipeline.history import HistoryReader, Piece, Told
from adapter.service.assembly import Mappings, Translator, made_by, open_ring, rules_of
from adapter.service.reader import ReaderEnded, ReaderProcess
from adapter.settle.result_drafts import KIND as LAB_RESULT
from adapter.settle.result_drafts import Maker
from adapter.sources import history
from adapter.sources.history import Part
from adapter.sources.intake import Unaccepted

IDS_A_BYTE = 1 / 16
"""More messages than a block can hold: a message has at least that many bytes."""
_AHEAD = 3
"""Blocks a helper has before it, so that it need not wait for this process."""
_HELD = 4
"""Blocks read here before their turn."""


class Question(msgspec.Struct, frozen=True, array_like=True):
    """One block."""

    parts: tuple[Part, ...]
    first_id: int
    feed: str
    received_at: datetime
    is_judged: bool
    """Else only sealed, for who will judge it."""
    confirmed: tuple[bytes, ...] = ()
    """Blinds of the numbers of the children who have rows."""


class Answered(NamedTuple):
    """A block, and what it holds."""

    question: Question
    told: Told


_PACKER = msgspec.msgpack.Encoder()
_QUESTION = msgspec.msgpack.Decoder(Question)
_TOLD = msgspec.msgpack.Decoder(Told)


def block_reader(settings: TrustSettings, mappings: Mappings) -> Callable[[Question], Told]:
    """What reads a block, in whichever process it is called."""
    ring = open_ring(settings)
    maker = Maker(
        ring.blinder("record", LAB_RESULT), project=mappings.csor.project, made_by=made_by(settings, mappings)
    )
    translate, rules = Translator(settings, mappings), rules_of(settings, mappings)
    early = EarlyReader(ring, translate=translate, rules=rules, make=maker.make)
    reader = HistoryReader(ring, translate=translate, rules=rules, early=early)
    return lambda question: _told(reader, question)


def _told(reader: HistoryReader, question: Question) -> Told:
    pieces: list[Piece] = []
    problems: list[tuple[int, Problem]] = []
    messages = 0
    confirmed = frozenset(question.confirmed)
    for place, part in enumerate(question.parts):
        try:
            for each in history.read(part, feed=question.feed, received_at=question.received_at):
                if isinstance(each, Problem):
                    problems.append((place, each))
                    continue
                if isinstance(each, Unaccepted):
                    problems.append((place, each.problem))
                messages += not isinstance(each, Unaccepted)
                if question.is_judged:
                    pieces += reader.pieces(each, first_id=question.first_id + len(pieces), confirmed=confirmed)
                else:
                    pieces += reader.sealed(each)
        except OSError as error:
            text = (error.strerror or "cannot be read").lower()
            problems.append((place, Problem(code=ProblemCode.EMPTY, text=text)))
    return Told(pieces, problems, messages)


class Readers:
    """This process and its helpers. Make it before the store is opened: a helper must inherit no connection."""

    def __init__(self, settings: TrustSettings, mappings: Mappings, *, processes: int) -> None:
        self._settings = settings
        self._mappings = mappings
        self._helpers = [ReaderProcess(self._build) for _ in range(processes - 1)]
        self._here: Callable[[Question], Told] | None = None

    def _build(self) -> Callable[[bytes], bytes]:
        read = block_reader(self._settings, self._mappings)
        return lambda asked: _PACKER.encode(read(_QUESTION.decode(asked)))

    def read(self, questions: Iterable[Question]) -> Iterator[Answered]:
        """All of them, in order."""
        waiting = iter(questions)
        given: deque[_Given] = deque()
        is_more = True
        while is_more or given:
            is_more = is_more and self._give_out(waiting, given)
            if not given:
                continue
            if is_more and not self._is_there(given[0]) and sum(each.helper is None for each in given) < _HELD:
                is_more = self._read_here(waiting, given)
                continue
            first = given.popleft()
            yield Answered(first.question, self._of(first))

    def _give_out(self, waiting: Iterator[Question], given: "deque[_Given]") -> bool:
        """Keep the helpers busy; False once nothing is left to be given out."""
        for helper in self._helpers:
            while sum(each.helper is helper for each in given) < _AHEAD and helper.has_room():
                question = next(waiting, None)
                if question is None:
                    return False
                given.append(self._asked(helper, question))
        if self._helpers:
            return True
        question = next(waiting, None)
        if question is not None:
            given.append(_Given(question, None, self._read(question)))
        return question is not None

    def _asked(self, helper: ReaderProcess, question: Question) -> "_Given":
        try:
            helper.ask(_PACKER.encode(question))
        except ReaderEnded:
            self._helpers.remove(helper)
            return _Given(question, None, self._read(question))
        return _Given(question, helper, None)

    def _read_here(self, waiting: Iterator[Question], given: "deque[_Given]") -> bool:
        question = next(waiting, None)
        if question is not None:
            given.append(_Given(question, None, self._read(question)))
        return question is not None

    def _is_there(self, first: "_Given") -> bool:
        return first.told is not None or first.helper not in self._helpers or first.helper.has_answered()

    def _of(self, first: "_Given") -> Told:
        if first.told is not None:
            return first.told
        answer = b""
        if first.helper in self._helpers:
            try:
                answer = first.helper.answer()
            except ReaderEnded:
                self._helpers.remove(first.helper)
        return _TOLD.decode(answer) if answer else self._read(first.question)

    def _read(self, question: Question) -> Told:
        if self._here is None:
            self._here = block_reader(self._settings, self._mappings)
        return self._here(question)

    def close(self) -> None:
        """End the helpers."""
        for helper in self._helpers:
            helper.close()


class _Given(NamedTuple):
    question: Question
    helper: ReaderProcess | None
    told: Told | None


def most_ahead(processes: int) -> int:
    """How many blocks may be in reading at one time."""
    return _AHEAD * (processes - 1) + _HELD + 1


def ids_of(parts: Sequence[Part]) -> int:
    """How many ids a block may need."""
    return 16 + round(sum(part.end - part.start for part in parts) * IDS_A_BYTE)
