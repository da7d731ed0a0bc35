"""What a named conversion gives: the value, the problems, and the steps taken.

A step says what was done, with which argument, and what came out, so that somebody without this program can do the same
to the source value and get the stored one. The names of steps are a closed list:

    take         the text without blanks around it
    offset       `Z` at the end is written `+00:00`
    local-time   the offset of that time zone (argument) at that moment is written after it
    precision    year, month, day or minute, by the length of the text
    table        the line of the mapping file (argument) has the text on its left and the result on its right
    look-up      the line of the list or table (argument) has the code and the result
    normalise    the normal form of a code of that system (argument; rules in `codelists`)
    number, integer, flag   the JSON value as it is
    present      true, because there is a value
    collect      every coding, as many as the argument says
    constant     the result, whatever the source says (argument: why)
    comparator   the comparator before the number        after-comparator   the number after it
    join         argument and text written together
    multiply     the number times the argument           ph   9 − log10 of the number, three decimals
    plausible    whether the number lies outside the range of the argument
    named        one of the words of the line (argument), with all it asks for, stands in the text
    sign         the entry of that line (argument) has the code, or the phrase that the text speaks of
    ward         the list of wards in the trust file has the ward (argument) and the result
    weeks-and-days  weeks before the sign and days after it, in days      formula  by that formula (`units`)
    text-of-attachment  the base64 text decoded
    well-formed  whether the text is a code of that system (argument; rules in `codelists`)
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from adapter.errors import Problem, ProblemCode


class Step(NamedTuple):
    """One thing done on the way from the source value to the field."""

    name: str
    argument: str
    result: str


class Outcome(NamedTuple):
    """What a conversion gives."""

    value: Any
    problems: tuple[Problem, ...] = ()
    steps: tuple[Step, ...] = ()
    used: int | None = None
    """Which of several values was used."""
    leaf: str = ""
    """Which element of the value was used (`code` of a coding)."""


Convert = Callable[[Any], Outcome]
"""From one value, or from the list of all values for the conversions of `ALL_VALUES`."""

NOTHING = Outcome(None)


def problem(code: ProblemCode, text: str, *, at: str) -> tuple[Problem, ...]:
    """One problem, as outcomes carry them."""
    return (Problem(code=code, text=text, at=at),)


def length_of(value: object) -> int:
    """Of all texts in it: what is remembered must not grow with what a sender writes."""
    if isinstance(value, str):
        return len(value)
    length = 0
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        length += len(inner) if type(inner) is str else length_of(inner)
    return length
