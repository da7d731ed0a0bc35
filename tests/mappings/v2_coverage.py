"""Every row of the official segment tables beside our rules: mapped by which, or not needed and why.

    python -m tests.mappings.v2_coverage [--write]

The reasons stand beside the maps, in `mappings/v2-to-fhir/not-mapped.csv`: a row for a field of a segment map, or `*`
for all that is left of it. `--write` puts the page into `docs/v2-coverage.md`.
"""

import csv
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from dataclasses import field as part
from pathlib import Path
from typing import NamedTuple

from adapter import config
from adapter.mapping.load import load_source, rule_origin
from adapter.mapping.rules import Block, FieldRule, place
from tests.mappings.official_tables import MapRow, segment_rows

PAGE = Path(__file__).parents[2] / "docs" / "v2-coverage.md"
REASONS = Path(__file__).parents[2] / "mappings" / "v2-to-fhir" / "not-mapped.csv"
ALL_THAT_IS_LEFT = "*"


class Reason(NamedTuple):
    """Why rows of a segment map have no rule."""

    map: str
    field: str
    reason: str


@dataclass(kw_only=True)
class Row:
    """A field of a segment map with its targets, and what we have for it."""

    map: str
    field: str
    name: str
    targets: list[str] = part(default_factory=list)
    rules: list[FieldRule] = part(default_factory=list)
    missing: list[str] = part(default_factory=list)
    """Targets that no rule of ours fills from this field."""
    reason: str = ""


class Rules:
    """Our rules by resource and segment."""

    def __init__(self) -> None:
        self._blocks = load_source(config.packaged("mappings"), vendor=None).blocks

    def filling(self, row: MapRow) -> Iterator[FieldRule]:
        """The rules that fill the row's element from its field, or with a constant where the row names no field."""
        segment, _, resource = row.map.partition("[")
        kind = resource.rstrip("]").partition("-")[0]
        for name, _, block in self._blocks:
            if block.resource == kind and (name == segment or _reads(block, segment)):
                yield from (rule for rule in block.fields if _fills(rule, row, block_segment=name))


def _reads(block: Block, segment: str) -> bool:
    return any(place(path).segment == segment for rule in block.fields for path in rule.from_)


def _fills(rule: FieldRule, row: MapRow, *, block_segment: str) -> bool:
    if not _is_same_element(rule.to, row.target):
        return False
    segment, _, number = row.field.partition("-")
    if not number:
        return rule.constant is not None and block_segment == segment
    tested = [leaf.field for test in rule.when for leaf in test.leaves() if leaf.field]
    paths = [place(path) for path in (*rule.from_, *rule.using, *tested)]
    return any((each.segment, each.field) == (segment, int(re.sub(r"\D.*", "", number))) for each in paths)


def _is_same_element(ours: str, official: str) -> bool:
    """By the element at the top; `value[x]` is any of its forms, `_status` the extension of `status`."""
    top = re.split(r"[.\[(=]", official.strip())[0]
    mine = re.split(r"[.\[]", ours)[0].lstrip("_")
    return top.startswith(mine) if "[x]" in ours else top == mine


def read_reasons() -> list[Reason]:
    """The reasons as they stand in the file."""
    with REASONS.open(encoding="utf-8", newline="") as file:
        return [Reason(*row) for row in list(csv.reader(file))[1:]]


def rows() -> list[Row]:
    """Every field that the guide maps, by segment map."""
    rules, found = Rules(), dict[tuple[str, str], Row]()
    for official in segment_rows():
        if not official.target or not re.fullmatch(r"[A-Z][A-Z0-9]{2}(-\d+)?", official.field):
            continue
        key = official.map, official.field
        row = found.setdefault(key, Row(map=official.map, field=official.field, name=official.name))
        row.targets.append(official.target)
        filling = list(rules.filling(official))
        row.rules += [rule for rule in filling if rule not in row.rules]
        row.missing += [] if filling else [official.target]
    reasons = {(each.map, each.field): each.reason for each in read_reasons()}
    for (name, at), row in found.items():
        row.reason = reasons.get((name, at)) or reasons.get((name, ALL_THAT_IS_LEFT)) or ""
    return list(found.values())


def without_reason(listed: Iterable[Row]) -> list[Row]:
    """What is neither mapped nor said not to be needed."""
    return [row for row in listed if row.missing and not row.reason]


def idle_reasons(listed: Iterable[Row]) -> list[Reason]:
    """Reasons for what is mapped, or is no row of the guide."""
    left = {(row.map, row.field) for row in listed if row.missing}
    maps = {name for name, _ in left}
    return [
        each
        for each in read_reasons()
        if (each.map, each.field) not in left and not (each.field == ALL_THAT_IS_LEFT and each.map in maps)
    ]


def page() -> Iterator[str]:
    """The page, line by line."""
    listed = rows()
    by_map: dict[str, list[Row]] = {}
    for row in listed:
        by_map.setdefault(row.map, []).append(row)
    whole = [name for name, of_it in by_map.items() if not any(row.rules for row in of_it)]
    done = sum(bool(row.rules) for row in listed)
    yield "# The official segment tables and our rules"
    yield ""
    yield "Generated: `python -m tests.mappings.v2_coverage --write`. A row is a field that the HL7 v2-to-FHIR guide"
    yield "maps (`tests/data/v2-to-fhir-ig`), with the rule of `mappings/v2-to-fhir/` that fills the same element from"
    yield "it, or why there is none (`not-mapped.csv`). Fields that the guide maps to nothing are left out."
    yield ""
    yield f"{len(listed)} fields of {len(by_map)} segment maps; {done} are mapped, {len(listed) - done} are not needed."
    yield ""
    yield from ("| segment map | fields | mapped | not needed |", "|---|---:|---:|---|")
    for name, of_it in by_map.items():
        mapped = sum(bool(row.rules) for row in of_it)
        left = of_it[0].reason if name in whole else str(len(of_it) - mapped)
        yield f"| {name} | {len(of_it)} | {mapped} | {left} |"
    for name, of_it in by_map.items():
        if name not in whole:
            yield from _section(name, of_it)


def _section(name: str, of_it: Iterable[Row]) -> Iterator[str]:
    yield from ("", f"## {name}", "", "| field | the guide | here |", "|---|---|---|")
    for row in of_it:
        targets = ", ".join(dict.fromkeys(re.split(r"[.\[(=]", target)[0] for target in row.targets))
        yield f"| {row.field} {row.name} | {targets} | {'; '.join(_here(row))} |"


def _here(row: Row) -> Iterator[str]:
    yield from (f"`{rule_origin(rule)}` {rule.to}" for rule in row.rules)
    if row.missing and row.reason:
        left = ", ".join(dict.fromkeys(re.split(r"[.\[(=]", target)[0] for target in row.missing))
        yield f"{left}: {row.reason}" if row.rules else row.reason


def main(arguments: list[str]) -> int:
    """Print what lacks a reason or has an idle one; `--write` writes the page."""
    listed = rows()
    for row in without_reason(listed):
        print(f"no rule and no reason: {row.map} {row.field} {row.name} → {', '.join(row.missing)}")
    for reason in idle_reasons(listed):
        print(f"idle reason: {reason.map} {reason.field}")
    if "--write" in arguments:
        PAGE.write_text("\n".join(page()) + "\n", encoding="utf-8")
    return int(bool(without_reason(listed) or idle_reasons(listed)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
