"""The files of mappings/units/ as models: units, plausible ranges and specimens of each analyte and measure.

Reads and checks them; what a unit means for a value stands in `units`.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from adapter.csor.fields import SpecimenType
from adapter.datafile import Positioned, did_you_mean, hyphenated, load_model, positions_of, read_csv
from adapter.errors import ExitCode, Finding, SetupError

Text = Annotated[str, StringConstraints(min_length=1)]
Formula = Literal[
    "ph-from-hydrogen-ion", "celsius-from-fahrenheit", "whole-weeks", "weeks-or-days", "percent-or-fraction"
]
"""The conversions that are no factor; `units` says in words what each one does."""


class _Rule(Positioned):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=hyphenated, populate_by_name=True)


class Plausible(_Rule):
    """Wide on purpose: a value outside is kept and flagged."""

    low: Decimal
    high: Decimal
    source: str = ""


class AgeBand(Plausible):
    """The range from this day of life until the next band begins."""

    from_day: Annotated[int, Field(ge=0)]
    source: Text
    """Who says so; `unconfirmed` where no published source was read."""


class AcceptedUnit(_Rule):
    """A unit this analyte may come in: canonical value = value × factor, or by a named formula."""

    unit: str
    """UCUM; empty for a formula that holds where no unit was sent."""
    factor: Annotated[Decimal, Field(gt=0)] | None = None
    formula: Formula | None = None
    also: tuple[str, ...] = ()
    """Spellings for this analyte alone, in this case of letters; the empty one means that no unit was sent."""
    because: str = ""

    @model_validator(mode="after")
    def _one_way(self) -> "AcceptedUnit":
        if (self.factor is None) == (self.formula is None):
            raise ValueError("an accepted unit has a factor or a formula")
        return self


class UnitTable(_Rule):
    """One file: an analyte of a blood sample, or a measure of the infant that has no sample."""

    kind: Literal["unit-table"]
    analyte: str = ""
    measure: str = ""
    means: Text
    canonical: Text
    """UCUM."""
    plausible: Plausible
    """The widest range; used alone where the age is not known."""
    by_age: tuple[AgeBand, ...] = ()
    specimens: tuple[SpecimenType, ...] = ()
    """Ruling R10: from any other specimen it is not this analyte."""
    text: Literal["weeks-and-days"] | None = None
    """The form of text, beside a number, that is a value: `30+4`."""
    accept: tuple[AcceptedUnit, ...]

    @model_validator(mode="after")
    def _one_subject(self) -> "UnitTable":
        if bool(self.analyte) == bool(self.measure):
            raise ValueError("a unit table is of an `analyte` or of a `measure`")
        if bool(self.analyte) != bool(self.specimens):
            raise ValueError("an analyte has `specimens`, a measure has none")
        if "unknown" in self.specimens:
            raise ValueError("an unknown specimen is never allowed (ruling R10)")
        return self

    @property
    def name(self) -> str:
        return self.analyte or self.measure


class Spelling(Positioned):
    """One line of spellings.csv: how a unit is also written."""

    written: Text
    unit: Text
    note: str = ""


class UnitFiles(NamedTuple):
    """The folder as read."""

    tables: tuple[UnitTable, ...]
    spellings: tuple[Spelling, ...]


def read_unit_files(
    folder: Path, *, analytes: Collection[str] | None = None, measures: Collection[str] | None = None
) -> UnitFiles:
    """Reads every table of the folder and spellings.csv; SetupError with all faults.

    `analytes` and `measures` are the names of the record; None accepts any.
    """
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
    findings += _misnamed(tables, analytes, measures)
    findings += _missing(folder, {table.name for table in tables}, {*(analytes or ()), *(measures or ())}, findings)
    for table in tables:
        findings += _faults(table)
        findings += _faults_of_ranges(table)
    if not findings:
        findings += _faults_of_spellings(tables, spellings)
    if findings:
        raise SetupError("the unit tables cannot be used", findings=tuple(findings), exit_code=ExitCode.MAPPING)
    return UnitFiles(tuple(tables), tuple(spellings))


def _misnamed(
    tables: Iterable[UnitTable], analytes: Collection[str] | None, measures: Collection[str] | None
) -> Iterator[Finding]:
    seen: dict[str, UnitTable] = {}
    for table in tables:
        key, known = ("analyte", analytes) if table.analyte else ("measure", measures)
        if known is not None and table.name not in known:
            hint = did_you_mean(table.name, sorted(known))
            yield _finding(table, f'"{table.name}" is no {key} of the record', at=(key,), hint=hint)
        if table.name in seen:
            yield _finding(table, f'"{table.name}" has a table already: {seen[table.name]._file}', at=(key,))
        seen[table.name] = table


def _missing(folder: Path, read: set[str], wanted: set[str], findings: Collection[Finding]) -> Iterator[Finding]:
    """Not told beside other faults: a table that could not be read is not missing."""
    for name in sorted(wanted - read if not findings else ()):
        yield Finding(file=str(folder), line=0, column=0, text=f'"{name}" has no unit table')


def _faults(table: UnitTable) -> Iterator[Finding]:
    if not any(accepted.unit == table.canonical and accepted.factor == 1 for accepted in table.accept):
        yield _finding(table, f"the canonical unit {table.canonical} is not accepted with factor 1", at=("canonical",))
    seen: set[str] = set()
    for number, accepted in enumerate(table.accept):
        for written in (accepted.unit, *accepted.also):
            if written in seen:
                yield _finding(table, f'"{written}" is accepted twice', at=("accept", number))
            seen.add(written)
        if not accepted.unit and accepted.formula is None:
            text = "a factor needs a unit; a missing unit is written under `also` of the unit it means"
            yield _finding(table, text, at=("accept", number))


def _faults_of_ranges(table: UnitTable) -> Iterator[Finding]:
    widest = table.plausible
    if widest.low >= widest.high:
        yield _finding(table, "the plausible range is empty", at=("plausible",))
    before: AgeBand | None = None
    for number, band in enumerate(table.by_age):
        at = ("by-age", number)
        if band.low >= band.high:
            yield _finding(table, "the plausible range is empty", at=at)
        if band.low < widest.low or band.high > widest.high:
            yield _finding(table, "wider than `plausible`, which holds where the age is not known", at=at)
        if before is None and band.from_day != 0:
            yield _finding(table, "the first band begins at day 0", at=at)
        if before is not None and band.from_day <= before.from_day:
            yield _finding(table, "bands stand in the order of age, each with a day of its own", at=at)
        before = band


def _faults_of_spellings(tables: Sequence[UnitTable], spellings: Iterable[Spelling]) -> Iterator[Finding]:
    """A spelling of a unit no table accepts helps nobody, and one of two units would be a guess."""
    units = {accepted.unit for table in tables for accepted in table.accept}
    seen: dict[str, str] = {}
    for row in spellings:
        if row.unit not in units:
            hint = did_you_mean(row.unit, sorted(units))
            text = f'no unit table accepts "{row.unit}"'
            yield Finding(file=row._file, line=row._line, column=len(row.written) + 2, text=text, hint=hint)
        if seen.setdefault(row.written, row.unit) != row.unit or (row.written in units and row.written != row.unit):
            text = f'"{row.written}" means two units'
            yield Finding(file=row._file, line=row._line, column=1, text=text)


def _finding(table: UnitTable, text: str, *, at: tuple[str | int, ...], hint: str = "") -> Finding:
    place = positions_of(table).get(at)
    line, column = (place.line, place.column) if place is not None else (table._line, table._column)
    return Finding(file=table._file, line=line, column=column, text=text, hint=hint)
