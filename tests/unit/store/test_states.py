"""The diagrams of docs/states.md are the moves of the code, arrow by arrow."""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import pytest

from adapter.store.states import BULK_MOVES, DELIVERY_MOVES, MESSAGE_MOVES, BulkState, DeliveryState, MessageState

PAGE = Path(__file__).parents[3] / "docs" / "states.md"
_ARROW = re.compile(r"^\s+(\w+) --> (\w+)", re.MULTILINE)


@pytest.mark.parametrize(
    ("heading", "states", "moves"),
    [
        ("## A message", MessageState, MESSAGE_MOVES),
        ("## A delivery", DeliveryState, DELIVERY_MOVES),
        ("## An export", BulkState, BULK_MOVES),
    ],
)
def test_every_arrow_of_the_page_is_a_move_and_every_move_an_arrow(
    heading: str, states: type[StrEnum], moves: Mapping[StrEnum, frozenset[StrEnum]]
) -> None:
    drawn = set(_ARROW.findall(PAGE.read_text().partition(heading)[2].partition("\n## ")[0]))
    assert drawn == {(before.value, after.value) for before, those in moves.items() for after in those}
    assert {each.value for each in states} == {name for arrow in drawn for name in arrow}
