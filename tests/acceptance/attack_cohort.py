"""A thousand invented children as the receiver sees them: payload B by the real disclosure, ids by the real keys."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from adapter import disclosure, identity
from adapter.disclosure import Birth, Minutes
from adapter.dispatch import record_text
from adapter.settle.loading import record_id_of
from adapter.store.sealing import KeyRing
from tests.acceptance import attack_calendar as calendar
from tests.acceptance.attack_habits import HABITS, Entry, Habit, Stay, a_birth, a_stay

LONDON = ZoneInfo("Europe/London")
FIRST, LAST = calendar.day_of("2023-01-01"), calendar.day_of("2025-07-01")


@dataclass(frozen=True, slots=True)
class Truth:
    """What the adversary is after."""

    minute: int
    """Of the wall clock."""
    twin: int | None
    """Where the other one stands in the cohort."""

    @property
    def day(self) -> int:
        return self.minute // calendar.DAY

    @property
    def month(self) -> str:
        return calendar.date_of(self.day).isoformat()[:7]


@dataclass(frozen=True, slots=True)
class Sent:
    """All that CSOR has of one child: rows in the order in which they came, and when each of them came."""

    csor_id: str
    rows: list[dict[str, Any]]
    arrived: list[int]
    """By the receiver's own clock; no part of the payload."""


@dataclass(frozen=True, slots=True)
class _Child:
    stay: Stay
    entries: list[Entry]
    infant: dict[str, Any]
    is_day_only: bool
    released: int
    twin: int | None


class Cohort:
    """One hospital's children; `seed` decides all."""

    def __init__(self, ring: KeyRing, *, seed: int, children: int, habits: Sequence[Habit] = HABITS) -> None:
        self._ring = ring
        self._seed = seed
        self._children = list(_children(Random(seed), count=children, habits=habits))
        self.truth = [Truth(calendar.wall(each.stay.born), each.twin) for each in self._children]

    def payload(self, minutes: Minutes = Minutes.UTC) -> list[Sent]:
        """What leaves, with minutes from birth by this clock."""
        return [self._sent(number, child, minutes) for number, child in enumerate(self._children)]

    def _sent(self, number: int, child: _Child, minutes: Minutes) -> Sent:
        chance = Random(f"{self._seed} {number} sending")
        born: int | date = child.stay.born
        if child.is_day_only:
            born = calendar.date_of(calendar.wall(child.stay.born) // calendar.DAY)
        text = _said(born)
        birth = Birth.read(text, timezone=LONDON, minutes=minutes)
        rows = []
        for nth, entry in enumerate(child.entries):
            fields = entry.plain | {name: _said(time) for name, time in entry.times.items()}
            if entry.kind == "infant":
                fields["birth_datetime"] = text
            came = max(entry.filed, child.released) + chance.randrange(1, 4)
            row_id = record_id_of(self._ring, entry.kind, f"lims|{self._seed}|{number}|{nth}")
            row = {
                "record_id": record_text(row_id),
                "kind": entry.kind,
                "version": 1 + (chance.random() < 0.05),
                "deleted": False,
                "fields": disclosure.disclose(entry.kind, fields, birth=birth),
            }
            rows.append((came, row_id, row))
        rows.sort(key=lambda row: row[:2])  # as dispatch does: oldest change first, then by record id
        key = self._ring.derived("csor-id")
        csor_id = identity.pseudonym(key, domain="csor:v1|person", parts=[f"{self._seed}|{number}"])
        return Sent(csor_id, [row for _, _, row in rows], [came for came, _, _ in rows])


def a_ring(folder: Path) -> KeyRing:
    return KeyRing.open(folder / "keys", bytes(range(32)), create=True)


def _said(time: int | date) -> str:
    return calendar.text_of(time) if isinstance(time, int) else time.isoformat()


def _children(chance: Random, *, count: int, habits: Sequence[Habit]) -> Iterator[_Child]:
    first: _Child | None = None
    for number in range(count):
        if number % 25 == 1 and first is not None:  # the second of twins
            yield _child(chance, first.stay.born + chance.randrange(1, 30), first=first, number=number, habits=habits)
            continue
        born = a_birth(chance, first=FIRST, last=LAST)
        first = _child(chance, born, first=None, number=number, habits=habits)
        yield first


def _child(chance: Random, born: int, *, first: _Child | None, number: int, habits: Sequence[Habit]) -> _Child:
    stay = a_stay(chance, born)
    is_twin = number % 25 in (0, 1)
    infant = {
        "birth_precision": "minute",
        "sex": chance.choice(("female", "male")),
        "gestation_days": first.infant["gestation_days"] if first else chance.randrange(180, 285),
        "multiple_birth": is_twin,
        "birth_order": (2 if first else 1) if is_twin else None,
        "deceased": stay.died,
    }
    is_day_only = not is_twin and chance.random() < 0.05
    if is_day_only:
        infant["birth_precision"] = "day"
    death: dict[str, int | date] = {"death_datetime": stay.discharged} if stay.died else {}
    entries = [Entry(kind="infant", plain=infant, times=death, filed=stay.admitted)]
    entries.append(Entry(kind="mother_baby_link", plain={"link_source": "nk1"}, filed=stay.admitted))
    entries += [entry for habit in habits for entry in habit(chance, stay)]
    released = stay.admitted + chance.randrange(300, 3 * calendar.DAY)
    if chance.random() < 0.4:  # nothing left before the coders confirmed the condition
        released = max((entry.filed for entry in entries if entry.kind == "diagnosis"), default=released)
    twin = None if not is_twin else number - 1 if first else number + 1
    return _Child(stay, entries, infant, is_day_only, released, twin)


def kinds_of(cohort: Iterable[Sent]) -> set[str]:
    return {row["kind"] for child in cohort for row in child.rows}
