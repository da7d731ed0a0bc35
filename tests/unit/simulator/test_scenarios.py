"""Adversarial tellings of the same hospital: each changes exactly what it says."""

import re
from collections import Counter

from adapter.simulator import scenarios
from tests.unit.simulator.hospital_of_tests import field, lines, the_hospital

_ALL = sorted(the_hospital().messages, key=lambda message: message.at)
MESSAGES = tuple({message.raw: message for message in _ALL if message.feed == "epic"}.values())
"""One feed, once, in the order of sending."""


def test_a_permutation_has_the_same_messages_in_another_order() -> None:
    permuted = scenarios.permuted(MESSAGES, seed=1)
    assert Counter(permuted) == Counter(MESSAGES)
    assert permuted != MESSAGES
    assert permuted == scenarios.permuted(MESSAGES, seed=1)


def test_a_delay_keeps_far_messages_in_order() -> None:
    delayed = scenarios.delayed(MESSAGES, seed=1, most_hours=12)
    assert Counter(delayed) == Counter(MESSAGES)
    assert delayed != MESSAGES
    # 12 hours of delay at most: none can be overtaken by one sent 12 hours later.
    latest = delayed[0].at
    for message in delayed:
        assert (latest - message.at).total_seconds() <= 12 * 3600
        latest = max(latest, message.at)


def test_duplicates_are_byte_for_byte_and_come_after_the_first() -> None:
    doubled = scenarios.duplicated(MESSAGES, seed=1)
    assert set(doubled) == set(MESSAGES)
    assert len(MESSAGES) * 1.1 < len(doubled) < len(MESSAGES) * 1.3
    firsts = list(dict.fromkeys(doubled))
    assert firsts == list(MESSAGES)


def test_a_resend_differs_in_control_id_and_time_of_sending_only() -> None:
    resent = scenarios.resent(MESSAGES, seed=1)
    originals = {message.raw: message for message in MESSAGES}
    again = [message for message in resent if message.raw not in originals]
    assert again
    assert len({message.control_id for message in resent}) == len(resent)
    blanked = {_without_stamp(raw) for raw in originals}
    assert all(_without_stamp(message.raw) in blanked for message in again)
    assert all(lines(message.raw, "MSH")[0][10] == message.control_id for message in again)


def _without_stamp(raw: bytes) -> bytes:
    head, rest = raw.split(b"\r", 1)
    fields = head.split(b"|")
    fields[6] = fields[9] = b""
    return b"|".join(fields) + rest


def test_a_laboratory_can_know_the_day_of_birth_only() -> None:
    changed = scenarios.with_birth_date_only(MESSAGES)
    lengths = Counter((message.event == "R01", len(lines(message.raw, "PID")[0][7])) for message in changed)
    assert set(lengths) == {(True, 8), (False, 12)}


def test_a_laboratory_can_be_silent_about_the_trace_status() -> None:
    changed = scenarios.without_trace_status(MESSAGES)
    statuses = {(message.event == "R01", field(lines(message.raw, "PID")[0], 32)) for message in changed}
    assert (True, "") in statuses
    assert (True, "01") not in statuses
    assert (False, "01") in statuses


def test_segments_can_end_in_carriage_return_and_line_feed() -> None:
    changed = scenarios.with_line_feeds(MESSAGES)[0].raw
    assert not re.search(rb"\r[^\n]", changed)
    assert changed.replace(b"\n", b"") == MESSAGES[0].raw
