"""What derivations take and give: the fields of rows with the natural keys of what they were made from."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple


class Stated(NamedTuple):
    """One row as a source states it."""

    key: str
    """Natural key of the statement; no two statements of one call share it."""
    fields: Mapping[str, Any]


class Derived(NamedTuple):
    """One row that several statements make together."""

    key: str
    """Natural key below the child: the caller makes the record id of it."""
    fields: dict[str, Any]
    made_from: tuple[str, ...]
    """Keys of the statements it was made from, sorted."""


class Span(NamedTuple):
    """The first and the last moment that a time of a row can mean; equal where it has a time of day."""

    first: datetime
    last: datetime


_NEVER = datetime.max.replace(tzinfo=UTC)


_NO_YEARS = frozenset({"0001", "9999"})
"""How records write "since ever" and "without end"; no calendar arithmetic reaches beyond them."""


@lru_cache(maxsize=8192)
def span(text: str | None) -> Span | None:
    """None where there is no time. A date means the whole day, a month the whole month."""
    if not text:
        return None
    if text[:4] in _NO_YEARS:
        return None
    if "T" in text:
        moment = datetime.fromisoformat(text)
        return Span(moment, moment)
    parts = text.split("-")
    first = datetime.fromisoformat("-".join([*parts, "01", "01"][:3])).replace(tzinfo=UTC)
    if len(parts) == 3:
        after = first + timedelta(days=1)
    elif len(parts) == 2:
        after = (first + timedelta(days=32)).replace(day=1)
    else:
        after = first.replace(year=first.year + 1)
    return Span(first, after - timedelta(seconds=1))


def begins(field: str) -> "_ByTime":
    """A sort key: by the first moment of a field, then by key; what has no time comes last."""
    return _ByTime(field)


class _ByTime:
    def __init__(self, field: str) -> None:
        self._field = field

    def __call__(self, stated: Stated) -> tuple[datetime, str]:
        found = span(stated.fields.get(self._field))
        return (found.first if found is not None else _NEVER, stated.key)


def keys(statements: Iterable[Stated]) -> tuple[str, ...]:
    """Their keys, sorted."""
    return tuple(sorted(each.key for each in statements))
