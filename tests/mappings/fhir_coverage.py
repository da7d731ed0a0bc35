"""Counts what becomes of every published FHIR resource: a row, a Problem with its place, or a rule that leaves it out.

python -m tests.mappings.fhir_coverage [FOLDER] [--problems]
"""

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from adapter import fhir
from adapter.assertion import ItemKind, Resource
from adapter.errors import HOLDING, MessageError, Problem
from adapter.fhir import Part
from adapter.fhir.bundle import cut
from adapter.fhir.sorting import CONTEXT_TYPES, sort
from tests.mappings.examples import maps

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "fhir"
MAIN_TYPES = ("Patient", "Encounter", "Condition", "Procedure", "Observation", "DiagnosticReport", "ImagingStudy")
CONTEXT = "stands beside the resources that refer to it"


class Fate(NamedTuple):
    """What became of one resource."""

    resource_type: str
    what: str
    """`row`, `held row`, `problem`, `left out`."""
    why: str
    """The kinds of row, the codes of the problems, or the rule."""
    at: str
    """File and JSON pointer."""


def fates(folder: Path) -> Iterator[Fate]:
    """Every resource below a folder, Bundles taken apart."""
    for file in sorted(folder.rglob("*.json")):
        body = file.read_bytes()
        place = str(file.relative_to(folder))
        try:
            reading, pieces = fhir.read(body, known=maps().known), cut(body)
        except MessageError as error:
            yield Fate("?", "problem", error.problem.code.name, place)
            continue
        context = {name: each for statement in reading.statements for name, each in statement.context.items()}
        for rejected in pieces.rejected:
            codes = _codes(problem for problem in reading.problems if problem.at == rejected.at)
            yield Fate("?", "problem", codes, f"{place}#{rejected.at}")
        for part in pieces.parts:
            yield _fate(part, reading, context, place)


def _fate(part: Part, reading: fhir.Reading, context: dict[str, Resource], place: str) -> Fate:
    kind = part.resource["resourceType"]
    at = f"{place}#{part.at}"
    found = [problem for problem in reading.problems if problem.at == part.at or problem.at.startswith(f"{part.at}/")]
    if found:
        return Fate(kind, "problem", _codes(found), f"{place}#{found[0].at}")
    kinds = maps().kinds_of(kind)
    if kind not in ("Patient", "RelatedPerson"):
        sorted_as = sort(part.resource, maps().known)
        if not isinstance(sorted_as, ItemKind):
            return Fate(kind, "left out", CONTEXT if kind in CONTEXT_TYPES else sorted_as.value, at)
        if kind == "Observation":
            kinds = ("lab_result",) if sorted_as is ItemKind.OBSERVATION else ("vital_sign",)
    made = {each: maps().project(each, part.resource, context) for each in kinds if each != "ward_stay"}
    rows = {each: row for each, row in made.items() if row is not None}
    if not rows:
        why = sorted({f"{each}: {maps().left_out_by(each, part.resource, context)}" for each in made})
        return Fate(kind, "left out", "; ".join(why), at)
    is_held = any(problem.code in HOLDING for row in rows.values() for problem in row.problems)
    return Fate(kind, "held row" if is_held else "row", "+".join(sorted(rows)), at)


def _codes(problems: "list[Problem] | Iterator[Problem]") -> str:
    return "+".join(sorted({problem.code.name for problem in problems}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=PUBLISHED)
    parser.add_argument("--problems", action="store_true", help="print the place of every problem")
    asked = parser.parse_args()
    everything = list(fates(asked.folder))
    counted: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for fate in everything:
        counted[fate.resource_type][fate.what, fate.why] += 1
    others = sorted(set(counted) - set(MAIN_TYPES))
    for kind in [*MAIN_TYPES, *others]:
        print(f"{kind}: {sum(counted[kind].values())}")
        for (what, why), count in sorted(counted[kind].items()):
            print(f"  {count:5}  {what:9} {why}")
    if asked.problems:
        for fate in everything:
            if fate.what == "problem":
                print(f"{fate.at}: {fate.why}")


if __name__ == "__main__":
    main()
