"""The short form of `python -m tests.generative.mutated_resources`, over what the simulated hospital serves."""

import json

import pytest

from adapter.errors import ProblemCode
from tests.fakes.polled_hospital import changes
from tests.generative.mutated_messages import Outcome
from tests.generative.mutated_resources import run
from tests.generative.spoiled_resources import Spoiler

COUNT = 3_000


@pytest.fixture(scope="module")
def bodies() -> list[bytes]:
    resources = [change.resource for change in changes(3) if not change.is_deleted]
    alone = [json.dumps(resource, default=float).encode() for resource in resources]
    pages = [
        {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [{"resource": each} for each in resources[at : at + 12]],
        }
        for at in range(0, len(resources), 12)
    ]
    return [*alone, *(json.dumps(page, default=float).encode() for page in pages)]


@pytest.fixture(scope="module")
def outcome(bodies: list[bytes]) -> Outcome:
    return run(bodies, count=COUNT, seed=20261122)


def test_every_spoiled_resource_ends_as_statements_or_a_problem_of_the_list(outcome: Outcome) -> None:
    assert outcome.unforeseen == []
    assert set(outcome.ends) <= {"read", *(code.value for code in ProblemCode)}
    assert sum(outcome.ends.values()) == COUNT


def test_most_are_still_read_and_some_are_not(outcome: Outcome) -> None:
    """Else they would be spoiled too little, or all alike."""
    assert outcome.ends["read"] > COUNT / 3
    assert outcome.ends[ProblemCode.NOT_JSON.value] > COUNT / 100
    assert len(outcome.ends) >= 2


def test_none_takes_long_and_memory_stays(outcome: Outcome) -> None:
    assert outcome.slowest_s <= 0.050
    early, late = outcome.memory_mib
    assert late <= early * 1.25


def test_the_seed_decides(bodies: list[bytes]) -> None:
    one, same, other = (Spoiler(bodies, seed=seed) for seed in (1, 1, 2))
    first = [one.next() for _ in range(50)]
    assert first == [same.next() for _ in range(50)]
    assert first != [other.next() for _ in range(50)]
