"""What a drug is for."""

from pathlib import Path
from typing import Any

import pytest

from adapter.errors import SetupError
from adapter.mapping.fhir_to_csor import load_csor_maps
from adapter.mapping.own_tables import OwnTables
from tests.unit.mapping_csor.builders import MAPPINGS, a_code, maps


def a_dose(**concept: Any) -> dict[str, Any]:
    when = {"effectiveDateTime": "2026-03-01T10:00:00+00:00"}
    return {"resourceType": "MedicationAdministration", "medicationCodeableConcept": concept, **when}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Gentamicin 10 mg/ml injection", "antibiotic"),
        ("Piperacillin and tazobactam", "antibiotic"),
        ("co amoxiclav", "antibiotic"),
        ("Neonatal parenteral nutrition with glucose 10% and vitamins", "parenteral_nutrition"),
        ("TPN", "parenteral_nutrition"),
        ("Dopamine in glucose 5%", "inotrope"),
        ("Adrenaline 1 in 10,000", "inotrope"),
        ("Noradrenaline infusion", "inotrope"),
        ("Ursodeoxycholic acid", "unmapped"),
        ("Pneumococcal vaccine", "unmapped"),
    ],
)
def test_a_name_tells_the_class_by_whole_words(name: str, expected: str) -> None:
    row = maps().project("medication_course", a_dose(text=name), {})
    assert row is not None
    assert row.fields["drug_class"] == expected
    assert [problem.code.name for problem in row.problems] == (["UNKNOWN_CODE"] if expected == "unmapped" else [])


@pytest.mark.parametrize(
    "name", ["Gentamicin ear drops", "Bupivacaine 0.25% with adrenaline", "Enteral nutrition formula"]
)
def test_the_same_word_beside_others_means_something_else(name: str) -> None:
    row = maps().project("medication_course", a_dose(text=name), {})
    assert row is not None and row.fields["drug_class"] == "unmapped"


def test_a_drug_that_is_known_to_be_none_of_these_gives_no_row() -> None:
    assert maps().project("medication_course", a_dose(text="Caffeine citrate"), {}) is None


def test_a_drug_that_stands_elsewhere_is_followed() -> None:
    inside = {"resourceType": "Medication", "id": "m", "code": a_code("387540000", system="http://snomed.info/sct")}
    dose = {**a_dose(), "medicationReference": {"reference": "#m"}, "contained": [inside]}
    del dose["medicationCodeableConcept"]
    row = maps().project("medication_course", dose, {})
    assert row is not None
    assert (row.fields["drug_class"], row.fields["drug_code"]) == ("antibiotic", "387540000")


def test_the_trusts_table_stands_above_the_names(tmp_path: Path) -> None:
    table = tmp_path / "drugs.csv"
    table.write_text("code,name,class\nX1,Gentamicin lock,none\n,caffeine,inotrope\n")
    own = load_csor_maps(MAPPINGS, own=OwnTables(drugs=[table]))
    assert (
        own.project("medication_course", a_dose(**a_code("x1", system="urn:id:WILLOW", display="Gentamicin")), {})
        is None
    )
    row = own.project("medication_course", a_dose(text="Caffeine"), {})
    assert row is not None and row.fields["drug_class"] == "inotrope"


@pytest.mark.parametrize(
    ("line", "said"), [("X1,Gentamicin,antibotic\n", "2:"), (",,antibiotic\n", "a code or a name"),
                       ("X1,a,antibiotic\nx1,b,inotrope\n", "two classes")]
)  # fmt: skip
def test_a_fault_in_a_trusts_table_names_its_line(tmp_path: Path, line: str, said: str) -> None:
    table = tmp_path / "drugs.csv"
    table.write_text("code,name,class\n" + line)
    with pytest.raises(SetupError, match=said):
        load_csor_maps(MAPPINGS, own=OwnTables(drugs=[table]))
