"""How a value stands under the target of its rule: names, lists, and the fixed elements beside it."""

from adapter.mapping.rules import FieldRule
from adapter.mapping.v2_pieces import top_of
from adapter.mapping.v2_reader import Json


def elements(rule: FieldRule, values: list[Json]) -> Json | None:
    """The values as what is put at the top of the target: a list of elements, or one value."""
    if not values:
        return None
    if "[]" not in rule.to:
        return element(rule, values[0])
    return [item for value in (values if rule.each else values[:1]) for item in element(rule, value)]


def element(rule: FieldRule, value: Json) -> Json:
    """`value` under the names that follow the list in the target, with the fixed elements beside it."""
    head = top_of(rule.to)
    tail = [name for name in rule.to[len(head) :].split(".") if name]
    for depth, name in enumerate(reversed(tail)):
        is_last_holder = depth == len(tail) - 1
        value = {name.removesuffix("[]"): [value] if name.endswith("[]") else value}
        if is_last_holder:
            value = {**rule.with_, **value}
    if not tail and rule.with_:
        value = {**value, **rule.with_}
    return [value] if head.endswith("[]") else value
