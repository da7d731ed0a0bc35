"""`csor-adapter parked`: the messages that wait for a person, and one of them in full."""

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from adapter import config
from adapter.chart import sealed
from adapter.errors import ExitCode, ProblemCode, SetupError
from adapter.service.assembly import open_ring, open_store
from adapter.store import audit, messages
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
            received = datetime.fromtimestamp(each.received_us / 1_000_000, UTC).isoformat(timespec="seconds")
            typer.echo(f"{each.id}  {each.feed}  {each.kind}  {received}  {each.size} bytes  {why(each.reason)}")
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
    """One parked message. Its body is patient data: shown only with --reveal and a reason."""
    if reveal and not reason.strip():
        raise typer.BadParameter("say why, it is written to the audit trail", param_hint="--reason")
    settings = config.load_trust(config_file)
    database = open_store(settings, migrate=False)
    ring = open_ring(settings)
    try:
        with database.write() as conn:
            row = messages.by_id(conn, message_id)
            if row is None or row.state != MessageState.PARKED or row.key_id is None or row.sealed is None:
                raise SetupError(f"message {message_id} is not parked", exit_code=ExitCode.FILES_FAILED)
            typer.echo(f"{row.id}  {row.feed}  {row.kind}  {row.size} bytes  {why(row.reason)}")
            if reveal:
                now_us = int(datetime.now(UTC).timestamp() * 1_000_000)
                detail = {"message": row.id, "who": getpass.getuser(), "reason": reason}
                audit.append(conn, key=ring.derived("audit"), at_us=now_us, kind="reveal", detail=detail)
        if reveal:
            body = ring.unseal(row.key_id, row.sealed, sealed.MESSAGE)
            typer.echo(body.decode("utf-8", "backslashreplace").replace("\r", "\n"))
    finally:
        database.close()
        ring.close()


def why(reason: str) -> str:
    """The code of the problem with its name in words."""
    try:
        return f"{reason} {ProblemCode(reason).name.lower().replace('_', ' ')}"
    except ValueError:
        return reason
