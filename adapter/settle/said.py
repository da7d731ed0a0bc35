"""Statements and where each came from: what folding, drafting and judging are handed."""

from typing import NamedTuple

from adapter.assertion import Assertion, Item


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
