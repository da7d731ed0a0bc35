"""Writes rows as Parquet: numbers as decimals, times as whole numbers, lists as lists of text."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as arrow
from pyarrow import parquet

from adapter.cli.cells import in_a_cell

_NUMBER = arrow.decimal128(38, 12)


def write_parquet(path: Path, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """One file; a column that no row fills is one of text."""
    columns = {name: [row.get(name) for row in rows] for name in names}
    typed = [(name, _type(values)) for name, values in columns.items()]
    arrays = [arrow.array(_plain(columns[name], kind), type=kind) for name, kind in typed]
    parquet.write_table(arrow.Table.from_arrays(arrays, schema=arrow.schema(typed)), path)


def _type(values: Sequence[Any]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return arrow.bool_()
    if kinds == {int}:
        return arrow.int64()
    if kinds and kinds <= {int, Decimal}:
        return _NUMBER
    return arrow.list_(arrow.string()) if list in kinds else arrow.string()


def _plain(values: Sequence[Any], kind: Any) -> list[Any]:
    if arrow.types.is_list(kind):
        return [None if value is None else [in_a_cell(each) for each in value] for value in values]
    if arrow.types.is_string(kind):
        return [None if value is None else in_a_cell(value) for value in values]
    if arrow.types.is_decimal(kind):
        return [None if value is None else Decimal(value) for value in values]
    return list(values)
