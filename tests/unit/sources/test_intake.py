import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

import pytest
from structlog.testing import capture_logs

from adapter.envelope import Media, Received
from adapter.sources.intake import Intake, IntakeStopped
from tests.unit.sources.wire import Disk


def a_message(body: bytes) -> Received:
    return Received(feed="lab", media=Media.HL7V2, received_at=datetime(2026, 3, 1, tzinfo=UTC), body=body)


def bodies(disk: Disk) -> list[list[bytes]]:
    return [[one.body for one in commit] for commit in disk.commits]


def test_what_one_turn_of_the_loop_brings_is_one_commit_answered_in_order() -> None:
    disk = Disk()
    told: list[tuple[int, Exception | None]] = []

    def tell(number: int, error: Exception | None) -> None:
        told.append((number, error))

    async def bring() -> None:
        intake = Intake(disk.append, loop=asyncio.get_running_loop())
        intake.start()
        for number in range(10):
            intake.submit(a_message(b"%d" % number), partial(tell, number))
        while len(told) < 10:
            await asyncio.sleep(0.001)
        intake.stop()

    asyncio.run(bring())
    assert bodies(disk) == [[b"%d" % number for number in range(10)]]
    assert told == [(number, None) for number in range(10)]


def test_what_comes_during_a_commit_goes_with_the_next_one_and_the_loop_is_woken_once_a_turn() -> None:
    disk = Disk()
    told: list[Exception | None] = []
    wakes: list[object] = []
    disk.gate.clear()

    class Loop:
        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self.call_soon = loop.call_soon
            self._loop = loop

        def call_soon_threadsafe(self, callback: Callable[[], object]) -> None:
            wakes.append(callback)
            self._loop.call_soon_threadsafe(callback)

    async def bring() -> None:
        intake = Intake(disk.append, loop=Loop(asyncio.get_running_loop()))
        intake.start()
        for _ in range(3):
            for number in range(5):
                intake.submit(a_message(b"%d" % number), told.append)
            await asyncio.sleep(0.02)
        disk.gate.set()
        while len(told) < 15:
            await asyncio.sleep(0.001)
        intake.stop()

    asyncio.run(bring())
    assert [len(commit) for commit in disk.commits] == [5, 10]
    assert len(wakes) == 3


def test_what_comes_on_the_loop_is_made_ready_there_and_what_is_long_by_the_writer() -> None:
    where: dict[bytes, int] = {}
    stored: list[tuple[bytes, ...]] = []
    told: list[Exception | None] = []

    def prepare(received: Received) -> bytes:
        where[received.body[:1]] = threading.get_ident()
        return received.body[:1]

    async def bring() -> int:
        intake = Intake(lambda ready: stored.append(tuple(ready)), prepare=prepare, loop=asyncio.get_running_loop())
        intake.start()
        for body in (b"1", b"2" * 100_000, b"3"):
            intake.submit(a_message(body), told.append)
        while len(told) < 3:
            await asyncio.sleep(0.001)
        await asyncio.to_thread(intake.keep, [a_message(b"4")])
        intake.stop()
        return threading.get_ident()

    loop = asyncio.run(bring())
    assert stored == [(b"1", b"2", b"3"), (b"4",)]
    assert where[b"1"] == where[b"3"] == loop
    assert where[b"2"] == where[b"4"] != loop
    assert told == [None, None, None]


def test_what_would_wait_is_made_ready_by_the_writer_and_the_loop_goes_on() -> None:
    tried: list[int] = []
    told: list[Exception | None] = []

    def prepare(_: Received) -> bytes:
        tried.append(threading.get_ident())
        time.sleep(0.05)
        raise OSError("the key file is full")

    async def bring() -> tuple[int, float]:
        intake = Intake(list.clear, prepare=prepare, is_quick=lambda _: False, loop=asyncio.get_running_loop())
        intake.start()
        began = time.monotonic()
        for number in range(50):
            intake.submit(a_message(b"%d" % number), told.append)
        stood_s = time.monotonic() - began
        while len(told) < 50:
            await asyncio.sleep(0.001)
        intake.stop()
        return threading.get_ident(), stood_s

    loop, stood_s = asyncio.run(bring())
    assert len(tried) == 1
    assert tried != [loop]
    assert stood_s < 0.05
    assert {type(error) for error in told} == {OSError}


