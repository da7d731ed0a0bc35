"""Visits, lists and results are functions of the set of what was said, not of the order it came in."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.assertion import Form, Item, ItemKind, Resource
from adapter.chart import live, visits


def an_encounter(clock: int, event: str, *, cleared: tuple[str, ...] = (), **elements: object) -> Item:
    resource: Resource = {"resourceType": "Encounter", **elements}
    rank = 10 if event in ("A11", "A13") else 0
    return Item(ItemKind.ENCOUNTER, "visit|V1", clock, rank, event, Form.PATCH, [resource], cleared)


def a_result(clock: int, rank: int, *, form: Form = Form.PATCH, **elements: object) -> Item:
    resource: Resource = {"resourceType": "Observation", **elements}
    return Item(ItemKind.OBSERVATION, "obs|1", clock, rank, "R01", form, [resource])


ADMITTED = an_encounter(1, "A01", period={"start": "2026-01-01T10:00:00+00:00"}, status="in-progress")
DISCHARGED = an_encounter(5, "A03", period={"end": "2026-01-09T10:00:00+00:00"}, status="finished")


def test_a_discharge_adds_its_end_to_the_admission_whatever_came_first() -> None:
    for items in permutations([ADMITTED, DISCHARGED]):
        visit = visits.resolve_visit("visit|V1", items)
        assert visit.encounter["period"] == {"start": "2026-01-01T10:00:00+00:00", "end": "2026-01-09T10:00:00+00:00"}
        assert not visit.is_withdrawn


@pytest.mark.behaviour(116)
def test_a_cancelled_discharge_reopens_the_visit() -> None:
    undone = an_encounter(6, "A13", period={"end": "2026-01-09T10:00:00+00:00"}, status="in-progress")
    for items in permutations([ADMITTED, DISCHARGED, undone]):
        assert visits.resolve_visit("visit|V1", items).encounter["period"] == {"start": "2026-01-01T10:00:00+00:00"}


def test_on_equal_clocks_the_cancel_wins() -> None:
    undone = an_encounter(5, "A13", status="in-progress")
    for items in permutations([ADMITTED, DISCHARGED, undone]):
        assert "end" not in visits.resolve_visit("visit|V1", items).encounter["period"]


def test_a_discharge_later_than_the_cancel_stands() -> None:
    undone = an_encounter(6, "A13", status="in-progress")
    again = an_encounter(9, "A03", period={"end": "2026-01-12T10:00:00+00:00"}, status="finished")
    for items in permutations([ADMITTED, DISCHARGED, undone, again]):
        assert visits.resolve_visit("visit|V1", items).encounter["period"]["end"] == "2026-01-12T10:00:00+00:00"


@pytest.mark.behaviour(117)
@pytest.mark.behaviour(118)
def test_a_cancelled_admission_is_withdrawn_even_when_the_cancel_comes_first() -> None:
    cancelled = an_encounter(4, "A11")
    for items in permutations([ADMITTED, cancelled]):
        visit = visits.resolve_visit("visit|V1", items)
        assert visit.is_withdrawn and visit.encounter == {}


def test_an_update_does_not_revive_a_cancelled_admission_but_a_new_admission_does() -> None:
    cancelled, update = an_encounter(4, "A11"), an_encounter(5, "A08", status="in-progress")
    assert visits.resolve_visit("v", [ADMITTED, cancelled, update]).is_withdrawn
    assert not visits.resolve_visit("v", [ADMITTED, cancelled, update, an_encounter(7, "A01")]).is_withdrawn


def test_a_cleared_path_is_gone_and_silence_keeps() -> None:
    cleared = an_encounter(3, "A08", cleared=("period.start",))
    silent = an_encounter(4, "A08", status="in-progress")
    assert visits.resolve_visit("v", [ADMITTED, silent]).encounter["period"]["start"]
    assert visits.resolve_visit("v", [ADMITTED, cleared, silent]).encounter["period"] == {}


def test_a_new_value_does_not_inherit_the_flag_of_the_old_one() -> None:
    first = a_result(1, 1, valueQuantity={"value": 40}, interpretation=[{"text": "H"}], code={"text": "CRP"})
    second = a_result(2, 2, valueString="haemolysed")
    for items in permutations([first, second]):
        assert live.fold(items) == {
            "resourceType": "Observation",
            "code": {"text": "CRP"},
            "valueString": "haemolysed",
        }


def test_a_snapshot_says_all_there_is() -> None:
    first = a_result(1, 0, form=Form.SNAPSHOT, valueQuantity={"value": 40}, note=[{"text": "x"}])
    second = a_result(2, 0, form=Form.SNAPSHOT, valueQuantity={"value": 41})
    assert live.fold([second, first]) == {"resourceType": "Observation", "valueQuantity": {"value": 41}}


@given(st.permutations(range(6)), st.data())
def test_any_order_of_any_updates_folds_to_the_same(order: list[int], data: st.DataObject) -> None:
    small = st.integers(0, 2)
    items = [
        an_encounter(
            data.draw(small),
            data.draw(st.sampled_from(["A01", "A03", "A08", "A11", "A13"])),
            **{data.draw(st.sampled_from(["status", "class", "period"])): {"end": data.draw(small)}},
        )
        for _ in range(6)
    ]
    assert visits.resolve_visit("v", items) == visits.resolve_visit("v", [items[place] for place in order])
