"""Criterion 5: the order and the number of arrivals change nothing. Tellings of one hospital give the same rows."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise, permutations
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter import config, simulator
from adapter.cli.rows import read_rows
from adapter.config import TrustSettings
from adapter.service.assembly import Mappings, Works
from adapter.simulator import SentMessage, Simulation, scenarios
from tests.acceptance.hospital import against_truth, comparable, receive, rows_of, trust_file
from tests.acceptance.tiny_histories import END, HISTORIES, messages_of
from tests.unit.store.conftest import postgres, postgres_url  # noqa: F401 - fixtures

EXAMPLES = 15
EXAMPLES_LONG = 400
ORDERS = 6
"""Of each small history, beside the one it was sent in; the long form takes all."""
HOLD_HOURS = 72

SEEDS = (1, 2, 3, 5)
_Retelling = Callable[[Sequence[SentMessage], int], Sequence[SentMessage]]
RETELLINGS: dict[str, _Retelling] = {
    "birth date only": lambda told, _: scenarios.with_birth_date_only(told),
    "resent": lambda told, seed: scenarios.resent(told, seed=seed, share=0.4),
    "duplicated": lambda told, seed: scenarios.duplicated(told, seed=seed, share=0.4),
    "delayed": lambda told, seed: scenarios.delayed(told, seed=seed, most_hours=HOLD_HOURS),
    "permuted": lambda told, seed: scenarios.permuted(told, seed=seed),
    "line feeds": lambda told, _: scenarios.with_line_feeds(told),
}
"""In the order in which they are applied: those that read segments before those that change their ends."""


@cache
def hospital(seed: int) -> Simulation:
    return simulator.hospital(seed=seed, infants=4 + seed % 5)


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> TrustSettings:
    """One trust for all tellings: the laboratory's codes are the same in every simulated hospital."""
    return config.load_trust(trust_file(tmp_path_factory.mktemp("order"), simulation=hospital(1)))


@pytest.fixture(scope="module")
def mappings(trust: TrustSettings) -> Mappings:
    return Mappings.load(trust)


def told(
    trust: TrustSettings,
    mappings: Mappings,
    batches: Sequence[Sequence[SentMessage]],
) -> None:
    """Into an empty data folder; each batch is processed and settled before the next arrives."""
    shutil.rmtree(trust.data_folder, ignore_errors=True)
    last = max(message.at for batch in batches for message in batch)
    works = Works(trust, now=lambda: last, mappings=mappings)
    try:
        works.pipeline.start()
        for batch in batches:
            receive(works, batch)
            works.drain()
        works.pipeline.stop()
    finally:
        works.close()


def cut(messages: Sequence[SentMessage], *, seed: int, cuts: int) -> list[Sequence[SentMessage]]:
    places = sorted(Random(seed).sample(range(1, len(messages)), min(cuts, len(messages) - 1)))
    return [messages[start:end] for start, end in pairwise([0, *places, len(messages)])]


@cache
def expected(seed: int, trust_path: Path) -> tuple[str, ...]:
    """The rows of the hospital told once, in the order of sending."""
    trust = config.load_trust(trust_path)
    told(trust, Mappings.load(trust), [hospital(seed).messages])
    return tuple(rows_of(trust))


def assert_told_alike(
    trust: TrustSettings, mappings: Mappings, *, seed: int, retellings: Sequence[str], order: int, cuts: int
) -> None:
    simulation = hospital(seed)
    once = expected(seed, trust.data_folder.parent / "trust.yaml")
    messages: Sequence[SentMessage] = simulation.messages
    for name in sorted(retellings, key=list(RETELLINGS).index):
        messages = RETELLINGS[name](messages, order)
    told(trust, mappings, cut(messages, seed=order, cuts=cuts))
    rows = list(read_rows(trust))
    assert against_truth(rows, simulation.truth) == []
    assert comparable(rows) == list(once)


TELLINGS = given(
    seed=st.sampled_from(SEEDS),
    retellings=st.lists(st.sampled_from(sorted(RETELLINGS)), min_size=1, max_size=3, unique=True),
    order=st.integers(0, 10_000),
    cuts=st.sampled_from((0, 1, 3, 10, 40)),
)
SHARED = (HealthCheck.function_scoped_fixture,)


