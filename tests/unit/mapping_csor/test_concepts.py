"""What a test is: names with their case, codes of the lists, and only from the child's blood."""

import csv
from typing import Any

import pytest

from tests.unit.mapping_csor.builders import MAPPINGS, a_code, a_specimen, an_observation, maps, project


def analyte_named(name: str, specimen: str = "BLDC") -> Any:
    observation = an_observation(code=a_code("G9", system="urn:id:GAS", display=name))
    return project(observation, a_specimen(specimen)).fields["analyte"]


@pytest.mark.parametrize(
    ("name", "analyte"),
    [
        ("pCO2", "pco2"), ("PCO2", "pco2"), ("PaCO2", "pco2"), ("PcCO2", "pco2"), ("PvCO2", "pco2"),
        ("PcO2", "po2"), ("pO2", "po2"), ("PaO2", "po2"), ("pco2", "unmapped"), ("PCo2", "unmapped"),
        ("pH", "ph"), ("PH", "unmapped"), ("H+", "hydrogen_ion"), ("K", "potassium"), ("k", "unmapped"),
        ("Na", "sodium"), ("NA", "unmapped"), ("BE", "base_excess"), ("be", "unmapped"),
        ("haemoglobin", "haemoglobin"), ("HAEMOGLOBIN", "haemoglobin"),
        ("Urea", "urea"), ("BUN", "urea_nitrogen"), ("Urea nitrogen", "urea_nitrogen"),
        ("Calcium", "calcium_total"), ("Ionised calcium", "calcium_ionised"), ("iCa", "calcium_ionised"),
        ("eGFR", "unmapped"), ("Adjusted calcium", "unmapped"), ("Neutrophils %", "unmapped"),
    ],
)  # fmt: skip
def test_a_name_means_this_analyte_or_none(name: str, analyte: str) -> None:
    assert analyte_named(name) == analyte


def test_pt_is_the_prothrombin_time_only_as_the_name_of_a_laboratory_test_of_blood() -> None:
    assert analyte_named("PT", "PLAS") == "prothrombin_time"
    assert analyte_named("Pt", "PLAS") == "unmapped"
    by_code_alone = an_observation(code=a_code("PT", system="urn:id:L"))
    assert project(by_code_alone, a_specimen("PLAS")).fields["analyte"] == "unmapped"
    of_the_ward = an_observation(
        code=a_code("P", system="urn:id:L", display="PT"), category=[{"coding": [{"code": "therapy"}]}]
    )
    assert maps().project("lab_result", of_the_ward, a_specimen("PLAS")) is None


def test_every_code_of_the_two_lists_is_mapped_with_the_specimen_it_states() -> None:
    count = 0
    for name, system in (("loinc.csv", "http://loinc.org"), ("pbcl.csv", "http://snomed.info/sct")):
        with (MAPPINGS / "concepts" / name).open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found = project(an_observation(code=a_code(row["code"], system=system), specimen=None)).fields
                assert (found["analyte"], found["specimen_type"]) == (row["analyte"], row["default_specimen"])
                count += 1
    assert count == 86 + 16


@pytest.mark.parametrize(
    "specimen",
    ["Umbilical cord blood", "Cord arterial", "Ileostomy effluent", "NG aspirate", "Catheter urine", "Ventricular CSF",
     "Breast milk", "Something else"],
)  # fmt: skip
def test_a_sample_named_in_words_that_is_not_the_childs_blood_gives_no_analyte(specimen: str) -> None:
    context = {"Specimen/1": {"resourceType": "Specimen", "type": {"text": specimen}}}
    observation = an_observation(code=a_code("2823-3"))
    assert project(observation, context).fields["analyte"] == "unmapped"
