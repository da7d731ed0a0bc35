"""`jwks`: the public halves of the keys by which the adapter signs in at FHIR servers, for the EPR's team."""

import json
from pathlib import Path
from typing import Annotated

import typer

from adapter import config
from adapter.errors import ExitCode
from adapter.service.polling_status import fhir_sources
from adapter.service.signing_in import public_keys


def jwks(
    config_file: Annotated[Path, typer.Option("--config", help="The trust file.")],
    source: Annotated[str, typer.Option(help="Only the keys of this source.")] = "",
) -> None:
    """Print the public keys for SMART Backend Services as a JSON Web Key Set; never a private part."""
    sources = [each for each in fhir_sources(config.load_trust(config_file)) if source in ("", each.name)]
    found = public_keys(sources)
    if not found["keys"]:
        which = f"source {source}" if source else "source"
        typer.echo(f"no {which} signs in by private_key_jwt (`auth` of a fhir-search source)", err=True)
        raise typer.Exit(ExitCode.CONFIG)
    typer.echo(json.dumps(found, indent=2))
