"""The short form of `python -m tests.generative.mutated_messages`, over the messages that the tests have."""

from pathlib import Path

import pytest

from adapter.errors import ProblemCode
from tests.generative.mutated_messages import Outcome, messages_of, run
from tests.generative.mutations import Mutator

FOLDERS = (Path(__file__).parents[1] / "data" / "hl7v2", Path(__file__).parents[2] / "mappings" / "examples" / "v2-uk")
COUNT = 4_000


@pytest.fixture(scope="module")
def messages() -> list[bytes]:
    return [message for folder in FOLDERS for message in messages_of(folder)]


@pytest.fixture(scope="module")
def outcome(messages: list[bytes]) -> Outcome:
    return run(messages, count=COUNT, seed=20261122)


def test_every_spoiled_message_ends_as_a_statement_or_a_problem_of_the_list(outcome: Outcome) -> None:
    assert outcome.unforeseen == []
    assert set(outcome.ends) <= {"read", *(code.value for code in ProblemCode)}
    assert sum(outcome.ends.values()) == COUNT


def test_most_are_still_read_and_some_are_not(outcome: Outcome) -> None:
    """Else the mutations would be too tame, or all alike."""
    assert outcome.ends["read"] > COUNT / 10
    assert outcome.ends[ProblemCode.NO_MSH.value] > COUNT / 100
    assert len(outcome.ends) >= 4


def test_none_takes_long_and_memory_stays(outcome: Outcome) -> None:
    assert outcome.slowest_s <= 0.050
    early, late = outcome.memory_mib
    assert late <= early * 1.25


def test_the_seed_decides(messages: list[bytes]) -> None:
    one, same, other = (Mutator(messages, seed=seed) for seed in (1, 1, 2))
    first = [one.next() for _ in range(50)]
    assert first == [same.next() for _ in range(50)]
    assert first != [other.next() for _ in range(50)]