@settings(max_examples=EXAMPLES, suppress_health_check=SHARED)
@TELLINGS
def test_any_telling_of_a_hospital_gives_the_rows_of_the_truth(
    trust: TrustSettings, mappings: Mappings, seed: int, retellings: list[str], order: int, cuts: int
) -> None:
    assert_told_alike(trust, mappings, seed=seed, retellings=retellings, order=order, cuts=cuts)


@pytest.mark.long
@settings(max_examples=EXAMPLES_LONG, suppress_health_check=SHARED)
@TELLINGS
def test_hundreds_of_tellings_of_hospitals_give_the_rows_of_the_truth(
    trust: TrustSettings, mappings: Mappings, seed: int, retellings: list[str], order: int, cuts: int
) -> None:
    assert_told_alike(trust, mappings, seed=seed, retellings=retellings, order=order, cuts=cuts)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_laboratory_without_trace_status_leaves_the_rows_equal_to_the_truth(
    trust: TrustSettings, mappings: Mappings, seed: int
) -> None:
    messages = scenarios.without_trace_status(hospital(seed).messages)

    told(trust, mappings, cut(scenarios.permuted(messages, seed=seed), seed=seed, cuts=5))

    assert against_truth(read_rows(trust), hospital(seed).truth) == []
    assert rows_of(trust) == list(expected_once(trust, mappings, messages))


def expected_once(trust: TrustSettings, mappings: Mappings, messages: Sequence[SentMessage]) -> Iterator[str]:
    told(trust, mappings, [messages])
    yield from rows_of(trust)


def assert_order_is_nothing(trust: TrustSettings, mappings: Mappings, name: str, *, orders: int | None) -> None:
    """All at once and one by one; some of the messages sent again."""
    messages = messages_of(name)
    tried = list(permutations(messages))
    if orders is not None and len(tried) > orders:
        tried = [tried[0], tried[-1], *Random(7).sample(tried, orders)]
    told(trust, mappings, [messages])
    once = rows_of(trust)
    assert len(once) == HISTORIES[name][1]
    for number, order in enumerate(tried):
        again = [*order, scenarios.restamped(order[0], number + 1), order[-1]]
        for batches in ([order], [[message] for message in order], [again[:2], again[2:]]):
            told(trust, mappings, batches)
            assert rows_of(trust) == once, (name, [message.control_id for message in order], len(batches))


@pytest.mark.parametrize("name", HISTORIES)
def test_a_small_history_in_many_orders_gives_the_same_rows(
    trust: TrustSettings, mappings: Mappings, name: str
) -> None:
    assert_order_is_nothing(trust, mappings, name, orders=ORDERS)


@pytest.mark.long
@pytest.mark.parametrize("name", HISTORIES)
def test_a_small_history_in_every_order_gives_the_same_rows(
    trust: TrustSettings, mappings: Mappings, name: str
) -> None:
    assert_order_is_nothing(trust, mappings, name, orders=None)


def test_a_permuted_and_resent_hospital_gives_the_same_rows_on_postgresql(
    tmp_path: Path,
    trust: TrustSettings,
    mappings: Mappings,
    postgres_url: str,  # noqa: F811 - the fixture
) -> None:
    simulation = hospital(1)
    once = expected(1, trust.data_folder.parent / "trust.yaml")
    (tmp_path / "url").write_text(postgres_url)
    shared = config.load_trust(trust_file(tmp_path, simulation=simulation, store={"url": {"file": "url"}}))
    messages = scenarios.permuted(scenarios.resent(simulation.messages, seed=4, share=0.4), seed=4)

    told(shared, mappings, cut(messages, seed=4, cuts=6))

    rows = list(read_rows(shared))
    assert against_truth(rows, simulation.truth) == []
    assert comparable(rows) == list(once)


def test_the_last_word_of_every_history_lies_within_the_hold() -> None:
    assert all(message.at <= END for name in HISTORIES for message in messages_of(name))
