"""Reading ahead of the work process: what follows from one message alone is worked out before its turn comes.

Only a shortcut, and only for messages that hold nothing but results: what is not here the work process reads by itself,
with the same outcome, failures included. Questions and answers are bytes, for another process to work on.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from adapter import cohort
from adapter.assertion import Assertion
from adapter.chart import sealed
from adapter.chart.fresh import Made
from adapter.chart.sealed import ENCODER, encode_assertion
from adapter.errors import Problem
from adapter.identity.patients import day_of
from adapter.pipeline.keeping import NOT_ADT, Early, Read, Translate, asserted, stampless_of
from adapter.pipeline.told import Rules, Teller, Told
from adapter.statement import Statement
from adapter.store import assertions
from adapter.store.inbox import QueuedMessage
from adapter.store.sealing import KeyRing

Make = Callable[[int, Assertion, str | None], Sequence[Made] | None]
"""From an assertion, its id and the day of birth to its rows; None where two of them are one."""

_RESULTS = "ORU^"
_PID = b"\rPID"
_PATIENTS_KEPT = 10_000


class _Answer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    message_id: int
    kind: str
    problems: list[Problem]
    stamp_us: int
    body: bytes
    stampless: bytes
    told: bytes
    """As JSON, in which numbers keep their digits."""
    plain: bytes
    made: list[Made] | None
    visit: str


_PACKER = msgspec.msgpack.Encoder()
_QUESTION = msgspec.msgpack.Decoder(list[QueuedMessage])
_ANSWERS = msgspec.msgpack.Decoder(list[_Answer])
_TOLD = msgspec.json.Decoder(Told, float_hook=Decimal)


def question(messages: Sequence[QueuedMessage]) -> bytes:
    """These messages, for `EarlyReader.answer`."""
    return _PACKER.encode(messages)


def readings(answer: bytes) -> dict[int, Read]:
    """What it could read, by id; nothing of an empty answer."""
    return {each.message_id: _reading(each) for each in _ANSWERS.decode(answer)} if answer else {}


def _reading(answer: _Answer) -> Read:
    # Without the patient and the items: they are told, encoded and made.
    light = Statement(patient=None, kind=answer.kind, problems=answer.problems, visit=answer.visit)
    early = Early(answer.stampless, _TOLD.decode(answer.told), answer.plain, answer.made)
    return Read([light], (), answer.stamp_us, answer.body, early=early)


class EarlyReader:
    """Reads queued messages without a store."""

    def __init__(self, ring: KeyRing, *, translate: Translate, rules: Rules, make: Make) -> None:
        self._ring = ring
        self._translate = translate
        self._teller = Teller(rules)
        self._make = make
        self._rules = rules
        self._ours: set[bytes] = set()
        """PID segments of patients who would be kept whoever they are: their results are read at once."""

    def answer(self, asked: bytes) -> bytes:
        """Those of the messages that can be read ahead."""
        found = []
        for message in _QUESTION.decode(asked):
            if message.kind.startswith(_RESULTS):
                try:
                    found += self._read(message)
                except Exception:  # the work process meets it too, and knows what to do about it
                    continue
        return _PACKER.encode(found)

    def _read(self, message: QueuedMessage) -> list[_Answer]:
        body = self._ring.unseal(message.key_id, message.sealed, sealed.MESSAGE)
        return self._of(message, body) if self._may_be_ours(message, body) else []

    def of_body(self, message: QueuedMessage, body: bytes, *, makes: bool) -> bytes:
        """What can be read ahead of one that triage would keep; for `readings`. `makes`: its rows, too."""
        found = self._of(message, body, makes=makes) if message.kind.startswith(_RESULTS) else []
        return _PACKER.encode(found) if found else b""

    def _of(self, message: QueuedMessage, body: bytes, *, makes: bool = True) -> list[_Answer]:
        read = self._translate(message.feed, message.media, body)
        if read.bodies or read.problems or len(read.statements) != 1:
            return []
        statement = read.statements[0]
        is_plain = statement.kind.startswith(_RESULTS) and not statement.prior and not statement.patient_key
        if not is_plain or not {item.kind for item in statement.items} <= NOT_ADT:
            return []
        told = self._teller.tell(message.feed, statement)
        assertion = asserted(message.feed, told.patient.numbers[0], statement)
        made = self._make(assertions.new_id(message.id, 0), assertion, day_of(told.patient.birth)) if makes else None
        if makes and made is None:
            return []
        answer = _Answer(
            message.id,
            statement.kind,
            statement.problems,
            read.stamp_us,
            read.body,
            stampless_of(self._ring, message.feed, read.content, 0),
            ENCODER.encode(told),
            encode_assertion(assertion, stamp_us=read.stamp_us),
            None if made is None else list(made),
            statement.visit,
        )
        return [answer]

    def _may_be_ours(self, message: QueuedMessage, body: bytes) -> bool:
        """False for what the work process puts aside at a glance, unless the registry knows its patient."""
        start = body.find(_PID)
        patient = body[start : body.find(b"\r", start + 1)] if start >= 0 else body
        if patient in self._ours:
            return True
        first = self._translate.first(message.feed, message.media, body)
        if first.whole is not None:
            _, facts = self._teller.whose(message.feed, first.statements[0])
            if not cohort.triage(facts, rules=self._rules.triage).keep:
                return False
        if len(self._ours) >= _PATIENTS_KEPT:
            self._ours.clear()
        self._ours.add(patient)
        return True
