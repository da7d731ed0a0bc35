"""What the report of an order is a list of, for feeds whose every report is whole (behaviour 128).

Such a feed says by its silence, too: what a later report of the order leaves out is not a result any more. The list is
kept beside the results; settling compares the lists of one order.
"""

from collections.abc import Sequence

from adapter.assertion import Form, Item, ItemKind

_NO_ORDER = "obs||"
_PARTS = 5


def result_lists(items: Sequence[Item]) -> list[Item]:
    """One list for each order and test (OBR-3, OBR-4) of a message; results without an order's number are in none."""
    found: dict[str, list[Item]] = {}
    for item in items:
        # obs|order|battery|test|sub-id, then what else tells orders apart; a vendor's keys may be others.
        parts = item.key.split("|")
        if item.kind is ItemKind.OBSERVATION and len(parts) >= _PARTS and not item.key.startswith(_NO_ORDER):
            found.setdefault("|".join(("list", *parts[1:3], *parts[_PARTS:])), []).append(item)
    return [_list(key, listed) for key, listed in found.items()]


def _list(key: str, listed: Sequence[Item]) -> Item:
    entries = [{"item": {"display": each}} for each in sorted({item.key for item in listed})]
    resource = {"resourceType": "List", "status": "current", "mode": "snapshot", "entry": entries}
    clock, rank = max((item.clock_us, item.rank) for item in listed)
    return Item(ItemKind.RESULT_LIST, key, clock, rank, listed[0].event, Form.PATCH, [resource])
