"""What `status` tells of exports: how far they are and since when. Shows no patient data and no address."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from adapter import config
from adapter.config import FhirSearchSource, TrustSettings
from adapter.envelope import utc_us
from adapter.service.bulk import MAX_WAIT
from adapter.service.bulk_orders import levels_of, terms_of
from adapter.sources.fhir_bulk import instant_of
from adapter.store import bulk
from adapter.store.bulk import JobRow
from adapter.store.database import Connection
from adapter.store.states import BULK_OPEN, BulkState


def exports(conn: Connection, settings: TrustSettings, *, now: datetime) -> dict[str, dict[str, dict[str, Any]]]:
    """By source and group: the export that goes on, how the last one ended, how old what it brought is."""
    return {source.name: _of_source(conn, settings, source, now=now) for source in exporting(settings)}


def exporting(settings: TrustSettings) -> list[FhirSearchSource]:
    """The sources of a trust that are exported."""
    return [each for each in settings.sources if isinstance(each, FhirSearchSource) and each.bulk is not None]


def _of_source(
    conn: Connection, settings: TrustSettings, source: FhirSearchSource, *, now: datetime
) -> dict[str, dict[str, Any]]:
    rules = config.rules_of(source, settings.fhir_search)
    found = {}
    for level in levels_of(rules):
        known = bulk.types(conn, source.name, level)
        wanted = terms_of(rules, level).types
        stood = [_age_s(_moment_us(known[name].since) if name in known else None, now) for name in wanted]
        running = bulk.open_job(conn, source.name, level)
        last = bulk.last_job(conn, source.name, level)
        found[level] = {
            "last_success_s": None if None in stood else max((age for age in stood if age is not None), default=None),
            **(_running(conn, running, now) if running else {"state": "idle"}),
            "last": last.state if last else "",
            "last_reason": last.reason if last else "",
        }
    return found


def _running(conn: Connection, job: JobRow, now: datetime) -> dict[str, Any]:
    files = bulk.files(conn, job.id)
    return {
        "state": job.state,
        "since_s": _age_s(job.began_us, now),
        "percent": job.percent,
        "files": len(files),
        "files_done": sum(row.is_in for row in files),
        "parts": job.parts,
        "parts_done": max(0, job.taken),
        "trouble": job.reason,
        "tries": job.tries,
    }


def alarms_of(conn: Connection, settings: TrustSettings, *, now: datetime) -> list[str]:
    """Exports that a person should look at."""
    found = []
    for source in exporting(settings):
        rules = config.rules_of(source, settings.fhir_search)
        for level in levels_of(rules):
            found += _alarms(conn, source.name, level, longest_us=_us(rules.bulk.max_wait), now=now)
    return found


def _alarms(conn: Connection, source: str, level: str, *, longest_us: int, now: datetime) -> list[str]:
    jobs: Mapping[bool, list[JobRow]] = {True: [], False: []}
    for job in bulk.jobs(conn, source, level):
        jobs[BulkState(job.state) in BULK_OPEN].append(job)
    found = [
        f"the export {level} of {source} goes on for longer than max_wait"
        for job in jobs[True]
        if utc_us(now) - job.began_us > longest_us
    ]
    for job in jobs[False][:1]:
        if job.reason == MAX_WAIT:
            found.append(f"the last export {level} of {source} was given up after max_wait: ask the server's team")
    return found


def _us(span: timedelta) -> int:
    return int(span.total_seconds() * 1_000_000)


def _moment_us(text: str) -> int | None:
    moment = instant_of(text)
    return None if moment is None else utc_us(moment)


def _age_s(moment_us: int | None, now: datetime) -> int | None:
    return None if moment_us is None else max(0, (utc_us(now) - moment_us) // 1_000_000)
