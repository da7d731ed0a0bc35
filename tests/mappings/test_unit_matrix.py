"""The unit matrix: every analyte × every accepted spelling of its units × every kind of specimen.

What a spelling means and what the value then is come from `unit_oracle` (by hand and by ucumvert) and from the
equivalences below, never from our own factors. `-s` prints the count.
"""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from adapter.errors import ProblemCode
from tests.mappings.examples import maps
from tests.mappings.unit_oracle import MEANS, MEANS_FOR, converted, meaning

UNITS = maps().units
V2 = "http://terminology.hl7.org/CodeSystem/v2-0487"
BLOOD = {"BLDV": "venous", "BLDA": "arterial", "BLDC": "capillary", "SER": "serum", "PLAS": "plasma", "BLD": "blood"}
NOT_BLOOD = {"UR": "urine", "CSF": "csf", "GAST": "gastric", "BLDCO": "cord", "STL": "other"}
STOMA = "Ileostomy effluent"
NOT_KNOWN = ("ZZZ", None)
"""A specimen code that no table has, and no specimen at all."""
NAME = {  # the name under which a laboratory prints the test, in the case that decides
    "crp": "CRP", "procalcitonin": "Procalcitonin", "lactate": "Lactate", "creatinine": "Creatinine", "urea": "Urea",
    "urea_nitrogen": "BUN", "sodium": "Na", "potassium": "K", "chloride": "Chloride", "bicarbonate": "HCO3",
    "bilirubin_total": "Total bilirubin", "bilirubin_conjugated": "Conjugated bilirubin", "albumin": "Albumin",
    "alt": "ALT", "ast": "AST", "alp": "Alk phos", "ggt": "Gamma GT", "platelets": "PLT", "wcc": "WCC",
    "neutrophils": "Neuts", "lymphocytes": "Lymphs", "haemoglobin": "Hb", "haematocrit": "HCT", "ph": "pH",
    "hydrogen_ion": "H+", "pco2": "pCO2", "po2": "PcO2", "base_excess": "BE", "glucose": "Glucose",
    "triglycerides": "Triglycerides", "calcium_total": "Ca", "calcium_ionised": "iCa", "magnesium": "Mg",
    "phosphate": "PO4", "inr": "INR", "prothrombin_time": "PT", "aptt": "APTT", "fibrinogen": "Fibrinogen",
    "ammonia": "NH3", "cystatin_c": "Cystatin C",
}  # fmt: skip
SIGN = {
    "birth_weight": "Birth weight", "body_weight": "Weight", "body_length": "Length", "head_circumference": "OFC",
    "gestational_age_birth": "Gestation", "apgar_1min": "Apgar 1", "apgar_5min": "Apgar 5", "fio2": "FiO2",
    "spo2": "SpO2", "temperature": "Temp", "heart_rate": "HR",
}  # fmt: skip
# Units of nobody, or of another kind of quantity, and units whose meaning would be a guess.
WRONG = ("furlong", "mol", "mg/kg", "mg/mmol", "1/1", "mmol/24h", "%%", "?")
NONSENSE = {"haemoglobin": ("", "%"), "haematocrit": ("", "g/L"), "ph": ("nmol/L",), "hydrogen_ion": ("", "[pH]"),
            "crp": ("", "IU/L", "mmol/L", "nmol/L"), "platelets": ("", "g/L", "fL"), "neutrophils": ("", "%"),
            "lymphocytes": ("", "%"), "aptt": ("", "ratio", "{INR}"), "prothrombin_time": ("", "ratio", "%"),
            "urea": ("", "g/L"), "creatinine": ("", "mL/min", "mg/L"), "pco2": ("", "mmol/L"), "glucose": ("", "%"),
            "body_weight": ("", "stone", "mg"), "birth_weight": ("",), "body_length": ("", "kg"), "spo2": ("", "kPa"),
            "temperature": ("", "K"), "heart_rate": ("", "Hz"), "fio2": ("kPa", "L/min")}  # fmt: skip


def observed(name: str, value: str, written: str, specimen: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    quantity = {"value": Decimal(value), **({"unit": written} if written else {})}
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "urn:id:L", "code": "X", "display": {**NAME, **SIGN}[name]}]},
        "valueQuantity": quantity,
    }
    if specimen is None:
        return resource, {}
    resource["specimen"] = {"reference": "Specimen/1"}
    kind = {"text": STOMA} if specimen == STOMA else {"coding": [{"system": V2, "code": specimen}]}
    return resource, {"Specimen/1": {"resourceType": "Specimen", "type": kind}}


def spellings(name: str) -> Iterator[str]:
    """Every accepted spelling; where `u` may mean micro, with both micro signs, too; some with a blank inside."""
    for written in UNITS.spellings(name):
        yield written
        if "u" in written and meaning(name, written).startswith("u") and written.startswith("u"):
            yield "\u00b5" + written[1:]
            yield "\u03bc" + written[1:]
        if written.startswith(("x10", "mm")) and "/" in written:
            yield written.replace("x10", "x 10").replace("/", " / ")


def check_blood(name: str, written: str, specimen: str, value: str) -> None:
    resource, context = observed(name, value, written, specimen)
    projection = maps().project("lab_result", resource, context)
    assert projection is not None
    fields = projection.fields
    canonical = UNITS.table(name).canonical
    expected = converted(name, value, unit=meaning(name, "".join(written.split())), canonical=canonical)
    assert (fields["analyte"], fields["specimen_type"]) == (name, BLOOD[specimen]), written
    assert fields["unit_ucum"] == canonical, written
    assert float(fields["value_canonical"]) == pytest.approx(expected, rel=5e-4), (written, specimen)
    assert (fields["value_num"], fields["unit_original"]) == (Decimal(value), written or None)
    assert {each.code for each in projection.problems} <= {ProblemCode.IMPLAUSIBLE}


