"""Every factor of mappings/units/ against ucumvert; between mass and substance by the molar mass and its source."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from adapter.csor.payload import _WORD
from adapter.disclosure.grammar import TEXT_SHAPES
from adapter.mapping.units import load_units
from tests.mappings.unit_oracle import MOLAR_MASS, SPELLINGS, converted

UNITS = load_units(Path(__file__).parents[2] / "mappings" / "units")
NAMES = (*UNITS.analytes, *UNITS.measures)
EVERY_FACTOR = [
    (name, accepted.unit, UNITS.table(name).canonical, accepted.factor)
    for name in NAMES
    for accepted in UNITS.table(name).accept
    if accepted.factor is not None
]


@pytest.mark.parametrize(("name", "unit", "canonical", "factor"), EVERY_FACTOR, ids=lambda part: str(part))
def test_a_factor_agrees_with_ucumvert(name: str, unit: str, canonical: str, factor: Decimal) -> None:
    assert converted(name, "1", unit=unit, canonical=canonical) == pytest.approx(float(factor), rel=5e-4)


def test_every_analyte_and_measure_of_the_list_is_held_to_it() -> None:
    assert {name for name, *_ in EVERY_FACTOR} == set(NAMES)
    assert (len(UNITS.analytes), len(UNITS.measures)) == (40, 11)
    print(f"\n{len(EVERY_FACTOR)} factors of {len(NAMES)} analytes and measures agree with ucumvert")


def test_the_units_that_are_no_factor_agree_with_ucumvert() -> None:
    for fahrenheit in ("95", "98.6", "104.5"):
        conversion = UNITS.conversion("temperature", "[degF]")
        assert conversion is not None
        expected = converted("temperature", fahrenheit, unit="[degF]", canonical="Cel")
        assert float(conversion.apply(Decimal(fahrenheit)) or 0) == pytest.approx(expected, abs=1e-3)
    weeks = UNITS.conversion("gestational_age_birth", "wk")
    assert weeks is not None
    assert float(weeks.apply(Decimal(30)) or 0) == converted("gestational_age_birth", "30", unit="wk", canonical="d")


def test_urea_and_urea_nitrogen_differ_by_the_mass_that_is_not_nitrogen() -> None:
    # 1 mmol/L is 6.006 mg/dL of urea and 2.80 of urea nitrogen; a public table has 6.006 for both.
    urea, nitrogen = UNITS.conversion("urea", "mg/dL"), UNITS.conversion("urea_nitrogen", "mg/dL")
    assert urea is not None
    assert nitrogen is not None
    assert float(urea.apply(Decimal("6.006")) or 0) == pytest.approx(1, rel=1e-3)
    assert float(nitrogen.apply(Decimal("2.80")) or 0) == pytest.approx(1, rel=1e-3)


def test_no_molar_mass_and_no_unit_stands_here_for_nothing() -> None:
    assert set(MOLAR_MASS) <= set(NAMES)
    used = {accepted.unit for name in NAMES for accepted in UNITS.table(name).accept}
    assert set(SPELLINGS) <= used


def test_every_unit_of_the_record_may_leave_with_its_value() -> None:
    held_back = [
        (kind, UNITS.table(name).canonical)
        for kind, names in (("lab_result", UNITS.analytes), ("vital_sign", UNITS.measures))
        for name in names
        if not TEXT_SHAPES[f"{kind}.unit_ucum"].fullmatch(UNITS.table(name).canonical)
        or not re.search(_WORD, UNITS.table(name).canonical)
    ]
    assert held_back == []
