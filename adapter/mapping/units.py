"""Units of values: which unit a string means for an analyte or a measure, and how to come to the canonical one.

The unit string that was sent decides, never the code of the test (ruling R11). An unknown unit is not guessed: the
value stays as it was sent.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from adapter.datafile import positions_of
from adapter.mapping.unit_tables import UnitFiles, UnitTable, read_unit_files

_SMALL = str.maketrans(
    "\u00b5\u03bc\u00d7\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079", "uux0123456789"
)
"""Both micro signs, the sign of multiplication, and raised digits."""
_WEEKS_AND_DAYS = re.compile(
    r"(\d\d)\s*(?:\+|w(?:ee)?ks?|w)\s*([0-6])\s*(?:d|days?|w(?:ee)?ks?)?\s*(?:/\s*40)?\Z", re.IGNORECASE
)
_THREE = Decimal("0.001")


class Band(NamedTuple):
    """A plausible range from a day of life on."""

    from_day: int
    low: Decimal
    high: Decimal


class Conversion(NamedTuple):
    """How to come from the unit as sent to the canonical one."""

    unit: str
    factor: Decimal | None
    formula: str | None
    canonical: str
    low: Decimal
    high: Decimal
    place: str
    """Where the canonical unit is stated: `crp.yaml:4`, for lineage."""
    bands: tuple[Band, ...]
    """By age, oldest first; `low` and `high` are the widest range."""
    sure_low: Decimal
    sure_high: Decimal
    """Plausible at every age, so that the age of most values need not be known."""

    def is_implausible(self, canonical: Decimal, *, birth: str | None, moment: str | None) -> bool:
        """Whether a canonical value is outside what is plausible at that age."""
        if self.sure_low <= canonical <= self.sure_high:
            return False
        low, high = self.range_at(birth=birth, moment=moment)
        return not low <= canonical <= high

    def apply(self, value: Decimal) -> Decimal | None:
        """The canonical value; None where the number does not say which value it is."""
        if self.factor is not None:
            return value if self.factor == 1 else value * self.factor
        assert self.formula is not None  # noqa: S101 - a unit has the one or the other
        return _FORMULAS[self.formula](value)

    def range_at(self, *, birth: str | None, moment: str | None) -> tuple[Decimal, Decimal]:
        """What is plausible at the age at that moment; the widest range where the age is not known."""
        if self.bands and birth is not None and moment is not None:
            age = age_in_days(birth, moment)
            for band in self.bands:
                if age is not None and band.from_day <= age:
                    return band.low, band.high
        return self.low, self.high


class ConflictingUnits(ValueError):
    """Unit text and unit code of one value mean two different units."""


def age_in_days(birth: str, moment: str) -> int | None:
    """Whole days of life by the calendar; None where a time is not known to the day."""
    try:
        return date.fromisoformat(moment[:10]).toordinal() - date.fromisoformat(birth[:10]).toordinal()
    except ValueError:
        return None


def weeks_and_days(text: str) -> Decimal | None:
    """`30+4`, `30 + 4 weeks`, `30w4d`, `30+4/40` as days; None for any other text, `30.4` among them."""
    match = _WEEKS_AND_DAYS.match(text.strip())
    return Decimal(int(match[1]) * 7 + int(match[2])) if match is not None else None


def _ph(hydrogen_ion: Decimal) -> Decimal | None:
    """pH = 9 − log10(H⁺ in nmol/L). Used only where a table says so: H⁺ is not pH."""
    return (9 - hydrogen_ion.log10()).quantize(_THREE) if hydrogen_ion > 0 else None


def _celsius(fahrenheit: Decimal) -> Decimal:
    return ((fahrenheit - 32) * 5 / 9).quantize(_THREE)


def _whole_weeks(weeks: Decimal) -> Decimal | None:
    """`30.4` weeks may be 30 weeks and 4 days (ruling R11): no value."""
    return weeks.to_integral_value() * 7 if weeks == weeks.to_integral_value() else None


def _weeks_or_days(number: Decimal) -> Decimal | None:
    """The two ranges of a gestation lie far apart."""
    if 147 <= number <= 315:
        return number
    return _whole_weeks(number) if 21 <= number <= 45 else None


def _percent_or_fraction(number: Decimal) -> Decimal | None:
    """The two ranges of inspired oxygen lie far apart."""
    if 21 <= number <= 100:
        return number
    return number * 100 if Decimal("0.21") <= number <= 1 else None


_FORMULAS: Mapping[str, Callable[[Decimal], Decimal | None]] = {
    "ph-from-hydrogen-ion": _ph,
    "celsius-from-fahrenheit": _celsius,
    "whole-weeks": _whole_weeks,
    "weeks-or-days": _weeks_or_days,
    "percent-or-fraction": _percent_or_fraction,
}


def tidy_unit(text: str) -> str:
    """Without spaces, with `u` for both micro signs, and with plain digits."""
    return "".join(text.split()).translate(_SMALL)


class Units:
    """The unit tables of all analytes and measures."""

    def __init__(self, files: UnitFiles) -> None:
        self._tables = {table.name: table for table in files.tables}
        written: dict[str, list[str]] = {}
        for spelling in files.spellings:
            written.setdefault(spelling.unit, []).append(spelling.written)
        self._exact: dict[str, dict[str, Conversion]] = {}
        self._any_case: dict[str, dict[str, Conversion]] = {}
        for table in files.tables:
            exact = self._exact[table.name] = {}
            folded = self._any_case[table.name] = {}
            for text, is_exact, conversion in _spelt(table, written):
                exact.setdefault(text, conversion)
                if not is_exact:
                    folded.setdefault(text.casefold(), conversion)
        self.analytes = tuple(table.analyte for table in files.tables if table.analyte)
        self.measures = tuple(table.measure for table in files.tables if table.measure)

    def table(self, name: str) -> UnitTable:
        return self._tables[name]

    def spellings(self, name: str) -> dict[str, str]:
        """Every way this analyte's or measure's units are accepted, tidied, with the unit that each one means."""
        return {text: conversion.unit for text, conversion in self._exact[name].items()}

    def conversion(self, name: str, *sent: str | None) -> Conversion | None:
        """What the unit strings of a value mean (its text and its code); None if no table knows them.

        Raises ConflictingUnits where two of them mean different units.
        """
        given = [tidy_unit(text) for text in sent if text] or [""]
        found = {each for text in given if (each := self._one(name, text)) is not None}
        if len({each.unit for each in found}) > 1:
            raise ConflictingUnits(name)
        return next(iter(found), None)

    def canonical(self, name: str) -> Conversion:
        """Of a value that is in the canonical unit already."""
        return self._exact[name][tidy_unit(self._tables[name].canonical)]

    def _one(self, name: str, text: str) -> Conversion | None:
        return self._exact[name].get(text) or self._any_case[name].get(text.casefold())


def _canonical_place(table: UnitTable) -> str:
    place = positions_of(table).get(("canonical",))
    return f"{Path(table._file).name}:{place.line if place is not None else table._line}"


def _spelt(table: UnitTable, written: Mapping[str, list[str]]) -> Iterator[tuple[str, bool, Conversion]]:
    """Every spelling, and whether its case matters: `G/L` counts platelets, `g/l` weighs something."""
    bands = tuple(Band(band.from_day, band.low, band.high) for band in reversed(table.by_age))
    for accepted in table.accept:
        conversion = Conversion(
            unit=accepted.unit,
            factor=accepted.factor,
            formula=accepted.formula,
            canonical=table.canonical,
            low=table.plausible.low,
            high=table.plausible.high,
            place=_canonical_place(table),
            bands=bands,
            sure_low=max([table.plausible.low, *(band.low for band in bands)]),
            sure_high=min([table.plausible.high, *(band.high for band in bands)]),
        )
        for text in (accepted.unit, *written.get(accepted.unit, ())):
            yield tidy_unit(text), False, conversion
        for text in accepted.also:
            yield tidy_unit(text), True, conversion


def load_units(
    folder: Path, *, analytes: Collection[str] | None = None, measures: Collection[str] | None = None
) -> Units:
    """Reads every table of the folder and spellings.csv; SetupError with all faults."""
    return Units(read_unit_files(folder, analytes=analytes, measures=measures))
