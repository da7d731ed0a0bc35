"""The definition of the rows: every field explained, checks that name the rule and not the value."""

from pathlib import Path

import pytest

from adapter.csor import KINDS, field_leaves, json_schema
from adapter.csor.checks import check_row
from adapter.csor.dictionary import dictionary, markdown


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_says_what_it_means_and_how_it_leaves(kind: str) -> None:
    entries = [entry for entry in dictionary() if entry.kind == kind]
    assert [entry.field for entry in entries] == list(field_leaves(kind))
    assert all(entry.means.endswith(".") for entry in entries)


def test_the_visit_class_stands_in_a_row_under_its_name_in_the_dictionary() -> None:
    assert "class" in field_leaves("admission")
    assert check_row("admission", {"class": "inpatient"}) == ()


def test_a_wrong_value_is_named_by_its_field_and_rule_only() -> None:
    (problem,) = check_row("infant", {"sex": "Canary Name"})
    assert problem.at == "infant.sex"
    assert "Canary" not in problem.text


def test_a_time_without_offset_is_refused() -> None:
    assert check_row("admission", {"admit_dt": "2026-03-01T10:00:00"})
    assert check_row("admission", {"admit_dt": "2026-03-01T10:00:00+01:00"}) == ()
    assert check_row("admission", {"admit_dt": "2026-03"}) == ()


def test_the_dictionary_prints_every_kind() -> None:
    page = markdown()
    assert all(f"## {kind}" in page for kind in KINDS)
    assert set(json_schema()) == set(KINDS)


def test_the_page_of_the_dictionary_is_printed_from_the_models() -> None:
    page = (Path(__file__).parents[3] / "docs" / "data-dictionary.md").read_text()
    assert page == markdown(), "run: python -m adapter.csor.dictionary > docs/data-dictionary.md"