def test_what_comes_while_another_thread_hands_over_is_told_of_its_own_message_alone() -> None:
    inside, handed_over = threading.Event(), threading.Event()
    stored: list[bytes] = []
    told: dict[str, Exception | None] = {}

    def prepare(received: Received) -> bytes:
        if received.body == b"2":
            inside.set()
            assert handed_over.wait(5)
        return received.body

    async def bring() -> None:
        intake = Intake(stored.extend, prepare=prepare, loop=asyncio.get_running_loop())
        intake.start()

        def hand_over() -> None:
            assert inside.wait(5)
            intake._hand_over()  # what `stop` does first
            handed_over.set()

        other = threading.Thread(target=hand_over)
        other.start()
        for name in ("1", "2", "3"):
            intake.submit(a_message(name.encode()), partial(told.__setitem__, name))
        while len(told) < 3:
            await asyncio.sleep(0.001)
        other.join()
        await asyncio.to_thread(intake.stop)

    asyncio.run(bring())
    assert told == {"1": None, "2": None, "3": None}
    assert stored == [b"1", b"2", b"3"]


def test_what_cannot_be_made_ready_is_told_to_its_sender_as_a_failure_to_store() -> None:
    refusals = [OSError("the key file is full"), OSError("the key file is full")]
    stored: list[bytes] = []
    told: list[Exception | None] = []

    def prepare(received: Received) -> bytes:
        if refusals:
            raise refusals.pop()
        return received.body

    async def bring() -> None:
        intake = Intake(stored.extend, prepare=prepare, loop=asyncio.get_running_loop())
        intake.start()
        intake.submit(a_message(b"1"), told.append)
        while not told:
            await asyncio.sleep(0.001)
        intake.submit(a_message(b"1"), told.append)
        while len(told) < 2:
            await asyncio.sleep(0.001)
        intake.stop()

    asyncio.run(bring())
    assert [type(error) for error in told] == [OSError, type(None)]
    assert stored == [b"1"]


def test_a_failure_is_reported_to_each_and_the_next_commit_is_tried() -> None:
    disk = Disk()
    disk.failure = OSError("full")
    intake = Intake(disk.append)
    intake.start()
    with pytest.raises(OSError, match="full"):
        intake.keep([a_message(b"1")])
    disk.failure = None
    intake.keep([a_message(b"2")])
    intake.stop()
    assert bodies(disk) == [[b"2"]]


def test_a_failure_is_logged_without_its_text() -> None:
    disk = Disk()
    disk.failure = ValueError("row: TESTER^INVENTED")
    intake = Intake(disk.append)
    with capture_logs() as logs:
        intake.start()
        with pytest.raises(ValueError, match="row"):
            intake.keep([a_message(b"1")])
        intake.stop()
    assert logs == [
        {
            "event": "storing failed; senders are told to send again",
            "error": "ValueError",
            "messages": 1,
            "log_level": "error",
        }
    ]


def test_stopping_writes_all_that_was_handed_in() -> None:
    disk = Disk()
    told: list[Exception | None] = []
    disk.gate.clear()

    async def bring() -> None:
        intake = Intake(disk.append, loop=asyncio.get_running_loop())
        intake.start()
        intake.submit(a_message(b"1"), told.append)
        await asyncio.sleep(0.02)
        intake.submit(a_message(b"2"), told.append)
        threading.Timer(0.05, disk.gate.set).start()
        intake.stop()
        intake.submit(a_message(b"late"), told.append)
        await asyncio.sleep(0.02)

    asyncio.run(bring())
    assert bodies(disk) == [[b"1"], [b"2"]]
    assert [type(error) for error in told] == [type(None), type(None), IntakeStopped]


def test_a_batch_has_a_bound() -> None:
    disk = Disk()
    disk.gate.clear()
    intake = Intake(disk.append, max_batch=3)
    intake.start()
    waiting = [threading.Thread(target=intake.keep, args=([a_message(b"%d" % n)],)) for n in range(10)]
    for thread in waiting:
        thread.start()
    time.sleep(0.05)
    disk.gate.set()
    for thread in waiting:
        thread.join(5)
    intake.stop()
    assert max(len(commit) for commit in disk.commits) == 3
    assert sorted(body for commit in bodies(disk) for body in commit) == [b"%d" % n for n in range(10)]


def test_many_threads_and_one_writer_lose_nothing() -> None:
    writers: set[int] = set()
    kept: list[bytes] = []

    def append(batch: Sequence[Received]) -> None:
        writers.add(threading.get_ident())
        kept.extend(one.body for one in batch)

    intake = Intake(append)
    intake.start()

    def bring(number: int) -> None:
        for k in range(50):
            intake.keep([a_message(b"%d-%d" % (number, k))])

    threads = [threading.Thread(target=bring, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    intake.stop()
    assert len(set(kept)) == 400
    assert len(writers) == 1
