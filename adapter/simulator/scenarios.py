"""The same hospital told otherwise: permuted, doubled, sent again. The truth stays; a receiver must agree with it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

from adapter.simulator.simulation import SentMessage
from adapter.simulator.v2_text import second

Messages = Sequence[SentMessage]
_Again = Callable[[SentMessage, int], SentMessage]
_Changes = Mapping[int, Callable[[bytes], bytes]]


def permuted(messages: Messages, *, seed: int) -> tuple[SentMessage, ...]:
    """In any order."""
    return tuple(Random(seed).sample(messages, len(messages)))


def delayed(messages: Messages, *, seed: int, most_hours: float) -> tuple[SentMessage, ...]:
    """Each later by up to so many hours, as interfaces with queues of their own deliver."""
    rng = Random(seed)
    arrival = {message.control_id: message.at + timedelta(hours=rng.uniform(0, most_hours)) for message in messages}
    return tuple(sorted(messages, key=lambda message: arrival[message.control_id]))


def duplicated(messages: Messages, *, seed: int, share: float = 0.2) -> tuple[SentMessage, ...]:
    """Some sent twice, byte for byte, the second somewhere after the first."""
    return _with_more(messages, seed=seed, share=share, again=lambda message, _: message)


def resent(messages: Messages, *, seed: int, share: float = 0.2) -> tuple[SentMessage, ...]:
    """Some sent again under a new MSH-10 and a later MSH-7, everything else byte for byte."""
    return _with_more(messages, seed=seed, share=share, again=restamped)


def restamped(message: SentMessage, number: int) -> SentMessage:
    """The same content under a new control id and sending time; `number` makes the id unique."""
    at = message.at + timedelta(hours=1, seconds=number)
    control_id = f"{message.control_id}R{number}"
    return replace(message, at=at, control_id=control_id, raw=_restamp(message.raw, at=at, control_id=control_id))


def with_birth_date_only(messages: Messages) -> tuple[SentMessage, ...]:
    """As from a laboratory that knows the day of birth only; it must not undo the time that PAS knows."""
    return _in_results(messages, {7: lambda text: text[:8]})


def without_trace_status(messages: Messages) -> tuple[SentMessage, ...]:
    """As from a laboratory that sends NHS numbers without saying how far they are traced."""
    return _in_results(messages, {32: lambda _: b""})


def with_line_feeds(messages: Messages) -> tuple[SentMessage, ...]:
    """Segments ended by CR LF."""
    return tuple(replace(message, raw=message.raw.replace(b"\r", b"\r\n")) for message in messages)


def _restamp(raw: bytes, *, at: datetime, control_id: str) -> bytes:
    head, rest = raw.split(b"\r", 1)
    fields = head.split(b"|")
    # MSH-1 is the separator itself, so MSH-7 stands at index 6.
    fields[6], fields[9] = second(at, has_offset=False).encode(), control_id.encode()
    return b"|".join(fields) + b"\r" + rest


def _with_more(messages: Messages, *, seed: int, share: float, again: _Again) -> tuple[SentMessage, ...]:
    rng = Random(seed)
    placed = list(enumerate(messages))
    more: list[tuple[float, SentMessage]] = [
        (rng.uniform(place, len(placed)), again(message, place)) for place, message in placed if rng.random() < share
    ]
    everything: Iterable[tuple[float, SentMessage]] = (*placed, *more)
    return tuple(message for _, message in sorted(everything, key=lambda one: one[0]))


def _in_results(messages: Messages, changes: _Changes) -> tuple[SentMessage, ...]:
    return tuple(
        replace(message, raw=_with_pid(message.raw, changes)) if message.event == "R01" else message
        for message in messages
    )


def _with_pid(raw: bytes, changes: _Changes) -> bytes:
    segments = raw.split(b"\r")
    place = next(index for index, segment in enumerate(segments) if segment.startswith(b"PID|"))
    fields = segments[place].split(b"|")
    for number, change in changes.items():
        if number < len(fields):
            fields[number] = change(fields[number])
    segments[place] = b"|".join(fields)
    return b"\r".join(segments)
