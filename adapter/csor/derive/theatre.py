"""Visits to theatre, and which of them is the index operation of a condition (ruling R17)."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from adapter.csor.derive.rules import Code, OutcomeRules
from adapter.csor.derive.stated import Stated, begins, span

VISIT_GAP = timedelta(hours=4)
"""Procedures of one visit carry the same start, or starts one after the other; so long after the last known moment of
a visit another one begins. A child brought back sooner than that is counted with the visit before."""

_by_start = begins("knife_to_skin")


class Visit(NamedTuple):
    """The procedures of one visit to theatre, in the order of time."""

    operations: tuple[Stated, ...]

    @property
    def first(self) -> Stated:
        return self.operations[0]


def codes(operation: Stated) -> Iterator[Code]:
    """Every well-formed code of a procedure."""
    for coding in operation.fields.get("codes") or ():
        if coding.get("listed"):
            yield coding["system"], coding["code"]


def visits(operations: Iterable[Stated], *, rules: OutcomeRules) -> list[Visit]:
    """Procedures grouped by time; those that are no operation, or have no time, are in none."""
    counted = [each for each in operations if _is_operation(each, rules)]
    timed = sorted((each for each in counted if _has_hour(each)), key=_by_start)
    dated = sorted((each for each in counted if _has_day(each)), key=_by_start)
    groups: list[list[Stated]] = []
    until: datetime | None = None
    for each in timed:
        start, end = _extent(each)
        if until is None or start - until > VISIT_GAP:
            groups.append([])
            until = end
        groups[-1].append(each)
        until = max(until, end)
    for each in dated:
        _into_its_day(each, groups)
    return sorted((Visit(tuple(group)) for group in groups), key=lambda visit: _by_start(visit.first))


def index_operations(
    operations: Sequence[Stated], conditions: Iterable[str], *, rules: OutcomeRules
) -> dict[str, list[str]]:
    """Key of an operation → the conditions whose index operation it is: the first that is definitive for them.

    `conditions` are those the child is taken to have. Without any time an operation is first only where it is alone.
    """
    found: dict[str, list[str]] = {}
    for condition in sorted(set(conditions)):
        definitive = [each for each in operations if is_definitive(each, condition, rules)]
        timed = [each for each in definitive if _moment(each)]
        if timed or len(definitive) == 1:
            first = min(timed or definitive, key=_by_start)
            found.setdefault(first.key, []).append(condition)
    return found


def is_definitive(operation: Stated, condition: str, rules: OutcomeRules) -> bool:
    """Whether a procedure is on the condition's list."""
    return not rules.definitive.get(condition, frozenset()).isdisjoint(codes(operation))


def has_any(operation: Stated, wanted: Collection[Code]) -> bool:
    """Whether a procedure carries one of these codes."""
    return any(code in wanted for code in codes(operation))


def _is_operation(operation: Stated, rules: OutcomeRules) -> bool:
    """Unless all that is known of it is no operation. A code that is not known is taken for one."""
    known = list(codes(operation))
    return not known or any(
        code not in rules.no_theatre
        and not any(code[0] == system and code[1].startswith(chapter) for system, chapter in rules.no_theatre_chapters)
        for code in known
    )


def _moment(operation: Stated) -> bool:
    return span(operation.fields.get("knife_to_skin")) is not None


def _has_hour(operation: Stated) -> bool:
    return "T" in (operation.fields.get("knife_to_skin") or "")


def _has_day(operation: Stated) -> bool:
    return len(operation.fields.get("knife_to_skin") or "") == len("2026-01-01")


def _extent(operation: Stated) -> tuple[datetime, datetime]:
    start, end = span(operation.fields.get("knife_to_skin")), span(operation.fields.get("knife_end"))
    assert start is not None  # noqa: S101 - only what has a time comes here
    return start.first, max(start.last, end.last) if end is not None else start.last


def _into_its_day(operation: Stated, groups: list[list[Stated]]) -> None:
    """A procedure of which only the day is known belongs to the first visit of that day."""
    day = str(operation.fields["knife_to_skin"])
    same = (group for group in groups if str(group[0].fields["knife_to_skin"]).startswith(day))
    group = next(same, None)
    if group is None:
        groups.append([operation])
    else:
        group.append(operation)
