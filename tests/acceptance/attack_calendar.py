"""The calendar that everybody knows: days of the week, bank holidays of England, changes of the clock; in minutes.

Instants are whole minutes of UTC since the start of 2022; a wall clock is the same count with the hour of summer added.
"""

from bisect import bisect_right
from datetime import date, datetime, timedelta

DAY = 1440
START = date(2022, 1, 1)
_START = datetime(2022, 1, 1)
_HOLIDAYS = """
2023-01-02 2023-04-07 2023-04-10 2023-05-01 2023-05-08 2023-05-29 2023-08-28 2023-12-25 2023-12-26
2024-01-01 2024-03-29 2024-04-01 2024-05-06 2024-05-27 2024-08-26 2024-12-25 2024-12-26
2025-01-01 2025-04-18 2025-04-21 2025-05-05 2025-05-26 2025-08-25 2025-12-25 2025-12-26
2026-01-01 2026-04-03 2026-04-06 2026-05-04 2026-05-25 2026-08-31 2026-12-25 2026-12-28
"""
SATURDAY, HOLIDAY = 5, 7


def day_of(text: str) -> int:
    return (date.fromisoformat(text) - START).days


def date_of(day: int) -> date:
    return START + timedelta(days=day)


HOLIDAYS = frozenset(day_of(text) for text in _HOLIDAYS.split())


def _last_sunday(year: int, month: int) -> int:
    last = date(year, month, 31)
    return (last - START).days - (last.weekday() + 1) % 7


CHANGES = [_last_sunday(year, month) * DAY + 60 for year in range(2022, 2028) for month in (3, 10)]
"""Instants at which the clocks change: to summer time, and back, in turn."""

LAST_DAY = day_of("2027-12-31")
WEEKDAY = [(day + 5) % 7 for day in range(LAST_DAY)]
"""Monday is 0."""
WEEKDAY_OR_HOLIDAY = [HOLIDAY if day in HOLIDAYS else WEEKDAY[day] for day in range(LAST_DAY)]


def offset(instant: int) -> int:
    """By how many minutes the wall clock is ahead of UTC."""
    return 60 if bisect_right(CHANGES, instant) % 2 else 0


def wall(instant: int) -> int:
    return instant + offset(instant)


def instant_of(wall_minute: int) -> int:
    """The earlier one in the hour that comes twice."""
    return wall_minute - offset(wall_minute - 60)


def is_off(day: int) -> bool:
    """A weekend or a bank holiday."""
    return WEEKDAY_OR_HOLIDAY[day] >= SATURDAY


def text_of(instant: int) -> str:
    """ISO 8601 with the offset of London."""
    ahead = offset(instant)
    return (_START + timedelta(minutes=instant + ahead)).isoformat() + ("+01:00" if ahead else "+00:00")


def days_of_month(month: str) -> range:
    first = date.fromisoformat(f"{month}-01")
    following = (first.replace(day=28) + timedelta(days=4)).replace(day=1)
    return range((first - START).days, (following - START).days)
