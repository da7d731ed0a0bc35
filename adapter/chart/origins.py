"""Which message said each value of what is live: the same folds as for a row, over places in the stead of values.

Off the hot path: `explain` asks. What is folded here is folded by `live`, so what is told is what was done.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from adapter.assertion import Item, Resource
from adapter.chart import live
from adapter.fhir.path import Path


class Place(NamedTuple):
    """One value of one stored statement."""

    assertion_id: int
    item: int
    """Which item of the assertion; -1 for a resource of its context, whose reference then begins the path."""
    resource: int
    path: str


class Stated(NamedTuple):
    """One item and where it is stored."""

    item: Item
    assertion_id: int
    number: int


def marked(resource: Resource, *, assertion_id: int, item: int, nth: int = 0) -> Resource:
    """The resource with every value replaced by its place."""
    return {
        name: value if name == "resourceType" else _marked(value, Place(assertion_id, item, nth, name))
        for name, value in resource.items()
    }


def _marked(value: Any, place: Place) -> Any:
    if isinstance(value, dict):
        return {name: _marked(inner, place._replace(path=f"{place.path}.{name}")) for name, inner in value.items()}
    if isinstance(value, list):
        return [_marked(inner, place._replace(path=f"{place.path}[{n}]")) for n, inner in enumerate(value)]
    return place


def marked_items(stated: Sequence[Stated]) -> list[Item]:
    """The items with places for values, under clocks that keep the order their contents gave them."""
    ordered = sorted(stated, key=lambda each: live.order(each.item))
    return [
        msgspec.structs.replace(
            each.item,
            clock_us=number,
            rank=0,
            resources=[
                marked(resource, assertion_id=each.assertion_id, item=each.number, nth=nth)
                for nth, resource in enumerate(each.item.resources)
            ],
        )
        for number, each in enumerate(ordered, start=1)
    ]


def places_at(resource: Resource, path: str) -> list[Place]:
    """The places of all values at and below a path; none where a cancel, and no message, put the value there."""
    return list(places_in(Path(path).first(resource)))


def places_in(value: Any) -> Iterator[Place]:
    """Every place in a marked resource or a part of one."""
    if isinstance(value, Place):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from places_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from places_in(inner)
