"""Golden pairs: what a clinician reads in mappings/examples is what the mapping does; no rule goes without one."""

from pathlib import Path

import pytest

from adapter.csor.checks import check_row
from adapter.datafile import Positioned
from tests.mappings.examples import example, example_files, in_words, maps


@pytest.mark.parametrize("path", example_files(), ids=lambda path: path.stem)
def test_the_resource_gives_the_row_of_the_example(path: Path) -> None:
    golden = example(path)
    projection = maps().project(golden.record, golden.decoded(), context=golden.decoded_context())
    if golden.row == "none":
        assert projection is None
        return
    assert projection is not None
    found = {name: in_words(value) for name, value in projection.fields.items() if value is not None}
    assert found == golden.row
    assert [problem.code.name for problem in projection.problems] == golden.problems
    assert check_row(golden.record, projection.fields) == ()


@pytest.mark.parametrize("path", example_files(), ids=lambda path: path.stem)
def test_tracing_gives_the_same_row_and_a_source_for_every_field(path: Path) -> None:
    golden = example(path)
    resource, context = golden.decoded(), golden.decoded_context()
    traced = maps().project_traced(golden.record, resource, context=context)
    if traced is None:
        assert golden.row == "none"
        return
    assert set(traced.lineage) == {name for name, value in traced.fields.items() if value is not None}
    for name, trace in traced.lineage.items():
        assert trace.rule.startswith(f"{golden.record}.yaml:")
        assert trace.steps, name
        if not isinstance(traced.fields[name], list):
            value = traced.fields[name]
            text = str(value).lower() if isinstance(value, bool) else str(value)
            assert trace.steps[-1].result == text, name


def test_every_field_rule_has_an_example_in_which_it_gives_a_value() -> None:
    filled = {(each.record, name) for each in map(example, example_files()) if each.row != "none" for name in each.row}
    missing = [
        f"{kind}.{ready.rule.name}"
        for kind, kind_map in maps().kinds.items()
        for ready in kind_map.rules
        if (kind, ready.rule.name) not in filled
    ]
    assert missing == []


def test_every_condition_has_an_example_that_it_leaves_out() -> None:
    shown = {(each.record, each.excluded_by) for each in map(example, example_files()) if each.row == "none"}
    wanted = {
        (kind, condition.path) for kind, kind_map in maps().kinds.items() for condition in kind_map.source.include_if
    }
    deciders = {kind: kind_map.decider for kind, kind_map in maps().kinds.items()}
    wanted |= {(kind, each.otherwise) for kind, each in deciders.items() if each is not None and not each.always}
    assert wanted == shown


@pytest.mark.parametrize(
    "path", [path for path in example_files() if example(path).row == "none"], ids=lambda p: p.stem
)
def test_the_reason_why_there_is_no_row_can_be_told(path: Path) -> None:
    golden = example(path)
    why = maps().left_out_by(golden.record, golden.decoded(), golden.decoded_context())
    assert why == golden.excluded_by


def test_every_analyte_has_an_example() -> None:
    shown = {each.row["analyte"] for each in map(example, example_files()) if each.row != "none" and each.record == LAB}
    assert shown == {*maps().units.analytes, "unmapped"}


LAB = "lab_result"


DERIVED = {
    "infant": {"gestation_days", "birth_weight_g", "apgar_1", "apgar_5"},
    "operation": {"index_for"},
    "medication_course": {"administrations"},
}
"""Fields that many rows of a child say together: `adapter.csor.derive`."""


def test_every_field_of_every_kind_has_a_rule_or_is_derived() -> None:
    for kind, kind_map in maps().kinds.items():
        ruled = {ready.rule.name for ready in kind_map.rules}
        assert ruled == set(kind_map.source.record_fields) - DERIVED.get(kind, set())
        assert all(isinstance(ready.rule, Positioned) and ready.rule.means for ready in kind_map.rules)


def test_examples_hold_only_numbers_of_the_test_range_with_a_right_check_digit() -> None:
    numbers = [
        identifier["value"]
        for each in map(example, example_files())
        for identifier in each.decoded().get("identifier", [])
        if identifier.get("system") == "https://fhir.nhs.uk/Id/nhs-number"
    ]
    assert numbers
    for number in numbers:
        weighted = sum(int(digit) * weight for digit, weight in zip(number, range(10, 1, -1), strict=False))
        assert number.startswith("999")
        assert (11 - weighted % 11) % 11 == int(number[-1])
