"""Attacks that look at something else than habits: padded times, twins, ids and sizes, and when rows came."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from random import Random
from statistics import quantiles

from tests.acceptance import attack_calendar as calendar
from tests.acceptance.attack_calendar import DAY
from tests.acceptance.attack_cohort import Truth
from tests.acceptance.attack_posterior import Posterior
from tests.acceptance.attack_reading import Habits, Seen

_USUAL_LAG = 5
ORDER_LOW, ORDER_HIGH = 17, 1
"""Minutes from an event until its row has come, where nothing is held; the adversary knows its labelled children."""


def minute_by_padding(habits: Habits, seen: Seen) -> int | None:
    """The minute of the day of birth, from an event whose clock time is always the same: midnight of a coder."""
    for at, sort in seen.minutes:
        if sort in habits.padded:
            return (habits.padded[sort] - at) % DAY
    return None


def twins(cohort: Sequence[Seen]) -> dict[int, int]:
    """Who is whose twin, by what leaves: multiple birth, order, gestation and month; only where one pair alone fits."""
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, seen in enumerate(cohort):
        if seen.infant.get("multiple_birth"):
            groups[seen.infant.get("gestation_days"), seen.month].append(number)
    pairs = [
        group
        for group in groups.values()
        if sorted(str(cohort[n].infant.get("birth_order")) for n in group) == ["1", "2"]
    ]
    return {one: other for pair in pairs for one, other in (pair, pair[::-1])}


def together(one: Posterior, other: Posterior) -> Posterior:
    """Both were born on one day."""
    product = {day: share * other.get(day, 0.0) + 1e-300 for day, share in one.items()}
    whole = sum(product.values())
    return {day: share / whole for day, share in product.items()}


FEATURES: dict[str, Callable[[Seen], float]] = {
    "csor_id": lambda seen: int.from_bytes(seen.sent.csor_id[:8].encode(), "big"),
    "least record id": lambda seen: int.from_bytes(min(row["record_id"] for row in seen.sent.rows)[:8].encode(), "big"),
    "first record id": lambda seen: int.from_bytes(seen.sent.rows[0]["record_id"][:8].encode(), "big"),
    "versions": lambda seen: sum(row["version"] for row in seen.sent.rows),
    "number of rows": lambda seen: len(seen.sent.rows),
    "size in bytes": lambda seen: len(json.dumps(seen.sent.rows)),
    "place of the infant row": lambda seen: [row["kind"] for row in seen.sent.rows].index("infant"),
}


def day_by_likeness(seen: Seen, known: Sequence[tuple[float, Truth]], value: float) -> int:
    """The day in the month of the labelled child that is nearest in this feature."""
    month = calendar.days_of_month(seen.month)
    nearest = min(known, key=lambda each: abs(each[0] - value))[1]
    return month[min(calendar.date_of(nearest.day).day, len(month)) - 1]


def day_by_arrival(seen: Seen) -> int | None:
    """The receiver notes when a row came: no row comes before its event, and the freshest come soon after."""
    latest = [came - at for came, at in _freshest(seen)]
    return None if not latest else calendar.wall(min(latest) - _USUAL_LAG) // DAY


def days_by_order(cohort: Sequence[Seen]) -> dict[int, int]:
    """From the order alone in which rows of all children came, without any time.

    A row comes after the first minute of its child's month and the minutes it tells, and, where it came by itself, soon
    after the last minute of that month and those minutes. Over many children these bounds are a clock.
    """
    rows = sorted((came, number, at) for number, seen in enumerate(cohort) for came, at in _freshest(seen))
    months = [calendar.days_of_month(seen.month) for seen in cohort]
    latest, clock = [0] * len(rows), 10**9
    for place in range(len(rows) - 1, -1, -1):
        _, number, at = rows[place]
        if place + 1 == len(rows) or rows[place + 1][1] != number:
            clock = min(clock, (months[number][-1] + 1) * DAY + at + 4 * _USUAL_LAG)
        latest[place] = clock
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    clock = 0
    for place, (_, number, at) in enumerate(rows):
        clock = max(clock, months[number][0] * DAY + at)
        found[number].append((clock - at, latest[place] - at))
    return {number: _between(bounds, months[number]) for number, bounds in found.items()}


def _between(bounds: list[tuple[int, int]], month: range) -> int:
    """The day in the middle of the narrowest bounds; a few rows that came late count for nothing."""
    if len(bounds) < 20:
        earliest, latest = max(low for low, _ in bounds), min(high for _, high in bounds)
    else:
        earliest = int(quantiles([low for low, _ in bounds], n=20)[ORDER_LOW])
        latest = int(quantiles([high for _, high in bounds], n=20)[ORDER_HIGH])
    return min(max((earliest + latest) // 2 // DAY, month[0]), month[-1])


def _freshest(seen: Seen) -> list[tuple[int, int]]:
    """When each row came that told of something later than all before it, and the minute it told of."""
    fresh, latest = [], -DAY
    for row, came in zip(seen.sent.rows, seen.sent.arrived, strict=True):
        told = [value for name, value in row["fields"].items() if name.endswith("_minutes")]
        if told and min(told) > latest:
            latest = min(told)
            fresh.append((came, latest))
    return fresh


def pick(posterior: Posterior, chance: Random) -> int:
    """The likeliest day; one of them where several are."""
    top = max(posterior.values())
    return chance.choice([day for day, share in posterior.items() if share >= top * (1 - 1e-9)])
