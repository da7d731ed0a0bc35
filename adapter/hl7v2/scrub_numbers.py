"""NHS numbers by their arithmetic alone (NHS Data Dictionary, NHS NUMBER: modulus 11), for scrubbing.

Who is who is for `adapter.identity`; here it matters only that a number looks like one.
"""

import re

_DIGITS = re.compile(r"(?:[Nn]\d)?(\d{3}[\s-]?\d{3}[\s-]?\d{4})\Z", re.ASCII)
"""With the prefix that Wales puts before it."""


def check_digit(nine: str) -> int:
    """10 means that no number begins with these nine."""
    total = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), nine, strict=True))
    return (11 - total % 11) % 11


def looks_like_nhs_number(text: str) -> bool:
    """Ten digits with a right check digit, in the forms in which they are written."""
    found = _DIGITS.match(text.strip())
    digits = re.sub(r"\D", "", found[1]) if found else ""
    return bool(digits) and check_digit(digits[:9]) == int(digits[9])


def nhs_number_of(stream: bytes) -> str:
    """A number of the range 999, which is never issued, with a right check digit."""
    middle = int.from_bytes(stream[:8], "big")
    while (check := check_digit(f"999{middle % 1_000_000:06d}")) == 10:
        middle += 1
    return f"999{middle % 1_000_000:06d}{check}"
