"""The UK examples: each message becomes the resources that stand beside it, and nothing else."""

import json
import re
from pathlib import Path

import pytest

from adapter.fhir.validate import validate
from tests.mappings.alike import agreeing, align, leaf_count, plain
from tests.mappings.uk_examples import FOLDER, MAIN_TYPES, bundle_of, example, example_files, judge, name_of

FAMILIES = {
    "BRAMBLECOTE",
    "CARREGWEN",
    "ELDERWICK",
    "FENWARDEN",
    "GORSEFIELD",
    "HALLOWMERE",
    "HARROWMERE",
    "LARKSPUR",
    "MARSHLIGHT",
    "MOSSLEIGH",
    "OAKENFOLD",
    "PENHALLOW",
    "QUILLMARSH",
    "TARNWELL",
    "THISTLEWOOD",
    "VALEHOLT",
}
"""Invented; no patient of an example has another name."""

PROFILES = ("uk-generic", "epic", "oracle-millennium", "careflow", "cris", "winpath")


@pytest.mark.parametrize("path", example_files(), ids=name_of)
def test_the_message_becomes_what_stands_beside_it_and_nothing_else(path: Path) -> None:
    verdict = judge(path)
    assert [str(each) for each in verdict.differences] == []
    assert (verdict.recall, verdict.precision) == (1.0, 1.0)


@pytest.mark.parametrize("path", example_files(), ids=name_of)
def test_every_resource_of_an_example_is_fhir_r4(path: Path) -> None:
    assert [problem for resource in bundle_of(path) for problem in validate(resource)] == []


def test_there_are_at_least_forty_over_the_profiles() -> None:
    assert len(example_files()) >= 40
    assert {path.parent.name for path in example_files()} >= set(PROFILES)


def test_every_message_stands_beside_its_example_and_every_example_says_where_it_is_from() -> None:
    assert {path.stem for path in FOLDER.glob("*/*.hl7")} == {path.stem for path in example_files()}
    for path in example_files():
        assert example(path).profile == path.parent.name
        assert example(path).source and example(path).means


def test_examples_name_resources_of_the_main_types_and_refer_to_each_other() -> None:
    for path in example_files():
        labels = {each.label for each in example(path).resources}
        assert len(labels) == len(example(path).resources)
        assert {each.resource for each in example(path).resources} <= set(MAIN_TYPES)
        referred = set(re.findall(r'"-> (\w+)"', json.dumps([each.fields for each in example(path).resources])))
        assert referred <= labels, name_of(path)


def test_examples_hold_only_invented_patients() -> None:
    for path in example_files():
        for each in example(path).resources:
            if each.resource == "Patient":
                assert {name["family"] for name in each.fields.get("name", [])} <= FAMILIES, name_of(path)


def test_ten_digits_that_could_be_a_national_number_are_of_the_test_range_with_a_right_check_digit() -> None:
    seen = 0
    for path in example_files():
        text = path.with_suffix(".hl7").read_bytes().decode("latin-1")
        for number in re.findall(r"(?<!\d)\d{3} ?\d{3} ?\d{4}(?!\d)", re.sub(r"\(000\)000-0000", "", text)):
            digits = number.replace(" ", "")
            weighted = sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False))
            assert digits.startswith("999"), name_of(path)
            assert (11 - weighted % 11) % 11 == int(digits[-1]), name_of(path)
            seen += 1
    assert seen >= 30


def test_the_count_sees_a_missing_a_wrong_and_an_unexpected_value() -> None:
    expected = {"status": "final", "code": {"text": "a"}, "note": [{"text": "x"}, {"text": "y"}]}
    got = {"status": "amended", "note": [{"text": "y"}, {"text": "z"}], "issued": "2026"}
    told = [str(each) for each in align(expected, got, "Observation")]
    assert told == [
        "Observation.status: expected 'final', got 'amended'",
        "Observation.code.text: 'a' is missing",
        "Observation.note.text: 'x' is missing",
        "Observation.note.text: 'z' is not expected",
        "Observation.issued: '2026' is not expected",
    ]
    assert (agreeing(expected, got), leaf_count(expected), leaf_count(got)) == (1, 4, 4)


def test_a_reference_counts_only_when_it_refers_to_the_resource_that_is_meant() -> None:
    made = {"resourceType": "Condition", "id": "1", "encounter": {"reference": "urn:uuid:2"}}
    assert plain(made, {"urn:uuid:2": "-> visit"}) == {"encounter": {"reference": "-> visit"}}
    assert agreeing({"encounter": {"reference": "-> other"}}, plain(made, {"urn:uuid:2": "-> visit"})) == 0
