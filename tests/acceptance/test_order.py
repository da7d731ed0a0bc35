"""Criterion 5: the order and the number of arrivals change nothing. Tellings of one hospital give the same rows."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise, permutations
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapter import config, simulator
from adapter.cli.rows import read_rows
from adapter.config import TrustSettings
from adapter.service.assembly import Mappings, Works
from adapter.simulator import SentMessage, Simulation, scenarios
from tests.acceptance.fhir_pages import pages
from tests.acceptance.hospital import (
    FHIR_FEED,
    against_truth,
    comparable,
    listeners,
    receive,
    rows_of,
    trust_file,
)
from tests.acceptance.tiny_courses import COURSES
from tests.acceptance.tiny_histories import END, HISTORIES, Teller
from tests.unit.store.conftest import postgres, postgres_url  # noqa: F401 - fixtures

EXAMPLES = 6
EXAMPLES_LONG = 400
ORDERS = 4
"""Of each small history, beside the one it was sent in; the long form takes all."""
HOLD_HOURS = 72

SEEDS = (1, 2, 3)
INFANTS = {1: 7, 2: 5, 3: 10}
"""Of three, four and six conditions; from seven on one child is told over both channels."""
_Retelling = Callable[[Sequence[SentMessage], int], Sequence[SentMessage]]
V2_RETELLINGS: dict[str, _Retelling] = {
    "birth date only": lambda told, _: scenarios.with_birth_date_only(told),
    "resent": lambda told, seed: scenarios.resent(told, seed=seed, share=0.4),
    "line feeds": lambda told, _: scenarios.with_line_feeds(told),
}
"""What only HL7 v2 can do, in the order in which it is applied: that which reads segments before what changes them."""
RETELLINGS: dict[str, _Retelling] = {
    "duplicated": lambda told, seed: scenarios.duplicated(told, seed=seed, share=0.4),
    "delayed": lambda told, seed: scenarios.delayed(told, seed=seed, most_hours=HOLD_HOURS),
    "permuted": lambda told, seed: scenarios.permuted(told, seed=seed),
}
"""Of messages and pages alike."""
PER_PAGE = (3, 15, 60)


@cache
def hospital(seed: int) -> Simulation:
    return simulator.hospital(seed=seed, infants=INFANTS[seed])


@cache
def told_in_pages(seed: int, per_page: int) -> list[SentMessage]:
    return pages(hospital(seed), per_page=per_page)


def both_channels(messages: Sequence[SentMessage], *, seed: int, per_page: int) -> list[SentMessage]:
    """In the order of time, whatever the one or the other does."""
    return sorted([*messages, *told_in_pages(seed, per_page)], key=lambda message: message.at)


def a_trust_file(folder: Path, **settings: Any) -> Path:
    """One trust for all tellings: the tables are the same in every simulated hospital."""
    feeds = listeners(hospital(1), {"epic": 20_001, "careflow": 20_002})
    server = {"name": FHIR_FEED, "kind": "fhir-search", "base_url": "http://127.0.0.1:9", "from": "2020-01-01"}
    sources = [*feeds, {**server, "order_numbers": "epic"}]
    return trust_file(folder, simulation=hospital(1), sources=sources, **settings)


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> TrustSettings:
    return config.load_trust(a_trust_file(tmp_path_factory.mktemp("order")))


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
    told(trust, Mappings.load(trust), [both_channels(hospital(seed).messages, seed=seed, per_page=15)])
    return tuple(rows_of(trust))


class Telling(NamedTuple):
    """How a hospital is told."""

    seed: int
    retellings: list[str]
    order: int
    cuts: int
    per_page: int


def assert_told_alike(trust: TrustSettings, mappings: Mappings, telling: Telling) -> None:
    seed, order = telling.seed, telling.order
    once = expected(seed, trust.data_folder.parent / "trust.yaml")
    messages: Sequence[SentMessage] = hospital(seed).messages
    for name in (name for name in V2_RETELLINGS if name in telling.retellings):
        messages = V2_RETELLINGS[name](messages, order)
    messages = both_channels(messages, seed=seed, per_page=telling.per_page)
    for name in (name for name in RETELLINGS if name in telling.retellings):
        messages = RETELLINGS[name](messages, order)
    told(trust, mappings, cut(messages, seed=order, cuts=telling.cuts))
    rows = list(read_rows(trust))
    assert against_truth(rows, hospital(seed).truth) == []
    assert comparable(rows) == list(once)


TELLINGS = given(
    telling=st.builds(
        Telling,
        seed=st.sampled_from(SEEDS),
        retellings=st.lists(
            st.sampled_from(sorted({*V2_RETELLINGS, *RETELLINGS})), min_size=1, max_size=3, unique=True
        ),
        order=st.integers(0, 10_000),
        cuts=st.sampled_from((0, 1, 3, 10, 40)),
        per_page=st.sampled_from(PER_PAGE),
    )
)
SHARED = (HealthCheck.function_scoped_fixture,)


@settings(max_examples=EXAMPLES, suppress_health_check=SHARED)
@TELLINGS
def test_any_telling_of_a_hospital_gives_the_rows_of_the_truth(
    trust: TrustSettings, mappings: Mappings, telling: Telling
) -> None:
    assert_told_alike(trust, mappings, telling)


@pytest.mark.long
@settings(max_examples=EXAMPLES_LONG, suppress_health_check=SHARED)
@TELLINGS
def test_hundreds_of_tellings_of_hospitals_give_the_rows_of_the_truth(
    trust: TrustSettings, mappings: Mappings, telling: Telling
) -> None:
    assert_told_alike(trust, mappings, telling)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_laboratory_without_trace_status_leaves_the_rows_equal_to_the_truth(
    trust: TrustSettings, mappings: Mappings, seed: int
) -> None:
    messages = both_channels(scenarios.without_trace_status(hospital(seed).messages), seed=seed, per_page=15)

    told(trust, mappings, cut(scenarios.permuted(messages, seed=seed), seed=seed, cuts=5))

    assert against_truth(read_rows(trust), hospital(seed).truth) == []
    assert rows_of(trust) == list(expected_once(trust, mappings, messages))


def expected_once(trust: TrustSettings, mappings: Mappings, messages: Sequence[SentMessage]) -> Iterator[str]:
    told(trust, mappings, [messages])
    yield from rows_of(trust)


SMALL = {**HISTORIES, **COURSES}


def messages_of(name: str) -> list[SentMessage]:
    return SMALL[name][0](Teller())


def assert_order_is_nothing(trust: TrustSettings, mappings: Mappings, name: str, *, orders: int | None) -> None:
    """All at once and one by one; some of the messages sent again."""
    messages = messages_of(name)
    tried = list(permutations(messages))
    if orders is not None and len(tried) > orders:
        tried = [tried[0], tried[-1], *Random(7).sample(tried, orders)]
    told(trust, mappings, [messages])
    once = rows_of(trust)
    assert len(once) == SMALL[name][1]
    for number, order in enumerate(tried):
        again = [*order, _once_more(order[0], number + 1), order[-1]]
        for batches in ([order], [[message] for message in order], [again[:2], again[2:]]):
            told(trust, mappings, batches)
            assert rows_of(trust) == once, (name, [message.control_id for message in order], len(batches))


def _once_more(message: SentMessage, number: int) -> SentMessage:
    return message if message.feed == FHIR_FEED else scenarios.restamped(message, number)


@pytest.mark.parametrize("name", SMALL)
def test_a_small_history_in_many_orders_gives_the_same_rows(
    trust: TrustSettings, mappings: Mappings, name: str
) -> None:
    assert_order_is_nothing(trust, mappings, name, orders=ORDERS)


@pytest.mark.long
@pytest.mark.parametrize("name", SMALL)
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
    shared = config.load_trust(a_trust_file(tmp_path, store={"url": {"file": "url"}}))
    resent = scenarios.resent(simulation.messages, seed=4, share=0.4)
    messages = scenarios.permuted(both_channels(resent, seed=1, per_page=15), seed=4)

    told(shared, mappings, cut(messages, seed=4, cuts=6))

    rows = list(read_rows(shared))
    assert against_truth(rows, simulation.truth) == []
    assert comparable(rows) == list(once)


def test_the_last_word_of_every_history_lies_within_the_hold() -> None:
    assert all(message.at <= END for name in SMALL for message in messages_of(name))
