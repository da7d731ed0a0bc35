"""`csor-adapter parked`: the messages that wait for a person, and one of them in full."""

import getpass
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from adapter import config
from adapter.chart import sealed
from adapter.chart.sealed import Note, decode_note
from adapter.envelope import utc_us
from adapter.errors import ExitCode, ProblemCode, SetupError
from adapter.service.assembly import open_ring, open_store
from adapter.store import audit, messages
from adapter.store.messages import MessageRow, ParkedMessage
from adapter.store.states import MessageState

parked = typer.Typer(add_completion=False, invoke_without_command=True)

ConfigFile = Annotated[Path, typer.Option("--config", help="The trust file.")]


@parked.callback()
def list_parked(context: typer.Context, config_file: Annotated[Path | None, typer.Option("--config")] = None) -> None:
    """Messages that wait for a person, one a line: id, feed, kind, when received, size, why."""
    if context.invoked_subcommand:
        return
    if config_file is None:
        raise typer.BadParameter("missing", param_hint="--config")
    database = open_store(config.load_trust(config_file), migrate=False)
    try:
        with database.read() as conn:
            found = messages.parked(conn)
        for each in found:
            typer.echo(_line(each))
        if not found:
            typer.echo("no message is parked")
    finally:
        database.close()


@parked.command()
def show(
    message_id: Annotated[int, typer.Argument(metavar="ID")],
    config_file: ConfigFile,
    reveal: Annotated[bool, typer.Option("--reveal", help="Print the body. Audited.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why it must be seen; goes into the audit trail.")] = "",
) -> None:
    """One parked message: what is wrong and where. Its body is patient data: only with --reveal and a reason."""
    if reveal and not reason.strip():
        raise typer.BadParameter("say why, it is written to the audit trail", param_hint="--reason")
    settings = config.load_trust(config_file)
    database = open_store(settings, migrate=False)
    ring = open_ring(settings)
    try:
        with database.write() as conn:
            row, key_id, body = _parked(messages.by_id(conn, message_id), message_id)
            if reveal:
                now_us = utc_us(datetime.now(UTC))
                detail = {"message": row.id, "who": getpass.getuser(), "reason": reason}
                audit.append(conn, key=ring.derived("audit"), at_us=now_us, kind="reveal", detail=detail)
        typer.echo(_line(row))
        if row.note is not None:
            for line in _told(decode_note(ring.unseal(key_id, row.note, sealed.NOTE))):
                typer.echo(line)
        if reveal:
            plain = ring.unseal(key_id, body, sealed.MESSAGE)
            typer.echo(plain.decode("utf-8", "backslashreplace").replace("\r", "\n"))
    finally:
        database.close()
        ring.close()


def _parked(row: MessageRow | None, message_id: int) -> tuple[MessageRow, bytes, bytes]:
    if row is None:
        raise SetupError(f"there is no message {message_id}", exit_code=ExitCode.FILES_FAILED)
    if row.state != MessageState.PARKED or row.key_id is None or row.sealed is None:
        state = row.state.replace("_", " ")
        raise SetupError(f"message {message_id} is not parked: it is {state}", exit_code=ExitCode.FILES_FAILED)
    return row, row.key_id, row.sealed


def _line(row: MessageRow | ParkedMessage) -> str:
    received = datetime.fromtimestamp(row.received_us / 1_000_000, UTC).isoformat(timespec="seconds")
    kind = "-" if row.kind == row.reason else row.kind
    return f"{row.id}  {row.feed}  {kind}  {received}  {row.size} bytes  {why(row.reason)}"


def _told(note: Note) -> Iterator[str]:
    for code, text, at in note.problems:
        yield f"{code}: {text}" + (f" at {at}" if at else "")
    if note.length is not None:
        yield f"only the beginning is kept; the whole had {note.length} bytes, SHA-256 {note.sha256.hex()}"


def why(reason: str) -> str:
    """The code of the problem with its name in words."""
    try:
        return f"{reason} {ProblemCode(reason).name.lower().replace('_', ' ')}"
    except ValueError:
        return reason
