"""A visit is a function of the set of what was said of it: cancels take back what their events made, in any order."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.assertion import Form, Item, ItemKind, Resource
from adapter.chart import lists, live, origins, visits
from adapter.mapping.v2_visits import CANCEL_RANK, CANCELS

EVENTS = sorted({*CANCELS, "A01", "A02", "A03", "A05", "A06", "A08", "A14", "A17", "A21", "A22"})


def said(clock: int, event: str, *, ward: str = "", since: str = "", **elements: Any) -> Item:
    resource: Resource = {"resourceType": "Encounter", **elements}
    if ward:
        place: Resource = {"location": {"identifier": {"value": ward}}}
        resource["location"] = [{**place, "period": {"start": since}} if since else place]
    rank = CANCEL_RANK if event in CANCELS else 0
    return Item(ItemKind.ENCOUNTER, "visit|V1", clock, rank, event, Form.PATCH, [resource])


def ward_of(visit: visits.Visit) -> str | None:
    places = visit.encounter.get("location")
    return places[0]["location"]["identifier"]["value"] if places else None


ADMITTED = said(1, "A01", ward="NICU", since="1", status="in-progress")
PLANNED = said(0, "A05", status="planned")


@pytest.mark.behaviour(117)
@pytest.mark.parametrize(("cancel", "left"), [("A11", "planned"), ("A38", "in-progress"), ("A27", "in-progress")])
def test_a_cancel_takes_back_its_own_part_of_the_visit(cancel: str, left: str) -> None:
    for items in permutations([PLANNED, ADMITTED, said(2, "A08", priority={"text": "x"}), said(3, cancel)]):
        visit = visits.resolve_visit("v", items)
        assert not visit.is_withdrawn and visit.encounter["status"] == left
        assert ("priority" in visit.encounter) == (left == "in-progress")


@pytest.mark.behaviour(120)
def test_a_deleted_visit_is_withdrawn_whole_and_may_begin_again() -> None:
    gone = [PLANNED, ADMITTED, said(2, "A03", status="finished"), said(3, "A23")]
    assert all(visits.resolve_visit("v", items).is_withdrawn for items in permutations(gone))
    again = visits.resolve_visit("v", [*gone, said(4, "A01", status="in-progress")])
    assert not again.is_withdrawn and again.encounter["status"] == "in-progress"


@pytest.mark.behaviour(115)
@pytest.mark.parametrize("update", ["A08", "A03"])
def test_a_cancelled_transfer_restores_the_place_before_it(update: str) -> None:
    moved = said(2, "A02", ward="PSW", since="2")
    for items in permutations([ADMITTED, moved, said(3, update, ward="PSW"), said(4, "A12", ward="PSW")]):
        visit = visits.resolve_visit("v", items)
        assert ward_of(visit) == "NICU"
        assert [item.event for item in visit.placing] == ["A01"]


@pytest.mark.behaviour(115)
def test_a_transfer_told_twice_is_cancelled_once_for_both_and_another_is_not() -> None:
    first, other = said(2, "A02", ward="PSW", since="2"), said(4, "A02", ward="PICU", since="4")
    restated = said(5, "A02", ward="PICU", since="4", priority={"text": "x"})
    for items in permutations([ADMITTED, first, other, restated, said(6, "A12", ward="PSW")]):
        visit = visits.resolve_visit("v", items)
        assert ward_of(visit) == "PSW"
        assert [item.event for item in visit.placing] == ["A01", "A02"]


@pytest.mark.behaviour(115)
def test_a_cancel_of_a_transfer_nobody_told_of_says_where_the_patient_is() -> None:
    for items in permutations([ADMITTED, said(4, "A12", ward="PSW")]):
        assert ward_of(visits.resolve_visit("v", items)) == "PSW"
    for items in permutations([said(2, "A02", ward="PICU", since="2"), said(4, "A12", ward="PSW")]):
        assert ward_of(visits.resolve_visit("v", items)) == "PSW"


@pytest.mark.parametrize(("cancel", "undone"), [("A52", "A21"), ("A53", "A22")])
def test_leave_and_return_can_be_cancelled(cancel: str, undone: str) -> None:
    events = [ADMITTED, said(2, "A21", ward="HOME", since="2"), said(3, "A22", ward="NICU", since="3")]
    moves = [item for item in events if item.event in ("A01", "A21", undone)]
    for items in permutations([*moves, said(4, cancel, ward="NICU")]):
        visit = visits.resolve_visit("v", items)
        assert ward_of(visit) == ("NICU" if cancel == "A52" else "HOME")


@given(st.permutations(range(7)), st.data())
def test_any_order_of_any_events_gives_the_same_visit(order: list[int], data: st.DataObject) -> None:
    small = st.integers(0, 4)
    items = [
        said(
            data.draw(small),
            data.draw(st.sampled_from(EVENTS)),
            ward=data.draw(st.sampled_from(["", "NICU", "PSW"])),
            since=data.draw(st.sampled_from(["", "1", "2"])),
            status=data.draw(st.sampled_from(["planned", "in-progress"])),
        )
        for _ in range(7)
    ]
    one, other = (visits.resolve_visit("v", each) for each in (items, [items[place] for place in order]))
    assert one[1:3] == other[1:3]
    assert [live.order(item) for item in one.placing] == [live.order(item) for item in other.placing]


@given(st.data())
def test_the_shadow_of_a_visit_has_a_place_for_each_of_its_values(data: st.DataObject) -> None:
    events, wards = st.sampled_from(EVENTS), st.sampled_from(["", "NICU"])
    items = [said(clock, data.draw(events), ward=data.draw(wards), status=str(clock)) for clock in range(6)]
    stated = [origins.Stated(item, number, 0) for number, item in enumerate(items)]
    shadow = visits.shadow_of_visit(items, origins.marked_items(stated))
    encounter = visits.resolve_visit("v", items).encounter
    assert shadow.keys() == encounter.keys()
    for place in origins.places_at(shadow, "status"):
        assert items[place.assertion_id].resources[0]["status"] == encounter["status"]


def a_list(clock: int, *codes: str, form: Form = Form.ACTION, gone: bool = False, number: str = "") -> Item:
    resources: list[Resource] = [{"code": {"coding": [{"system": "s", "code": code}]}} for code in codes]
    for resource in resources:
        resource |= {"status": "entered-in-error"} if gone else {}
        resource |= {"identifier": [{"value": number}]} if number else {}
    return Item(ItemKind.PROCEDURES, "visit|V1", clock, 0, "A08", form, resources)


def codes_of(*items: Item) -> list[str]:
    ordered = sorted(items, key=live.order)
    found = [ordered[entry.said].resources[entry.nth] for entry in lists.entries_of(ordered)]
    return [resource["code"]["coding"][0]["code"] for resource in found]


@pytest.mark.behaviour(97)
def test_actions_change_the_list_before_them_and_a_whole_list_replaces_them() -> None:
    whole = a_list(1, "A", "B", form=Form.PATCH)
    for items in permutations([whole, a_list(2, "C"), a_list(3, "A", gone=True), a_list(4, "B")]):
        assert codes_of(*items) == ["B", "C"]
    assert codes_of(whole, a_list(2, "C"), a_list(5, "D", form=Form.PATCH)) == ["D"]


@pytest.mark.behaviour(97)
def test_a_number_tells_entries_of_one_code_apart() -> None:
    items = [a_list(1, "A", number="1"), a_list(2, "A", number="2"), a_list(3, "A", number="1", gone=True)]
    assert codes_of(*items) == ["A"] and codes_of(*items, a_list(4, "B", number="2")) == ["B"]
