"""A trust's own laboratory tables: what they state, for whom and when, and how a wrong row is refused."""

from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapter.errors import ProblemCode, SetupError
from adapter.hl7v2 import Message
from adapter.mapping import CsorMaps, load_csor_maps, load_v2_maps, to_bundle
from tests.unit.mapping_csor.builders import MAPPINGS, a_code, a_specimen, a_value, an_observation

HEADER = "system,sender,code,display,analyte,unit,default_specimen,valid_from,valid_to,source\n"


def with_table(folder: Path, *lines: str) -> CsorMaps:
    table = folder / "winpath.csv"
    table.write_text(HEADER + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return load_csor_maps(MAPPINGS, own_concepts=[table])


def fields(maps: CsorMaps, code: str, *, context: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    changes = {"specimen": None, **changes}
    observation = an_observation(code=a_code(code, system="urn:id:WINPATH"), **changes)
    projection = maps.project("lab_result", observation, context or {})
    assert projection is not None
    return projection.fields


def test_the_unit_of_the_table_is_used_only_where_none_was_sent_and_the_row_says_so(tmp_path: Path) -> None:
    maps = with_table(tmp_path, "WINPATH,,CRPB,CRP,crp,mg/dL,serum,,,test")
    silent = fields(maps, "CRPB", valueQuantity=a_value("1.2"))
    assert (silent["value_canonical"], silent["unit_original"], silent["unit_inferred"]) == (
        Decimal("12.0"),
        None,
        True,
    )
    sent = fields(maps, "CRPB", valueQuantity=a_value("12", "mg/L"))
    assert (sent["value_canonical"], sent["unit_original"], sent["unit_inferred"]) == (Decimal(12), "mg/L", None)
    unknown = fields(maps, "CRPB", valueQuantity=a_value("12", "furlong"))
    assert (unknown["value_canonical"], unknown["unit_inferred"]) == (None, None)


def test_the_specimen_of_the_table_is_used_only_where_none_was_sent(tmp_path: Path) -> None:
    maps = with_table(tmp_path, "WINPATH,,UECR,Creatinine,creatinine,umol/L,plasma,,,test")
    value = a_value("40", "umol/L")
    assert fields(maps, "UECR", valueQuantity=value)["specimen_type"] == "plasma"
    reference = {"reference": "Specimen/1"}
    urine = fields(maps, "UECR", valueQuantity=value, specimen=reference, context=a_specimen("UR"))
    assert (urine["analyte"], urine["specimen_type"]) == ("unmapped", "urine")


def test_a_row_holds_from_its_first_to_its_last_day_of_collection(tmp_path: Path) -> None:
    maps = with_table(
        tmp_path,
        "WINPATH,,X1,Old meaning,crp,mg/L,serum,2025-01-01,2026-02-28,test",
        "WINPATH,,X1,New meaning,lactate,mmol/L,plasma,2026-03-01,,test",
    )
    days = {day: fields(maps, "X1", effectiveDateTime=f"{day}T10:00:00Z") for day in DAYS}
    assert {day: row["analyte"] for day, row in days.items()} == DAYS


DAYS = {"2024-12-31": "unmapped", "2025-01-01": "crp", "2026-02-28": "crp", "2026-03-01": "lactate"}


def test_the_day_of_collection_may_stand_on_the_specimen(tmp_path: Path) -> None:
    maps = with_table(tmp_path, "WINPATH,,X1,,crp,mg/L,,2026-03-01,,test")
    specimen = a_specimen("SER")
    specimen["Specimen/1"]["collection"] = {"collectedDateTime": "2026-03-04T09:00:00+00:00"}
    reference = {"reference": "Specimen/1"}
    row = fields(maps, "X1", specimen=reference, context=specimen, effectiveDateTime=None)
    assert row["analyte"] == "crp"


def test_a_row_of_one_sender_stands_above_the_row_of_all(tmp_path: Path) -> None:
    maps = with_table(
        tmp_path, "WINPATH,,GLU,,glucose,mmol/L,plasma,,,test", "WINPATH,NNU-GAS,GLU,,glucose,mg/dL,capillary,,,test"
    )
    value = a_value("90")
    assert fields(maps, "GLU", valueQuantity=value)["value_canonical"] == Decimal(90)
    ward = fields(maps, "GLU", valueQuantity=value, meta={"source": "NNU-GAS"})
    assert (ward["value_canonical"], ward["specimen_type"]) == (Decimal("4.99590"), "capillary")
    assert fields(maps, "GLU", valueQuantity=value, meta={"source": "LAB"})["specimen_type"] == "plasma"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("WINPATH,,A,,creatinin,,,,,x", r'(?s)winpath\.csv:3.*"creatinin" is no analyte.*did you mean "creatinine"'),
        ("WINPATH,,A,,crp,mmol/L,,,,x", r'(?s)winpath\.csv:3.*"mmol/L" is no unit of crp.*mg/L, mg/dL'),
        ("WINPATH,,A,,crp,,urine,,,x", r'(?s)winpath\.csv:3.*crp is not taken from "urine"'),
        ("WINPATH,,A,,crp,,blod,,,x", r"(?s)winpath\.csv:3.*default_specimen"),
        ("WINPATH,,A,,crp,,,2026-02-01,2026-01-01,x", r"(?s)winpath\.csv:3.*before valid from"),
        ("WINPATH,,A,,crp,,,01/02/2026,,x", r"(?s)winpath\.csv:3.*valid_from"),
        ("WINPATH,,B,,crp,,,2020-01-01,,x", r"(?s)winpath\.csv:3.*B stands in line 2 already"),
        ("loinc,,CRP,,crp,,,,,x", r"(?s)winpath\.csv:3.*CRP is not a code of loinc"),
        ("WINPATH,,,,crp,,,,,x", r"(?s)winpath\.csv:3.*code"),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(SetupError, match=told):
        with_table(tmp_path, "WINPATH,,B,Good row,lactate,mmol/L,plasma,,,test", line)


def test_a_missing_unit_without_a_default_is_not_guessed(tmp_path: Path) -> None:
    maps = with_table(tmp_path, "WINPATH,,CRPB,CRP,crp,,serum,,,test")
    observation = an_observation(
        code=a_code("CRPB", system="urn:id:WINPATH"), specimen=None, valueQuantity=a_value("1.2")
    )
    projection = maps.project("lab_result", observation, {})
    assert projection is not None
    assert (projection.fields["analyte"], projection.fields["value_canonical"]) == ("crp", None)
    assert [each.code for each in projection.problems] == [ProblemCode.UNKNOWN_UNIT]


def test_the_sender_of_a_version_2_message_is_its_sending_application(tmp_path: Path) -> None:
    maps = with_table(tmp_path, ",NNU-GAS,GLU,,glucose,mg/dL,capillary,,,test")
    v2_maps = load_v2_maps(MAPPINGS)
    told = {}
    for sender in ("NNU-GAS", "WINPATH"):
        message = (
            f"MSH|^~\\&|{sender}|RXX|A|RXX|20260304||ORU^R01|1|P|2.4\rPID|1||1^^^RXX^MR\r"
            "OBR|1||F1|GAS|||20260304101500\rOBX|1|NM|GLU||90||||||F\r"
        )
        bundle = to_bundle(Message.parse(message.encode()), v2_maps, timezone=ZoneInfo("Europe/London"))
        resources = [entry["resource"] for entry in bundle["entry"]]
        (result,) = [each for each in resources if each["resourceType"] == "Observation"]
        projection = maps.project("lab_result", result, {})
        assert projection is not None
        told[sender] = (projection.fields["analyte"], projection.fields["unit_inferred"])
    assert told == {"NNU-GAS": ("glucose", True), "WINPATH": ("unmapped", None)}
