"""Units of laboratory values: which unit a string means for an analyte, and how to come to the canonical one.

The unit string that was sent decides, never the code of the test (ruling R11). An unknown unit is not guessed: the
value stays as it was sent.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from adapter.datafile import Positioned, hyphenated, load_model, positions_of, read_csv
from adapter.errors import ExitCode, Finding, SetupError

Text = Annotated[str, StringConstraints(min_length=1)]


class _Rule(Positioned):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=hyphenated, populate_by_name=True)


class Plausible(_Rule):
    """Wide on purpose: a value outside is kept and flagged."""

    low: Decimal
    high: Decimal


class AcceptedUnit(_Rule):
    """A unit this analyte may come in: canonical value = value × factor, or by a named formula."""

    unit: Text
    factor: Annotated[Decimal, Field(gt=0)] | None = None
    formula: Literal["ph-from-hydrogen-ion"] | None = None
    """pH = 9 − log10(H⁺ in nmol/L). Used only where a table says so: H⁺ is not pH."""
    also: tuple[str, ...] = ()
    """Spellings for this analyte alone; the empty one means that no unit was sent."""
    because: str = ""

    @model_validator(mode="after")
    def _one_way(self) -> "AcceptedUnit":
        if (self.factor is None) == (self.formula is None):
            raise ValueError("an accepted unit has a factor or a formula")
        return self


class UnitTable(_Rule):
    """One file: the units, the plausible range and the specimens of one analyte."""

    kind: Literal["unit-table"]
    analyte: Text
    means: Text
    canonical: Text
    """UCUM."""
    plausible: Plausible
    specimens: tuple[Text, ...]
    """Ruling R10: from any other specimen it is not this analyte."""
    accept: tuple[AcceptedUnit, ...]


class Spelling(Positioned):
    """One line of spellings.csv: how a unit is also written."""

    written: Text
    unit: Text
    note: str = ""


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

    def apply(self, value: Decimal) -> Decimal | None:
        """The canonical value; None where the formula has none (no H⁺ at all)."""
        if self.factor is not None:
            return value if self.factor == 1 else value * self.factor
        return (9 - value.log10()).quantize(Decimal("0.001")) if value > 0 else None


class ConflictingUnits(ValueError):
    """Unit text and unit code of one value mean two different units."""


def tidy_unit(text: str) -> str:
    """Without spaces, and with `u` for both micro signs (U+00B5 and U+03BC)."""
    return "".join(text.split()).replace("\u00b5", "u").replace("\u03bc", "u")


class Units:
    """The unit tables of all analytes."""

    def __init__(self, tables: Iterable[UnitTable], spellings: Iterable[Spelling]) -> None:
        self._tables = {table.analyte: table for table in tables}
        written: dict[str, list[str]] = {}
        for spelling in spellings:
            written.setdefault(spelling.unit, []).append(spelling.written)
        self._exact: dict[str, dict[str, Conversion]] = {}
        self._any_case: dict[str, dict[str, Conversion]] = {}
        for table in self._tables.values():
            exact = self._exact[table.analyte] = dict(_spelt(table, written))
            folded = self._any_case[table.analyte] = {}
            for text, conversion in exact.items():
                folded.setdefault(text.casefold(), conversion)

    @property
    def analytes(self) -> tuple[str, ...]:
        return tuple(self._tables)

    def table(self, analyte: str) -> UnitTable:
        return self._tables[analyte]

    def conversion(self, analyte: str, *sent: str | None) -> Conversion | None:
        """What the unit strings of a value mean (its text and its code); None if no table knows them.

        Raises ConflictingUnits where two of them mean different units.
        """
        given = [tidy_unit(text) for text in sent if text] or [""]
        found = {each for text in given if (each := self._one(analyte, text)) is not None}
        if len({each.unit for each in found}) > 1:
            raise ConflictingUnits(analyte)
        return next(iter(found), None)

    def _one(self, analyte: str, text: str) -> Conversion | None:
        return self._exact[analyte].get(text) or self._any_case[analyte].get(text.casefold())


def _canonical_place(table: UnitTable) -> str:
    place = positions_of(table).get(("canonical",))
    return f"{Path(table._file).name}:{place.line if place is not None else table._line}"


def _spelt(table: UnitTable, written: Mapping[str, list[str]]) -> Iterator[tuple[str, Conversion]]:
    for accepted in table.accept:
        conversion = Conversion(
            unit=accepted.unit,
            factor=accepted.factor,
            formula=accepted.formula,
            canonical=table.canonical,
            low=table.plausible.low,
            high=table.plausible.high,
            place=_canonical_place(table),
        )
        for text in (accepted.unit, *accepted.also, *written.get(accepted.unit, ())):
            yield tidy_unit(text), conversion


def load_units(folder: Path, *, analytes: Iterable[str] | None = None) -> Units:
    """Reads every table of the folder and spellings.csv; SetupError with all faults."""
    tables: list[UnitTable] = []
    spellings: list[Spelling] = []
    findings: list[Finding] = []
    for path in sorted(folder.glob("*.yaml")):
        try:
            tables.append(load_model(path, UnitTable, exit_code=ExitCode.MAPPING))
        except SetupError as error:
            findings += error.findings
    try:
        spellings = read_csv(folder / "spellings.csv", Spelling)
    except SetupError as error:
        findings += error.findings or [Finding(file=str(folder), line=0, column=0, text=str(error))]
    findings += _faults(tables, set(analytes) if analytes is not None else None)
    if findings:
        raise SetupError("the unit tables cannot be used", findings=tuple(findings), exit_code=ExitCode.MAPPING)
    return Units(tables, spellings)


def _faults(tables: Iterable[UnitTable], analytes: set[str] | None) -> Iterator[Finding]:
    seen: dict[str, UnitTable] = {}
    for table in tables:
        if analytes is not None and table.analyte not in analytes:
            yield _finding(table, f'"{table.analyte}" is not an analyte of the record')
        if table.analyte in seen:
            yield _finding(table, f'"{table.analyte}" has a table already: {seen[table.analyte]._file}')
        seen[table.analyte] = table
        if not any(accepted.unit == table.canonical and accepted.factor == 1 for accepted in table.accept):
            yield _finding(table, f"the canonical unit {table.canonical} is not accepted with factor 1")
        if table.plausible.low >= table.plausible.high:
            yield _finding(table.plausible, "the plausible range is empty")


def _finding(rule: Positioned, text: str) -> Finding:
    return Finding(file=rule._file, line=rule._line, column=rule._column, text=text)
