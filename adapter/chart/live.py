"""What is live of all that was asserted about one thing: results, and the folding that visits share.

Pure functions of the *set* of items: the order in which they came changes nothing. Knows nothing of disks or people.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from adapter.assertion import Form, Item, Resource

# A flag or a note speaks of the value it came with: a new value without them does not inherit them.
_VALUE_GROUP = ("dataAbsentReason", "interpretation", "note")
# Numbers as numbers: an item compares the same whether it was read back from the store or is still as it was made.
_BY_CONTENT = msgspec.json.Encoder(order="sorted", decimal_format="number")


def order(item: Item) -> tuple[int, int, bytes]:
    """By source clock, then status precedence, then content: never by arrival."""
    return item.clock_us, item.rank, _BY_CONTENT.encode(item)


def fold(items: Sequence[Item]) -> Resource:
    """All that the items together say of one thing, last clock wins field by field; a snapshot starts anew."""
    if len(items) == 1 and not items[0].cleared:
        return items[0].resources[0]
    whole: Resource = {}
    for item in sorted(items, key=order):
        whole = apply(whole, item)
    return whole


def names_specimen(ordered: Sequence[Item]) -> int:
    """Which of the items about one result, in their order, says what was sampled: the last that speaks of it.

    References are numbered inside one message, so the specimen must be looked up beside the item that refers to it.
    """
    named = (number for number in range(len(ordered) - 1, -1, -1) if "specimen" in ordered[number].resources[0])
    return next(named, len(ordered) - 1)


def apply(whole: Resource, item: Item) -> Resource:
    """What was said so far with one more statement on top."""
    resource = item.resources[0]
    if item.form is Form.SNAPSHOT:
        return resource
    if resource.get("resourceType") == "Observation" and any(_is_value(name) for name in resource):
        whole = {name: value for name, value in whole.items() if not _is_value(name) and name not in _VALUE_GROUP}
    return without(_merged(whole, resource), item.cleared)


def _is_value(name: str) -> bool:
    return name.startswith("value") or name == "dataAbsentReason"


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    result = dict(old)
    for name, value in new.items():
        before = result.get(name)
        result[name] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return result


def without(resource: Resource, paths: Iterable[str]) -> Resource:
    """The resource without what stands at these paths."""
    for path in paths:
        resource = _pruned(resource, path.split("."))
    return resource


def _pruned(node: dict[str, Any], steps: list[str]) -> dict[str, Any]:
    name = steps[0]
    if name not in node:
        return node
    if len(steps) == 1:
        return {key: value for key, value in node.items() if key != name}
    inner = node[name]
    return {**node, name: _pruned(inner, steps[1:])} if isinstance(inner, dict) else node
