"""The tables of laboratory codes, names and specimens as models: of mappings/concepts/ and of a trust's laboratories.

Reads and checks them, each row with its line; what they mean for a result stands in `concepts`.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, TypeVar

from pydantic import Field

from adapter.csor.fields import SpecimenType
from adapter.datafile import Positioned, did_you_mean, read_csv
from adapter.errors import ExitCode, Finding, SetupError
from adapter.mapping.codelists import CodeLists
from adapter.mapping.units import ConflictingUnits, Units

_OTHER_TABLES = ("names", "specimens", "growth", "drugs", "imaging")
"""How the tables of the folder are called that map no laboratory codes."""

Row = TypeVar("Row", bound=Positioned)

Day = Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\d)?$")]


class ConceptRow(Positioned):
    """One line of a concept table: the code of one system (or of one sender) is this analyte."""

    system: str = ""
    """As it is sent beside the code; empty for a local code of whatever system."""
    sender: str = ""
    """The `meta.source` of the results it holds for; empty for all."""
    code: Annotated[str, Field(min_length=1)]
    display: str = ""
    analyte: str
    unit: str = ""
    """The unit of this test where the laboratory sends none."""
    default_specimen: SpecimenType | Literal[""] = ""
    """What the code itself means was sampled, or what the laboratory states for its blood science panels."""
    valid_from: Day = ""
    valid_to: Day = ""
    """First and last day of collection it holds for."""
    source: str = ""

    @property
    def place(self) -> str:
        return f"{Path(self._file).name}:{self._line}"

    @property
    def days(self) -> tuple[str, str]:
        """First and last day, so that they compare."""
        return self.valid_from, self.valid_to or "9999"

    def holds(self, *, sender: str, day: str) -> bool:
        if self.sender and self.sender != sender:
            return False
        if not self.valid_from and not self.valid_to:
            return True
        first, last = self.days
        return bool(day) and first <= day <= last


class NameRow(Positioned):
    """A name under which laboratories print an analyte. Gas names need their exact case: `PcO2` is not `pCO2`."""

    name: str
    analyte: str
    match: Literal["exact", "any-case"]
    source: str = ""

    @property
    def place(self) -> str:
        return f"{Path(self._file).name}:{self._line}"


class SpecimenRow(Positioned):
    """A specimen code or name. System `name` means the text; an empty system a code sent without one."""

    system: str = ""
    code: str
    specimen_type: SpecimenType
    display: str = ""
    source: str = ""

    @property
    def place(self) -> str:
        return f"{Path(self._file).name}:{self._line}"


class Tables(NamedTuple):
    """The files of the folder as read."""

    concepts: tuple[ConceptRow, ...]
    names: tuple[NameRow, ...]
    specimens: tuple[SpecimenRow, ...]


def read_tables(folder: Path, *, units: Units, codelists: CodeLists, own: Sequence[Path] = ()) -> Tables:
    """Reads names.csv, specimens.csv and the tables of laboratory codes; SetupError with all faults.

    `own` are the tables of the trust's laboratories, of the same form.
    """
    findings: list[Finding] = []
    names = _read(folder / "names.csv", NameRow, findings)
    specimens = _read(folder / "specimens.csv", SpecimenRow, findings)
    packaged = [path for path in sorted(folder.glob("*.csv")) if not path.name.startswith(_OTHER_TABLES)]
    concepts: list[ConceptRow] = []
    for path in (*packaged, *own):
        rows = _read(path, ConceptRow, findings)
        findings += _faults(rows, units, codelists)
        findings += _contradictions(rows)
        concepts += rows
    findings += _faults_of_names(names, units)
    findings += _faults_of_specimens(specimens)
    if findings:
        raise SetupError("the concept tables cannot be used", findings=tuple(findings), exit_code=ExitCode.MAPPING)
    return Tables(tuple(concepts), tuple(names), tuple(specimens))


def _read(path: Path, model: type[Row], findings: list[Finding]) -> list[Row]:
    try:
        return read_csv(path, model)
    except SetupError as error:
        findings += error.findings or [Finding(file=str(path), line=0, column=0, text=str(error))]
        return []


def _faults(rows: Iterable[ConceptRow], units: Units, codelists: CodeLists) -> Iterator[Finding]:
    for row in rows:
        if row.analyte not in units.analytes:
            yield _unknown_analyte(row, row.analyte, units)
            continue
        if row.unit and not _is_unit(row, units):
            accepted = ", ".join(dict.fromkeys(each.unit for each in units.table(row.analyte).accept))
            yield _finding(row, f'"{row.unit}" is no unit of {row.analyte}', hint=f"accepted: {accepted}")
        allowed = units.table(row.analyte).specimens
        if row.default_specimen not in ("", "unknown", *allowed):
            text = f'{row.analyte} is not taken from "{row.default_specimen}" (ruling R10)'
            yield _finding(row, text, hint="leave the row out: the result then stays unmapped")
        first, last = row.days
        if first > last:
            yield _finding(row, f"valid to {row.valid_to} is before valid from {row.valid_from}")
        if codelists.system(row.system) is not None and codelists.normal(row.system, row.code) is None:
            yield _finding(row, f"{row.code} is not a code of {row.system}")


def _is_unit(row: ConceptRow, units: Units) -> bool:
    try:
        return units.conversion(row.analyte, row.unit) is not None
    except ConflictingUnits:
        return False


def _contradictions(rows: Iterable[ConceptRow]) -> Iterator[Finding]:
    """Two rows of one table for the same code, sender and day: nobody could say which one holds."""
    seen: dict[tuple[str, str, str], list[ConceptRow]] = {}
    for row in rows:
        others = seen.setdefault((row.system, row.sender, row.code), [])
        for other in others:
            if row.days[0] <= other.days[1] and other.days[0] <= row.days[1]:
                yield _finding(row, f"{row.code} stands in line {other._line} already, for the same time and sender")
                break
        others.append(row)


def _faults_of_names(names: Iterable[NameRow], units: Units) -> Iterator[Finding]:
    known: dict[str, str] = {}
    for row in names:
        if row.analyte not in units.analytes:
            yield _unknown_analyte(row, row.analyte, units)
        key = row.name.casefold() if row.match == "any-case" else row.name
        if known.setdefault(key, row.analyte) != row.analyte:
            yield _finding(row, f'"{row.name}" names two analytes')


def _faults_of_specimens(specimens: Iterable[SpecimenRow]) -> Iterator[Finding]:
    known: dict[tuple[str, str], str] = {}
    for row in specimens:
        key = (row.system, row.code.casefold())
        if known.setdefault(key, row.specimen_type) != row.specimen_type:
            yield _finding(row, f'"{row.code}" is two kinds of specimen')


def _unknown_analyte(row: Positioned, analyte: str, units: Units) -> Finding:
    return _finding(row, f'"{analyte}" is no analyte of the record', hint=did_you_mean(analyte, units.analytes))


def _finding(row: Positioned, text: str, *, hint: str = "") -> Finding:
    return Finding(file=row._file, line=row._line, column=row._column, text=text, hint=hint)
