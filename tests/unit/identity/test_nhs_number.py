"""NHS numbers against the published rules and the PyPI package as oracle."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nhs_number import constants
from nhs_number.validate import is_valid

from adapter.errors import Problem, ProblemCode
from adapter.identity import NhsNumber, NumberKind
from adapter.identity.nhs_number import kind_of, parse
from tests.unit.identity.builders import number, with_check_digit

REAL_RANGE = with_check_digit("400000000")
"""The first number of the issued range: arithmetic, nobody's number is meant."""


@pytest.mark.behaviour(100)
@pytest.mark.parametrize(
    "decorated",
    [
        "{}",
        " {} ",
        "{0:.3} {0[3]}{0[4]}{0[5]} {0[6]}{0[7]}{0[8]}{0[9]}",
        "N3{}",
        "n4{}",
        "{}~",
        "{0:.3}-{1}",
        "{0:.3}–{1}",
    ],
)
def test_a_number_is_found_under_its_decoration(decorated: str) -> None:
    digits = number(5)
    text = decorated.format(digits, digits[3:])
    assert parse(text, test_mode=True) == NhsNumber(digits)


@pytest.mark.parametrize("digit", "0123456789")
def test_a_repeated_digit_is_never_a_number_though_it_passes_modulus_11(digit: str) -> None:
    assert kind_of(digit * 10) is NumberKind.NONE


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (REAL_RANGE, NumberKind.NHS),
        (with_check_digit("600000000"), NumberKind.NHS),
        (with_check_digit("799999999"), NumberKind.NHS),
        (with_check_digit("320000000"), NumberKind.HCN),
        (with_check_digit("399999999"), NumberKind.HCN),
        (with_check_digit("010126000"), NumberKind.CHI),
        (with_check_digit("320126000"), NumberKind.HCN),
        (with_check_digit("011326000"), NumberKind.NONE),
        (with_check_digit("500000000"), NumberKind.NONE),
        (with_check_digit("800000000"), NumberKind.NONE),
        (with_check_digit("900000001"), NumberKind.NONE),
        (number(0), NumberKind.TEST),
        ("9912003890", NumberKind.NONE),
        ("9000543664", NumberKind.NONE),
        ("", NumberKind.NONE),
        ("٠١٢٣٤٥٦٧٨٩", NumberKind.NONE),
        ("123456789", NumberKind.NONE),
    ],
)
def test_the_ranges_are_told_apart(text: str, kind: NumberKind) -> None:
    assert kind_of(text) is kind


@pytest.mark.behaviour(103)
@pytest.mark.parametrize("nine", ["010126000", "320000000"])
@pytest.mark.parametrize("test_mode", [True, False])
def test_a_chi_or_an_hc_number_is_never_an_nhs_number(nine: str, test_mode: bool) -> None:
    refusal = parse(with_check_digit(nine), test_mode=test_mode)
    assert isinstance(refusal, Problem)
    assert refusal.code is ProblemCode.BAD_NHS_NUMBER
    assert nine not in refusal.text


def test_test_mode_takes_exactly_the_999_range() -> None:
    assert isinstance(parse(number(3), test_mode=True), NhsNumber)
    assert isinstance(parse(REAL_RANGE, test_mode=True), Problem)
    assert isinstance(parse(with_check_digit("991200388"), test_mode=True), Problem)


def test_outside_test_mode_no_number_that_begins_with_9_is_taken() -> None:
    assert isinstance(parse(number(3), test_mode=False), Problem)
    assert isinstance(parse(with_check_digit("991200388"), test_mode=False), Problem)
    assert isinstance(parse(REAL_RANGE, test_mode=False), NhsNumber)


@given(st.from_regex(r"\A[0-9]{10}\Z") | st.from_regex(r"\A[34679][0-9]{8}\Z").map(lambda nine: f"{nine}0"))
def test_the_check_digit_and_ranges_agree_with_the_oracle(digits: str) -> None:
    is_right = is_valid(digits)
    kind = kind_of(digits)
    expected = {
        NumberKind.NHS: constants.REGION_ENGLAND_WALES_IOM,
        NumberKind.HCN: constants.REGION_NORTHERN_IRELAND,
        NumberKind.TEST: constants.REGION_SYNTHETIC,
    }
    if kind is NumberKind.NONE:
        return
    assert is_right
    if kind in expected:
        assert is_valid(digits, for_region=expected[kind])


@given(st.integers(400_000_000, 499_999_999) | st.integers(600_000_000, 799_999_999))
def test_every_valid_number_of_the_issued_range_is_taken(nine: int) -> None:
    for check in range(10):
        digits = f"{nine}{check}"
        expected = is_valid(digits) and len(set(digits)) > 1
        assert isinstance(parse(digits, test_mode=False), NhsNumber) is expected


def test_a_number_never_prints_its_digits(caplog: pytest.LogCaptureFixture) -> None:
    value = NhsNumber(number(1))
    logging.getLogger("test").warning("seen %s %r", value, value)
    shown = f"{value} {value!r} {value:>20} {[value]} {caplog.text}"
    assert number(1) not in shown
    assert "NhsNumber(···)" in shown
