"""What `status` tells of the FHIR sources. Shows no patient data."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapter import config
from adapter.config import FhirSearchSource, TrustSettings
from adapter.envelope import utc_us
from adapter.service import push_standing
from adapter.service.polling_memory import counter
from adapter.service.polling_plan import kinds_of, of_whole_types
from adapter.store import counters, crawls, polls
from adapter.store.database import Connection


def status_of(conn: Connection, settings: TrustSettings, *, now: datetime) -> dict[str, dict[str, Any]]:
    """Each FHIR source: as of when it is read whole, how old its cursors are, pages, and what is wrong."""
    counted = counters.all_counts(conn)
    return {source.name: _status(conn, settings, source, counted, now=now) for source in fhir_sources(settings)}


def _status(
    conn: Connection, settings: TrustSettings, source: FhirSearchSource, counted: Mapping[str, int], *, now: datetime
) -> dict[str, Any]:
    rows = {row.search: row for row in polls.searches_of(conn, source.name)}
    searches = {}
    for search in of_whole_types(kinds_of(config.rules_of(source, settings.fhir_search))):
        row = rows.get(search.name)
        searches[search.name] = {
            "last_success_s": _age_s(row.complete_us if row else None, now),
            "cursor_s": _age_s(row.cursor_us if row else None, now),
            "trouble": row.trouble if row else "",
        }
    ages = [each["last_success_s"] for each in searches.values()]
    known = polls.source(conn, source.name)
    prefix = counter(source.name, "")
    told = push_standing.status_of(conn, source.name, source.subscriptions, now=now)
    return {
        "last_success_s": None if None in ages else max((age for age in ages if age is not None), default=None),
        "trouble": known.trouble,
        "requests_today": known.requests if known.day == _day(settings, now) else 0,
        "searches": searches,
        "patients": _patients(conn, source.name, now=now),
        **({"subscriptions": told} if told else {}),
        "counted": {name.removeprefix(prefix): n for name, n in counted.items() if name.startswith(prefix)},
    }


def alarms_in(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What of `status_of` needs a person, a line each."""
    return [alarm for name, each in found.items() for alarm in push_standing.alarms_of(name, each.get("subscriptions"))]


def fhir_sources(settings: TrustSettings) -> list[FhirSearchSource]:
    """Those of a trust that are polled."""
    return [source for source in settings.sources if isinstance(source, FhirSearchSource)]


def _patients(conn: Connection, source: str, *, now: datetime) -> dict[str, Any]:
    """Children by how they stand, and for how long whoever waits has waited."""
    found: dict[str, Any] = {state.value: 0 for state in crawls.TOLD}
    reasons: dict[str, int] = {}
    for (state, reason), count in crawls.counts(conn, source).items():
        found[state] += count
        if reason:
            reasons[f"{state}.{reason}"] = count
    due_us = crawls.next_due_us(conn, source)
    waiting_us = 0 if due_us is None else max(0, utc_us(now) - due_us)
    return {**found, "reasons": reasons, "behind_s": waiting_us // 1_000_000}


def _day(settings: TrustSettings, now: datetime) -> str:
    return now.astimezone(settings.site.timezone).date().isoformat()


def _age_s(moment_us: int | None, now: datetime) -> int | None:
    return None if moment_us is None else max(0, (utc_us(now) - moment_us) // 1_000_000)
