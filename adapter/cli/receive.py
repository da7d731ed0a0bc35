"""`csor-adapter receive`: run the reference receiver (`adapter/receiver/example.yaml` shows its settings)."""

from pathlib import Path
from typing import Annotated

import typer

from adapter import receiver
from adapter.errors import ExitCode


def receive(
    config: Annotated[Path, typer.Option("--config", help="The receiver's own settings file (YAML).")],
) -> None:
    """Run the reference CSOR receiver until SIGTERM."""
    try:
        receiver.serve(receiver.load_settings(config), ready=_tell)
    except receiver.SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(ExitCode.CONFIG) from None


def _tell(url: str) -> None:
    typer.echo(f"receiving at {url}")
