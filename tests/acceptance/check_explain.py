"""An outsider's check of `csor-adapter explain --json`: cuts the named bytes, does every step again, compares.

Knows nothing of the adapter: it has the messages in the order they were sent (inbox ids count from 1), the rows, the
mapping files and its own reading of the closed list of steps. `check_explain.py MESSAGES ROWS MAPPINGS EXPLAINED
[TRUST_FILE [TABLE…]]`, where MESSAGES is a folder of files whose names are the ids; the trust file tells what its
wards are for, and the tables are the trust's own.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.acceptance.replayed_files import Files, Unfit
from tests.acceptance.replayed_steps import STEPS

KEYED = frozenset({"row"})
"""Keyed hashes: nobody without the key can make them again."""

Object = dict[str, Any]


class Checker:
    """Holds what an outsider has."""

    def __init__(self, messages: Mapping[int, bytes], rows: Mapping[str, Object], files: Files) -> None:
        self._messages = messages
        self._rows = rows
        self._files = files
        self._json: dict[int, list[Any]] = {}
        self.counts: Counter[str] = Counter()

    def check(self, told: Object) -> None:
        """One object of `explain --json`; raises Unfit where a step or the stored value does not follow."""
        stored = self._rows[told["row"]][told["field"]]
        has_bytes = False
        made: dict[str, str] = {}
        for value in told["values"]:
            self._beside(told, value)
            texts = [self._from_cut(cut) for cut in value["cuts"]]
            has_bytes = has_bytes or any(cut["end"] or cut["media"] == "fhir" for cut in value["cuts"])
            made[value["at"]] = self._through(value["steps"], texts[0] if texts else "", texts)
        if not same(made, stored):
            raise Unfit(f"{told['field']}: {made} is not what is stored")
        self._files.line(told["rule"])
        self.counts["from bytes" if has_bytes else "constant of a rule"] += 1

    def _beside(self, told: Object, value: Object) -> None:
        """What two steps say of more than their text: the mother's place, and that the child has one condition."""
        for step in value["steps"]:
            if step["name"] == "mother" and step["argument"] != value["cuts"][0]["position"]:
                raise Unfit("she is named elsewhere")
            cases = [row for row in self._rows.values() if row["kind"] == "condition_case"]
            own = {row["condition"] for row in cases if row["child"] == told["child"] and row["state"] == "confirmed"}
            if step["name"] == "only-condition" and own != {step["result"]}:
                raise Unfit("not the only condition of the child")

    def _from_cut(self, cut: Object) -> str:
        body = self._messages[cut["message"]]
        text = ""
        if cut["rule"]:
            self._files.line(cut["rule"])
        if cut["media"] == "fhir":
            text = at_pointer(self._opened(cut["message"], body), cut["position"])
        elif cut["end"]:
            if not within(body, cut["position"], cut["start"], cut["end"]):
                raise Unfit(f"bytes {cut['start']} to {cut['end']} are not {cut['position']}")
            first = cut["steps"][0]
            # That she is named is shown, never her number.
            text = body[cut["start"] : cut["end"]].decode(first["argument"] if first["name"] == "decode" else "ascii")
        elif cut["steps"][0]["name"] != "constant":
            raise Unfit("neither bytes nor a constant")
        elif not cut["rule"]:
            # The one value that no rule gives: a cancelled discharge leaves the visit going on.
            if cut["steps"][0] != {"name": "constant", "argument": "a cancelled discharge", "result": "in-progress"}:
                raise Unfit("a constant of nobody")
        elif not self._files.states(cut["rule"], cut["steps"][0]["result"]):
            raise Unfit(f"{cut['rule']} does not state {cut['steps'][0]['result']}")
        return self._through([*cut["steps"], *cut["then"]], text, [])

    def _opened(self, number: int, body: bytes) -> list[Any]:
        """A body of JSON, or its lines."""
        if number not in self._json:
            text = body.decode()
            try:
                self._json[number] = [json.loads(text, parse_float=Decimal)]
            except ValueError:
                self._json[number] = [json.loads(line, parse_float=Decimal) for line in text.splitlines()]
        return self._json[number]

    def _through(self, steps: list[Object], text: str, texts: list[str]) -> str:
        for step in steps:
            result = STEPS[step["name"]](text, step, self._files, texts)
            if result != step["result"]:
                raise Unfit(f"{step['name']} gives another result than it says")
            text = result
        return text


