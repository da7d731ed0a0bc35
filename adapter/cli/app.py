"""The command line. A verb's module is imported only when it is asked for, so that `send` need not load a database.

The third of the three places where exceptions are caught: a person sees what to do, never a traceback, because a
traceback's last line may quote a patient's field.
"""

import importlib
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from adapter import __version__
from adapter.errors import AdapterError, ExitCode, SetupError

VERBS = {
    "demo": "A simulated hospital, the adapter and a receiver on this machine.",
    "check": "Mappings and configuration, whole; a sample of messages.",
    "convert": "Files to FHIR or CSOR rows, nothing stored.",
    "run": "The service.",
    "ingest": "Take files through the real pipeline, as if received.",
    "backfill": "Take in history: files of years, by several processes, resumed where they were left.",
    "rows": "Every live row inside the trust.",
    "cohort": "Which children are in or out, and why; near misses; the zero-case alarm.",
    "send": "Send files over MLLP and print each answer.",
    "receive": "The reference CSOR receiver.",
    "status": "Queues, counters and states.",
    "parked": "Messages that wait for a person.",
    "told": "What a FHIR server wrote where it refused, word for word; audited.",
    "replay": "Take messages through the pipeline again.",
    "explain": "Where a row's values came from, down to the byte.",
    "completeness": "How much was filled without a human, field by field.",
    "codes": "What no table names, by children affected.",
    "export": "Rows as they may leave, as files, with the data dictionary.",
    "jwks": "The public keys by which FHIR servers know us.",
    "subscribe": "The Subscriptions that a FHIR server is to keep for us, for its team.",
    "doctor": "Is this machine fit to run: disk, ports, keys, configuration; do the FHIR servers answer as it needs.",
}

BUG = 70
"""sysexits.h: an internal error."""


_IS_RUN = "adapter.verb-is-run"
"""In the context: a verb was asked for, not the list of them."""


class Verbs(TyperGroup):
    """Commands that are imported when they are run, and listed without being imported."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        ctx.meta[_IS_RUN] = True
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            return None
        if _IS_RUN not in ctx.meta:
            return TyperCommand(cmd_name, help=VERBS[cmd_name])
        return _load(cmd_name)


def _load(verb: str) -> Any:
    module = importlib.import_module(f"adapter.cli.{verb}")
    command = getattr(module, verb)
    if isinstance(command, typer.Typer):
        return get_command(command)
    alone = typer.Typer(add_completion=False)
    alone.command(name=verb)(command)
    return get_command(alone)


app = typer.Typer(cls=Verbs, add_completion=False, no_args_is_help=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def csor_adapter(
    version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Finds infants with six surgical conditions in a hospital's feeds and reports them to CSOR."""


def main() -> None:
    """The console script: every failure ends in one plain message and an exit code of `errors.ExitCode`."""
    try:
        get_command(app)(prog_name="csor-adapter")
    except SetupError as error:
        _stop(str(error), error.exit_code)
    except AdapterError as error:
        _stop(str(error), ExitCode.FILES_FAILED)
    except BrokenPipeError:
        _stop("", ExitCode.FILES_FAILED)
    except Exception as error:  # noqa: BLE001  the last net: without it Python prints the exception's text
        _stop(f"internal error: {type(error).__name__} at {_trail(error)}\nplease report this line", BUG)


def _trail(error: BaseException) -> str:
    """Our own frames, innermost last, without any value."""
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "adapter" in Path(frame.filename).parts]
    return " → ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in ours[-4:])


def _stop(text: str, exit_code: int) -> None:
    if text:
        print(text, file=sys.stderr)
    sys.exit(exit_code)
