"""SNOMED CT descendants from a trust's own file: on the list of what they lie below, with its confidence."""

from functools import cache
from pathlib import Path

import pytest

from adapter.cohort import State, load_rules
from adapter.errors import SetupError
from adapter.mapping.codelists import CodeLists, load_codelists
from tests.unit.cohort.builders import MAPPINGS, OPCS, SNOMED, cases, diagnosed, operated

CORE = "GASTROSCHISIS.dx.core"


def made_up(body: str) -> str:
    """A number of the form of a concept that no release holds, with its check digit."""
    return next(f"{body}0{digit}" for digit in "0123456789" if is_concept(f"{body}0{digit}"))


def is_concept(code: str) -> bool:
    return load_lists().normal("SCT", code) is not None


@cache
def load_lists() -> CodeLists:
    return load_codelists(MAPPINGS / "codelists")


NEC_STAGE, NEC_STAGE_2B, RUPTURED, NEC_LATE = (made_up(f"900000{n}0") for n in range(1, 5))


def closure(folder: Path, *pairs: tuple[str, str]) -> Path:
    path = folder / "closure.csv"
    path.write_text("ancestor,descendant\n" + "".join(f"{above},{below}\n" for above, below in pairs))
    return path


def lists_with(folder: Path, *pairs: tuple[str, str]) -> CodeLists:
    return load_codelists(MAPPINGS / "codelists", closure=closure(folder, *pairs))


def test_a_descendant_is_on_the_list_of_its_ancestor_and_shows_the_ancestors_line(tmp_path: Path) -> None:
    lists = lists_with(tmp_path, ("72951007", RUPTURED))
    row, own = lists.lookup(CORE, SNOMED, RUPTURED), lists.lookup(CORE, SNOMED, "72951007")
    assert row is not None and own is not None
    assert (row.place, row.may_confirm, row.code) == (own.place, True, RUPTURED)
    assert lists.code_rows()[CORE][SNOMED, RUPTURED] is True


def test_a_descendant_of_a_doubtful_row_may_not_confirm_either(tmp_path: Path) -> None:
    lists = lists_with(tmp_path, ("32097002", NEC_LATE))
    assert lists.code_rows()["NEC.dx.core"][SNOMED, NEC_LATE] is False


def test_steps_are_followed_to_the_end(tmp_path: Path) -> None:
    lists = lists_with(tmp_path, ("2707005", NEC_STAGE), (NEC_STAGE, NEC_STAGE_2B))
    assert lists.code_rows()["NEC.dx.core"][SNOMED, NEC_STAGE_2B] is True


def test_a_code_with_a_row_of_its_own_is_on_no_list_by_descent(tmp_path: Path) -> None:
    """Congenital diaphragmatic hernia lies below diaphragmatic hernia, which alone is excluded."""
    lists = lists_with(tmp_path, ("39839004", "17190001"))
    assert (SNOMED, "17190001") not in lists.code_rows()["CDH.dx.exclude"]
    assert lists.code_rows()["CDH.dx.core"][SNOMED, "17190001"] is True


def test_a_descendant_makes_a_case(tmp_path: Path) -> None:
    lists = lists_with(tmp_path, ("72951007", RUPTURED), ("2707005", NEC_STAGE))
    rules = load_rules(MAPPINGS / "cohort", codelists=lists.code_rows(), normalise=lists.normalise)
    found = cases(
        [diagnosed(RUPTURED, system=SNOMED), diagnosed(NEC_STAGE, "2026-03-10", system=SNOMED)],
        [operated("G69.3", "2026-03-11", system=OPCS)],
        by=rules,
    )
    assert {name for name, case in found.items() if case.state is State.CONFIRMED} == {"gastroschisis", "nec"}
    assert cases([diagnosed(RUPTURED, system=SNOMED)])["gastroschisis"].state is State.NONE


def test_a_faulty_closure_file_is_refused_with_its_lines(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as caught:
        lists_with(tmp_path, ("72951007", "72951008"), ("72951007", "Q79.3"))
    assert "closure.csv:3" in str(caught.value)
    with pytest.raises(SetupError) as caught:
        lists_with(tmp_path, ("72951007", "72951008"))
    assert "closure.csv:2" in str(caught.value)
    assert "72951008 is not a SNOMED CT concept" in str(caught.value)


def test_a_missing_closure_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as caught:
        load_codelists(MAPPINGS / "codelists", closure=tmp_path / "none.csv")
    assert "none.csv" in str(caught.value)
