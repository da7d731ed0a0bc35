"""Sequence numbers of MSH-13: what is missing is told, for each feed, over restarts too."""

import pytest

from tests.integration.adt import message, pid, pv1
from tests.integration.messages import a_baby
from tests.integration.trust import Trust

BABY = a_baby(1)


def numbered(number: int | str, *, minute: int = 0, control: str = "") -> bytes:
    at = f"2026090109{minute:02d}"
    return message("A08", pid(BABY), pv1("V1"), at=at, sequence=str(number), control=control)


def told(trust: Trust, feed: str = "epr") -> dict[str, int]:
    return trust.status()["sequence_numbers"][feed]  # type: ignore[no-any-return]


@pytest.mark.behaviour(88)
def test_gaps_are_told_and_closed_by_what_comes_late(trust_on_each_store: Trust) -> None:
    trust = trust_on_each_store
    trust.receive(*(numbered(number, minute=number) for number in (5, 6, 9, 10)))
    assert told(trust) == {"missing": 2, "gaps": 1, "restarts": 0, "late": 0}
    trust.receive(numbered(8, minute=8))
    assert told(trust) == {"missing": 1, "gaps": 1, "restarts": 0, "late": 1}
    assert trust.counts()["sequence.gap"] == 1


@pytest.mark.behaviour(88)
@pytest.mark.parametrize("beginning", [1, 0, -1])
def test_a_new_beginning_is_told_and_what_was_missing_stays_missing(trust: Trust, beginning: int) -> None:
    trust.receive(*(numbered(number, minute=number) for number in (5, 8)))
    trust.receive(numbered(beginning, minute=20), numbered(max(beginning, 0) + 1, minute=21))
    assert told(trust) == {"missing": 2, "gaps": 1, "restarts": 1, "late": 0}
    assert trust.counts()["sequence.restart"] == 1


@pytest.mark.behaviour(88)
def test_the_numbers_outlive_a_restart_of_ours_and_a_resend_is_none_of_theirs(trust: Trust) -> None:
    trust.receive(numbered(5, control="C5"))
    trust.restart()
    trust.receive(numbered(5, control="C5"), numbered(5, minute=1, control="C5B"), numbered(7, minute=2))
    assert told(trust) == {"missing": 1, "gaps": 1, "restarts": 0, "late": 0}


@pytest.mark.behaviour(88)
def test_each_feed_and_each_sender_counts_for_itself(trust: Trust) -> None:
    trust.receive(numbered(5))
    trust.receive(numbered(50, minute=1).replace(b"|PAS|", b"|THEATRE|"))
    trust.receive(numbered(90, minute=2), feed="lab")
    trust.receive(numbered(6, minute=3), numbered(51, minute=4).replace(b"|PAS|", b"|THEATRE|"))
    trust.receive(numbered("", minute=5), numbered("x1", minute=6))
    none = {"missing": 0, "gaps": 0, "restarts": 0, "late": 0}
    assert (told(trust), told(trust, "lab")) == (none, none)


def test_a_message_taken_apart_is_one_number(trust: Trust) -> None:
    both = [pid(BABY), pv1("V1"), pid(a_baby(2)), pv1("V2")]
    trust.receive(numbered(5), message("A17", *both, at="202609011000", sequence="6"), numbered(7, minute=3))
    assert told(trust) == {"missing": 0, "gaps": 0, "restarts": 0, "late": 0}


@pytest.mark.behaviour(88)
def test_no_number_of_gaps_fills_the_store(trust: Trust) -> None:
    trust.receive(*(numbered(number * 2, minute=number % 60, control=f"N{number}") for number in range(1, 81)))
    assert told(trust)["missing"] == told(trust)["gaps"] == 79
