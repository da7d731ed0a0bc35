"""Which examination a code or a name means."""

from pathlib import Path
from typing import Any

import pytest

from adapter.errors import SetupError
from adapter.mapping.fhir_to_csor import load_csor_maps
from adapter.mapping.own_tables import OwnTables
from tests.unit.mapping_csor.builders import MAPPINGS, a_code, maps


def a_request(**code: Any) -> dict[str, Any]:
    return {"resourceType": "ServiceRequest", "status": "active", "code": code}


def study(**code: Any) -> tuple[str, list[str] | None, list[str]]:
    row = maps().project("imaging_study", a_request(**code), {})
    assert row is not None
    return row.fields["study"], row.fields["modality"], [problem.code.name for problem in row.problems]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("XR Abdomen", "abdominal_xray"),
        ("X-Ray Abdomen AP portable", "abdominal_xray"),
        ("AXR", "abdominal_xray"),
        ("XR Chest", "chest_xray"),
        ("CXR portable", "chest_xray"),
        ("XR Chest and abdomen", "chest_abdominal_xray"),
        ("Babygram", "chest_abdominal_xray"),
        ("US Abdomen", "abdominal_ultrasound"),
        ("USS Renal Tract (kidneys)", "renal_ultrasound"),
        ("US Kidneys and bladder", "renal_ultrasound"),
        ("Cranial ultrasound", "cranial_ultrasound"),
        ("Contrast enema", "lower_gi_contrast"),
        ("Upper GI contrast study", "upper_gi_contrast"),
        ("Micturating cystourethrogram", "mcug"),
        ("NM DMSA", "renal_nuclear"),
        ("Echocardiogram", "echocardiogram"),
        ("MRI Head", "mr_head"),
        ("Fetal ultrasound abdomen", "other"),
        ("CT Abdomen", "other"),
        ("XR Femur", "other"),
        ("Suspicious abdomen, plain advice", "other"),
    ],
)
def test_a_name_means_an_examination_only_by_whole_words(name: str, expected: str) -> None:
    assert study(text=name)[0] == expected


def test_what_nothing_tells_is_other_and_reported() -> None:
    assert study(**a_code("Q1", system="urn:id:L", display="XR Femur")) == ("other", None, ["UNKNOWN_CODE"])


def test_a_fetal_examination_is_known_to_be_another() -> None:
    assert study(text="Fetal echocardiogram") == ("other", None, [])


@pytest.mark.parametrize(
    ("system", "code", "expected"),
    [
        ("OPCS4", "U083", ("abdominal_xray", None)),
        ("https://fhir.hl7.org.uk/Id/opcs-4", "U12.1", ("mcug", ["RF"])),
        ("http://snomed.info/sct", "399208008", ("chest_xray", None)),
    ],
)
def test_a_national_code_is_known_however_it_is_written(
    system: str, code: str, expected: tuple[str, list[str] | None]
) -> None:
    assert study(**a_code(code, system=system))[:2] == expected


def with_own(tmp_path: Path, text: str) -> Any:
    table = tmp_path / "imaging.csv"
    table.write_text("code,system,study,modality\n" + text)
    return load_csor_maps(MAPPINGS, own=OwnTables(imaging=[table]))


def test_the_trusts_table_stands_above_names_and_tells_an_examination_without_a_category(tmp_path: Path) -> None:
    own = with_own(tmp_path, "XABDO,RADIANT,abdominal_xray,DX\n")
    row = own.project("imaging_study", a_request(**a_code("xabdo", system="urn:id:RADIANT", display="XR Chest")), {})
    assert (row.fields["study"], row.fields["modality"]) == ("abdominal_xray", ["DX"])
    assert own.known.is_imaging("urn:id:RADIANT", "XABDO")
    assert not own.known.is_imaging("urn:id:WINPATH", "XABDO")


def test_a_measurement_is_known_by_its_code() -> None:
    assert maps().known.is_measurement("http://loinc.org", "8339-4")
    assert not maps().known.is_measurement("http://loinc.org", "1988-5")


@pytest.mark.parametrize(
    ("line", "said"),
    [("XABDO,,abdominal_film,DX\n", "2:"), ("A,,mcug,RF\na,,chest_xray,DX\n", "two examinations"),
     ("U08,OPCS4,mcug,RFX\n", "2:"), ("12,snomed-ct,mcug,RF\n", "not a code of snomed-ct")],
)  # fmt: skip
def test_a_fault_in_a_trusts_table_names_its_line(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(SetupError, match=said):
        with_own(tmp_path, line)


def test_modalities_of_the_pictures_count_and_others_are_passed_over() -> None:
    study = {"resourceType": "ImagingStudy", "modality": [{"code": "SR"}, {"code": "US"}, {"code": "US"}]}
    row = maps().project("imaging_study", study, {})
    assert row is not None and row.fields["modality"] == ["US"]
