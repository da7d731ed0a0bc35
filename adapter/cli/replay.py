"""`csor-adapter replay`: parked messages go through the pipeline again, refused deliveries are offered again."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from adapter import config
from adapter.envelope import utc_us
from adapter.errors import ExitCode, ProblemCode, SetupError
from adapter.service.assembly import Works, open_ring, open_store
from adapter.store import attempts, audit, messages, outbox
from adapter.store.database import Connection
from adapter.store.faults import StateConflict
from adapter.store.lock import DataFolderLock
from adapter.store.states import DeliveryState, MessageState


def replay(
    config_file: Annotated[Path, typer.Option("--config", help="The trust file.")],
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Parked messages.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every parked message but deletions of records (P214).")] = False,
    deliveries: Annotated[bool, typer.Option("--deliveries", help="Refused deliveries, too.")] = False,
) -> None:
    """Put parked messages back. With the service running it takes them; without, they are processed here and now."""
    if not ids and not every and not deliveries:
        raise typer.BadParameter("name messages, or --all, or --deliveries", param_hint="ID")
    settings = config.load_trust(config_file)
    database = open_store(settings, migrate=False)
    ring = open_ring(settings)
    try:
        with database.write() as conn:
            wanted = all_but_decisions(conn) if every else list(ids or [])
            unknown = [number for number in wanted if not _put_back(conn, number)]
            offered = _offer_again(conn) if deliveries else 0
            detail = {"messages": [number for number in wanted if number not in unknown], "deliveries": offered}
            now_us = utc_us(datetime.now(UTC))
            audit.append(conn, key=ring.derived("audit"), at_us=now_us, kind="replay", detail=detail)
    finally:
        database.close()
        ring.close()
    for number in unknown:
        typer.echo(f"message {number} is not parked", err=True)
    typer.echo(f"{len(wanted) - len(unknown)} messages and {offered} deliveries put back")
    _process_unless_running(settings)
    raise typer.Exit(ExitCode.FILES_FAILED if unknown else 0)


def all_but_decisions(conn: Connection) -> list[int]:
    """To replay a deletion is to agree to it: that is said of one message at a time."""
    return [each.id for each in messages.parked(conn) if each.reason != ProblemCode.RECORD_DELETED]


def _put_back(conn: Connection, message_id: int) -> bool:
    with suppress(StateConflict):
        messages.set_state(conn, message_id, before=MessageState.PARKED, after=MessageState.RECEIVED)
        attempts.clear(conn, message_id)
        return True
    return False


def _offer_again(conn: Connection) -> int:
    refused = outbox.refused(conn)
    for each in refused:
        outbox.transition(conn, each.id, before=DeliveryState.REFUSED, after=DeliveryState.PENDING)
    return len(refused)


def _process_unless_running(settings: config.TrustSettings) -> None:
    try:
        lock = DataFolderLock(settings.data_folder)
    except SetupError as error:
        if error.exit_code is ExitCode.LOCKED:
            return
        raise
    try:
        works = Works(settings)
        works.pipeline.start()
        works.drain()
        works.pipeline.stop()
        works.close()
    finally:
        lock.release()
