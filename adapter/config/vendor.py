"""A vendor file: what is true of that system at every trust, each fact with its source and date.

A fact fills a setting. A habit is something the system does that needs no setting, and where it is dealt with. A
question is what to ask a trust before its feed is connected, which setting the answer fills, and what holds until then.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Annotated, Literal

from pydantic import StringConstraints

from adapter.datafile import Node, Positioned, did_you_mean, known_keys, validate_node
from adapter.errors import ExitCode, Finding

Dated = date | Literal["unconfirmed"]
"""Of the source; unconfirmed: nobody has shown it."""

Told = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Fact(Positioned):
    """One setting and why it is believed."""

    about: str
    """The setting, as a dotted path."""
    source: Told
    dated: Dated


class Habit(Positioned):
    """Something this system does that needs no setting."""

    does: Told
    handled: Told
    """Where and how: a behaviour by its number, a document, or that nothing of it is used."""
    source: Told
    dated: Dated


class Question(Positioned):
    """Something nobody has told us of this system yet."""

    ask: Told
    why: Told
    fills: str
    """The setting that the answer fills, as a dotted path."""


class VendorFile(Positioned):
    """The whole file; the values themselves stay nodes, so that a wrong one is shown where it stands."""

    vendor: str
    means: str
    facts: tuple[Fact, ...] = ()
    habits: tuple[Habit, ...] = ()
    questions: tuple[Question, ...] = ()


def vendor_file(node: Node, *, settings: type[Positioned] | None = None) -> VendorFile:
    """The file without its values; with `settings`, every path is held to what they know."""
    entries = [(item, "is") for item in _items(node, "facts")] + [(item, "until") for item in _items(node, "questions")]
    missing = [item.finding(f'"{key}" is missing here') for item, key in entries if item.child(key) is None]
    unknown = [found for item, _ in entries for found in _unknown(item, settings)] if settings else []
    without_values = _without(_without(node, "facts", "is"), "questions", "until")
    return validate_node(without_values, VendorFile, exit_code=ExitCode.CONFIG, also=[*missing, *unknown])


def settings_of(node: Node) -> Node:
    """The facts, and what holds until a question is answered, as a tree of settings with the places of the file."""
    vendor_file(node)
    tree = Node(value={}, place=node.place, source=node.source)
    for key, about_key, value_key in (("questions", "fills", "until"), ("facts", "about", "is")):
        for item in _items(node, key):
            about, value = item.child(about_key), item.child(value_key)
            if about is not None and value is not None and value.value != NOTHING:
                tree = _put(tree, str(about.value).split("."), about, value)
    return tree


NOTHING = "nothing"
"""What a question says that only the trust can answer: without an answer the service does not start."""


def _items(node: Node, key: str) -> list[Node]:
    child = node.child(key)
    return child.value if child and isinstance(child.value, list) else []


def _unknown(item: Node, settings: type[Positioned]) -> Iterable[Finding]:
    about = item.child("about") or item.child("fills")
    if about is None or not isinstance(about.value, str):
        return
    done: list[str] = []
    for name in about.value.split("."):
        known = known_keys(settings, done)
        if known and name not in known:
            yield about.finding(f'no setting "{about.value}": "{name}" is unknown', hint=did_you_mean(name, known))
            return
        done.append(name)


def _without(node: Node, key: str, value_key: str) -> Node:
    """A value may be anything: the trust's settings judge it once it is merged."""
    items = _items(node, key)
    if not isinstance(node.value, dict) or not items:
        return node
    stripped = [
        replace(item, value={name: child for name, child in item.value.items() if name != value_key})
        if isinstance(item.value, dict)
        else item
        for item in items
    ]
    return replace(node, value={**node.value, key: replace(node.value[key], value=stripped)})


def _put(tree: Node, path: list[str], about: Node, value: Node) -> Node:
    head, *rest = path
    children = tree.value if isinstance(tree.value, dict) else {}
    if rest:
        below = children.get(head) or Node(value={}, place=about.place, source=about.source)
        value = _put(below, rest, about, value)
    return replace(tree, value={**children, head: value}, keys={**tree.keys, head: about.place})
