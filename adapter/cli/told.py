"""`csor-adapter told`: what a FHIR server wrote where it refused a search, or showed less than all. Audited.

Only there is it shown word for word: logs and lists have its codes alone, since a server may name the patient.
"""

import getpass
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from adapter import config
from adapter.envelope import utc_us
from adapter.errors import ExitCode, SetupError
from adapter.service import polling_memory, polling_patient
from adapter.service.assembly import open_ring, open_store
from adapter.store import audit, crawls, polls
from adapter.store.database import Connection
from adapter.store.sealing import KeyDestroyed, KeyRing


class Words(NamedTuple):
    """What was written of one search."""

    place: str
    trouble: str
    text: str


def told(
    config_file: Annotated[Path, typer.Option("--config", help="The trust file.")],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The name of a FHIR source.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it must be seen; goes into the audit trail.")],
    child: Annotated[
        int | None, typer.Option("--child", help="Of this child (see `cohort --incomplete`); else of whole types.")
    ] = None,
) -> None:
    """What a FHIR server wrote where it refused, word for word. It may name a patient: mind where it goes."""
    settings = config.load_trust(config_file)
    if not reason.strip():
        raise typer.BadParameter("say why, it is written to the audit trail", param_hint="--reason")
    if source not in [each.name for each in settings.sources]:
        raise typer.BadParameter(f"there is no source {source}", param_hint="SOURCE")
    database, ring = open_store(settings, migrate=False), open_ring(settings)
    try:
        with database.write() as conn:
            found = list(_of_child(conn, ring, source, child) if child is not None else _of_types(conn, ring, source))
            detail = {"source": source, "person": child, "who": getpass.getuser(), "reason": reason}
            audit.append(conn, key=ring.derived("audit"), at_us=utc_us(datetime.now(UTC)), kind="told", detail=detail)
    finally:
        database.close()
        ring.close()
    if not found:
        raise SetupError(f"{source} has written nothing that is kept", exit_code=ExitCode.FILES_FAILED)
    for each in found:
        typer.echo(f"{each.place}  {each.trouble}")
        typer.echo(each.text)


def _of_child(conn: Connection, ring: KeyRing, source: str, child: int) -> Iterator[Words]:
    for row, facts in crawls.told_of(conn, source, person_id=child):
        if row.told is not None:
            yield _words(ring, row.search, row.trouble, facts.key_id, row.told, polling_patient.TOLD)


def _of_types(conn: Connection, ring: KeyRing, source: str) -> Iterator[Words]:
    for row in polls.searches_of(conn, source):
        if row.told is not None and row.told_key_id is not None:
            yield _words(ring, row.search, row.trouble, row.told_key_id, row.told, polling_memory.TOLD)


def _words(ring: KeyRing, place: str, trouble: str, key_id: bytes, sealed: bytes, purpose: bytes) -> Words:
    try:
        text = ring.unseal(key_id, sealed, purpose).decode("utf-8", "backslashreplace")
    except KeyDestroyed:
        text = "(erased with the messages of its day)"
    return Words(place, trouble, text)
