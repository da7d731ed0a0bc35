"""Units: the string decides; nothing is guessed; a wrong table is refused with its place."""

from decimal import Decimal
from typing import Any

import pytest

from adapter.errors import SetupError
from adapter.mapping.unit_tables import AcceptedUnit, Plausible, UnitFiles, UnitTable
from adapter.mapping.units import ConflictingUnits, Units, load_units
from tests.unit.mapping_csor.builders import MAPPINGS

UNITS = load_units(MAPPINGS / "units")


@pytest.mark.parametrize("micro", ["u", "\u00b5", "\u03bc"])
def test_each_way_to_write_micro_is_read(micro: str) -> None:
    found = UNITS.conversion("creatinine", f"{micro}mol/L")
    assert found is not None
    assert found.factor == 1


@pytest.mark.parametrize("written", ["10^9/L", "x10*9/L", "10*9/L", "E9/L", "K/uL", "x 10^9/L", "10^3/\u00b5L", "G/L"])
def test_each_way_to_write_a_platelet_count_is_read(written: str) -> None:
    assert UNITS.conversion("platelets", written) is not None


def test_the_text_of_the_unit_decides_the_factor() -> None:
    mass, substance = UNITS.conversion("creatinine", "mg/dL"), UNITS.conversion("creatinine", "umol/L")
    assert mass is not None
    assert substance is not None
    assert mass.apply(Decimal("0.5")) == Decimal("44.210")
    assert substance.apply(Decimal("44.2")) == Decimal("44.2")


def test_molar_haemoglobin_becomes_mass() -> None:
    molar = UNITS.conversion("haemoglobin", "mmol/L")
    assert molar is not None
    assert molar.apply(Decimal("10")) == Decimal("161.140")


@pytest.mark.parametrize(("analyte", "unit"), [("crp", "IU/L"), ("crp", ""), ("ph", "nmol/L"), ("hydrogen_ion", "")])
def test_an_unknown_unit_has_no_conversion(analyte: str, unit: str) -> None:
    assert UNITS.conversion(analyte, unit) is None


def test_a_ph_needs_no_unit() -> None:
    assert UNITS.conversion("ph", None, None) is not None


def test_text_and_code_of_a_unit_that_differ_are_a_conflict() -> None:
    with pytest.raises(ConflictingUnits):
        UNITS.conversion("creatinine", "umol/L", "mg/dL")
    assert UNITS.conversion("creatinine", "\u00b5mol/L", "umol/L") is not None


def test_hydrogen_ion_becomes_ph_only_where_a_table_says_so() -> None:
    accept = (
        AcceptedUnit(unit="[pH]", factor=Decimal(1)),
        AcceptedUnit(unit="nmol/L", formula="ph-from-hydrogen-ion"),
    )
    table = UnitTable(
        kind="unit-table",
        analyte="ph",
        means="For a test.",
        canonical="[pH]",
        plausible=Plausible(low=Decimal(6), high=Decimal(8)),
        specimens=("blood",),
        accept=accept,
    )
    found = Units(UnitFiles((table,), ())).conversion("ph", "nmol/L")
    assert found is not None
    assert found.apply(Decimal("40")) == Decimal("7.398")
    assert found.apply(Decimal("0")) is None


def test_a_table_with_faults_is_refused_with_file_and_line(tmp_path: Any) -> None:
    (tmp_path / "spellings.csv").write_text("written,unit,note\n", encoding="utf-8")
    text = (MAPPINGS / "units" / "crp.yaml").read_text(encoding="utf-8")
    (tmp_path / "crp.yaml").write_text(text.replace("factor: 10}", "factr: 10}"), encoding="utf-8")
    with pytest.raises(SetupError, match=r'(?s)crp\.yaml:9.*unknown key "factr".*did you mean "factor"'):
        load_units(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("analyte: haemoglobin", "analyte: hemoglobin", r'(?s)yaml:2:.*no analyte.*did you mean "haemoglobin"'),
        ("from-day: 0,", "from-day: 3,", r"(?s)yaml:7:.*first band begins at day 0"),
        ("from-day: 90,", "from-day: 0,", r"(?s)yaml:8:.*order of age"),
        ("low: 10, high: 240", "low: 5, high: 240", r"(?s)yaml:8:.*wider than `plausible`"),
        ("low: 10, high: 240", "low: 300, high: 240", r"(?s)yaml:8:.*range is empty"),
        ("blood]", "unknown]", r"(?s)unknown specimen is never allowed"),
        ("blood]", "blod]", r"(?s)yaml:9:.*blod"),
        ('unit: "g/L", factor: 1', 'unit: "g/L", factor: 2', r"(?s)yaml:4:.*canonical unit g/L"),
        ('unit: "g/dL", factor: 10', 'unit: "g/dL", formula: guess', r"(?s)yaml:12:.*guess"),
    ],
)
def test_each_fault_of_a_table_is_told_with_its_line(tmp_path: Any, old: str, new: str, told: str) -> None:
    (tmp_path / "spellings.csv").write_text("written,unit,note\n", encoding="utf-8")
    text = (MAPPINGS / "units" / "haemoglobin.yaml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "haemoglobin.yaml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(SetupError, match=told):
        load_units(tmp_path, analytes=["haemoglobin"])


def test_a_missing_table_and_a_spelling_of_two_units_are_faults(tmp_path: Any) -> None:
    text = (MAPPINGS / "units" / "crp.yaml").read_text(encoding="utf-8")
    (tmp_path / "crp.yaml").write_text(text, encoding="utf-8")
    spellings = tmp_path / "spellings.csv"
    spellings.write_text("written,unit,note\nmgs,mg/L,\n", encoding="utf-8")
    with pytest.raises(SetupError, match='"lactate" has no unit table'):
        load_units(tmp_path, analytes=["crp", "lactate"])
    spellings.write_text("written,unit,note\nmgs,mg/L,\nmgs,mg/dL,\nx,furlong,\n", encoding="utf-8")
    with pytest.raises(
        SetupError, match=r'(?s)spellings\.csv:3.*"mgs" means two units.*no unit table accepts "furlong"'
    ):
        load_units(tmp_path)


@pytest.mark.parametrize(
    ("birth", "moment", "high"),
    [
        ("2026-01-01", "2026-01-02T10:00:00+00:00", 300),
        ("2026-01-01", "2026-03-31", 300),
        ("2026-01-01", "2026-04-01T00:10:00+01:00", 240),
        ("2026-01-01T08:15:00+00:00", "2027-01-01", 240),
        (None, "2026-04-01", 300),
        ("2026-01-01", None, 300),
        ("2026-01", "2026-04-01", 300),
        ("2026-01-01", "2025-12-30", 300),
    ],
)
def test_what_is_plausible_depends_on_the_age_and_is_widest_where_it_is_not_known(
    birth: str | None, moment: str | None, high: int
) -> None:
    conversion = UNITS.conversion("haemoglobin", "g/L")
    assert conversion is not None
    assert conversion.range_at(birth=birth, moment=moment) == (Decimal(10), Decimal(high))
    value = Decimal(270)
    assert conversion.is_implausible(value, birth=birth, moment=moment) is (value > high)
