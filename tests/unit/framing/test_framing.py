import hashlib
import itertools
import time
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapter.hl7v2.framing import Break, Broken, Deframer, Event, Frame, Junk, TooLarge, frame

MESSAGE = b"MSH|^~\\&|LAB|RXX|||20260301||ORU^R01|1|P|2.4\rOBX|1|NM|CRP||12\r"


def read(stream: bytes, *, cuts: list[int] | None = None, max_bytes: int = 1000) -> list[Event]:
    deframer = Deframer(max_bytes=max_bytes)
    edges = [0, *sorted(cuts or []), len(stream)]
    return [event for a, b in itertools.pairwise(edges) for event in deframer.feed(stream[a:b])]


def without_cut_of_junk(events: list[Event]) -> tuple[list[Event], int]:
    junk = sum(event.count for event in events if isinstance(event, Junk))
    return [event for event in events if not isinstance(event, Junk)], junk


@pytest.mark.behaviour(71)
def test_several_frames_in_one_packet_are_each_read_once() -> None:
    assert read(frame(b"one") + frame(b"two") + frame(b"three")) == [Frame(b"one"), Frame(b"two"), Frame(b"three")]


@pytest.mark.behaviour(71)
def test_one_frame_byte_by_byte_is_one_message() -> None:
    stream = frame(MESSAGE)
    assert read(stream, cuts=list(range(1, len(stream)))) == [Frame(MESSAGE)]


@pytest.mark.behaviour(71)
@pytest.mark.behaviour(72)
@pytest.mark.behaviour(74)
@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\n", b"\0", b"MSH|", b"x" * 12, frame(b"whole")]), max_size=40
    ),
    st.lists(st.integers(0, 400), max_size=30),
)
@example([b"\x0b", b"x" * 12, b"x" * 12, b"\x1c", b"\r"], [3, 14, 20])
def test_any_split_into_packets_yields_the_same_frames(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pieces)
    whole = read(stream, max_bytes=20)
    split = read(stream, cuts=[cut for cut in cuts if cut < len(stream)], max_bytes=20)
    assert without_cut_of_junk(split) == without_cut_of_junk(whole)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_every_byte_is_accounted_for(stream: bytes) -> None:
    deframer = Deframer(max_bytes=40)
    events = deframer.feed(stream)
    last = deframer.abandon(Break.CLOSED)
    events += [last] if last else []
    told = sum(e.count if isinstance(e, Junk) else e.length if isinstance(e, TooLarge) else len(e.body) for e in events)
    assert len(stream) - told <= 3 * len(events), "only framing bytes may go untold"


@pytest.mark.behaviour(72)
def test_fillers_between_frames_are_skipped_and_counted() -> None:
    stream = b"\0\0\n " + frame(b"one") + b"\n" + b"hello" + frame(b"two") + b"\0"
    assert read(stream) == [Junk(4), Frame(b"one"), Junk(6), Frame(b"two"), Junk(1)]


def test_a_missing_carriage_return_after_the_end_block_is_tolerated() -> None:
    assert read(b"\x0bone\x1c\x0btwo\x1c\r") == [Frame(b"one"), Frame(b"two")]


@pytest.mark.behaviour(74)
def test_a_second_start_block_breaks_the_first_part_and_begins_a_new_frame() -> None:
    assert read(b"\x0bMSH|first" + frame(b"MSH|second")) == [
        Broken(b"MSH|first", Break.SECOND_START),
        Frame(b"MSH|second"),
    ]


@pytest.mark.behaviour(74)
def test_a_doubled_start_block_loses_nothing() -> None:
    assert read(b"\x0b" + frame(b"one")) == [Junk(1), Frame(b"one")]


@pytest.mark.behaviour(75)
def test_a_frame_over_the_limit_keeps_its_prefix_length_and_hash_and_the_next_is_read() -> None:
    body = MESSAGE + b"J" * 20_000
    large, following = read(frame(body) + frame(b"next"), cuts=list(range(0, 20_000, 700)))
    assert large == TooLarge(body[:4096], len(body), hashlib.sha256(body).digest())
    assert following == Frame(b"next")


@pytest.mark.behaviour(75)
def test_a_frame_exactly_at_the_limit_passes() -> None:
    assert read(frame(b"x" * 1000), cuts=[1, 500]) == [Frame(b"x" * 1000)]
    assert isinstance(read(frame(b"x" * 1001))[0], TooLarge)


@pytest.mark.behaviour(75)
def test_memory_stays_bounded_while_an_oversized_frame_drains() -> None:
    deframer = Deframer(max_bytes=1_000_000)
    packet = b"J" * 65_536
    deframer.feed(b"\x0b")
    tracemalloc.start()
    for _ in range(800):
        deframer.feed(packet)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
    assert deframer.held_bytes == 4096
    (large,) = deframer.feed(b"\x1c\r")
    assert isinstance(large, TooLarge)
    assert large.length == 800 * 65_536


@pytest.mark.behaviour(73)
def test_a_stalled_block_is_given_up_and_the_next_is_read() -> None:
    deframer = Deframer()
    assert deframer.feed(b"\x0bMSH|half") == []
    assert deframer.abandon(Break.STALLED) == Broken(b"MSH|half", Break.STALLED)
    assert deframer.abandon(Break.STALLED) is None
    assert deframer.feed(b"late rest\x1c\r" + frame(b"next")) == [Junk(11), Frame(b"next")]


def test_an_oversized_block_without_an_end_is_told_as_both() -> None:
    deframer = Deframer(max_bytes=3)
    deframer.feed(b"\x0bfour")
    large = deframer.abandon(Break.CLOSED)
    assert large == TooLarge(b"four", 4, hashlib.sha256(b"four").digest(), Break.CLOSED)


@pytest.mark.parametrize("hostile", [b"\x0b" * 200_000, b"\x1c" * 200_000, b"\x0b\x1c" * 100_000, b"a\x0b" * 100_000])
def test_time_grows_with_the_bytes_and_not_with_their_square(hostile: bytes) -> None:
    deframer = Deframer()
    began = time.perf_counter()
    deframer.feed(hostile)
    assert time.perf_counter() - began < 2.0


def test_a_large_frame_byte_by_byte_takes_linear_time() -> None:
    deframer = Deframer()
    stream = frame(b"x" * 300_000)
    began = time.perf_counter()
    events = [event for at in range(len(stream)) for event in deframer.feed(stream[at : at + 1])]
    assert len(events) == 1
    assert time.perf_counter() - began < 5.0