def check_held(name: str, written: str, specimen: str | None, problem: ProblemCode) -> None:
    resource, context = observed(name, "12.5", written, specimen)
    projection = maps().project("lab_result", resource, context)
    assert projection is not None
    fields = projection.fields
    is_sample_wrong = problem is not ProblemCode.UNKNOWN_UNIT
    assert fields["analyte"] == ("unmapped" if is_sample_wrong else name), (written, specimen)
    assert (fields["value_canonical"], fields["unit_ucum"], fields["implausible"]) == (None, None, None)
    assert (fields["value_num"], fields["unit_original"]) == (Decimal("12.5"), written or None)
    assert [each.code for each in projection.problems] == [problem], (written, specimen)


CELLS: Counter[str] = Counter()


@pytest.mark.parametrize("name", UNITS.analytes)
def test_an_analyte_in_every_spelling_from_every_specimen(name: str) -> None:
    for written in spellings(name):
        for specimen in BLOOD:
            for value in ("1.5", "40"):
                check_blood(name, written, specimen, value)
            CELLS["value checked"] += 1
        for specimen in (*NOT_BLOOD, STOMA):
            check_held(name, written, specimen, ProblemCode.WRONG_SPECIMEN)
            CELLS["wrong specimen held"] += 1
        for unknown in NOT_KNOWN:
            check_held(name, written, unknown, ProblemCode.UNKNOWN_SPECIMEN)
            CELLS["unknown specimen held"] += 1
    for written in (*WRONG, *NONSENSE.get(name, ())):
        for specimen in BLOOD:
            check_held(name, written, specimen, ProblemCode.UNKNOWN_UNIT)
            CELLS["unknown unit held"] += 1


@pytest.mark.parametrize("name", [each for each in UNITS.measures if each != "gestational_age_birth"])
def test_a_measure_in_every_spelling(name: str) -> None:
    canonical = UNITS.table(name).canonical
    for written in spellings(name):
        unit = meaning(name, "".join(written.split()))
        for value in ("1", "40") if unit else ("40",):
            resource, _ = observed(name, value, written, None)
            sign = maps().measures.measure(resource)
            assert sign is not None
            expected = converted(name, value, unit=unit or canonical, canonical=canonical)
            assert float(sign.canonical or 0) == pytest.approx(expected, rel=5e-4), written
            assert (sign.measure, sign.unit) == (name, canonical)
        CELLS["measure checked"] += 1
    for written in (*WRONG, *NONSENSE.get(name, ())):
        resource, _ = observed(name, "12.5", written, None)
        sign = maps().measures.measure(resource)
        assert sign is not None
        assert (sign.canonical, sign.unit, sign.value) == (None, None, Decimal("12.5")), written
        assert [each.code for each in sign.problems] == [ProblemCode.UNKNOWN_UNIT], written
        CELLS["unknown unit of a measure held"] += 1


# Equivalences as clinicians know them, written by hand; the third is in the unit of the register.
BY_HAND = [
    ("crp", "1.2 mg/dL", "12"), ("lactate", "18 mg/dL", "2.0"), ("creatinine", "0.5 mg/dL", "44.2"),
    ("creatinine", "0.044 mmol/L", "44"), ("urea", "6.006 mg/dL", "1.00"), ("urea_nitrogen", "2.80 mg/dL", "1.00"),
    ("sodium", "138 mEq/L", "138"), ("bilirubin_total", "10 mg/dL", "171"), ("bilirubin_conjugated", "2 mg/dL", "34.2"),
    ("albumin", "2.5 g/dL", "25"), ("alt", "0.5 ukat/L", "30"), ("platelets", "45 K/uL", "45"),
    ("platelets", "45000 /mm3", "45"), ("wcc", "3.2 E9/L", "3.2"), ("neutrophils", "900 cells/uL", "0.9"),
    ("haemoglobin", "15.5 g/dL", "155"), ("haemoglobin", "9.6 mmol/L", "154.7"), ("haematocrit", "45 %", "0.45"),
    ("pco2", "40 mmHg", "5.33"), ("po2", "75 Torr", "10.0"), ("glucose", "90 mg/dL", "5.0"),
    ("glucose", "47 mg/dL", "2.61"), ("triglycerides", "150 mg/dL", "1.69"), ("calcium_total", "10 mg/dL", "2.495"),
    ("calcium_ionised", "4.8 mg/dL", "1.198"), ("magnesium", "2 mg/dL", "0.823"), ("phosphate", "5 mg/dL", "1.61"),
    ("fibrinogen", "200 mg/dL", "2.0"), ("ammonia", "100 ug/dL", "58.7"), ("procalcitonin", "2.4 ng/mL", "2.4"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "sent", "expected"), BY_HAND)
def test_equivalences_that_clinicians_know(name: str, sent: str, expected: str) -> None:
    value, written = sent.split()
    resource, context = observed(name, value, written, "PLAS")
    projection = maps().project("lab_result", resource, context)
    assert projection is not None
    assert float(projection.fields["value_canonical"]) == pytest.approx(float(expected), rel=5e-3)
    CELLS["equivalence by hand"] += 1


def test_nothing_of_the_list_is_left_out_and_the_count_is_printed() -> None:
    assert (set(UNITS.analytes), set(UNITS.measures)) == (set(NAME), set(SIGN))
    accepted = {written for name in (*NAME, *SIGN) for written in UNITS.spellings(name)}
    by_hand = {*MEANS, *(written for special in MEANS_FOR.values() for written in special)}
    assert by_hand <= accepted, "written by hand, and no table accepts it"
    print(f"\nunit matrix: {len(accepted)} spellings; " + ", ".join(f"{n} {what}" for what, n in CELLS.items()))
