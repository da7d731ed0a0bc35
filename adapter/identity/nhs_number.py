"""NHS numbers: what is one, what only looks like one, and a type that never prints its digits.

Sources: NHS Data Dictionary "NHS NUMBER" (modulus 11); ranges as in the PyPI package `nhs-number` 2.2.0, which is the
oracle of the tests. Knows nothing of messages or people.
"""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from operator import mul

from adapter.errors import Problem, ProblemCode

_WEIGHTS = tuple(range(10, 1, -1))
_CODES_MORE = ord("0") * sum(_WEIGHTS)
_WELSH_PREFIX = re.compile(r"[Nn][0-9](?=[0-9]{10}$)")
"""Wales sends `N3` or `N4` before the digits (DHCW Integration Hub, seen 2025)."""
_DECORATION = re.compile(r"[\s~‐-―−-]+")


class NumberKind(StrEnum):
    """Whose number ten digits with a right check digit are, by their range."""

    NHS = "nhs"
    """England, Wales and the Isle of Man: 400 000 0000 to 499… and 600… to 799…."""
    CHI = "chi"
    """Scotland: begins with the date of birth, DDMMYY."""
    HCN = "hcn"
    """Northern Ireland, Health and Care number: 320… to 399…."""
    TEST = "test"
    """999…: never issued, for tests."""
    NONE = "none"
    """Wrong length or check digit, a repeated digit, or a range nobody issues."""


@dataclass(frozen=True, slots=True)
class NhsNumber:
    """Ten valid digits. Made by `parse` only."""

    digits: str

    @property
    def is_test(self) -> bool:
        return self.digits.startswith("999")

    def __repr__(self) -> str:
        return "NhsNumber(···)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)


def plain_digits(text: str) -> str:
    """The text without spaces, dashes of any kind, a trailing `~` and a Welsh prefix; perhaps not digits at all."""
    if _is_ten_digits(text):
        return text
    return _WELSH_PREFIX.sub("", _DECORATION.sub("", text))


def kind_of(text: str) -> NumberKind:
    """Tells the three nations' numbers, test numbers and no numbers apart."""
    digits = plain_digits(text)
    if not _is_ten_digits(digits) or not _has_right_check_digit(digits) or digits == digits[0] * 10:
        return NumberKind.NONE
    if digits[0] in "467":
        return NumberKind.NHS
    if "3200000000" <= digits <= "3999999999":
        return NumberKind.HCN
    if digits <= "3112999999" and _begins_with_a_day(digits):
        return NumberKind.CHI
    return NumberKind.TEST if digits.startswith("999") else NumberKind.NONE


def parse(text: str, *, test_mode: bool) -> NhsNumber | Problem:
    """In test mode exactly the 999 range is taken, outside it exactly the issued range."""
    kind = kind_of(text)
    if kind is (NumberKind.TEST if test_mode else NumberKind.NHS):
        return NhsNumber(plain_digits(text))
    return Problem(code=ProblemCode.BAD_NHS_NUMBER, text=_WHY_NOT[kind])


_WHY_NOT = {
    NumberKind.NHS: "a real NHS number came while in test mode; only the 999 range is taken there",
    NumberKind.TEST: "a test number (999…) came outside test mode; it is never issued to a patient",
    NumberKind.CHI: "a Scottish CHI number stands where the NHS number is expected",
    NumberKind.HCN: "a Northern Irish Health and Care number stands where the NHS number is expected",
    NumberKind.NONE: "not an NHS number: wrong length, check digit or range, or one digit repeated",
}


def _is_ten_digits(text: str) -> bool:
    return len(text) == 10 and text.isascii() and text.isdigit()


def _has_right_check_digit(digits: str) -> bool:
    # NHS Data Dictionary: 11 minus the weighted sum modulo 11; 11 stands for 0, and 10 is never issued.
    # Of the characters' codes, which are 48 more than the digits; the weights end before the tenth digit.
    check: int = 11 - (sum(map(mul, _WEIGHTS, digits.encode())) - _CODES_MORE) % 11
    return check != 10 and check % 11 == int(digits[9])


def _begins_with_a_day(digits: str) -> bool:
    day, month, year = int(digits[:2]), int(digits[2:4]), int(digits[4:6])
    # The century is not in the number: 2000 is a leap year, so a 29 February counts in every fourth year of both.
    try:
        date(2000 + year, month, day)
    except ValueError:
        return False
    return True
