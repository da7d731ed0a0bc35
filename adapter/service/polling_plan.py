"""Which searches a FHIR source has, and which of them one patient is due for. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from adapter import config
from adapter.config import FhirSearchSource
from adapter.errors import SourceFault
from adapter.sources.fhir_http import Answers
from adapter.sources.fhir_outcomes import Action, Outcomes
from adapter.sources.fhir_position import Search
from adapter.sources.fhir_request import Style
from adapter.store.crawls import SearchRow

_AGAIN = timedelta(days=1)
"""What a server refused or did not show is not asked for again before (behaviour 37), unless a message calls."""


class Kind(NamedTuple):
    """One search of a source, made anew for each patient."""

    search: Search
    is_of_patients: bool
    """False: the whole type is read by its cursor, and of a patient only the history, once."""
    full_reread: timedelta


class Asked(NamedTuple):
    """One search of one patient that is to be made now."""

    search: Search
    is_whole: bool
    """All there is; else what is new."""


def kinds_of(rules: config.FhirSearchRules) -> list[Kind]:
    """Every search of a source, in the order of its types."""
    found = []
    for resource_type, each in (rules.types or {}).items():
        fixed = tuple((name, value) for name, values in each.parameters.items() for value in values)
        style = Style(post=rules.post, lenient=rules.lenient, exclusive=tuple((a, b) for a, b in each.exclusive))
        search = Search(
            resource_type,
            fixed,
            patient_param=each.patient_param,
            since_param=each.incremental.param if each.incremental else "",
            is_by_creation=each.incremental is not None and each.incremental.mode == "created",
            overlap=each.overlap or rules.overlap,
            page_size=each.count or rules.count,
            max_pages=each.max_pages or rules.max_pages,
            style=style,
        )
        parts = [(parameter, value) for parameter, values in each.split.items() for value in values]
        searches = [search._replace(parameters=(*fixed, part)) for part in parts] or [search]
        is_of_patients = each.scope == "patient"
        found += [Kind(one, is_of_patients, each.full_reread or rules.full_reread) for one in searches]
    return found


def of_whole_types(kinds: Iterable[Kind]) -> list[Search]:
    """Those that read a whole type by its cursor."""
    return [kind.search for kind in kinds if not kind.is_of_patients]


def asked_of(
    kinds: Sequence[Kind], rows: Mapping[str, SearchRow], *, now_us: int, every: timedelta, is_called: bool
) -> list[Asked]:
    """What one patient is to be asked for now; `is_called`: a message says that something has changed."""
    found = []
    for kind in kinds:
        row = rows.get(kind.search.name)
        whole_us = _whole_due_us(kind, row)
        news_us = _news_due_us(kind, row, every)
        is_news = is_called or _is_under_way(row) or (news_us is not None and news_us <= now_us)
        is_amiss = is_called and row is not None and bool(row.trouble)
        if is_amiss or (whole_us is not None and whole_us <= now_us):
            found.append(Asked(kind.search, True))
        elif kind.is_of_patients and is_news:
            found.append(Asked(kind.search, not kind.search.since_param))
    asked = {each.search.resource_type for each in found}
    # Read by id whenever anything is asked for: only that tells a merge or a denial from nothing new (behaviour 68).
    missing = [kind.search for kind in kinds if kind.search.resource_type == "Patient" and kind.is_of_patients]
    return [*(Asked(each, True) for each in missing if asked and "Patient" not in asked), *found]


def next_due_us(kinds: Sequence[Kind], rows: Mapping[str, SearchRow], *, every: timedelta) -> int | None:
    """When the next of them is due; None where none ever is by itself."""
    each = [
        moment
        for kind in kinds
        for moment in (
            _whole_due_us(kind, rows.get(kind.search.name)),
            _news_due_us(kind, rows.get(kind.search.name), every),
        )
        if moment is not None
    ]
    return min(each, default=None)


def _whole_due_us(kind: Kind, row: SearchRow | None) -> int | None:
    if row is not None and row.trouble:
        # What was paused is not among the kinds while it is.
        return 0 if row.trouble == SourceFault.PAUSED else (row.read_us or 0) + _us(_AGAIN)
    if row is None or row.whole_us is None:
        return 0
    return row.whole_us + _us(kind.full_reread) if kind.is_of_patients else None


def _news_due_us(kind: Kind, row: SearchRow | None, every: timedelta) -> int | None:
    if row is None or row.trouble or row.read_us is None:
        return None
    is_told = kind.is_of_patients and kind.search.since_param and kind.search.resource_type != "Patient"
    return row.read_us + _us(every) if is_told else None


def _is_under_way(row: SearchRow | None) -> bool:
    return row is not None and row.sealed is not None


def _us(span: timedelta) -> int:
    return int(span.total_seconds() * 1_000_000)


def answers_of(source: FhirSearchSource, rules: config.FhirSearchRules) -> Answers:
    """What is made of what the server answers, and where its links may lead."""
    outcomes = Outcomes(
        [(rule.code, Action(rule.action)) for rule in rules.outcome_rules],
        expired=rules.paging.expired,
        is_restarted=rules.paging.on_expired == "restart",
    )
    return Answers(outcomes=outcomes, allowed_hosts=source.allowed_hosts)