def same(made: Mapping[str, str], stored: Any) -> bool:
    """Whether the values made again are those of the row, none missing."""
    expected = dict(leaves(stored))
    return made.keys() == expected.keys() and all(equal(text, expected[at]) for at, text in made.items())


def leaves(value: Any, at: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, list):
        return [leaf for index, inner in enumerate(value) for leaf in leaves(inner, f"{at}[{index}]")]
    if isinstance(value, dict):
        return [leaf for name, inner in value.items() for leaf in leaves(inner, f"{at}.{name}")]
    return [] if value is None else [(at, value)]


def equal(text: str, value: Any) -> bool:
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, int | float | Decimal):
        return Decimal(text) == Decimal(str(value))
    return bool(text == value)


def at_pointer(lines: list[Any], pointer: str) -> str:
    """RFC 6901, with `line 3` before it in a body of lines."""
    line, _, rest = pointer.rpartition(" ")
    value = lines[int(line.split()[1]) - 1 if line else 0]
    for name in rest.split("/")[1:]:
        value = value[int(name)] if isinstance(value, list) else value[name]
    return str(value).lower() if isinstance(value, bool) else str(value)


def within(body: bytes, position: str, start: int, end: int) -> bool:
    """Whether the range lies inside the place that `OBX[3]-5[2].1` names; from the first to the last of two places."""
    first, between, last = position.partition(" to ")
    if between:
        (low, _), (_, high) = span_of(body, first), span_of(body, last)
        return low <= start < end <= high
    low, high = span_of(body, position)
    return low <= start < end <= high


def span_of(body: bytes, position: str) -> tuple[int, int]:
    """The bytes of one place, counted by hand."""
    named = re.fullmatch(r"(\w{3})\[(\d+)\]-(\d+)(?:\[(\d+)\])?(?:\.(\d+))?(?:\.(\d+))?", position)
    if named is None:
        return 0, 0
    field_mark, component, repetition, _, subcomponent = (bytes([each]) for each in body[3:8])
    low, high = segment_span(body, named[1].encode(), int(named[2]))
    number = int(named[3]) - (named[1] == "MSH")
    for mark, place in (
        (field_mark, number + 1),
        (repetition, int(named[4] or 1)),
        (component, int(named[5] or 0)),
        (subcomponent, int(named[6] or 0)),
    ):
        if place and (mark != repetition or named[4] or named[5]):
            low, high = piece_span(body, low, high, mark, place)
    return low, high


def segment_span(body: bytes, name: bytes, number: int) -> tuple[int, int]:
    at = 0
    for line in re.split(rb"\r\n|\r|\n", body):
        start = body.index(line, at)
        at = start + len(line)
        if line[:3] == name:
            number -= 1
            if not number:
                return start, at
    return 0, 0


def piece_span(body: bytes, low: int, high: int, mark: bytes, place: int) -> tuple[int, int]:
    pieces = body[low:high].split(mark)
    if place > len(pieces):
        return 0, 0
    start = low + sum(len(piece) + len(mark) for piece in pieces[: place - 1])
    return start, start + len(pieces[place - 1])


def main(messages: Path, rows: Path, mappings: Path, explained: Path, *of_the_trust: Path) -> int:
    """`of_the_trust`: its file, and its own tables."""
    bodies = {int(path.stem): path.read_bytes() for path in messages.iterdir()}
    kept = [json.loads(line, parse_float=Decimal) for line in rows.read_text().splitlines()]
    checker = Checker(
        bodies,
        {row["row"]: row for row in kept},
        Files(mappings, own=of_the_trust[1:], trust=next(iter(of_the_trust), None)),
    )
    for line in explained.read_text().splitlines():
        told = json.loads(line, parse_float=Decimal)
        try:
            checker.check(told)
        except (Unfit, KeyError, ValueError) as error:
            checker.counts["wrong"] += 1
            print(f"row {told['row']} {told['field']}: {error}")
    print(dict(checker.counts))
    return 1 if checker.counts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
