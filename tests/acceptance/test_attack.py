"""Issue B: what payload B tells of the time of birth and of its sources to the best adversary that could be written.

It does tell something: docs/payload-attack.md says what, and these tests hold the page to it.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from adapter.csor.payload import SCHEMA_VERSION, batch_model
from adapter.csor.record import KINDS
from tests.acceptance import attack_others as others
from tests.acceptance import attack_sources as sources
from tests.acceptance.attack import CHANCE, SAMPLES, Experiment, Hours, Line, table
from tests.acceptance.attack_cohort import kinds_of
from tests.acceptance.attack_habits import round_the_clock
from tests.integration.trust import Trust

PAGE = (Path(__file__).parents[2] / "docs" / "payload-attack.md").read_text(encoding="utf-8")
Z = 3.3
"""One in a thousand: there are many attacks, and the best of seven is among them."""


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return Experiment(tmp_path_factory.mktemp("attack"))


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return Experiment(tmp_path_factory.mktemp("samples"), habits=(round_the_clock,))


@pytest.fixture(scope="module")
def lines(experiment: Experiment, samples: Experiment) -> list[Line]:
    found = [*experiment.lines(), *samples.by_samples_alone()]
    print("\n" + table(found))
    return found


@pytest.fixture(scope="module")
def hours(experiment: Experiment) -> Hours:
    return experiment.hours()


def test_every_kind_of_row_left_and_the_receiver_would_take_it(experiment: Experiment) -> None:
    cohort = [seen.sent for seen in experiment.seen]
    assert len(cohort) == 1000
    assert kinds_of(cohort) == set(KINDS)
    for child in cohort[:5]:
        head = {"schema_version": SCHEMA_VERSION, "trust": "RXX", "csor_id": child.csor_id, "minutes": "utc"}
        batch_model().model_validate_json(json.dumps({**head, "rows": child.rows[:1000]}))


def test_no_attack_finds_the_day_of_birth_oftener_than_the_page_owns_up_to(lines: list[Line]) -> None:
    over = [line.attack for line in lines if line.interval(Z)[0] > line.bound]
    assert over == []


def test_ids_versions_order_and_sizes_tell_no_day(lines: list[Line]) -> None:
    line = next(line for line in lines if line.attack.startswith("ids"))
    assert line.bound == CHANCE
    assert line.interval(Z)[0] <= CHANCE


def test_of_samples_alone_minutes_by_the_wall_clock_tell_no_day(lines: list[Line]) -> None:
    by_utc = next(line for line in lines if line.attack == f"{SAMPLES}, all of these together")
    by_wall = next(line for line in lines if line.attack == f"{SAMPLES}, `minutes: wall-clock`")
    assert by_wall.bound == CHANCE
    assert by_wall.interval(Z)[0] <= CHANCE < by_utc.interval(Z)[0]


def test_an_id_that_told_the_day_would_be_caught(experiment: Experiment) -> None:
    """The control: were versions counted from the day of birth. Chance would find seven."""
    known = [(float(truth.day), truth) for _, truth in experiment.known]
    pairs = list(zip(experiment.seen, experiment.truth, strict=True))[:200]
    hits = sum(others.day_by_likeness(seen, known, float(truth.day)) == truth.day for seen, truth in pairs)
    assert hits > 100


def test_the_attacks_are_no_straw_men(lines: list[Line], hours: Hours) -> None:
    """The finding: habits give days away, and the page must not say otherwise. Fewer are welcome, with a new page."""
    together = next(line for line in lines if line.attack == "all of these together")
    assert together.interval(Z)[0] > 0.5
    assert hours.median_error_min <= 15
    assert hours.padded_right > hours.padded / 2


def test_the_page_names_every_attack_with_its_bound(lines: list[Line]) -> None:
    said = {cells[0]: cells[-1] for line in PAGE.splitlines() if len(cells := line.strip("| ").split(" | ")) == 7}
    assert {line.attack: f"{line.bound:.0%}" for line in lines}.items() <= said.items()


def test_a_guess_among_equals_is_a_fair_one() -> None:
    picked = {others.pick(dict.fromkeys(range(30), 1 / 30), Random(seed)) for seed in range(300)}
    assert picked == set(range(30))


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Trust, sources.Needles]]:
    trust, _, bodies = sources.a_hospital(tmp_path_factory.mktemp("sources"))
    yield trust, sources.needles_of(bodies)
    trust.close()


def batches(trust: Trust) -> list[bytes]:
    return [batch for _, batch in trust.csor.batches]


def test_rows_of_several_feeds_left(hospital: tuple[Trust, sources.Needles]) -> None:
    trust, needles = hospital
    assert set(trust.cases().values()) == {"confirmed"}
    assert len(trust.csor.live()) > 2000
    assert {row["kind"] for row in trust.csor.live()} == set(KINDS) - {"mother_baby_link"}
    assert all(len(group) > 3 for group in needles.values()), {name: len(group) for name, group in needles.items()}


def test_no_id_date_code_or_word_of_a_source_stands_in_the_payload(hospital: tuple[Trust, sources.Needles]) -> None:
    trust, needles = hospital
    assert sources.found_in(sources.strings_of(batches(trust)), needles) == {}


def test_the_search_would_find_any_of_them(hospital: tuple[Trust, sources.Needles]) -> None:
    """The control: one of each sort, in a text and by itself."""
    trust, needles = hospital
    for name, group in needles.items():
        one = max(group)
        planted = json.dumps({"csor_id": "a" * 32, "rows": [{"fields": {"a": one, "b": f"see {one}."}}]}).encode()
        assert one in sources.found_in(sources.strings_of([*batches(trust), planted]), needles)[name]


def test_the_month_of_birth_is_the_only_date_and_stands_once(hospital: tuple[Trust, sources.Needles]) -> None:
    trust, _ = hospital
    for row in trust.csor.live():
        found = re.findall(r"\b(?:19|20)\d\d-\d\d", json.dumps(row["fields"]))
        expected = [row["fields"]["birth_year_month"]] if row["kind"] == "infant" else []
        assert found == expected
    months = [
        row for row in trust.csor.live("infant") if re.fullmatch(r"\d{4}-\d\d", row["fields"]["birth_year_month"])
    ]
    assert len(months) == len({row["csor_id"] for row in trust.csor.live()})


def test_ids_cannot_be_linked_to_source_ids_without_the_key(hospital: tuple[Trust, sources.Needles]) -> None:
    trust, needles = hospital
    assert not sources.is_linked(sources.ids_of(trust), sources.guesses(sources.source_ids(needles)))


def test_with_the_key_the_trust_can_link_them(hospital: tuple[Trust, sources.Needles]) -> None:
    """The control: the same search, told the key."""
    trust, needles = hospital
    assert sources.is_linked(sources.ids_of(trust), sources.with_the_key(trust, needles["spell"]))
