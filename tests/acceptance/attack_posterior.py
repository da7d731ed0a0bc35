"""How likely each day of the month and each hour is as the time of birth, given all events of one child."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from operator import itemgetter

from tests.acceptance import attack_calendar as calendar
from tests.acceptance.attack_calendar import DAY
from tests.acceptance.attack_habits import NEW_RANGES, OUTAGES
from tests.acceptance.attack_reading import BIN, BINS, Habits, Seen

HOUR = 60 // BIN
_HOURS_TRIED = 3
_IMPOSSIBLE = -8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """What an attack looks at, besides the clock times that give it the hour."""

    weekdays: bool = False
    holidays: bool = False
    clock_changes: bool = False
    ranges: bool = False
    outages: bool = False


Posterior = dict[int, float]
"""By day; adds up to 1."""


class Attack:
    """One adversary. `is_wall_clock`: minutes from birth are told by the wall clock, not by UTC."""

    def __init__(self, habits: Habits, uses: Uses, *, is_wall_clock: bool = False) -> None:
        self._habits = habits
        self._uses = uses
        self._changes = calendar.CHANGES if uses.clock_changes and not is_wall_clock else []
        self._is_wall_clock = is_wall_clock
        self._day_kinds = calendar.WEEKDAY_OR_HOLIDAY if uses.holidays else calendar.WEEKDAY
        self._round = [table * 2 for table in habits.by_clock]

    def hours(self, seen: Seen) -> list[float]:
        """Log-likelihood of each quarter of an hour as the time of birth."""
        sorts = self._habits.sorts
        counts = Counter(
            (sorts[sort], (minute + BIN // 2) // BIN % BINS) for minute, sort in seen.minutes if sort in sorts
        )
        slices = [
            self._round[sort][slot : slot + BINS]
            if count == 1
            else [each * count for each in self._round[sort][slot : slot + BINS]]
            for (sort, slot), count in counts.items()
        ]
        return list(map(sum, zip(*slices, strict=True)))

    def days(self, seen: Seen, candidates: Sequence[int]) -> Posterior:
        """How likely each of the candidates is."""
        by_days = [sum(self._of_days(seen, day)) for day in candidates]
        if not seen.is_exact:
            return _posterior(dict(zip(candidates, by_days, strict=True)))
        hours = self.hours(seen)
        best = sorted(range(BINS), key=hours.__getitem__, reverse=True)[:_HOURS_TRIED]
        tried = {(slot + shift) % BINS for slot in best for shift in ((-HOUR, 0, HOUR) if self._changes else (0,))}
        scores = {day: [extra] for day, extra in zip(candidates, by_days, strict=True)}
        for slot in sorted(tried):
            told = _Told(self._habits, seen, slot)
            for day in candidates:
                scores[day].append(scores[day][0] + self._score(seen, told, day, slot))
        return _posterior({day: _log_sum(found[1:]) for day, found in scores.items()})

    def _of_days(self, seen: Seen, day: int) -> list[float]:
        if not self._uses.weekdays:
            return [0.0]
        sorts, tables = self._habits.sorts, self._habits.by_day
        return [tables[sorts[sort]][self._day_kinds[day + at]] for at, sort in seen.days if sort in sorts]

    def _score(self, seen: Seen, told: "_Told", day: int, slot: int) -> float:
        minute = day * DAY + slot * BIN + BIN // 2
        born = minute if self._is_wall_clock else calendar.instant_of(minute)
        score = 0.0
        for first, last, shift in self._pieces(told, born):
            score += self._piece(told, day, (first, last), shift)
        if self._uses.ranges:
            score += sum(_IMPOSSIBLE for at, high in seen.ranges if _range_at(born + at, self._is_wall_clock) != high)
        if self._uses.outages:
            score += told.outages(minute)
        return score

    def _pieces(self, told: "_Told", born: int) -> list[tuple[int, int, int]]:
        """Runs of events between changes of the clock, each with its quarters of an hour ahead of the birth's clock."""
        if not self._changes:
            return [(0, len(told.at), 0)]
        edges = [bisect_left(told.at, change - born) for change in self._changes]
        at_birth = calendar.offset(born)
        pieces = []
        for number, (first, last) in enumerate(zip([0, *edges], [*edges, len(told.at)], strict=True)):
            if first < last:
                pieces.append((first, last, ((60 if number % 2 else 0) - at_birth) // BIN))
        return pieces

    def _piece(self, told: "_Told", day: int, span: tuple[int, int], shift: int) -> float:
        first, last = span
        tables, later = told.shifted(shift)
        if not self._uses.weekdays:
            return told.plain(shift, first, last)
        kinds = self._day_kinds
        return sum([table[kinds[day + at]] for table, at in zip(tables[first:last], later[first:last], strict=True)])


class _Told:
    """The events of one child, looked up for one time of birth."""

    def __init__(self, habits: Habits, seen: Seen, slot: int) -> None:
        self._habits = habits
        self._slot = slot
        self._events = [(at, habits.sorts[sort]) for at, sort in seen.minutes if sort in habits.sorts]
        self.at = [at for at, _ in self._events]
        self._blood = [at for at, sort in seen.minutes if sort.startswith("lab_result")]
        self._gaps = [
            (before, after)
            for before, after in zip(self._blood, self._blood[1:], strict=False)
            if after - before > 1200
        ]
        self._shifted: dict[int, tuple[list[list[float]], list[int]]] = {}
        self._sums: dict[int, list[float]] = {}

    def shifted(self, shift: int) -> tuple[list[list[float]], list[int]]:
        """For each event its table over kinds of day, and on which day after that of birth it falls."""
        if shift not in self._shifted:
            places = [((at + BIN // 2) // BIN + self._slot + shift, sort) for at, sort in self._events]
            tables = [self._habits.by_both[sort][place % BINS] for place, sort in places]
            self._shifted[shift] = (tables, [place // BINS for place, _ in places])
        return self._shifted[shift]

    def plain(self, shift: int, first: int, last: int) -> float:
        """The same whatever the kind of day, by running sums."""
        if shift not in self._sums:
            sums = [0.0]
            for at, sort in self._events:
                sums.append(
                    sums[-1] + self._habits.by_clock[sort][((at + BIN // 2) // BIN + self._slot + shift) % BINS]
                )
            self._sums[shift] = sums
        return self._sums[shift][last] - self._sums[shift][first]

    def outages(self, minute: int) -> float:
        """No sample falls into a day without results; and such a day explains a gap that nothing else does."""
        score = 0.0
        for day in OUTAGES:
            first = day * DAY - minute
            if not self._blood or first > self._blood[-1] or first + DAY < self._blood[0]:
                continue
            inside = bisect_left(self._blood, first + DAY) - bisect_left(self._blood, first)
            score += _IMPOSSIBLE * min(inside, 4)
            score += 6.0 * any(before <= first + 120 and after >= first + DAY - 120 for before, after in self._gaps)
        return score


def _range_at(instant: int, is_wall_clock: bool) -> int:
    changes = [calendar.wall(each) for each in NEW_RANGES] if is_wall_clock else NEW_RANGES
    return (5, 4, 5, 6)[sum(instant >= changed for changed in changes)]


def _log_sum(values: Sequence[float]) -> float:
    top = max(values)
    return top + log(sum(exp(value - top) for value in values))


def _posterior(scores: dict[int, float]) -> Posterior:
    whole = _log_sum(list(scores.values()))
    return {day: exp(score - whole) for day, score in scores.items()}


def smallest_set(posterior: Posterior, *, mass: float = 0.95) -> int:
    """How many days it takes to be that sure."""
    total, days = 0.0, 0
    for _, share in sorted(posterior.items(), key=itemgetter(1), reverse=True):
        total, days = total + share, days + 1
        if total >= mass - 1e-9:
            break
    return days
