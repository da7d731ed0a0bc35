"""`subscribe`: the Subscriptions that a FHIR server's team sets up for us, as they are to be sent to it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from adapter import config
from adapter.errors import ExitCode
from adapter.service.polling_status import fhir_sources
from adapter.service.push_watch import wanted_of

_SECRET = "SECRET"  # noqa: S105


def subscribe(
    config_file: Annotated[Path, typer.Option("--config", help="The trust file.")],
    source: Annotated[str, typer.Option(help="Only the Subscriptions of this source.")] = "",
) -> None:
    """Print each Subscription that a FHIR server is to keep for us; the word SECRET stands in place of the secret."""
    sources = [each for each in fhir_sources(config.load_trust(config_file)) if source in ("", each.name)]
    settings = [each.subscriptions for each in sources if each.subscriptions is not None]
    if not settings:
        which = f"source {source}" if source else "source"
        typer.echo(f"no {which} has `subscriptions` (of a fhir-search source)", err=True)
        raise typer.Exit(ExitCode.CONFIG)
    if any(each.address is None for each in settings):
        typer.echo("`subscriptions.address` should say how the server reaches this machine", err=True)
        raise typer.Exit(ExitCode.CONFIG)
    found = [
        wanted_of(each, said, identity=said.id or "", secret=_SECRET) for each in settings for said in each.criteria
    ]
    typer.echo(json.dumps(found, indent=2))
