"""Why a child is in or out, in one sentence (R8): codes and dates of events, never a name, a number or a birth date."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from adapter.cohort.evidence import Evidence
from adapter.cohort.moments import days, span
from adapter.cohort.reading import Standing
from adapter.cohort.rules import Origin, StateRule
from adapter.errors import Problem

_LABELS = {"confirmed": "Included", "probable": "Probable", "suspected": "Suspected", "refuted": "Not included"}
_HELD = "Held for a person"
_UNCODED = {"text": "named in a text", "note": "operative record"}
_WHEN: dict[Origin, str] = {
    "diagnosis": "coded",
    "procedure": "on",
    "histology": "in histology of",
    "text": "of",
    "note": "of",
}
_SHOWN = 4
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def sentence(rule: StateRule, counted: Collection[Evidence], *, held: bool, problems: Iterable[Problem]) -> str:
    """`Included: Q79.3 coded 3 March 2026; T28.1 on 3 March 2026.`"""
    each = list(dict.fromkeys(told(item) for item in counted))
    parts = each[:_SHOWN] + ([f"{len(each) - _SHOWN} more"] if len(each) > _SHOWN else [])
    reasons = dict.fromkeys([rule.because, *(problem.text for problem in problems)])
    label = _HELD if held else _LABELS[rule.state]
    return f"{label}: {'; '.join([*parts, *filter(None, reasons)])}."


def is_held(because: str) -> bool:
    """Whether a sentence made here says that a person must look."""
    return because.startswith(_HELD)


def oldest_first(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    """By time, then by content: the order of arrival leaves no trace."""
    return tuple(sorted(evidence, key=_order))


def _order(item: Evidence) -> tuple[datetime, str, str, str, str, str, str]:
    found = span(item.at)
    begin = found.earliest if found else _END_OF_TIME
    return begin, item.at, item.kind, item.system, item.code, item.standing, item.ref


def told(item: Evidence) -> str:
    """`Q79.3 coded 3 March 2026`; of a text its date only, never a word of it."""
    what = item.code or _UNCODED[item.origin]
    if item.standing is Standing.REFUTED:
        return f"{what} refuted"
    if item.standing is Standing.WITHDRAWN:
        return f"{what} entered in error"
    return f"{what} {_WHEN[item.origin]} {day(item.at)}"


def day(text: str) -> str:
    """As precisely as known, without the hour."""
    found = days(text)
    if found is None:
        return "without a date"
    first, last = found
    if first == last:
        return f"{first.day} {_MONTHS[first.month - 1]} {first.year}"
    return f"{_MONTHS[first.month - 1]} {first.year}" if first.month == last.month else str(first.year)
