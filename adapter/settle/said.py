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
    """The last one counts. Of equal words with other parts (a drug, a ward) the one with the newer parts is later."""
    keys = [live.order(each.item) for each in said]
    if len(set(keys)) == len(keys):
        return [said[at] for at in sorted(range(len(keys)), key=keys.__getitem__)]
    parts = [max(map(version, each.source.assertion.context.values()), default=()) for each in said]
    return [said[at] for at in sorted(range(len(keys)), key=lambda at: (keys[at], parts[at]))]


def version(resource: Resource) -> tuple[int, int, bytes]:
    """Which of two versions of a FHIR resource is the newer: never by arrival."""
    return clock_us(resource), rank(resource), _BY_CONTENT.encode(resource)
