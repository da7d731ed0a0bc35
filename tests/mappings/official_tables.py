"""The official v2-to-FHIR tables, cut down to what our tests ask of them.

`python -m tests.mappings.official_tables FOLDER` reads the guide's CSV files (`segments`, `messages`, `codesystems`,
`datatypes` and the inventory of segment maps) and writes the extracts of `tests/data/v2-to-fhir-ig`.
"""

import csv
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

EXTRACTS = Path(__file__).parents[1] / "data" / "v2-to-fhir-ig"
_NAME = re.compile(r"R4_ (.+?) - ")
_CODES = re.compile(r"Concept Map_ (.+?) - ")
_DATATYPES = frozenset(
    {
        "CWE[CodeableConcept]",
        "CWE[Quantity]",
        "DTM[dateTime]",
        "EI[Identifier-Extension]",
        "EIP[Identifier-PlacerAssignedIdentifier]",
    }
)
"""Those that differences are decided by."""


class MapRow(NamedTuple):
    """One row of a segment map or a data type map."""

    map: str
    """`PR1[Procedure]`."""
    field: str
    name: str
    condition: str
    target: str
    """Empty: the guide maps this field to nothing."""
    by: str
    """The data type map."""
    table: str
    assigned: str
    comment: str


class MessageRow(NamedTuple):
    """One segment of a message map."""

    message: str
    path: str
    segment: str
    condition: str
    target: str
    by: str


class CodeRow(NamedTuple):
    """One code of a code system map; without a target the guide leaves it open."""

    table: str
    code: str
    target: str


@cache
def segment_rows() -> tuple[MapRow, ...]:
    """Every row of every segment map."""
    return tuple(MapRow(*row) for row in _extract("segments"))


@cache
def datatype_rows() -> tuple[MapRow, ...]:
    """Every row of the data type maps that are kept."""
    return tuple(MapRow(*row) for row in _extract("datatypes"))


@cache
def message_rows() -> tuple[MessageRow, ...]:
    """Every segment of every message map."""
    return tuple(MessageRow(*row) for row in _extract("messages"))


@cache
def code_rows() -> tuple[CodeRow, ...]:
    """Every code of every code system map."""
    return tuple(CodeRow(*row) for row in _extract("codesystems"))


@cache
def segment_maps() -> dict[str, str]:
    """Every segment map there is or is planned, with its state: `{"IN2[Coverage]": "Under Construction"}`."""
    return {row[0]: row[1] for row in _extract("inventory")}


def _extract(name: str) -> Iterator[list[str]]:
    with (EXTRACTS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        yield from list(csv.reader(file))[1:]


def _read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [[" ".join(cell.split()) for cell in row] for row in csv.reader(file)]


def _cell(row: list[str], *at: int) -> str:
    return " ; ".join(cell for index in at if index < len(row) and (cell := row[index]))


def _maps(folder: Path) -> Iterator[MapRow]:
    for path in sorted(folder.glob("*.csv")):
        found = _NAME.search(path.name)
        for row in _read(path)[2:]:
            if found and _cell(row, 1):
                condition, comment = _cell(row, 6, 8), _cell(row, 18)
                texts = (_cell(row, at) for at in (9, 14, 15, 16))
                target, by, table, assigned = texts
                yield MapRow(found[1], _cell(row, 1), _cell(row, 2), condition, target, by, table, assigned, comment)


def _messages(folder: Path) -> Iterator[MessageRow]:
    for path in sorted(folder.glob("*.csv")):
        found = _NAME.search(path.name)
        for row in _read(path)[2:]:
            segment = re.sub(r"[^A-Z0-9]", "", _cell(row, 2))
            if found and re.fullmatch(r"[A-Z][A-Z0-9]{2}", segment):
                yield MessageRow(found[1], _cell(row, 1), segment, _cell(row, 6, 8), _cell(row, 9), _cell(row, 10))


def _codes(folder: Path) -> Iterator[CodeRow]:
    for path in sorted(folder.glob("*.csv")):
        found, rows = _CODES.search(path.name), _read(path)
        target = next((at for at, cell in enumerate(rows[1]) if cell == "Code" and at), 6)
        for row in rows[2:]:
            if found and _cell(row, 0):
                yield CodeRow(found[1], _cell(row, 0), _cell(row, target))


def _inventory(path: Path) -> Iterator[tuple[str, str]]:
    for row in _read(path)[1:]:
        yield _cell(row, 0).removeprefix("HL7 Segment - FHIR R4: "), _cell(row, 1)


def _write(name: str, header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    with (EXTRACTS / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main(folder: Path) -> None:
    """Write the extracts anew from the guide's own files."""
    EXTRACTS.mkdir(parents=True, exist_ok=True)
    _write("segments", MapRow._fields, _maps(folder / "segments"))
    _write("datatypes", MapRow._fields, (row for row in _maps(folder / "datatypes") if row.map in _DATATYPES))
    _write("messages", MessageRow._fields, _messages(folder / "messages"))
    _write("codesystems", CodeRow._fields, _codes(folder / "codesystems"))
    _write("inventory", ("map", "state"), _inventory(folder / "v2-to-FHIR Map Inventory - Segment.csv"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
