"""`csor-adapter ingest`: takes files through the real pipeline, as if they had been received."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from adapter import config
from adapter.config import TrustSettings
from adapter.envelope import Received
from adapter.errors import ExitCode, Problem, ProblemCode, SetupError
from adapter.pipeline.reception import Reception
from adapter.service.assembly import Works, open_ring, open_store, utc_now
from adapter.sources.files import SUFFIXES, read_file
from adapter.sources.intake import Unaccepted
from adapter.store.inbox import open_inbox
from adapter.store.lock import DataFolderLock

_AT_ONCE = 500


def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, or folders to search for them.")],
    config_file: Annotated[Path, typer.Option("--config", help="The trust file.")],
    now: Annotated[
        str, typer.Option("--now", metavar="TIME", help="The time it is meant to be, ISO 8601 with offset.")
    ] = "",
    feed: Annotated[str, typer.Option("--feed", help="The source the files stand for.")] = "ingest",
) -> None:
    """Store, process, hold and settle files. Beside a running service they are only stored: it does the rest."""
    settings = config.load_trust(config_file)
    moment = _moment(now)
    try:
        lock = DataFolderLock(_made(settings))
    except SetupError as error:
        if error.exit_code is not ExitCode.LOCKED:
            raise
        told = _hand_over(settings, paths, feed=feed, moment=moment)
        typer.echo(f"{told['messages']} messages handed to the running service")
        raise typer.Exit(ExitCode.FILES_FAILED if told["problems"] else 0) from None
    try:
        told = _take_through(settings, paths, feed=feed, moment=moment)
    finally:
        lock.release()
    typer.echo(f"{told['messages']} messages taken, {told['problems']} problems")
    raise typer.Exit(ExitCode.FILES_FAILED if told["problems"] else 0)


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("not an ISO 8601 time", param_hint="--now") from None
    if moment.tzinfo is None:
        raise typer.BadParameter("give the offset too, such as 2026-03-01T12:00:00+00:00", param_hint="--now")
    return moment


def _made(settings: TrustSettings) -> Path:
    settings.data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return settings.data_folder


def _take_through(
    settings: TrustSettings, paths: Sequence[Path], *, feed: str, moment: datetime | None
) -> Counter[str]:
    works = Works(settings, now=(lambda: moment) if moment else utc_now)
    try:
        works.pipeline.start()
        told = _append(Reception(works.inbox, works.ring), paths, feed=feed, moment=moment)
        works.drain()
        works.expiry.run(now=works.now())
        works.pipeline.stop()
    finally:
        works.close()
    return told


def _hand_over(settings: TrustSettings, paths: Sequence[Path], *, feed: str, moment: datetime | None) -> Counter[str]:
    ring = open_ring(settings)
    database = open_store(settings, migrate=False)
    inbox = open_inbox(database, folder=settings.data_folder)
    try:
        return _append(Reception(inbox, ring), paths, feed=feed, moment=moment)
    finally:
        inbox.close()
        database.close()
        ring.close()


def _append(reception: Reception, paths: Sequence[Path], *, feed: str, moment: datetime | None) -> Counter[str]:
    told: Counter[str] = Counter()
    waiting: list[Received] = []
    for path in _files(paths):
        for each in _read(path, feed=feed):
            if isinstance(each, Problem):
                told["problems"] += 1
                typer.echo(f"{path}: {each.text}" + (f" at {each.at}" if each.at else ""), err=True)
                continue
            if isinstance(each, Unaccepted):
                told["problems"] += 1
                typer.echo(f"{path}: {each.problem.text}", err=True)
            told["messages"] += not isinstance(each, Unaccepted)
            waiting.append(replace(each, received_at=moment) if moment else each)
            if len(waiting) >= _AT_ONCE:
                reception.append(waiting)
                waiting.clear()
    if waiting:
        reception.append(waiting)
    return told


def _read(path: Path, *, feed: str) -> Iterator[Received | Problem]:
    try:
        path.stat()
        yield from read_file(path, feed=feed)
    except OSError as error:
        yield Problem(code=ProblemCode.EMPTY, text=(error.strerror or "cannot be read").lower())


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES)
        else:
            yield path
