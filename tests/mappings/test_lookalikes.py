"""Every look-alike reaches the state it must, alone and beside the true code; none is left out."""

import pytest

from tests.mappings import lookalikes
from tests.mappings.lookalike_truth import ALONE, COLLISIONS, CONDITIONS, TRAPS
from tests.mappings.lookalikes import Line

PARTS = [
    lookalikes.alone,
    lookalikes.beside,
    lookalikes.collisions,
    lookalikes.other_systems,
    lookalikes.wordings,
    lookalikes.traps,
    lookalikes.records,
    lookalikes.guards,
]


@pytest.mark.parametrize("part", PARTS, ids=[part.__name__ for part in PARTS])
def test_each_reaches_exactly_its_state(part: lookalikes.Part) -> None:
    lines = list(part())
    assert lines
    assert [line for line in lines if not line.is_right] == []


def test_every_list_of_a_condition_has_an_expected_state() -> None:
    assert set(ALONE) == {name for name in lookalikes.lists().names if name.partition(".")[0] in CONDITIONS}


def test_every_row_of_every_list_is_in_the_table() -> None:
    shown = {(line.on, line.system, line.code) for line in lookalikes.alone()}
    lists = lookalikes.lists()
    coded = {
        (name, row.system, row.code)
        for name in lists.names
        for row in lists.rows(name)
        if row.system in ("icd-10", "opcs-4", "snomed-ct")
    }
    assert shown == coded
    assert len({key for key in coded if ".exclude" in key[0] or ".suspect" in key[0]}) == 38  # 22 excluded, 16 suspect


def test_every_collision_and_every_trap_is_in_the_table() -> None:
    assert {line.code for line in lookalikes.collisions()} == {code for code, _, _ in COLLISIONS}
    assert len([line for line in lookalikes.traps() if line.system == "words"]) > 2 * len(TRAPS) * len(CONDITIONS)


def test_the_table_says_what_differs_and_ends_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Line(
        "alone", "Q79.3", "icd-10", "GASTROSCHISIS.dx.core", "gastroschisis confirmed", "gastroschisis confirmed"
    )
    monkeypatch.setattr(lookalikes, "table", lambda: [right])
    assert lookalikes.main() == 0
    monkeypatch.setattr(lookalikes, "table", lambda: [right, right._replace(reached="none")])
    assert lookalikes.main() == 1
    printed = capsys.readouterr().out
    assert "<-- DIFFERS" in printed
    assert "2 look-alikes and true codes, 1 differ" in printed
