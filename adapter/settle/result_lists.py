"""Results that a later whole report of their order leaves out, in feeds whose reports are whole (behaviour 128).

A list is held against every result of its order: one that it does not name is, by that list, not there. That is a
statement about the result as any other, with the clock of the list, so that the order of arrival changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from adapter.assertion import Form, Item, ItemKind, Resource
from adapter.settle.projection import Draft, RowState, scoped_key
from adapter.settle.result_drafts import KIND
from adapter.settle.row_versions import Child, unsealed
from adapter.settle.said import Said, Source
from adapter.store import rows
from adapter.store.database import Connection
from adapter.store.rows import CsorRow
from adapter.store.sealing import KeyRing

Load = Callable[[Connection, Sequence[int]], Iterable[Source]]

_LEFT_OUT: Resource = {"resourceType": "Observation", "status": "entered-in-error"}


class Order(NamedTuple):
    """One order and test, by the key of its lists."""

    key: str
    record_id: bytes
    sources: tuple[Source, ...]
    """Every message that held a report of it, this child's and others'."""

    def remembered(self) -> Draft:
        """A row that is never live: it remembers in which messages reports of the order are."""
        return Draft(self.record_id, KIND, {}, (), self.sources, RowState.DELETED)


def statements(source: Source, key: str) -> list[Said]:
    """What one message says of the result of this key: its values, or by a list without it that it is not there."""
    found = []
    for item in source.assertion.items:
        if item.kind is ItemKind.OBSERVATION and scoped_key(item, source) == key:
            found.append(Said(item, source))
        elif item.kind is ItemKind.RESULT_LIST:
            found += _left_out(item, source, key)
    return found


def orders(
    conn: Connection, sources: Sequence[Source], *, ring: KeyRing, record_id: Callable[[str, str], bytes], load: Load
) -> list[Order]:
    """The orders of which these messages hold whole reports, each with all messages that do."""
    here: dict[str, list[Source]] = {}
    for source in sources:
        for item in source.assertion.items:
            if item.kind is ItemKind.RESULT_LIST:
                here.setdefault(scoped_key(item, source), []).append(source)
    ids = {key: record_id(KIND, key) for key in here}
    stored = rows.get_many(conn, list(ids.values())) if here else {}
    found = []
    for key, spoken in here.items():
        earlier = _earlier(conn, stored.get(ids[key]), {each.assertion_id for each in spoken}, ring=ring, load=load)
        found.append(Order(key, ids[key], (*earlier, *spoken)))
    return found


def said_of(order: Order, child: Child) -> Iterator[tuple[str, list[Said]]]:
    """Each result of an order that any of its reports leaves out, with all that the reports say of it."""
    own = [source for source in order.sources if source.identifier_id in child.identifier_ids]
    named = {key for source in own for key in _listed(source, order.key)}
    for key in sorted(named):
        said = [each for source in own for each in statements(source, key)]
        if any(each.item.resources[0] is _LEFT_OUT for each in said):
            yield key, said


def _earlier(conn: Connection, row: CsorRow | None, here: set[int], *, ring: KeyRing, load: Load) -> list[Source]:
    if row is None:
        return []
    return list(load(conn, [number for number in unsealed(ring, row).assertion_ids if number not in here]))


def _listed(source: Source, order: str) -> Iterator[str]:
    for item in source.assertion.items:
        if item.kind is ItemKind.RESULT_LIST and scoped_key(item, source) == order:
            yield from _names(item, source)


def _names(item: Item, source: Source) -> Iterator[str]:
    """The results that a list names, by their keys beside those of other feeds."""
    for entry in item.resources[0]["entry"]:
        named = Item(ItemKind.OBSERVATION, entry["item"]["display"], 0, 0, "", Form.PATCH, [])
        yield scoped_key(named, source)


def _left_out(item: Item, source: Source, key: str) -> list[Said]:
    """Nothing where the key is of another order."""
    names = set(_names(item, source))
    order = _order_of(next(iter(names)))
    if key in names or _order_of(key) != order:
        return []
    silent = Item(ItemKind.OBSERVATION, key, item.clock_us, item.rank, item.event, Form.PATCH, [_LEFT_OUT])
    return [Said(silent, source)]


def _order_of(key: str) -> tuple[str, ...]:
    """Feed, order, test ordered, and what else tells orders apart; without the test and its sub-id."""
    feed, _, rest = key.partition("|obs|")
    parts = rest.split("|")
    return feed, *parts[:2], *parts[4:]
