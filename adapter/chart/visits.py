"""One hospital visit out of all that was said of it: what a cancel takes back, where the patient then is.

A function of the *set* of statements, in the order of their source clocks: a cancel counts before its original, too.
What a cancel takes back is only what the cancelled event made (behaviour 117); nothing is ever removed from the log.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from adapter.assertion import Form, Item, Resource
from adapter.chart.live import apply, order, without

CANCEL_DISCHARGE = "A13"
_DISCHARGE_PATHS = ("period.end", "hospitalization.dischargeDisposition", "hospitalization.destination")

_ADMITTED, _PLANNED, _PENDING = "admitted", "planned", "pending"
_BEGINS = {
    "A01": _ADMITTED,
    "A04": _ADMITTED,
    "A06": _ADMITTED,  # an outpatient becomes an inpatient, and the reverse: one visit that goes on
    "A07": _ADMITTED,
    "A05": _PLANNED,
    "A14": _PENDING,
}
_TELLS_OF_ADMISSION = frozenset({"A02", "A03", "A09", "A10", "A13", "A17", "A21", "A22"})
"""Only of a patient who is in hospital; but no such message revives an admission that was cancelled."""
_WITHDRAWS = {
    "A11": frozenset({_ADMITTED}),
    "A38": frozenset({_PLANNED}),
    "A27": frozenset({_PENDING}),
    "A23": frozenset({_ADMITTED, _PLANNED, _PENDING}),
}
_UNDOES = {"A12": "A02", "A52": "A21", "A53": "A22"}
_MOVES = frozenset({"A02", "A10", "A17", "A21", "A22"})
"""After the cancel of an earlier move these still say where the patient is; an update only repeats it."""


class Visit(NamedTuple):
    """One hospital visit, as all live messages about it together say."""

    key: str
    encounter: Resource
    is_withdrawn: bool
    """A cancelled admission that nothing has renewed: what was said under this visit does not count."""
    placing: tuple[Item, ...] = ()
    """Those whose location counts: no cancelled transfer, nothing that a cancel took back."""
    withdrawn: tuple[Item, ...] = ()
    """What a cancel took back; lists of codes that came with it went with it."""


class _Counted:
    """One statement that counts so far."""

    __slots__ = ("has_place", "item", "layer", "number")

    def __init__(self, number: int, item: Item, layer: str) -> None:
        self.number = number
        self.item = item
        self.layer = layer
        self.has_place = "location" in item.resources[0]


def resolve_visit(key: str, items: Sequence[Item]) -> Visit:
    """One visit with its cancels applied.

    A repeat of an admission or discharge message restates the same event, so a cancel undoes every statement of it
    that is not later than the cancel; on equal clocks the cancel ranks higher and wins.
    """
    ordered = sorted(items, key=order)
    counted, is_withdrawn = _decided(ordered)
    there = {each.number for each in counted}
    return Visit(
        key,
        _folded(counted, ordered),
        is_withdrawn,
        tuple(each.item for each in counted if each.has_place),
        tuple(item for number, item in enumerate(ordered) if number not in there and item.event not in _WITHDRAWS),
    )


def shadow_of_visit(items: Sequence[Item], shadows: Sequence[Item]) -> Resource:
    """The same fold over shadows of the items, in the order of `order`: what decides is read from the items."""
    return _folded(_decided(items)[0], shadows)


def numbers_now(items: Iterable[Item]) -> dict[str, str]:
    """Every number that a visit or an account once had, with the one it has now: the newest word of each counts."""
    name_of: dict[str, str] = {}
    for item in sorted(items, key=order):
        old, new = item.key, str(item.resources[0]["partOf"]["reference"])
        were_one = {number for number, name in name_of.items() if name in (old, new)}
        name_of |= dict.fromkeys({*were_one, old, new}, new)
    return {number: name for number, name in name_of.items() if number != name}


class VisitNames:
    """Every name that the visits of some patients go by: numbers they had and have, and their accounts'."""

    def __init__(self, now: Mapping[str, str], visits: Iterable[tuple[str, str]]) -> None:
        """`now` as `numbers_now` tells it; `visits` are numbers, each with the account that was named beside it."""
        self._now = now
        self._had: dict[str, set[str]] = {}
        for number, name in now.items():
            self._had.setdefault(name, {name}).add(number)
        self._accounts: dict[str, set[str]] = {}
        for key, account in visits:
            if key and account:
                self._accounts.setdefault(now.get(key, key), set()).add(account)

    def names_of(self, key: str, account: str = "") -> set[str]:
        """All names of the visit that this message speaks of; `account` where it names one."""
        accounts = self._accounts.get(self._now.get(key, key), set()) | ({account} if account else set())
        return {name for each in (key, *accounts) for name in self._all(each)}

    def _all(self, number: str) -> set[str]:
        return self._had.get(self._now.get(number, number), {number})


def _decided(ordered: Sequence[Item]) -> tuple[list[_Counted], bool]:
    """What counts at the end, in order, and whether the visit is withdrawn."""
    counted: list[_Counted] = []
    is_withdrawn = False
    for number, item in enumerate(ordered):
        gone = _WITHDRAWS.get(item.event)
        if gone is not None:
            counted = [each for each in counted if each.layer not in gone]
            is_withdrawn = not any(each.layer for each in counted)
            if is_withdrawn:
                counted = []
            continue
        is_withdrawn = is_withdrawn and item.event not in _BEGINS
        new = _Counted(number, item, _layer(item.event, counted, is_withdrawn=is_withdrawn))
        if item.event in _UNDOES:
            _undo_move(new, counted)
        counted.append(new)
    return counted, is_withdrawn


def _layer(event: str, counted: Sequence[_Counted], *, is_withdrawn: bool) -> str:
    """To which part of the visit a statement belongs: it goes where that part goes."""
    if event in _BEGINS:
        return _BEGINS[event]
    if event in _TELLS_OF_ADMISSION and not is_withdrawn:
        return _ADMITTED
    begun = {each.layer for each in counted}
    return next((layer for layer in (_ADMITTED, _PLANNED, _PENDING) if layer in begun), "")


def _undo_move(cancel: _Counted, counted: Sequence[_Counted]) -> None:
    """The newest move of its kind, and what only repeated its place, says no longer where the patient is.

    Where an earlier place is known, that one is restored; else the cancel's own word is all there is.
    """
    undone = _UNDOES[cancel.item.event]
    newest = next((each for each in reversed(counted) if each.item.event == undone and each.has_place), None)
    if newest is None:
        return
    moved_at = _moved_at(newest.item)
    restated = [each for each in counted if each.item.event == undone and _moved_at(each.item) == moved_at]
    first = counted.index(restated[0])
    for each in counted[first:]:
        if each in restated or each.item.event not in _MOVES:
            each.has_place = False
    cancel.has_place = cancel.has_place and not any(each.has_place for each in counted)


def _moved_at(item: Item) -> object:
    places: list[Resource] = item.resources[0].get("location") or [{}]
    return (places[0].get("period") or {}).get("start")


def _folded(counted: Sequence[_Counted], items: Sequence[Item]) -> Resource:
    encounter: Resource = {}
    for each in counted:
        item = items[each.number]
        if item.form is Form.PATCH and not each.has_place and "location" in item.resources[0]:
            item = msgspec.structs.replace(item, resources=[without(item.resources[0], ("location",))])
        encounter = apply(encounter, item)
        if item.event == CANCEL_DISCHARGE:
            encounter = {**without(encounter, _DISCHARGE_PATHS), "status": "in-progress"}
    return encounter
