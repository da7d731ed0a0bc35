from adapter.assertion import Form, Item, ItemKind, Resource
from adapter.chart import live
from adapter.chart.origins import Place, Stated, marked_items, places_at


def a_result(clock_us: int, resource: Resource, *, cleared: tuple[str, ...] = ()) -> Item:
    whole = {"resourceType": "Observation", **resource}
    return Item(ItemKind.OBSERVATION, "obs|1", clock_us, 0, "R01", Form.PATCH, [whole], cleared)


FIRST = a_result(1, {"status": "preliminary", "note": [{"text": "a"}], "specimen": {"reference": "Specimen/1"}})
SECOND = a_result(2, {"status": "final"}, cleared=("note",))


def test_each_value_of_a_folded_result_knows_who_said_it() -> None:
    shadow = live.fold(marked_items([Stated(SECOND, 20, 3), Stated(FIRST, 10, 0)]))
    assert places_at(shadow, "status") == [Place(20, 3, 0, "status")]
    assert places_at(shadow, "specimen") == [Place(10, 0, 0, "specimen.reference")]
    assert places_at(shadow, "note") == []


def test_places_fold_as_values_do_also_on_equal_clocks() -> None:
    items = [a_result(1, {"status": status}) for status in ("final", "amended", "corrected")]
    shadow = live.fold(marked_items([Stated(item, number, 0) for number, item in enumerate(items)]))
    (place,) = places_at(shadow, "status")
    assert items[place.assertion_id].resources[0]["status"] == live.fold(items)["status"]


def test_the_specimen_is_looked_up_beside_the_item_that_last_named_it() -> None:
    assert live.names_specimen([FIRST, SECOND]) == 0
    assert live.names_specimen([SECOND, FIRST]) == 1
    assert live.names_specimen([SECOND, SECOND]) == 1
