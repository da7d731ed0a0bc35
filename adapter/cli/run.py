"""`csor-adapter run`: the service, until it is told to stop."""

from pathlib import Path
from typing import Annotated

import typer

from adapter import config, log
from adapter.service.assembly import Mappings
from adapter.service.processes import PARTS, Supervisor, run_part


def run(
    config_file: Annotated[Path, typer.Option("--config", help="The trust file.")],
    part: Annotated[str, typer.Option("--part", hidden=True, help="One process of the service.")] = "",
) -> None:
    """Receive, process, settle and dispatch until SIGTERM. A second instance on the same data folder is refused."""
    settings = config.load_trust(config_file)
    log.configure()
    if part:
        if part not in PARTS:
            raise typer.BadParameter(f"one of {', '.join(PARTS)}", param_hint="--part")
        run_part(part, settings)
        return
    Mappings.load(settings)  # every fault is shown here once, not by each part
    raise typer.Exit(Supervisor(config_file, settings).run())
