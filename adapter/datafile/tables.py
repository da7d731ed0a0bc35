"""CSV files with a checked header: code lists, concept tables, units."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from adapter.datafile.models import Positioned, did_you_mean
from adapter.datafile.nodes import Place, Source, read_text
from adapter.errors import ExitCode, Finding, SetupError

M = TypeVar("M", bound=BaseModel)


def read_csv(path: Path, model: type[M], *, exit_code: ExitCode = ExitCode.MAPPING) -> list[M]:
    """One model per row, or SetupError with all faults. An empty cell of a column with a default means "not given"."""
    text = read_text(path, exit_code=exit_code)
    source = Source(file=str(path), lines=tuple(text.splitlines()))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[M] = []
    try:
        header = next(reader, [])
        findings = list(_header_findings(header, model, source))
        if not findings:
            start = reader.line_num
            for cells in reader:
                line, start = start + 1, reader.line_num
                if cells:
                    _read_row(cells, header=header, line=line, source=source, into=(rows, findings), model=model)
    except csv.Error as error:
        findings = [source.finding(Place(reader.line_num, 1), f"not CSV: {error}")]
    if findings:
        raise SetupError(f"{path} cannot be used", findings=tuple(findings), exit_code=exit_code)
    return rows


def _alias(model: type[BaseModel], name: str) -> str:
    alias = model.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else name


def _header_findings(header: list[str], model: type[BaseModel], source: Source) -> Iterator[Finding]:
    columns = {_alias(model, name): info for name, info in model.model_fields.items()}
    for index, name in enumerate(header):
        place = Place(1, _column_of(source, 1, index))
        if name not in columns:
            yield source.finding(place, f'unknown column "{name}"', hint=did_you_mean(name, list(columns)))
        elif name in header[:index]:
            yield source.finding(place, f'column "{name}" stands here twice')
    for name, info in columns.items():
        if info.is_required() and name not in header:
            yield source.finding(Place(1, 1), f'column "{name}" is missing')


def _read_row(
    cells: list[str],
    *,
    header: list[str],
    line: int,
    source: Source,
    into: tuple[list[M], list[Finding]],
    model: type[M],
) -> None:
    rows, findings = into
    if len(cells) != len(header):
        text = f"{len(cells)} cells where the header has {len(header)}"
        findings.append(source.finding(Place(line, 1), text, hint="put a text with a comma in double quotes"))
        return
    optional = {_alias(model, name) for name, info in model.model_fields.items() if not info.is_required()}
    given = {name: cell for name, cell in zip(header, cells, strict=True) if cell or name not in optional}
    try:
        row = model.model_validate(given)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            column = str(each["loc"][0]) if each["loc"] else header[0]
            place = Place(line, _column_of(source, line, header.index(column) if column in header else 0))
            text = each["msg"].removeprefix("Value error, ").removeprefix("Input ")
            findings.append(source.finding(place, f"{column}: {text}"))
        return
    if isinstance(row, Positioned):
        row._file, row._line, row._column = source.file, line, 1
    rows.append(row)


def _column_of(source: Source, line: int, index: int) -> int:
    """Where the cell begins in its line, commas inside quotes passed over."""
    quoted = False
    for column, character in enumerate(source.lines[line - 1], start=1):
        if index == 0:
            return column
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            index -= 1
    return 1
