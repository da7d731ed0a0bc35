"""`csor-adapter status`: what waits, what stands where, what was counted. Needs no lock and shows no patient data."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from adapter import config
from adapter.cli.cohort import alarm_of
from adapter.dispatch import WITHHELD
from adapter.pipeline.sequences import CURSOR, standing_of
from adapter.service import bulk_status, coverage
from adapter.service.assembly import open_store
from adapter.service.certificates import alarms_of
from adapter.service.polling_status import alarms_in, fhir_sources, status_of
from adapter.store import counters, cursors, sought, verdicts
from adapter.store.database import Connection
from adapter.store.facts import facts, size_bytes
from adapter.store.inbox import open_inbox


def status(
    config_file: Annotated[Path, typer.Option("--config", help="The trust file.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for monitoring.")] = False,
) -> None:
    """Queues and their ages, states of messages, children and deliveries, counters."""
    found = read_status(config.load_trust(config_file))
    if as_json:
        typer.echo(json.dumps(found))
    else:
        _print(found)


def read_status(settings: config.TrustSettings) -> dict[str, Any]:
    """Everything that `status` shows."""
    database = open_store(settings, migrate=False)
    inbox = open_inbox(database, folder=settings.data_folder)
    try:
        with database.read() as conn:
            queue = inbox.facts(conn)
            known = facts(conn)
            store = asdict(known)
            alarm = alarm_of(known, settings=settings, now=datetime.now(UTC))
            certificates = alarms_of(conn, fhir_sources(settings), now=datetime.now(UTC))
            exports = bulk_status.alarms_of(conn, settings, now=datetime.now(UTC))
            servers = status_of(conn, settings, now=datetime.now(UTC))
            return {
                "alarms": [*([alarm] if alarm else []), *certificates, *exports, *alarms_in(servers)],
                "queue": {"waiting": queue.depth, "oldest_s": _age_s(queue.oldest_received_us)},
                "messages": store["messages"],
                "oldest_parked_s": _age_s(store["oldest_parked_us"]),
                "children": {
                    **store["persons"],
                    "blocked": store["blocked_persons"],
                    "to_settle": store["dirty_persons"],
                },
                "rows": store["rows"],
                "held_rows": store["held_rows"],
                "unsent_rows": store["unsent_rows"],
                "deliveries": store["deliveries"],
                "withheld": cursors.counts(conn, WITHHELD),
                "last_confirmed_s": _age_s(store["last_confirmed_us"]),
                "oldest_open_delivery_s": _age_s(store["oldest_open_delivery_us"]),
                "store_bytes": size_bytes(conn),
                "fhir_sources": servers,
                "exports": bulk_status.exports(conn, settings, now=datetime.now(UTC)),
                "sought": sought.counts(conn),
                "data_coverage_from": dict(coverage.of(conn)),
                "fhir_verdicts": {"waiting": verdicts.waiting(conn), "refused": verdicts.counts(conn)},
                "sequence_numbers": _sequences(conn),
                "counters": counters.all_counts(conn),
            }
    finally:
        inbox.close()
        database.close()


def _sequences(conn: Connection) -> dict[str, dict[str, int]]:
    """By feed: numbers of MSH-13 that never came, gaps, new beginnings, numbers that came late."""
    return {
        name.removeprefix(CURSOR): {
            "missing": standing.missing,
            "gaps": standing.gaps,
            "restarts": standing.restarts,
            "late": standing.late,
        }
        for name, value in cursors.of_prefix(conn, CURSOR).items()
        for standing in [standing_of(value)]
    }


def _age_s(moment_us: int | None) -> int | None:
    return None if moment_us is None else max(0, int(datetime.now(UTC).timestamp()) - moment_us // 1_000_000)


def _print(found: dict[str, Any]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    for alarm in found["alarms"]:
        table.add_row("ALARM", "", alarm)
    for name, value in found.items():
        if name == "alarms":
            continue
        title = name.replace("_", " ")
        if isinstance(value, dict):
            for key, count in _lines(value):
                table.add_row(title, key, count)
                title = ""
        else:
            table.add_row(title, "", "-" if value is None else str(value))
    Console().print(table)


def _lines(value: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """One line for each number, however deep it stands."""
    for key, each in value.items():
        name = f"{above} {key}".lstrip()
        if isinstance(each, dict):
            yield from _lines(each, name)
        else:
            yield name, "-" if each is None else str(each)
