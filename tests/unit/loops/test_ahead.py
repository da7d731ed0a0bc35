"""Which questions are put to the process that reads ahead, and how much is taken at once."""

import pytest

from adapter.pipeline.ahead import CHUNK, Ahead
from adapter.pipeline.early import question
from adapter.service.reader import ReaderEnded, ReaderProcess
from adapter.store.inbox import QueuedMessage


def a_message(number: int) -> QueuedMessage:
    return QueuedMessage(number, "lab", "hl7v2", "ORU^R01", 0, b"", b"", b"", b"")


class Queue:
    def __init__(self, last: int) -> None:
        self.last = last

    def after(self, position: int, limit: int) -> list[QueuedMessage]:
        return [a_message(number) for number in range(position + 1, min(self.last, position + limit) + 1)]


class Reader:
    """Answers nothing of use; as many questions are answered as the test says."""

    def __init__(self, room: int = 16) -> None:
        self.room = room
        self.open: list[bytes] = []
        self.answered = 0

    def has_room(self) -> bool:
        return len(self.open) < self.room

    def ask(self, question: bytes) -> None:
        self.open.append(question)

    def has_answered(self) -> bool:
        return self.answered > 0

    def answer(self) -> bytes:
        self.answered -= 1
        del self.open[0]
        return b""


def test_one_question_is_waited_for_and_no_more() -> None:
    reader = Reader()
    ahead = Ahead(reader, Queue(1000))
    assert ahead.gather(first=1, limit=512) == ({}, CHUNK)
    assert len(reader.open) == 15


def test_all_that_is_answered_is_taken_up_to_the_limit() -> None:
    reader = Reader()
    reader.answered = 16
    assert Ahead(reader, Queue(1000)).gather(first=1, limit=512) == ({}, 512)


def test_what_came_since_is_asked_once_there_is_room() -> None:
    reader, queue = Reader(room=2), Queue(10)
    ahead = Ahead(reader, queue)
    ahead.ask()
    queue.last = 500
    ahead.ask()
    assert reader.open == [
        question([a_message(number) for number in range(1, 11)]),
        question([a_message(number) for number in range(11, 11 + CHUNK)]),
    ]


def test_messages_that_went_alone_in_the_meantime_are_passed_over() -> None:
    reader = Reader()
    ahead = Ahead(reader, Queue(200))
    ahead.ask()
    assert ahead.gather(first=130, limit=512) == ({}, 2 * CHUNK + CHUNK - 129)


def test_where_nothing_is_read_ahead_the_limit_stands() -> None:
    assert Ahead(Reader(room=0), Queue(200)).gather(first=1, limit=512) == ({}, 512)


def test_the_reader_answers_in_order_in_a_process_of_its_own_and_ends_when_asked_no_more() -> None:
    reader = ReaderProcess(lambda: lambda question: question * 2)
    try:
        for each in (b"a" * 3_000_000, b"b", b"c" * 5_000_000, b"d" * 100):
            reader.ask(each)
        assert reader.answer() == b""  # the answer is too long
        assert reader.answer() == b"bb"
        assert reader.answer() == b""  # and so was the question
        assert reader.answer() == b"d" * 200
    finally:
        reader.close()


def test_when_the_reader_is_gone_whoever_asks_is_told() -> None:
    def dies(_: bytes) -> bytes:
        raise SystemExit(1)

    reader = ReaderProcess(lambda: dies)
    try:
        reader.ask(b"deadly")
        with pytest.raises(ReaderEnded):
            reader.answer()
    finally:
        reader.close()
