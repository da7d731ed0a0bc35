"""`csor-adapter backfill`: what was before the first day, from files of history; and who lies here on that day."""

import gc
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from adapter import config
from adapter.config import TrustSettings
from adapter.errors import ExitCode, Problem, SetupError
from adapter.service import coverage, sought
from adapter.service.assembly import open_store, prepare, utc_now
from adapter.service.backfill import Backfill
from adapter.service.processes import COLLECT
from adapter.store.lock import DataFolderLock


def backfill(
    config_file: Annotated[Path, typer.Option("--config", help="The trust file.")],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Files of HL7 v2 (.hl7), FHIR (.json, .ndjson), or folders of them."),
    ] = None,
    feed: Annotated[str, typer.Option("--feed", help="The source whose history the files are.")] = "",
    processes: Annotated[int, typer.Option("--processes", min=1, max=64, help="How many read.")] = 1,
    covers_from: Annotated[
        str, typer.Option("--covers-from", metavar="DATE", help="From this day on the source's data are all here.")
    ] = "",
    patients: Annotated[
        Path | None,
        typer.Option("--patients", help="CSV of in-patients (nhs_number, hospital_number): looked up by FHIR."),
    ] = None,
) -> None:
    """Take in history. Stopped or killed, it goes on where it was when it is started again in the same way.

    Beside a running service it only hands over, a block whenever nothing else waits there.
    """
    settings = config.load_trust(config_file)
    known = [source.name for source in settings.sources]
    if not paths and patients is None:
        raise typer.BadParameter("name files of history, or a list by --patients", param_hint="PATH")
    if paths and feed not in known:
        text = f"name the source whose history this is: {', '.join(known) or 'the trust file has none'}"
        raise typer.BadParameter(text, param_hint="--feed")
    day = _day(covers_from)
    gc.set_threshold(*COLLECT)
    problems = _name(settings, patients) if patients is not None else 0
    problems += _take(settings, paths, feed=feed, processes=processes) if paths else 0
    if day is not None and not problems:
        _cover(settings, feed, day=day)
    elif day is not None:
        typer.echo("the coverage is not set: look at the problems, then start this again")
    raise typer.Exit(ExitCode.FILES_FAILED if problems else 0)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter("not a date such as 2025-04-01", param_hint="--covers-from") from None


def _take(settings: TrustSettings, paths: list[Path], *, feed: str, processes: int) -> int:
    run = Backfill(settings, feed=feed, report=_report, processes=processes)
    settings.data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        lock = DataFolderLock(settings.data_folder)
    except SetupError as error:
        if error.exit_code is not ExitCode.LOCKED:
            raise
        run.hand_over(paths)
        done = "handed to the running service"
    else:
        try:
            run.take_in(paths)
        finally:
            lock.release()
        done = "taken"
    counts = run.counts
    before = f", {counts['files.done']} of them done before" if counts["files.done"] else ""
    typer.echo(
        f"{counts['messages']} messages of {counts['files']} files{before} {done}, {counts['problems']} problems"
    )
    return counts["problems"]


def _report(path: str, problem: Problem) -> None:
    typer.echo(f"{path}: {problem.text}" + (f" at {problem.at}" if problem.at else ""), err=True)


def _name(settings: TrustSettings, file: Path) -> int:
    prepare(settings)
    found = sought.read_list(file, settings)
    for line, text in found.problems:
        typer.echo(f"{file}:{line}: {text}", err=True)
    new = sought.name(settings, found.patients, now=utc_now())
    typer.echo(f"{len(found.patients)} patients named, {new} look-ups to be made that were not asked for before")
    return len(found.problems)


def _cover(settings: TrustSettings, feed: str, *, day: date) -> None:
    database = open_store(settings, migrate=False)
    try:
        with database.write() as conn:
            since = coverage.extend(conn, feed, day=day, timezone=settings.site.timezone)
    finally:
        database.close()
    typer.echo(f"data of {feed} are here from {since:%Y-%m-%d} on")
