"""However a sender writes its messages, they are read alike: any delimiters, any packets, and no byte is lost."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter import mapping
from adapter.errors import MessageError
from adapter.hl7v2.framing import Deframer, Frame, frame
from adapter.hl7v2.message import Message, Segment
from tests.generative.mutated_messages import messages_of
from tests.generative.mutations import Mutator
from tests.unit.mapping_v2.messages import LONDON, state_maps

FOLDERS = (Path(__file__).parents[1] / "data" / "hl7v2", Path(__file__).parents[2] / "mappings" / "examples" / "v2-uk")
ALIKE = "!$=?@`"
"""What may stand for a delimiter here: not in the message, nor in any word of ours."""


@cache
def messages() -> list[bytes]:
    return [message for folder in FOLDERS for message in messages_of(folder)]


def rendered(message: Message) -> str:
    """The text of a message put together again from its smallest parts, and from what stands between segments."""
    text, end = "", 0
    for segment in message.segments:
        text += message.text[end : segment.offset] + _line(segment)
        end = segment.offset + len(segment.line)
    return text + message.text[end:]


def _line(segment: Segment) -> str:
    d = segment.message.delimiters
    fields = [_field(segment, number) for number in range(1, len(segment.fields))]
    if segment.name in ("MSH", "FHS", "BHS"):
        return segment.name + d.field.join(["", *fields[1:]]) if len(fields) > 1 else segment.line
    return d.field.join([segment.name, *fields])


def _field(segment: Segment, number: int) -> str:
    d = segment.message.delimiters
    if segment.name in ("MSH", "FHS", "BHS") and number < 3:
        return segment.raw(number)
    repetitions = []
    for repetition in segment.repetitions(number):
        components = repetition.split(d.component)
        cut = []
        for at, component in enumerate(components, start=1):
            if at < 8 and len(repetitions) < 8:
                inner = segment.within(number, repetition=len(repetitions) + 1, component=at)
                assert segment.line[inner.start : inner.end] == component
            cut.append(component)
        repetitions.append(d.component.join(cut))
    return d.repetition.join(repetitions)


@pytest.mark.behaviour(89)
@pytest.mark.parametrize("number", range(len(messages())))
def test_a_parsed_message_renders_to_the_same_bytes(number: int) -> None:
    message = Message.parse(messages()[number])
    if "\ufffd" not in message.text:
        assert rendered(message).encode(message.encoding) == message.raw


def test_a_spoiled_message_that_parses_renders_to_the_same_bytes() -> None:
    mutator, seen = Mutator(messages(), seed=5), 0
    for _ in range(1_000):
        raw = mutator.next()[:5_000]
        try:
            message = Message.parse(raw)
        except MessageError:
            continue
        if "\ufffd" not in message.text:
            seen += 1
            assert rendered(message).encode(message.encoding) == raw
    assert seen > 300


def as_sent(value: Any, back: dict[int, str]) -> Any:
    """The same value with every text as it reads under the usual delimiters."""
    if isinstance(value, str):
        return value.translate(back)
    if isinstance(value, dict):
        return {as_sent(name, back): as_sent(each, back) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_sent(each, back) for each in value]
    return value


def stated(raw: bytes, encoding: str) -> Any:
    statement = mapping.state(Message.parse(raw, encoding=encoding), state_maps(), timezone=LONDON)
    told = msgspec.to_builtins(statement)
    return {**told, "problems": [(each["code"], each["at"]) for each in told["problems"]]}


@pytest.mark.behaviour(89)
@given(number=st.integers(0, len(messages()) - 1), chosen=st.permutations(ALIKE))
def test_no_choice_of_delimiters_changes_what_is_read(number: int, chosen: list[str]) -> None:
    raw = messages()[number]
    message = Message.parse(raw)
    usual = "".join(message.delimiters)
    free = [mark for mark in chosen if mark not in message.text][: len(usual)]
    if len(free) < len(usual) or not usual.isascii():
        return
    there = dict(zip(map(ord, usual), free, strict=True))
    back = dict(zip(map(ord, free), usual, strict=True))
    other = message.text.translate(there).encode(message.encoding)
    assert as_sent(stated(other, message.encoding), back) == as_sent(stated(raw, message.encoding), {})


@pytest.mark.behaviour(71)
@given(
    numbers=st.lists(st.integers(0, len(messages()) - 1), min_size=1, max_size=4), cuts=st.lists(st.integers(0, 9_999))
)
def test_real_messages_come_whole_out_of_any_packets(numbers: list[int], cuts: list[int]) -> None:
    sent = [messages()[number] for number in numbers]
    stream = b"".join(map(frame, sent))
    edges = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    deframer = Deframer()
    events = [event for a, b in zip(edges, edges[1:], strict=False) for event in deframer.feed(stream[a:b])]
    assert [event.body for event in events if isinstance(event, Frame)] == sent
    assert len(events) == len(sent)
