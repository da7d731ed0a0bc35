"""What `status` tells of the FHIR sources. Shows no patient data."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapter import config
from adapter.config import FhirSearchSource, TrustSettings
from adapter.envelope import utc_us
from adapter.service.polling_memory import counter
from adapter.sources.fhir_search import Search
from adapter.store import counters, polls
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
    for search in searches_of(config.rules_of(source, settings.fhir_search)):
        row = rows.get(search.name)
        searches[search.name] = {
            "last_success_s": _age_s(row.complete_us if row else None, now),
            "cursor_s": _age_s(row.cursor_us if row else None, now),
            "trouble": row.trouble if row else "",
        }
    ages = [each["last_success_s"] for each in searches.values()]
    known = polls.source(conn, source.name)
    prefix = counter(source.name, "")
    return {
        "last_success_s": None if None in ages else max((age for age in ages if age is not None), default=None),
        "trouble": known.trouble,
        "requests_today": known.requests if known.day == _day(settings, now) else 0,
        "searches": searches,
        "counted": {name.removeprefix(prefix): n for name, n in counted.items() if name.startswith(prefix)},
    }


def fhir_sources(settings: TrustSettings) -> list[FhirSearchSource]:
    """Those of a trust that are polled."""
    return [source for source in settings.sources if isinstance(source, FhirSearchSource)]


def searches_of(rules: config.FhirSearchRules) -> list[Search]:
    """Every search of a source, in the order of its types."""
    found = []
    for resource_type, each in (rules.types or {}).items():
        fixed = tuple((name, value) for name, values in each.parameters.items() for value in values)
        for parameter, values in each.split.items():
            found += [Search(resource_type, (*fixed, (parameter, value))) for value in values]
        if not each.split:
            found.append(Search(resource_type, fixed))
    return found


def _day(settings: TrustSettings, now: datetime) -> str:
    return now.astimezone(settings.site.timezone).date().isoformat()


def _age_s(moment_us: int | None, now: datetime) -> int | None:
    return None if moment_us is None else max(0, (utc_us(now) - moment_us) // 1_000_000)
