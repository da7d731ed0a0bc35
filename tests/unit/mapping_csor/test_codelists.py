"""Codes in their normal form, systems under all their names, lists that confirm or only raise suspicion."""

from pathlib import Path

import pytest

from adapter.errors import SetupError
from adapter.mapping.codelists import load_codelists, normalise_icd, normalise_opcs
from tests.unit.mapping_csor.builders import MAPPINGS, maps


@pytest.mark.behaviour(140)
@pytest.mark.parametrize(
    ("sent", "normal"),
    [
        ("P77X", "P77"),
        ("P77", "P77"),
        ("p77x", "P77"),
        ("P77D", "P77"),
        ("Q793", "Q79.3"),
        ("q79.3", "Q79.3"),
        ("Q79.30", "Q79.3"),
        (" K65.0 ", "K65.0"),
        ("K65.0†", "K65.0"),
        ("K650*", "K65.0"),
        ("K650D", "K65.0"),
        ("P77.1", "P77.1"),
        ("", None),
        ("NEC", None),
        ("P77 suspected by night team", None),
        ("428.0", None),
    ],
)
def test_an_icd_code_is_brought_to_four_characters_with_its_dot(sent: str, normal: str | None) -> None:
    assert normalise_icd(sent) == normal


@pytest.mark.parametrize(
    ("sent", "normal"),
    [("T281", "T28.1"), ("t28.1", "T28.1"), ("T2812", "T28.1"), ("T28", "T28"), ("X904 ", "X90.4"), ("28.1", None)],
)
def test_an_opcs_code_gets_its_dot_and_loses_a_local_fifth_character(sent: str, normal: str | None) -> None:
    assert normalise_opcs(sent) == normal


@pytest.mark.parametrize("system", ["I10", "urn:id:I10", "ICD-10", "http://hl7.org/fhir/ValueSet/icd-10", "icd10"])
def test_a_system_is_known_under_all_its_names(system: str) -> None:
    assert maps().codelists.normalise(system, "P77X") == ("http://hl7.org/fhir/sid/icd-10", "P77")


def test_the_same_string_in_another_system_is_another_code() -> None:
    lists = maps().codelists
    assert lists.lookup("GASTROSCHISIS.proc.definitive", "OPCS4", "T281") is not None
    assert lists.lookup("GASTROSCHISIS.proc.definitive", "https://fhir.nhs.uk/Id/opcs-4", "T28.1") is not None
    assert lists.lookup("GASTROSCHISIS.proc.definitive", "I10", "T281") is None
    assert lists.lookup("GASTROSCHISIS.proc.definitive", None, "T281") is None


def test_what_nobody_signed_and_nobody_is_sure_of_may_not_confirm() -> None:
    rows = maps().codelists.code_rows()
    icd = "http://hl7.org/fhir/sid/icd-10"
    assert rows["NEC.dx.core"][icd, "P77"] is True
    assert rows["NEC.dx.core"][icd, "P77.2"] is False
    assert rows["NEC.dx.suspect"][icd, "P77.1"] is False
    assert rows["NEC.dx.core"]["http://snomed.info/sct", "206525008"] is True
    assert rows["NEC.proc.peritoneal_drain"]["https://fhir.hl7.org.uk/Id/opcs-4", "T46.2"] is False


def test_a_number_without_the_check_digit_of_snomed_is_no_code() -> None:
    lists = maps().codelists
    assert lists.normal("SCT", "206525008") is not None
    assert lists.normal("SCT", "206525009") is None
    assert lists.normal("SCT", "9990000085") is None


def test_a_list_with_faults_is_refused_with_all_of_them(tmp_path: Path) -> None:
    for file in (MAPPINGS / "codelists").iterdir():
        (tmp_path / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "stray.csv").write_text("system,code\n", encoding="utf-8")
    core = tmp_path / "nec-dx-core.csv"
    core.write_text(core.read_text(encoding="utf-8").replace("icd-10,P77,", "icd-10,P77X,"), encoding="utf-8")
    with pytest.raises(SetupError) as caught:
        load_codelists(tmp_path)
    texts = [finding.text for finding in caught.value.findings]
    assert any("P77X is not a code of icd-10 in its normal form" in text for text in texts)
    assert any("not in index.yaml" in text for text in texts)
    assert "write P77" in str(caught.value)
