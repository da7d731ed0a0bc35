"""The plain parts of HL7 v2 text: escapes, segments, times."""

from collections.abc import Mapping
from datetime import datetime

from adapter.simulator.moments import LONDON

_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"})


def escaped(value: str) -> str:
    """A value with the delimiters in it escaped."""
    return value.translate(_ESCAPES)


def segment(name: str, fields: Mapping[int, str]) -> str:
    """Fields by their number; empty ones at the end are not written."""
    last = max((number for number, value in fields.items() if value), default=0)
    return "|".join([name, *(fields.get(number, "") for number in range(1, last + 1))])


def minute(moment: datetime, *, has_offset: bool) -> str:
    """A clinical time, as the clock on the wall."""
    return moment.astimezone(LONDON).strftime("%Y%m%d%H%M%z" if has_offset else "%Y%m%d%H%M")


def second(moment: datetime, *, has_offset: bool) -> str:
    """A clock of a system."""
    return moment.astimezone(LONDON).strftime("%Y%m%d%H%M%S%z" if has_offset else "%Y%m%d%H%M%S")


def coded(code: str, words: str, system: str) -> str:
    """CE or CWE."""
    return f"{code}^{escaped(words)}^{system}" if system else f"{code}^{escaped(words)}"
