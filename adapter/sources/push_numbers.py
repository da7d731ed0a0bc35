"""Which events of a Subscription were not told of: numbers run on though a delivery failed (behaviour 51). Pure."""

from typing import NamedTuple

from adapter.sources.fhir_notification import Kind, Notification

_MOST_RANGES = 64
"""More are remembered as one with what lies between them: that is read again, too."""


class Numbers(NamedTuple):
    """What was heard of one Subscription."""

    highest: int | None = None
    """None before the first count was heard: what lies before it is not known to be missing."""
    missing: tuple[tuple[int, int], ...] = ()
    """Ranges, both ends included."""

    @property
    def lost(self) -> int:
        """How many are missing."""
        return sum(last - first + 1 for first, last in self.missing)


def begins_anew(before: Numbers, told: Notification) -> bool:
    """Whether what happened before it may never be told of: a server that was in error does not count meanwhile."""
    top = _top(told)
    if told.kind is Kind.HANDSHAKE or (before.highest is None and top is not None):
        return True
    # A heartbeat that was overtaken looks the same; then all is read once too often.
    return told.kind is Kind.HEARTBEAT and top is not None and before.highest is not None and top < before.highest


def after(before: Numbers, told: Notification) -> Numbers:
    """What is missing now."""
    top = _top(told)
    if begins_anew(before, told):
        return Numbers(top)
    if top is None or before.highest is None:
        return before
    missing = list(before.missing)
    if top > before.highest:
        missing.append((before.highest + 1, top))
    for number in sorted(_numbers(told)):
        missing = [part for each in missing for part in _without(each, number)]
    return Numbers(max(top, before.highest), _few(missing))


def _numbers(told: Notification) -> frozenset[int]:
    if told.kind is Kind.EVENT and not told.numbers and told.through is not None:
        return frozenset({told.through})
    return told.numbers


def _top(told: Notification) -> int | None:
    return max([*told.numbers, *([] if told.through is None else [told.through])], default=None)


def _without(span: tuple[int, int], number: int) -> list[tuple[int, int]]:
    first, last = span
    if not first <= number <= last:
        return [span]
    return [each for each in ((first, number - 1), (number + 1, last)) if each[0] <= each[1]]


def _few(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    if len(spans) <= _MOST_RANGES:
        return tuple(spans)
    return (*spans[: _MOST_RANGES - 1], (spans[_MOST_RANGES - 1][0], spans[-1][1]))
