"""One tree of settings over another."""

from dataclasses import replace

from adapter.datafile import Node


def over(under: Node, upper: Node) -> Node:
    """Mappings merge key by key; a list or a value of the upper replaces the lower's."""
    if not (isinstance(under.value, dict) and isinstance(upper.value, dict)):
        return upper
    value = dict(under.value)
    for key, child in upper.value.items():
        value[key] = over(value[key], child) if key in value else child
    return replace(upper, value=value, keys={**under.keys, **upper.keys})
