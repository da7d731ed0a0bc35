"""Leaves out what a FHIR server has deleted since it said it. What is stored stays as it is; only rows are without it.

A result is left out by a word that takes it back and that anything else said of the same result overrides: so its row
is met again, and goes if nobody else speaks of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from adapter.assertion import Assertion, Form, Item, ItemKind, Resource
from adapter.fhir.clock import clock_us
from adapter.settle.said import Source
from adapter.store import deletions
from adapter.store.database import Connection
from adapter.store.sealing import KeyRing

RESOURCE = "fhir-resource"
"""The domain of the blinds of resources."""


def names_in(assertion: Assertion) -> dict[str, int]:
    """`Observation/123` → its clock, of every FHIR resource that an assertion holds."""
    found = {name_of(item.resources[0]): item.clock_us for item in assertion.items if item.form is Form.SNAPSHOT}
    for resource in assertion.context.values():
        found.setdefault(name_of(resource), clock_us(resource))
    found.pop("", None)
    return found


def name_of(resource: Resource) -> str:
    """Empty where it has no id."""
    identity = resource.get("id")
    kind = resource.get("resourceType")
    return f"{kind}/{identity}" if kind and identity else ""


class Deleted:
    """Asks the store; nothing of it where nothing was ever deleted."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._is_any = False

    def look(self, conn: Connection) -> None:
        """Before sources are read, in the same transaction."""
        self._is_any = deletions.is_any(conn)

    def without(self, conn: Connection, sources: Iterable[Source]) -> list[Source]:
        """The sources as they count."""
        if not self._is_any:
            return list(sources)
        return [self._without(conn, source) for source in sources]

    def _without(self, conn: Connection, source: Source) -> Source:
        assertion = source.assertion
        gone = self.gone(conn, assertion)
        if not gone:
            return source
        items = list(_left(assertion.items, gone))
        context = {name: each for name, each in assertion.context.items() if name_of(each) not in gone}
        return source._replace(assertion=Assertion(assertion.feed, assertion.subject, items, context))

    def gone(self, conn: Connection, assertion: Assertion) -> frozenset[str]:
        """Names of what was deleted after it was said here."""
        names = names_in(assertion)
        by_blind = dict(zip(self.blinds(assertion.feed, list(names)), names, strict=True))
        found = deletions.clocks(conn, list(by_blind))
        return frozenset(by_blind[blind] for blind, deleted in found.items() if names[by_blind[blind]] <= deleted)

    def blinds(self, feed: str, names: Sequence[str]) -> list[bytes]:
        """How resources of a source are found without showing them."""
        return [self._ring.blind(RESOURCE, feed, name) for name in names]


def _left(items: Iterable[Item], gone: frozenset[str]) -> Iterator[Item]:
    for item in items:
        resource = item.resources[0]
        if item.form is not Form.SNAPSHOT or name_of(resource) not in gone:
            yield item
        elif item.kind is ItemKind.OBSERVATION:
            taken_back: Mapping[str, object] = {
                "resourceType": resource["resourceType"],
                "id": resource["id"],
                "status": "entered-in-error",
            }
            yield msgspec.structs.replace(item, clock_us=0, rank=0, resources=[dict(taken_back)])
