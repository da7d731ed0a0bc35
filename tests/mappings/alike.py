"""How far two JSON trees agree, value by value; the members of a list are paired whole, whatever their order."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

OURS = frozenset({"resourceType", "id", "meta"})
"""Of a resource, what the sender does not say."""


class Difference(NamedTuple):
    """One value that is not as expected; None where there is no value."""

    path: str
    expected: str | None
    got: str | None

    def __str__(self) -> str:
        if self.got is None:
            return f"{self.path}: {self.expected!r} is missing"
        if self.expected is None:
            return f"{self.path}: {self.got!r} is not expected"
        return f"{self.path}: expected {self.expected!r}, got {self.got!r}"


def plain(value: Any, references: Mapping[str, str], *, top: bool = True) -> Any:
    """Every value as text; what refers to another resource says which one it is."""
    if isinstance(value, Mapping):
        parts = {k: plain(v, references, top=False) for k, v in value.items() if not (top and k in OURS)}
        return {k: v for k, v in parts.items() if v not in ({}, [])}
    if isinstance(value, list):
        return [plain(each, references, top=False) for each in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return references.get(str(value), str(value))


def leaf_count(value: Any) -> int:
    return sum(1 for _ in _leaves(value, ""))


def agreeing(expected: Any, got: Any) -> int:
    """Number of equal values at equal places."""
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        return sum(agreeing(value, got[key]) for key, value in expected.items() if key in got)
    if isinstance(expected, list) and isinstance(got, list):
        return sum(agreeing(expected[i], got[j]) for i, j in _paired(expected, got))
    return int(isinstance(expected, str) and isinstance(got, str) and expected == got)


def align(expected: Any, got: Any, path: str) -> Iterator[Difference]:
    """Every value of one that the other has not."""
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        for key in dict.fromkeys([*expected, *got]):
            yield from align(expected.get(key), got.get(key), f"{path}.{key}")
    elif isinstance(expected, list) and isinstance(got, list):
        pairs = _paired(expected, got)
        for i, j in pairs:
            yield from align(expected[i], got[j], path)
        for i in set(range(len(expected))) - {i for i, _ in pairs}:
            yield from align(expected[i], None, path)
        for j in set(range(len(got))) - {j for _, j in pairs}:
            yield from align(None, got[j], path)
    elif isinstance(expected, str) and isinstance(got, str):
        if expected != got:
            yield Difference(path, expected, got)
    else:
        yield from (Difference(at, value, None) for at, value in _leaves(expected, path))
        yield from (Difference(at, None, value) for at, value in _leaves(got, path))


def _paired(expected: list[Any], got: list[Any]) -> list[tuple[int, int]]:
    """The most agreeing first; what agrees in nothing is paired only where both are single values of one list."""
    scored = sorted(
        (-agreeing(left, right), i, j)
        for i, left in enumerate(expected)
        for j, right in enumerate(got)
        if agreeing(left, right)
    )
    pairs: list[tuple[int, int]] = []
    for _, i, j in scored:
        if i not in {i for i, _ in pairs} and j not in {j for _, j in pairs}:
            pairs.append((i, j))
    return pairs


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path)
    elif value is not None:
        yield path, str(value)
