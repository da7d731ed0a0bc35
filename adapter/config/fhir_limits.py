"""How often a FHIR server may be asked, and when not at all. Days and hours are those of the trust."""

import re
from datetime import time
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field

from adapter.datafile import Positioned

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class Hours(NamedTuple):
    """From one time of day to another; past midnight where the second is the earlier."""

    start: time
    end: time


class Window(NamedTuple):
    """Hours that begin on some days of the week."""

    days: frozenset[int]
    """As `date.weekday()` counts: Monday is 0."""
    hours: Hours


def _hours(written: object) -> object:
    if not isinstance(written, str):
        return written
    found = _HOURS.fullmatch(written.strip())
    if found is None:
        raise ValueError('should be two times of day such as "07:00-19:00"')
    first, second, third, fourth = map(int, found.groups())
    hours = Hours(time(first, second), time(third, fourth))
    if hours.start == hours.end:
        raise ValueError("begins and ends at the same time")
    return hours


def _window(written: object) -> object:
    if not isinstance(written, str):
        return written
    days, _, hours = written.strip().rpartition(" ")
    return Window(_weekdays(days), _hours(hours))  # type: ignore[arg-type]


def _weekdays(written: str) -> frozenset[int]:
    if not written:
        return frozenset(range(7))
    ends = written.split("-")
    if len(ends) > 2 or not set(ends) <= set(_DAYS):
        raise ValueError(f'should be hours, or days and hours, such as "Sun 02:00-05:00"; days are {", ".join(_DAYS)}')
    first, last = _DAYS.index(ends[0]), _DAYS.index(ends[-1])
    return frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))


Rate = Annotated[float, Field(gt=0, le=1000)]


class Peak(Positioned):
    """The hours in which clinicians use the server most (behaviour 40)."""

    hours: Annotated[Hours, BeforeValidator(_hours)]
    requests_per_second: Rate


class FhirLimits(Positioned):
    """What the server's team has agreed to."""

    requests_per_second: Rate = 2
    parallel: Annotated[int, Field(ge=1, le=16)] = 1
    """Requests under way at one time."""
    peak: Peak | None = None
    requests_per_day: Annotated[int, Field(ge=1)] | None = None
    """By the local day."""
    blackout: tuple[Annotated[Window, BeforeValidator(_window)], ...] = ()
    """Nothing is asked for then."""
