"""A vendor file: what is true of that EPR at every trust, each fact with its source and date."""

from dataclasses import replace
from datetime import date
from typing import Literal

from adapter.datafile import Node, Positioned, validate_node
from adapter.errors import ExitCode


class Fact(Positioned):
    """One setting and why it is believed."""

    about: str
    """The setting, as a dotted path."""
    source: str
    dated: date | Literal["unconfirmed"]


class VendorFile(Positioned):
    """The whole file; the values themselves stay nodes, so that a wrong one is shown where it stands."""

    vendor: str
    means: str
    facts: tuple[Fact, ...] = ()


def settings_of(node: Node) -> Node:
    """The facts as a tree of settings with the places of the vendor file."""
    facts = node.child("facts")
    items = facts.value if facts and isinstance(facts.value, list) else []
    values = [(item, item.child("is")) for item in items]
    missing = [item.finding('"is" is missing here') for item, value in values if value is None]
    without_values = _without_values(node, items)
    validate_node(without_values, VendorFile, exit_code=ExitCode.CONFIG, also=missing)
    tree = Node(value={}, place=node.place, source=node.source)
    for item, value in values:
        about = item.child("about")
        if value is not None and about is not None:
            tree = _put(tree, str(about.value).split("."), about, value)
    return tree


def _without_values(node: Node, items: list[Node]) -> Node:
    """`is` may hold anything: the trust's settings judge it once it is merged."""
    if not isinstance(node.value, dict) or not items:
        return node
    stripped = [
        replace(item, value={key: child for key, child in item.value.items() if key != "is"})
        if isinstance(item.value, dict)
        else item
        for item in items
    ]
    return replace(node, value={**node.value, "facts": replace(node.value["facts"], value=stripped)})


def _put(tree: Node, path: list[str], about: Node, value: Node) -> Node:
    head, *rest = path
    children = tree.value if isinstance(tree.value, dict) else {}
    if rest:
        below = children.get(head) or Node(value={}, place=about.place, source=about.source)
        value = _put(below, rest, about, value)
    return replace(tree, value={**children, head: value}, keys={**tree.keys, head: about.place})
