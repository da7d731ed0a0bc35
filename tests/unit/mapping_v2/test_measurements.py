"""Growth, gestation, Apgar scores: measurements and not laboratory values, wherever a feed sends them."""

from collections.abc import Iterable

from adapter import config, mapping
from adapter.assertion import Item, ItemKind, Resource
from adapter.mapping.trace import trace
from tests.unit.mapping_v2.messages import LONDON, OBR, PID, PV1, a_message, stated


def is_growth(concept: Resource) -> bool:
    return any(coding.get("code") in ("WT", "GEST", "8339-4") for coding in concept.get("coding", ()))


MAPS = mapping.load_v2_maps(config.packaged("mappings"), wanted=mapping.STATE_TYPES, is_measure=is_growth)
WEIGHT = "OBX|1|NM|WT^Birth weight^LOCAL||2450|g|||||F|||20260101103000"


def values(kind: str, *segments: str) -> list[Item]:
    items = mapping.state(a_message(kind, PID, PV1, *segments), MAPS, timezone=LONDON).items
    return [item for item in items if item.kind in (ItemKind.MEASUREMENT, ItemKind.OBSERVATION)]


def test_a_weight_in_an_admission_is_a_measurement() -> None:
    (item,) = values("ADT^A01", WEIGHT)
    assert (item.kind, item.key) == (ItemKind.MEASUREMENT, "obs|||WT||")
    assert item.resources[0]["valueQuantity"]["unit"] == "g"


def test_results_and_measurements_of_one_report_are_told_apart() -> None:
    def kinds() -> Iterable[tuple[str, ItemKind]]:
        return [(i.key, i.kind) for i in values("ORU^R01", OBR, WEIGHT, "OBX|2|NM|CRP^^LAB||5|mg/L|||||F")]

    expected = [("obs|F1|FBC|WT|", ItemKind.MEASUREMENT), ("obs|F1|FBC|CRP|", ItemKind.OBSERVATION)]
    assert kinds() == expected
    assert kinds() == expected  # and once more, from memory


def test_without_a_predicate_every_value_is_a_laboratory_value() -> None:
    statement = stated(a_message("ADT^A01", PID, PV1, WEIGHT))
    assert ItemKind.MEASUREMENT not in {item.kind for item in statement.items}


def test_gestation_in_weeks_and_days_stays_text() -> None:
    (item,) = values("ADT^A08", "OBX|1|ST|GEST^Gestation||30+4|wk|||||F")
    assert item.resources[0]["valueString"] == "30+4"
    (item,) = values("ADT^A08", "OBX|1|NM|GEST^Gestation||30+4|wk|||||F")
    assert item.resources[0]["valueString"] == "30+4"


def test_a_measurement_is_traced_as_any_value() -> None:
    message = a_message("ADT^A01", PID, PV1, WEIGHT)
    kinds = [item.kind for item in mapping.state(message, MAPS, timezone=LONDON).items]
    at = kinds.index(ItemKind.MEASUREMENT)
    found = {each.path: each for each in trace(message, MAPS, timezone=LONDON) if each.item_index == at}
    assert found["valueQuantity.value"].position == "OBX[1]-5"
