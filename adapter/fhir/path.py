"""Paths into a resource: `name`, `name[2]`, `name[key=value]`, `extension[url]`, joined by dots.

A path goes through every item of a list. It is the only way mappings speak of FHIR; there are no expressions.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adapter.assertion import Resource

_STEP = re.compile(r"(?P<name>_?[A-Za-z][A-Za-z0-9]*)(?:\[(?P<inside>[^\]]+)\])?(?:\.|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathStep:
    """One element of a path."""

    name: str
    index: int | None = None
    key: str = ""
    """With `value`: only list items whose `key` equals it; `url` for extensions."""
    value: str = ""


def parse_path(text: str) -> tuple[PathStep, ...]:
    """The steps of a path; ValueError names the place where it cannot be read."""
    steps: list[PathStep] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise ValueError(f'the path "{text}" cannot be read from character {position + 1}')
        steps.append(_step(match["name"], match["inside"]))
        position = match.end()
    if not steps or text.endswith("."):
        raise ValueError(f'the path "{text}" is not complete')
    return tuple(steps)


def _step(name: str, inside: str | None) -> PathStep:
    if inside is None:
        return PathStep(name=name)
    if inside.isdigit():
        return PathStep(name=name, index=int(inside))
    key, equals, value = inside.partition("=")
    if equals and "/" not in key:
        return PathStep(name=name, key=key, value=value)
    return PathStep(name=name, key="url", value=inside)


class Path:
    """A path ready for use."""

    __slots__ = ("steps", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.steps = parse_path(text)

    def located(self, resource: Resource) -> list[tuple[str, Any]]:
        """Every value the path reaches, with its own path (`code.coding[1].code`), in the order of the resource."""
        found: list[tuple[str, Any]] = [("", resource)]
        for step in self.steps:
            found = [reached for where, value in found for reached in _follow(where, value, step)]
        return found

    def values(self, resource: Resource) -> list[Any]:
        """Every value the path reaches."""
        return [value for _, value in self.located(resource)]

    def first(self, resource: Resource) -> Any:
        """The first value the path reaches, or None."""
        found = self.located(resource)
        return found[0][1] if found else None

    def __repr__(self) -> str:
        return f"Path({self.text!r})"


def _follow(where: str, value: Any, step: PathStep) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        return
    child = value.get(step.name)
    if child is None:
        return
    place = f"{where}.{step.name}" if where else step.name
    if not isinstance(child, list):
        if step.index is None or step.index == 0:
            yield place, child
        return
    for index, item in enumerate(child):
        if _is_wanted(index, item, step) and item is not None:
            yield f"{place}[{index}]", item


def _is_wanted(index: int, item: Any, step: PathStep) -> bool:
    if step.index is not None:
        return index == step.index
    return not step.key or (isinstance(item, dict) and item.get(step.key) == step.value)
