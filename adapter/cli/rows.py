"""`csor-adapter rows`: every live row inside the trust, one JSON object a line."""

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from adapter import config
from adapter.chart import sealed
from adapter.cli.kept_rows import Kept, reading
from adapter.config import TrustSettings
from adapter.dispatch import record_text
from adapter.settle.projection import RowState


class Format(StrEnum):
    NDJSON = "ndjson"


def rows(
    config_file: Annotated[Path, typer.Option("--config", help="The trust file.")],
    form: Annotated[Format, typer.Option("--format", help="How rows are written.")] = Format.NDJSON,
    every: Annotated[bool, typer.Option("--all", help="Tombstones of deleted rows, too.")] = False,
) -> None:
    """Every live row inside the trust, with the local id of its child. It holds patient data: mind where it goes.

    State `live`: sent, or to be sent. `held`: known, but something must be mapped or decided first. A condition_case
    shows the state of its condition.
    """
    settings = config.load_trust(config_file)
    for row in read_rows(settings, every=every):
        sys.stdout.write(sealed.ENCODER.encode(row).decode() + "\n")


def read_rows(settings: TrustSettings, *, every: bool = False) -> Iterator[dict[str, Any]]:
    """The rows as printed: kind, child, row id, the fields of the data dictionary, state."""
    with reading(settings) as reader:
        for chart in reader.charts(every=every):
            for kept in chart.rows:
                yield _printed(kept)


def _printed(kept: Kept) -> dict[str, Any]:
    fields = kept.content.fields
    head = {"kind": kept.row.kind, "child": kept.row.person_id, "row": record_text(kept.row.record_id)}
    # A case has a state of its own in the dictionary; of a live row that is the one to show.
    own = fields.get("state")
    shown = own if own and kept.state is not RowState.DELETED else kept.state.name.lower()
    return {**head, **fields, "state": shown}
