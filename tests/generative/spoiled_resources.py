"""Ways in which a FHIR body is spoiled: by a careless façade, a half-written converter, a hostile sender."""

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

LONGEST = 256 * 1024
"""Bytes of a spoiled body."""
NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1e308, 10**400, 0.1, "", " ", '"', "\x00", "é", "\u202e", "\ud800", "NaN", "9" * 5000,
    " " * 20_000, "1" + " " * 20_000, "<" * 5000, "a." * 5000, [], {}, [None], [[]], [{}], {"": None}, {"value": []},
    {"coding": None}, {"coding": [None, {}]}, {"coding": [{"system": 7, "code": []}]}, {"reference": 7},
    {"reference": "#"}, {"reference": "Patient/"}, {"reference": "urn:uuid:"}, {"reference": "Patient/x/_history/9"},
    {"start": "2026", "end": "2025"}, "2026", "2026-02", "2026-02-30", "2026-02-28T24:00:00Z", "0000-01-01",
    "9999-12-31", "2026-03-29T01:30:00", "2026-10-25T01:30:00+14:00", "2026-01-01T00:00:00.123456789012Z", "1e9999",
    "<5", "7.0*", "final", "entered-in-error", "unknown", "Patient", "Bundle", "Observation", "http://snomed.info/sct",
    "Q79.3", "mg/L", [{"url": "http://example.org/unknown", "valueString": "x"}], {"extension": [{"url": "x"}]},
    [0] * 2000,
)  # fmt: skip
"""What stands where something else should."""
_DEEP = 120


class Spoiler:
    """Spoils bodies of a set; `seed` decides everything."""

    def __init__(self, bodies: list[bytes], *, seed: int) -> None:
        self._bodies = bodies
        self._chance = Random(seed)
        self._ways: tuple[Callable[[Any], Any], ...] = (
            self._replace, self._replace, self._replace, self._leave_out, self._rename, self._repeat, self._swap,
            self._deepen, self._plant,
        )  # fmt: skip

    def next(self) -> bytes:
        """One body, spoiled in one to five ways; one in eight in its bytes too."""
        chance = self._chance
        found = json.loads(chance.choice(self._bodies))
        for _ in range(min(5, 1 + int(chance.expovariate(0.9)))):
            found = chance.choice(self._ways)(found)
        # A lone surrogate cannot be written as UTF-8: it goes as an escape, which is JSON.
        body = json.dumps(found, ensure_ascii=chance.random() < 0.5 or "\\ud" in json.dumps(found)).encode()
        if chance.random() < 1 / 8:
            place = chance.randrange(len(body) + 1)
            body = chance.choice((body[:place], body[:place] + bytes([chance.randrange(256)]) + body[place + 1 :]))
        return body[:LONGEST]

    def _somewhere(self, found: Any) -> tuple[Any, Any] | None:
        """A container in it, and a key or index of one of its values."""
        places: list[tuple[Any, Any]] = []
        waiting = [found]
        while waiting:
            each = waiting.pop()
            keys = list(each) if isinstance(each, dict) else range(len(each)) if isinstance(each, list) else ()
            places += [(each, key) for key in keys]
            waiting += [each[key] for key in keys]
        return self._chance.choice(places) if places else None

    def _at(self, found: Any, change: Callable[[Any, Any], None]) -> Any:
        place = self._somewhere(found)
        if place is not None:
            change(*place)
        return found

    def _replace(self, found: Any) -> Any:
        def change(inside: Any, key: Any) -> None:
            inside[key] = deepcopy(self._chance.choice(NASTY))

        return self._at(found, change)

    def _leave_out(self, found: Any) -> Any:
        return self._at(found, lambda inside, key: inside.pop(key))

    def _rename(self, found: Any) -> Any:
        def change(inside: Any, key: Any) -> None:
            if isinstance(inside, dict):
                inside[self._chance.choice(("", "_" + key, key.upper(), "value", "extension", "id"))] = inside.pop(key)

        return self._at(found, change)

    def _repeat(self, found: Any) -> Any:
        def change(inside: Any, key: Any) -> None:
            inside[key] = [deepcopy(inside[key])] * self._chance.choice((1, 2, 50))

        return self._at(found, change)

    def _swap(self, found: Any) -> Any:
        other = self._somewhere(found)

        def change(inside: Any, key: Any) -> None:
            if other is not None:
                inside[key] = deepcopy(other[0][other[1]])

        return self._at(found, change)

    def _deepen(self, found: Any) -> Any:
        def change(inside: Any, key: Any) -> None:
            value = inside[key]
            for _ in range(self._chance.choice((1, 2, _DEEP))):
                value = {key: value} if isinstance(key, str) else [value]
            inside[key] = value

        return self._at(found, change)

    def _plant(self, found: Any) -> Any:
        """Another resource somewhere within: an entry, a contained one, or where none belongs."""
        other = json.loads(self._chance.choice(self._bodies))

        def change(inside: Any, key: Any) -> None:
            inside[key] = self._chance.choice((other, [other], {"resource": other}, [{"resource": other}]))

        return self._at(found, change)
