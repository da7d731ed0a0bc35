"""FHIR dates as they stand, perhaps known only to the month: ages in calendar days, and what came first."""

from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple


class Days(NamedTuple):
    """The first and the last calendar day that a partial date can mean."""

    first: date
    last: date


class Span(NamedTuple):
    """The earliest and the latest moment that a partial date can mean."""

    earliest: datetime
    latest: datetime


class Age(Enum):
    """Whether an event lies within an age limit; the day of the limit still counts."""

    WITHIN = auto()
    """Before birth too: a diagnosis may be antenatal."""
    BEYOND = auto()
    UNKNOWN = auto()


# A local day in the United Kingdom begins up to one hour before midnight UTC (summer time).
_SUMMER_HOUR = timedelta(hours=1)
_NO_YEARS = frozenset({MINYEAR, MAXYEAR})
"""How records write "since ever" and "without end"; no calendar arithmetic reaches beyond them."""


@lru_cache(maxsize=4096)
def days(text: str | None) -> Days | None:
    """None where there is no readable date."""
    try:
        parts = [int(part) for part in (text or "").partition("T")[0].split("-")]
        year, month, day = [*parts, 0, 0][:3]
        if year in _NO_YEARS:
            return None
        if day:
            return Days(date(year, month, day), date(year, month, day))
        if month:
            return Days(date(year, month, 1), _last_of_month(year, month))
        return Days(date(year, 1, 1), date(year, 12, 31))
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def span(text: str | None) -> Span | None:
    """None where there is no readable date."""
    found = days(text)
    if found is None or text is None:
        return None
    if "T" in text:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return Span(moment, moment)
    begin = datetime(found.first.year, found.first.month, found.first.day, tzinfo=UTC)
    end = datetime(found.last.year, found.last.month, found.last.day, tzinfo=UTC) + timedelta(days=1)
    return Span(begin - _SUMMER_HOUR, end)


def earliest(*texts: str | None) -> str | None:
    """The text of the earliest readable date."""
    readable = [(found.earliest, text) for text in texts if text and (found := span(text))]
    return min(readable)[1] if readable else None


def age_at(event: str | None, *, birth: str | None, limit_days: int) -> Age:
    """Unknown where a date is missing, or too partial to tell."""
    when, born = days(event), days(birth)
    if when is None or born is None:
        return Age.UNKNOWN
    if (when.last - born.first).days <= limit_days:
        return Age.WITHIN
    return Age.BEYOND if (when.first - born.last).days > limit_days else Age.UNKNOWN


def _last_of_month(year: int, month: int) -> date:
    return (date(year, month, 28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
