"""Weight, length, gestation, scores: code or name, then the unit; nothing ambiguous becomes a number."""

from decimal import Decimal
from typing import Any

import pytest

from adapter.errors import ProblemCode, SetupError
from adapter.mapping.measures import MeasuredSign, load_measures
from tests.unit.mapping_csor.builders import MAPPINGS, a_code, a_value, maps


def measured(name: str, birth: str | None = None, **value: Any) -> MeasuredSign:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": a_code("V1", system="urn:id:WARD", display=name),
        "effectiveDateTime": "2026-03-04T06:00:00+00:00",
        **value,
    }
    found = maps().measures.measure(observation, birth)
    assert found is not None
    return found


def codes(sign: MeasuredSign) -> list[ProblemCode]:
    return [each.code for each in sign.problems]


@pytest.mark.parametrize("text", ["30+4", "30 + 4", "30+4 weeks", "30w4d", "30 weeks 4 days", "30+4/40"])
def test_weeks_and_days_are_read_as_days(text: str) -> None:
    sign = measured("Gestation", valueString=text)
    assert (sign.value, sign.canonical, sign.unit, sign.problems) == (None, Decimal(214), "d", ())


@pytest.mark.parametrize(
    "value",
    [{"valueString": "30.4"}, {"valueQuantity": a_value("30.4", "weeks")}, {"valueQuantity": a_value("30.4")},
     {"valueQuantity": a_value("30.57", "wk")}],
)  # fmt: skip
def test_a_fraction_of_a_week_is_held(value: dict[str, Any]) -> None:
    sign = measured("Gestational age", **value)
    assert (sign.measure, sign.canonical, sign.unit) == ("gestational_age_birth", None, None)
    assert sign.value is not None
    assert codes(sign) == [ProblemCode.AMBIGUOUS_VALUE]


@pytest.mark.parametrize("text", ["30+7", "term", "30/40", "about 30 weeks"])
def test_other_text_is_no_gestation(text: str) -> None:
    sign = measured("Gestation", valueString=text)
    assert (sign.value, sign.canonical) == (None, None)
    assert codes(sign) == [ProblemCode.NOT_A_NUMBER]


@pytest.mark.parametrize(
    ("number", "unit", "days"),
    [("30", "weeks", 210), ("30.0", "wk", 210), ("214", "days", 214), ("30", None, 210), ("214", None, 214)],
)
def test_whole_weeks_and_days_are_accepted(number: str, unit: str | None, days: int) -> None:
    assert measured("Gestation", valueQuantity=a_value(number, unit)).canonical == days


@pytest.mark.parametrize("number", ["100", "20", "46", "146"])
def test_a_gestation_that_is_neither_weeks_nor_days_is_held(number: str) -> None:
    assert codes(measured("Gestation", valueQuantity=a_value(number))) == [ProblemCode.AMBIGUOUS_VALUE]


@pytest.mark.parametrize(
    ("number", "unit", "percent"),
    [("0.21", None, "21.00"), ("21", None, "21"), ("1.0", None, "100.0"), ("0.4", "1", "40.0"), ("40", "%", "40")],
)
def test_inspired_oxygen_as_a_fraction_or_in_per_cent(number: str, unit: str | None, percent: str) -> None:
    assert str(measured("FiO2", valueQuantity=a_value(number, unit)).canonical) == percent


def test_inspired_oxygen_between_fraction_and_per_cent_is_held_and_an_impossible_per_cent_flagged() -> None:
    assert codes(measured("FiO2", valueQuantity=a_value("5"))) == [ProblemCode.AMBIGUOUS_VALUE]
    wrong = measured("FiO2", valueQuantity=a_value("0.21", "%"))
    assert (wrong.canonical, wrong.is_implausible) == (Decimal("0.21"), True)


@pytest.mark.parametrize(
    ("name", "number", "unit", "canonical", "ucum"),
    [("Birth weight", "2.95", "kg", "2950.00", "g"), ("BW", "2950", "g", "2950", "g"),
     ("Weight", "2950", "g", "2.950", "kg"), ("Weight", "3.2", "kg", "3.2", "kg"),
     ("Length", "0.485", "m", "48.500", "cm"), ("OFC", "341", "mm", "34.1", "cm"),
     ("Temp", "98.6", "\u00b0F", "37.000", "Cel"), ("HR", "152", "bpm", "152", "/min"),
     ("Apgar 5", "9", None, "9", "{score}"), ("Sats", "94", "%", "94", "%")],
)  # fmt: skip
def test_the_unit_that_was_sent_decides(name: str, number: str, unit: str | None, canonical: str, ucum: str) -> None:
    sign = measured(name, valueQuantity=a_value(number, unit))
    assert (str(sign.canonical), sign.unit, sign.problems) == (canonical, ucum, ())


@pytest.mark.parametrize("unit", [None, "stone", "mg/L"])
def test_a_weight_in_no_known_unit_is_held(unit: str | None) -> None:
    sign = measured("Weight", valueQuantity=a_value("2950", unit))
    assert (sign.value, sign.canonical, sign.unit_original) == (Decimal(2950), None, unit)
    assert codes(sign) == [ProblemCode.UNKNOWN_UNIT]


def test_the_same_weight_is_plausible_or_not_by_age() -> None:
    weight = {"valueQuantity": a_value("15", "kg")}
    assert measured("Weight", **weight).is_implausible is False
    assert measured("Weight", "2026-03-01", **weight).is_implausible is True
    assert measured("Weight", "2024-01-01", **weight).is_implausible is False


def test_codes_decide_before_names_and_a_contradiction_is_neither() -> None:
    def measure(*codings: dict[str, str]) -> str | None:
        found = maps().measures.measure({"code": {"coding": list(codings)}, "valueQuantity": a_value("3", "kg")})
        return found.measure if found is not None else None

    birth, weight = {"system": "http://loinc.org", "code": "8339-4"}, {"system": "LN", "code": "29463-7"}
    assert measure({**birth, "display": "Weight"}) == "birth_weight"
    assert measure(weight) == "body_weight"
    assert measure(birth, weight) is None


def test_an_observation_that_is_no_measure_of_the_record_gives_nothing() -> None:
    assert maps().measures.measure({"code": a_code("9279-1"), "valueQuantity": a_value("40", "/min")}) is None


def test_a_comparator_makes_it_no_measurement() -> None:
    sign = measured("Weight", valueQuantity=a_value("500", "g", comparator="<"))
    assert (sign.canonical, codes(sign)) == (None, [ProblemCode.AMBIGUOUS_VALUE])


@pytest.mark.parametrize(
    "broken",
    [{}, {"code": []}, {"code": {"coding": "x"}}, {"code": {"coding": [{"code": 7}], "text": 3}},
     {"code": a_code("29463-7"), "valueQuantity": {"value": "x", "unit": {}}},
     {"code": a_code("29463-7"), "valueQuantity": [], "effectiveDateTime": 4}],
)  # fmt: skip
def test_json_of_any_shape_gives_no_traceback(broken: dict[str, Any]) -> None:
    maps().measures.measure(broken, "2026-01-01")


def test_a_wrong_row_is_refused_with_its_line(tmp_path: Any) -> None:
    table = tmp_path / "growth.csv"
    table.write_text("system,code,display,measure,match,source\nloinc,29463-7,,body_wieght,,x\n", encoding="utf-8")
    with pytest.raises(SetupError, match=r'(?s)growth\.csv:2.*did you mean "body_weight"'):
        load_measures(table, units=maps().units, codelists=maps().codelists)
    assert (MAPPINGS / "concepts" / "growth.csv").exists()
