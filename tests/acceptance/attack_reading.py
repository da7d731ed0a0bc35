"""What the adversary reads out of payload B, and the habits it has learnt from children whose birth it knows.

It is given more than anybody should have: a thousand labelled children of the same hospital.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp, log

from tests.acceptance import attack_calendar as calendar
from tests.acceptance.attack_cohort import Sent, Truth

BIN = 15
BINS = calendar.DAY // BIN
DAY_KINDS = 8
Timed = tuple[int, str]
_TELLS_APART = ("drug_class", "measure", "class", "role", "event_type", "analyte", "ward_type")


@dataclass(slots=True)
class Seen:
    """One child as the adversary sees it."""

    month: str
    is_exact: bool
    """Whether minutes leave, or only days."""
    minutes: list[Timed]
    """Minute from birth and sort of event, in order."""
    days: list[Timed]
    ranges: list[tuple[int, int]]
    """Minute and upper end of the reference interval, where it changes: last of the old and first of the new."""
    infant: dict[str, object]
    sent: Sent


def read(sent: Sent) -> Seen:
    minutes: set[Timed] = {(0, "birth")}
    days: set[Timed] = set()
    infant: dict[str, object] = {}
    ranges: list[tuple[int, int]] = []
    for row in sent.rows:
        fields, kind = row["fields"], row["kind"]
        sort = next((f"{kind} {fields[name]}" for name in _TELLS_APART if name in fields), kind)
        for name, value in fields.items():
            if name.endswith("_minutes"):
                minutes.add((value, f"{sort} {name}"))
            elif name.endswith("_days") and name != "gestation_days":
                days.add((value, f"{sort} {name}"))
        if kind == "infant":
            infant = fields
        if "ref_high" in fields and "collected_minutes" in fields:
            ranges.append((fields["collected_minutes"], fields["ref_high"]))
    is_exact = infant.get("birth_precision") != "day"
    if not is_exact:
        minutes, days = set(), days | {(0, "birth")}
    return Seen(str(infant["birth_year_month"]), is_exact, sorted(minutes), sorted(days), _runs(ranges), infant, sent)


def _runs(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    ranges.sort()
    edges = [i for i in range(1, len(ranges)) if ranges[i][1] != ranges[i - 1][1]]
    kept = sorted({0, len(ranges) - 1, *edges, *(i - 1 for i in edges)}) if ranges else []
    return [ranges[i] for i in kept]


class Habits:
    """How often each sort of event happens at each quarter of an hour, on each kind of day."""

    def __init__(self, known: Iterable[tuple[Seen, Truth]]) -> None:
        self._clock: dict[tuple[str, bool], Counter[int]] = {}
        self._days: dict[str, Counter[int]] = {}
        self._minutes: dict[str, Counter[int]] = {}
        for seen, truth in known:
            born = calendar.instant_of(truth.minute)
            for minute, sort in seen.minutes:
                wall = calendar.wall(born + minute)
                self._note(sort, wall // calendar.DAY)
                off = calendar.is_off(wall // calendar.DAY)
                self._clock.setdefault((sort, off), Counter())[wall % calendar.DAY // BIN] += 1
                self._minutes.setdefault(sort, Counter())[wall % calendar.DAY] += 1
            for day, sort in seen.days:
                self._note(sort, truth.day + day)

    def _note(self, sort: str, day: int) -> None:
        self._days.setdefault(sort, Counter())[calendar.WEEKDAY_OR_HOLIDAY[day]] += 1

    @cached_property
    def sorts(self) -> dict[str, int]:
        return {sort: number for number, sort in enumerate(sorted(self._days))}

    @cached_property
    def by_day(self) -> list[list[float]]:
        """For each sort: the logarithm of how much oftener it happens on this kind of day than on any."""
        share = [Counter(calendar.WEEKDAY_OR_HOLIDAY[365:1460])[kind] / 1095 for kind in range(DAY_KINDS)]
        tables = []
        for sort in self.sorts:
            counts, prior = self._days[sort], 3.0
            total = sum(counts.values()) + prior
            tables.append(
                [log((counts[kind] + prior * share[kind]) / total / share[kind]) for kind in range(DAY_KINDS)]
            )
        return tables

    @cached_property
    def by_clock(self) -> list[list[float]]:
        """For each sort: log-likelihood of each quarter of an hour, whatever the day."""
        return [_smooth(self._at(sort, False) + self._at(sort, True)) for sort in self.sorts]

    @cached_property
    def by_both(self) -> list[list[list[float]]]:
        """For each sort and quarter of an hour: log-likelihood on each kind of day."""
        tables = []
        for number, sort in enumerate(self.sorts):
            working = _smooth(self._at(sort, False), towards=self.by_clock[number])
            off = _smooth(self._at(sort, True), towards=self.by_clock[number])
            by_day = self.by_day[number]
            tables.append(
                [
                    [by_day[kind] + (off if kind >= calendar.SATURDAY else working)[slot] for kind in range(DAY_KINDS)]
                    for slot in range(BINS)
                ]
            )
        return tables

    @cached_property
    def padded(self) -> dict[str, int]:
        """Sorts whose clock time is always the same minute, such as a day padded with midnight; and that minute."""
        found = {}
        for sort, counts in self._minutes.items():
            minute, count = counts.most_common(1)[0]
            if count > 20 and count > 0.95 * sum(counts.values()):
                found[sort] = minute
        return found

    def _at(self, sort: str, off: bool) -> Counter[int]:
        return self._clock.get((sort, off), Counter())


def _smooth(counts: Counter[int], *, towards: Sequence[float] | None = None) -> list[float]:
    """A little of each count goes to its neighbours; where little is known, what is known of all days stands in."""
    spread = [counts[s] / 2 + counts[(s - 1) % BINS] / 4 + counts[(s + 1) % BINS] / 4 for s in range(BINS)]
    prior = 8.0 if towards is not None else 2.0
    total = sum(spread) + prior
    base = [exp(each) for each in towards] if towards is not None else [1 / BINS] * BINS
    return [log((spread[s] + prior * base[s]) / total) for s in range(BINS)]
