"""Which export is to be asked for next. Pure.

Types that stand at one time of the server go together. Patients are always asked for whole: that is the list of the
group's members, and who is new in it would else be missed (HL7 Bulk Data Access, Group Membership Request Pattern).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from adapter.config import FhirSearchRules
from adapter.sources.fhir_bulk import Order
from adapter.sources.fhir_bulk_bundles import PARTS_OF
from adapter.store.bulk import TypeRow

PATIENT = "Patient"


class Terms(NamedTuple):
    """When a group is exported."""

    level: str
    types: tuple[str, ...]
    every: timedelta
    full: timedelta
    join: str
    is_incremental: bool


def levels_of(rules: FhirSearchRules) -> list[str]:
    """What is exported, each by itself."""
    return [f"Group/{group}" for group in rules.bulk.groups] or [PATIENT]


def terms_of(rules: FhirSearchRules, level: str) -> Terms:
    """Those of one group."""
    bulk = rules.bulk
    return Terms(level, types_of(rules), bulk.every, bulk.full, bulk.type_join, bulk.since)


def types_of(rules: FhirSearchRules) -> tuple[str, ...]:
    """The types named for exports as they are; else those searched for, with what their rows are made with."""
    named: Sequence[str] = rules.bulk.types
    if not named:
        searched = list(rules.types or {})
        named = [*searched, *(part for each in searched for part in PARTS_OF.get(each, ()))]
    return tuple(dict.fromkeys([PATIENT, *named]))


def next_order(terms: Terms, known: Mapping[str, TypeRow], *, now_us: int) -> Order | None:
    """None where nothing is due."""
    due: dict[str, list[str]] = {}
    for name in terms.types:
        row = known.get(name)
        if row is None or now_us - row.asked_us >= _us(terms.every):
            since = "" if row is None or name == PATIENT or is_full_due(terms, row, now_us=now_us) else row.since
            due.setdefault(since, []).append(name)
    if not due:
        return None
    since = min(due)  # that without one first: it tells who is in the group
    # What is said of changes alone is said of patients, too: which were deleted.
    types = tuple(dict.fromkeys([PATIENT, *due[since]]))
    return Order(terms.level, types, since=since, join="comma" if terms.join == "comma" else "repeat")


def is_full_due(terms: Terms, row: TypeRow, *, now_us: int) -> bool:
    """Whether all of a type is to be read again."""
    return not terms.is_incremental or not row.since or now_us - row.full_us >= _us(terms.full)


def wait_us(terms: Terms, known: Mapping[str, TypeRow], *, now_us: int) -> int:
    """Until something is due."""
    asked = [known[name].asked_us if name in known else 0 for name in terms.types]
    return max(0, min(asked) + _us(terms.every) - now_us)


def _us(span: timedelta) -> int:
    return int(span.total_seconds() * 1_000_000)
