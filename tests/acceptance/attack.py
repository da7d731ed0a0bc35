"""The attacks on payload B, what each learns of the time of birth, and the most it is said to learn.

`python -m tests.acceptance.attack` prints the tables of docs/payload-attack.md. All children are invented.
"""

import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt
from pathlib import Path
from random import Random
from statistics import mean, median

from adapter.disclosure import Minutes
from tests.acceptance import attack_calendar as calendar
from tests.acceptance import attack_others as others
from tests.acceptance.attack_calendar import DAY
from tests.acceptance.attack_cohort import Cohort, Truth, a_ring
from tests.acceptance.attack_habits import HABITS, Habit, round_the_clock
from tests.acceptance.attack_posterior import Attack, Posterior, Uses, smallest_set
from tests.acceptance.attack_reading import BIN, BINS, Habits, Seen, read

CHILDREN = 1000
EVERYTHING = Uses(weekdays=True, holidays=True, clock_changes=True, ranges=True, outages=True)
CHANCE = 12 / 365.25
"""That a day guessed in the month is right."""
CLOCKS = "changes of the clock"
_CLOCK_CHANGES_ALONE = Uses(clock_changes=True)
BY_HABITS = (
    ("clock times alone: the hour", Uses(), CHANCE),
    ("days of the week", Uses(weekdays=True), 0.25),
    ("days of the week and bank holidays", Uses(weekdays=True, holidays=True), 0.40),
    (CLOCKS, _CLOCK_CHANGES_ALONE, 0.20),
    ("new reference intervals at a known date", Uses(ranges=True), 0.15),
    ("days without a laboratory", Uses(outages=True), 0.10),
    ("all of these together", EVERYTHING, 0.65),
)
"""Each with what it looks at, and the most it is said to find."""
SAMPLES = "nothing but samples six-hourly"
TIMED = ("lab_result", "imaging_study", "operation", "medication_course", "condition_case")
"""What a study of timing needs to the minute."""
Candidates = Callable[[Seen], Sequence[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one attack learns of the day of birth."""

    attack: str
    children: int
    hits: int
    chance: float
    bound: float
    """The share of days found that docs/payload-attack.md owns up to."""
    left: float | None = None
    """Median of the number of days it takes to be 95 % sure; None where the attack names one day."""

    @property
    def rate(self) -> float:
        return self.hits / self.children

    def interval(self, z: float = 1.96) -> tuple[float, float]:
        """Wilson's, of the share."""
        n, share = self.children, self.rate
        middle, width = share + z * z / (2 * n), z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        return (middle - width) / (1 + z * z / n), (middle + width) / (1 + z * z / n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """What the clock times tell of the time of day of birth."""

    median_error_min: float
    within_half_an_hour: float
    padded: int
    """Children with an event padded to midnight."""
    padded_right: int
    """Of these, children whose minute of birth it gives exactly."""


class Experiment:
    """One thousand labelled children to learn from, and as many to attack."""

    def __init__(self, folder: Path, *, children: int = CHILDREN, habits: Sequence[Habit] = HABITS) -> None:
        ring = a_ring(folder)
        known = Cohort(ring, seed=1, children=children, habits=habits)
        self._cohort = Cohort(ring, seed=2, children=children, habits=habits)
        self.known = list(zip(map(read, known.payload()), known.truth, strict=True))
        self.truth: list[Truth] = self._cohort.truth
        self.seen = [read(sent) for sent in self._cohort.payload()]
        self.habits = Habits(self.known)

    @cached_property
    def seen_by_wall_clock(self) -> list[Seen]:
        return [read(sent) for sent in self._cohort.payload(Minutes.WALL_CLOCK)]

    def hours(self) -> Hours:
        attack, errors, padded = Attack(self.habits, Uses()), [], []
        for seen, truth in zip(self.seen, self.truth, strict=True):
            if seen.is_exact:
                found = attack.hours(seen)
                error = (max(range(BINS), key=found.__getitem__) * BIN + BIN // 2 - truth.minute) % calendar.DAY
                errors.append(min(error, calendar.DAY - error))
                minute = others.minute_by_padding(self.habits, seen)
                padded += [] if minute is None else [minute == truth.minute % calendar.DAY]
        within = mean(error <= 30 for error in errors)
        return Hours(
            median_error_min=median(errors), within_half_an_hour=within, padded=len(padded), padded_right=sum(padded)
        )

    def lines(self) -> list[Line]:
        """All attacks on the payload as it leaves."""
        blood = self._only("lab_result")
        across = [number for number, seen in enumerate(blood) if _is_across(seen, self.truth[number])]
        return [
            self.by_ids(),
            *(self.by_habits(name, uses, bound=bound) for name, uses, bound in BY_HABITS),
            self._line(
                f"{CLOCKS}, of children bled across one",
                Attack(self.habits, _CLOCK_CHANGES_ALONE),
                blood,
                bound=0.90,
                of=across,
            ),
            self._line("all of these, blood results alone", Attack(self.habits, EVERYTHING), blood, bound=0.40),
            *self.by_twins(),
            *self.by_arrival(),
        ]

    def by_samples_alone(self) -> list[Line]:
        """Of children of whom nothing is told but samples round the clock."""
        crossing = [number for number, seen in enumerate(self.seen) if _is_across(seen, self.truth[number])]
        others_of_them = sorted(set(range(len(self.seen))) - set(crossing))
        attack, by_wall = Attack(self.habits, EVERYTHING), Attack(self.habits, EVERYTHING, is_wall_clock=True)
        return [
            self._line(f"{SAMPLES}, all of these together", attack, self.seen, bound=0.13),
            self._line(f"{SAMPLES}, across a change of the clock", attack, self.seen, bound=0.90, of=crossing),
            self._line(f"{SAMPLES}, across none", attack, self.seen, bound=0.08, of=others_of_them),
            self._line(f"{SAMPLES}, `minutes: wall-clock`", by_wall, self.seen_by_wall_clock, bound=CHANCE),
        ]

    def proposals(self, *, children: int = 250) -> list[Line]:
        """The best attack, were the payload told otherwise; of the first children."""
        told, wall = self.seen, self.seen_by_wall_clock
        fewer = replace(EVERYTHING, ranges=False)
        timed, timed_wall = self._only(*TIMED), self._only(*TIMED, of=wall)
        cases: list[tuple[str, list[Seen], Uses, Candidates]] = [
            ("as it is", told, EVERYTHING, _month),
            ("1 no reference intervals", told, fewer, _month),
            ("2 minutes by the wall clock", wall, EVERYTHING, _month),
            ("3 minutes only for what is timed", timed, EVERYTHING, _month),
            ("1 and 2", wall, fewer, _month),
            ("1, 2 and 3", timed_wall, fewer, _month),
            ("year of birth for the month", told, EVERYTHING, _year),
            ("1 and 2, year of birth", wall, fewer, _year),
            ("1, 2 and 3, year of birth", timed_wall, fewer, _year),
        ]
        lines = []
        for name, seen, uses, candidates in cases:
            attack = Attack(self.habits, uses, is_wall_clock=seen is wall or seen is timed_wall)
            lines.append(self._line(name, attack, seen, bound=1.0, of=range(children), candidates=candidates))
        return lines

    def by_habits(self, name: str, uses: Uses, *, bound: float) -> Line:
        return self._line(name, Attack(self.habits, uses), self.seen, bound=bound)

    def by_ids(self) -> Line:
        """Ids, versions, order of rows and sizes: the best of them, which is chosen knowing the answers."""
        hits = []
        for feature in others.FEATURES.values():
            known = [(feature(seen), truth) for seen, truth in self.known]
            hits.append(
                sum(
                    others.day_by_likeness(seen, known, feature(seen)) == truth.day
                    for seen, truth in zip(self.seen, self.truth, strict=True)
                )
            )
        name = f"ids, versions, order, sizes: the best of {len(hits)}"
        return Line(attack=name, children=len(self.seen), hits=max(hits), chance=CHANCE, bound=CHANCE)

    def by_twins(self) -> list[Line]:
        """Twins are known by what leaves of them; each told apart, and both together."""
        attack, pairs = Attack(self.habits, EVERYTHING), others.twins(self.seen)
        found = {number: attack.days(self.seen[number], _month(self.seen[number])) for number in pairs}
        joint = {number: others.together(found[number], found[other]) for number, other in pairs.items()}
        names = (("twins, each by itself", found, 0.70), ("twins together", joint, 0.80))
        return [self._judged(name, posteriors, bound=bound) for name, posteriors, bound in names]

    def by_arrival(self) -> list[Line]:
        """What the payload does not say and its receiver knows: when, or in which order, rows came."""
        exact = [others.day_by_arrival(seen) == truth.day for seen, truth in zip(self.seen, self.truth, strict=True)]
        order = others.days_by_order(self.seen)
        ordered = [order.get(number) == truth.day for number, truth in enumerate(self.truth)]
        return [
            Line(attack=name, children=len(hits), hits=sum(hits), chance=CHANCE, bound=bound)
            for name, hits, bound in (
                ("not in the payload: when rows came", exact, 1.0),
                ("not in the payload: in which order rows came", ordered, 0.45),
            )
        ]

    def _only(self, *sorts: str, of: Iterable[Seen] | None = None) -> list[Seen]:
        return [
            replace(seen, minutes=[event for event in seen.minutes if event[1].startswith(sorts)], days=[])
            for seen in of or self.seen
        ]

    def _line(
        self,
        name: str,
        attack: Attack,
        seen: Sequence[Seen],
        *,
        bound: float,
        of: Iterable[int] | None = None,
        candidates: Candidates | None = None,
    ) -> Line:
        among = candidates or _month
        numbers = range(len(seen)) if of is None else of
        return self._judged(name, {n: attack.days(seen[n], among(seen[n])) for n in numbers}, bound=bound)

    def _judged(self, name: str, found: dict[int, Posterior], *, bound: float) -> Line:
        chance = Random(3)
        return Line(
            attack=name,
            children=len(found),
            hits=sum(others.pick(each, chance) == self.truth[number].day for number, each in found.items()),
            chance=mean(1 / len(each) for each in found.values()),
            bound=bound,
            left=median(smallest_set(each) for each in found.values()),
        )


def _is_across(seen: Seen, truth: Truth) -> bool:
    """Whether there is a day of six-hourly samples on either side of a change of the clock."""
    at = [calendar.instant_of(truth.minute) + minute for minute, _ in seen.minutes]
    spans = [(sum(change - 2 * DAY < each < change for each in at), change) for change in calendar.CHANGES]
    return any(before >= 4 and sum(change < each < change + 2 * DAY for each in at) >= 4 for before, change in spans)


def _month(seen: Seen) -> range:
    return calendar.days_of_month(seen.month)


def _year(seen: Seen) -> range:
    return range(calendar.day_of(f"{seen.month[:4]}-01-01"), calendar.day_of(f"{seen.month[:4]}-12-31") + 1)


def table(lines: Iterable[Line], *, with_bound: bool = True) -> str:
    """In Markdown."""
    head = ["attack", "children", "day found", "95 % interval", "by chance", "days left", *["bound"] * with_bound]
    rows = [head, ["---"] * len(head)]
    for line in lines:
        low, high = line.interval()
        left = "" if line.left is None else f"{line.left:g}"
        cells = [
            line.attack,
            f"{line.children}",
            f"{line.rate:.1%}",
            f"{low:.1%}–{high:.1%}",
            f"{line.chance:.1%}",
            left,
        ]
        rows.append([*cells, *[f"{line.bound:.0%}"] * with_bound])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)


def main() -> int:
    """Print what is learnt."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment(Path(folder))
        hours = experiment.hours()
        print(f"Time of day of birth: median error {hours.median_error_min:g} minutes,", end=" ")
        print(f"{hours.within_half_an_hour:.0%} within half an hour;", end=" ")
        print(f"exact minute of {hours.padded_right} of the {hours.padded} children with a padded time.\n")
        (alone := Path(folder) / "alone").mkdir()
        samples = Experiment(alone, habits=(round_the_clock,))
        print(table([*experiment.lines(), *samples.by_samples_alone()]), "\n")
        print(table(experiment.proposals(), with_bound=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
