"""`csor-adapter rows`: every live row inside the trust, one JSON object a line."""

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from adapter import config
from adapter.chart import sealed
from adapter.chart.sealed import decode_content
from adapter.config import TrustSettings
from adapter.dispatch import record_text
from adapter.service.assembly import open_ring, open_store
from adapter.settle.projection import RowState
from adapter.store import rows as csor_rows

_PAGE = 500


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
    database = open_store(settings, migrate=False)
    ring = open_ring(settings)
    try:
        with database.read() as conn:
            after = 0
            while page := csor_rows.persons_with_rows(conn, after_person=after, limit=_PAGE):
                for person in page:
                    for row in sorted(csor_rows.of_person(conn, person), key=lambda each: (each.kind, each.record_id)):
                        if every or row.deleted != RowState.DELETED:
                            content = decode_content(ring.unseal(row.key_id, row.sealed, sealed.ROW))
                            yield _printed(row, content.fields)
                after = page[-1]
    finally:
        database.close()
        ring.close()


def _printed(row: csor_rows.CsorRow, fields: dict[str, Any]) -> dict[str, Any]:
    state = RowState(row.deleted).name.lower()
    head = {"kind": row.kind, "child": row.person_id, "row": record_text(row.record_id)}
    # A case has a state of its own in the dictionary; of a live row that is the one to show.
    own = fields.get("state")
    return {**head, **fields, "state": own if own and row.deleted != RowState.DELETED else state}
