"""Every code, unit and name that stands in our tables, the trust's own among them: nobody's secret."""

import csv
from collections.abc import Iterator
from pathlib import Path

from adapter import mapping
from adapter.config import TrustSettings
from adapter.mapping.v2_pieces import conditions

_COLUMNS = ("code", "name", "written", "unit", "target", "display", "system", "analyte")
_NOT_TABLES = ("examples", "schema")
_LONGEST = 120


class KnownTexts:
    """Asked by text, whatever its capitals and blanks."""

    def __init__(self, folder: Path, *, maps: mapping.V2Maps | None, settings: TrustSettings | None) -> None:
        found = [*_of_tables(folder), *(_of_settings(settings) if settings else ()), *(_of_rules(maps) if maps else ())]
        self._texts = {_plain(text) for text in found if 0 < len(text) <= _LONGEST}

    def __call__(self, text: str) -> bool:
        """Whether a table has it."""
        return _plain(text) in self._texts


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _of_tables(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.csv")):
        if not set(_NOT_TABLES).intersection(path.relative_to(folder).parts):
            yield from _cells(path)


def _cells(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            for column in _COLUMNS:
                text = (row.get(column) or "").strip()
                yield text
                # `authority:RXX` and `type:NH` stand for what a message holds without the word.
                yield text.partition(":")[2] if text.partition(":")[0].isalpha() else ""
                yield text.replace(".", "") if column == "code" else ""


def _of_settings(settings: TrustSettings) -> Iterator[str]:
    yield from (ward.code for ward in settings.wards)
    for number in settings.identity.hospital_numbers:
        yield from (number.authority, *number.also_sent_as)
    yield settings.site.ods_code
    for path in settings.own_tables():
        if path.suffix == ".csv":
            yield from _cells(path)


def _of_rules(maps: mapping.V2Maps) -> Iterator[str]:
    """What the rules compare a field with."""
    for _, _, block in maps.source.blocks:
        for test in conditions(block):
            yield from (*(test.is_one_of or ()), *(test.is_none_of or ()), *(test.event or ()), *(test.message or ()))
    for table in maps.source.tables.values():
        yield from table
