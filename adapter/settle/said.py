"""Statements and where each came from: what folding, drafting and judging are handed."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from adapter.assertion import Assertion, Item, Resource
from adapter.chart import live
from adapter.fhir.clock import clock_us, rank


class Source(NamedTuple):
    """One stored assertion: the refs a row carries, and the key it is sealed under."""

    assertion_id: int
    message_id: int
    identifier_id: int
    key_id: bytes
    assertion: Assertion


class Said(NamedTuple):
    """One item and where it came from."""

    item: Item
    source: Source


_BY_CONTENT = msgspec.json.Encoder(order="sorted", decimal_format="number")


def in_order(said: Sequence[Said]) -> list[Said]:
    """The last one counts. Of equal words the one with more of its parts (a drug, a ward) is later, then with newer.

    Equal words refer to the same parts: where one was read without them, they were not there yet or not asked for.
    """
    keys = [live.order(each.item) for each in said]
    if len(set(keys)) == len(keys):
        return [said[at] for at in sorted(range(len(keys)), key=keys.__getitem__)]
    parts = [_parts(each) for each in said]
    return [said[at] for at in sorted(range(len(keys)), key=lambda at: (keys[at], parts[at]))]


def _parts(said: Said) -> tuple[int, list[tuple[int, int, bytes]], list[tuple[int, int, bytes]]]:
    """How many of the resources that this item is read with are there, and their versions, the newest first.

    Last what else was told beside it: so that nothing is left to the order of arrival.
    """
    context, found = said.source.assertion.context, dict[str, Resource]()
    waiting = list(said.item.resources)
    while waiting:
        text = _BY_CONTENT.encode(waiting.pop())
        for reference, part in context.items():
            if reference not in found and _BY_CONTENT.encode(reference) in text:
                found[reference] = part
                waiting.append(part)
    used, all_told = (sorted(map(version, parts.values()), reverse=True) for parts in (found, context))
    return len(found), used, all_told


def version(resource: Resource) -> tuple[int, int, bytes]:
    """Which of two versions of a FHIR resource is the newer: never by arrival."""
    return clock_us(resource), rank(resource), _BY_CONTENT.encode(resource)
