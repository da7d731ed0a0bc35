"""`csor-adapter cohort` over a real store: who is in, who is out, why; near misses; the alarm."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapter.cli import cohort as verb
from adapter.cli.app import app
from adapter.errors import ExitCode
from tests.integration.conftest import Make
from tests.integration.messages import (
    CLOSURE,
    EXOMPHALOS,
    GASTROSCHISIS,
    NEC,
    a_baby,
    an_adt,
)
from tests.integration.trust import Trust

QUIET = "{alarm_after: P10000D}"


def run(trust: Trust, *options: str) -> tuple[int, str]:
    config = str(Path(trust.settings.data_folder).parent / "trust.yaml")
    result = CliRunner().invoke(app, ["cohort", "--config", config, *options])
    return result.exit_code, result.output


def four_children(trust: Trust) -> None:
    """In; probable; held for a person; without a sign."""
    day = "202609050900"
    closed = [(CLOSURE, "202609010900")]
    trust.each(
        an_adt("A01", a_baby(1), at=day, codes=[GASTROSCHISIS], operations=closed),
        an_adt("A01", a_baby(2), at=day, codes=[NEC]),
        an_adt("A01", a_baby(3), at=day, codes=[GASTROSCHISIS, EXOMPHALOS]),
        an_adt("A01", a_baby(4), at=day),
    )


def test_each_child_has_its_sentence_and_the_counts_add_up(a_trust: Make) -> None:
    trust = a_trust(cohort=QUIET)
    four_children(trust)
    code, text = run(trust)
    lines = text.splitlines()
    included = next(row["child"] for row in trust.rows("infant"))
    assert code == 0
    assert f"child {included}  included  gastroschisis confirmed  Included: T28.1 on 1 September 2026;" in text
    assert sum("Held for a person:" in line for line in lines) == 1
    assert sum("nec probable  Probable:" in line for line in lines) == 1
    assert sum("no sign of any condition" in line for line in lines) == 1
    assert "1 included, 3 held, 1 for a person to look at, 2 near misses" in lines
    assert "gastroschisis: 1 confirmed, 1 probable" in lines


def test_near_misses_alone_as_ndjson(a_trust: Make) -> None:
    trust = a_trust(cohort=QUIET)
    four_children(trust)
    code, text = run(trust, "--near-misses", "--format", "ndjson")
    *children, counts = [json.loads(line) for line in text.splitlines()]
    assert code == 0
    assert [[(case["condition"], case["state"], case["held"]) for case in each["conditions"]] for each in children] == [
        [("nec", "probable", False)],
        [("gastroschisis", "probable", True)],
    ]
    assert all(not each["included"] for each in children)
    assert counts["counts"]["near_misses"] == 2 and counts["alarms"] == []


def test_nothing_of_a_patient_but_the_local_id_is_shown(a_trust: Make) -> None:
    trust = a_trust(cohort=QUIET)
    four_children(trust)
    _, text = run(trust)
    _, told = run(trust, "--format", "ndjson")
    for baby in (a_baby(number) for number in range(1, 5)):
        for secret in (baby.number, baby.nhs, baby.family, baby.born[:8]):
            assert secret not in text + told


@pytest.mark.parametrize("is_case", [True, False])
def test_silence_beyond_the_window_is_an_alarm_here_and_in_status(a_trust: Make, is_case: bool) -> None:
    trust = a_trust(cohort="{alarm_after: P1D}")
    trust.receive(an_adt("A01", a_baby(1), at="202609050900", codes=[GASTROSCHISIS] if is_case else None))
    code, text = run(trust)
    words = "no newly confirmed child for" if is_case else "no confirmed child at all for"
    assert code == ExitCode.ALARM
    assert f"ALARM: {words}" in text
    assert trust.status()["alarms"] == [verb.read_alarm(trust.settings)] != [""]
