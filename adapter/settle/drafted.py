"""A row before it has its id, with what it was made from: settling writes the row, lineage tells where it came from."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from adapter.assertion import Resource
from adapter.errors import Problem
from adapter.settle.projection import Said, Source, folded
from adapter.settle.said import in_order


class Read(NamedTuple):
    """One resource that gives a row, and what it was folded from."""

    resource: Resource
    context: Mapping[str, Resource]
    said: tuple[Said, ...]
    speaker: Source | None = None
    """Whose the context is."""
    is_visit: bool = False
    """Folded as a visit, with its cancels."""
    nth: int | None = None
    """Of a list the entry; nothing is folded."""
    place: int | None = None
    """Of a move: which of the locations it is; the others are left out."""


class Row(NamedTuple):
    """A row before it has its id."""

    kind: str
    key: str
    """Natural key; with the kind it gives the record id."""
    fields: Mapping[str, Any]
    problems: tuple[Problem, ...]
    sources: tuple[Source, ...]
    read: Read | None = None
    """None where it is of the person, or derived altogether."""
    parts: tuple["Row", ...] = ()
    """What it, or some of its fields, was derived from."""
    beside: tuple["Row", ...] = ()
    """What the derivation saw, too: what came after a stay."""


def read_of(said: Sequence[Said]) -> Read:
    """All that was said of one thing, put together."""
    resource, context = folded(said)
    return Read(resource, context, tuple(said), in_order(said)[-1].source)
