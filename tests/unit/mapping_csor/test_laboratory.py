"""Right value: specimen decides (R10), unit decides (R11), nothing is lost, nothing is guessed."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapter.errors import Problem, ProblemCode
from adapter.mapping.fhir_to_csor import load_csor_maps
from tests.unit.mapping_csor.builders import (
    MAPPINGS,
    a_code,
    a_specimen,
    a_value,
    an_observation,
    maps,
    project,
)

HEADER = "system,sender,code,display,analyte,unit,default_specimen,valid_from,valid_to,source\n"


def codes(problems: tuple[Problem, ...]) -> list[ProblemCode]:
    return [each.code for each in problems]


def test_a_name_with_an_allowed_specimen_is_mapped() -> None:
    fields = project(an_observation()).fields
    assert (fields["analyte"], fields["specimen_type"], fields["value_canonical"]) == ("crp", "serum", Decimal("12.5"))


def test_a_name_without_a_specimen_stays_unmapped_and_the_value_is_kept() -> None:
    projection = project(an_observation(specimen=None))
    assert projection.fields["analyte"] == "unmapped"
    assert projection.fields["value_num"] == Decimal("12.5")
    assert codes(projection.problems) == [ProblemCode.UNKNOWN_SPECIMEN]


@pytest.mark.parametrize("specimen", ["UR", "CSF", "GAST", "BLDCO", "STL"])
def test_what_is_not_the_childs_blood_never_becomes_a_blood_result(specimen: str) -> None:
    by_code = project(
        an_observation(code=a_code("2160-0"), valueQuantity=a_value("40", "umol/L")), a_specimen(specimen)
    )
    by_name = project(an_observation(), a_specimen(specimen))
    for projection in (by_code, by_name):
        assert projection.fields["analyte"] == "unmapped"
        assert projection.fields["value_canonical"] is None
        assert codes(projection.problems) == [ProblemCode.WRONG_SPECIMEN]


def test_stoma_fluid_is_known_by_its_name() -> None:
    context = {"Specimen/1": {"resourceType": "Specimen", "type": {"text": "Stoma  Effluent"}}}
    assert project(an_observation(), context).fields["specimen_type"] == "stoma"


def test_a_code_that_names_its_specimen_needs_none() -> None:
    fields = project(an_observation(code=a_code("2745-8"), valueQuantity=a_value("7.31"), specimen=None)).fields
    assert (fields["analyte"], fields["specimen_type"], fields["unit_ucum"]) == ("ph", "capillary", "[pH]")


def test_a_specimen_that_was_not_sent_is_not_guessed_from_the_code() -> None:
    projection = project(an_observation(code=a_code("1988-5")), {})
    assert projection.fields["analyte"] == "unmapped"
    assert codes(projection.problems) == [ProblemCode.UNRESOLVED_REFERENCE, ProblemCode.UNKNOWN_SPECIMEN]


def test_a_specimen_code_that_no_table_knows_is_unknown() -> None:
    projection = project(an_observation(), a_specimen("ZZZ"))
    assert (projection.fields["specimen_type"], projection.fields["analyte"]) == ("unknown", "unmapped")


@pytest.mark.behaviour(62)
def test_an_unknown_test_is_kept_with_its_code() -> None:
    projection = project(an_observation(code=a_code("ZZ1", system="urn:id:L", display="Zebra factor")))
    assert projection.fields["analyte"] == "unmapped"
    assert projection.fields["codes"] == [
        {"system": "urn:id:L", "code": "ZZ1", "display": "Zebra factor", "listed": False}
    ]
    assert codes(projection.problems) == [ProblemCode.UNKNOWN_CODE]
    assert "Zebra" not in projection.problems[0].text


def test_codes_that_name_two_analytes_are_a_contradiction() -> None:
    both = {"coding": [a_code("1988-5")["coding"][0], a_code("718-7")["coding"][0]]}
    projection = project(an_observation(code=both))
    assert projection.fields["analyte"] == "unmapped"
    assert codes(projection.problems) == [ProblemCode.AMBIGUOUS_VALUE]


def test_a_gas_name_needs_its_case() -> None:
    named = {"code": a_code("G1", system="urn:id:L", display="PH"), "valueQuantity": a_value("7.3")}
    assert project(an_observation(**named)).fields["analyte"] == "unmapped"
    named["code"] = a_code("G1", system="urn:id:L", display="pH")
    assert project(an_observation(**named)).fields["analyte"] == "ph"


def test_hydrogen_ion_is_not_ph() -> None:
    named = {"code": a_code("G2", system="urn:id:L", display="H+"), "valueQuantity": a_value("40", "nmol/L")}
    fields = project(an_observation(**named)).fields
    assert (fields["analyte"], fields["value_canonical"], fields["unit_ucum"]) == (
        "hydrogen_ion",
        Decimal(40),
        "nmol/L",
    )
    wrong = project(an_observation(code=a_code("11558-4"), valueQuantity=a_value("40", "nmol/L")))
    assert (wrong.fields["analyte"], wrong.fields["value_canonical"]) == ("ph", None)
    assert codes(wrong.problems) == [ProblemCode.UNKNOWN_UNIT]


@pytest.mark.behaviour(60)
def test_an_unknown_unit_keeps_the_value_as_sent() -> None:
    projection = project(an_observation(valueQuantity=a_value("72.50", "furlong")))
    fields = projection.fields
    assert (fields["value_original"], fields["unit_original"]) == ("72.50", "furlong")
    assert (fields["value_num"], fields["value_canonical"], fields["unit_ucum"]) == (Decimal("72.50"), None, None)
    assert codes(projection.problems) == [ProblemCode.UNKNOWN_UNIT]


@pytest.mark.behaviour(59)
def test_a_comparator_stays_apart_from_the_number() -> None:
    fields = project(an_observation(valueQuantity=a_value("5", "mg/L", comparator="<"))).fields
    assert (fields["comparator"], fields["value_num"], fields["value_original"]) == ("<", Decimal(5), "<5")


@pytest.mark.parametrize("comparator", ["~", "ad", "less than", "<<"])
def test_a_number_behind_an_unknown_comparator_is_kept_as_text(comparator: str) -> None:
    projection = project(an_observation(valueQuantity=a_value("5", "mg/L", comparator=comparator)))
    fields = projection.fields
    assert (fields["value_num"], fields["value_canonical"], fields["comparator"]) == (None, None, None)
    assert fields["value_original"] == f"{comparator}5"
    assert codes(projection.problems) == [ProblemCode.NOT_A_NUMBER]


@pytest.mark.parametrize(
    ("value", "comparator", "number"),
    [
        ({"valueString": "< 5"}, "<", "5"),
        ({"valueString": ">=600"}, ">=", "600"),
        ({"valueString": "<=0.6"}, "<=", "0.6"),
        ({"valueString": "\u2264 0.6"}, "<=", "0.6"),
        ({"valueQuantity": a_value("600", "mg/L", comparator=">=")}, ">=", "600"),
        ({"valueQuantity": a_value("600", "mg/L", comparator="\u2265")}, ">=", "600"),
    ],
)
def test_a_comparator_is_read_in_every_form(value: dict[str, Any], comparator: str, number: str) -> None:
    fields = project(an_observation(**{"valueQuantity": None, **value})).fields
    assert (fields["comparator"], fields["value_num"]) == (comparator, Decimal(number))


def test_a_value_is_held_to_what_is_plausible_at_the_age_of_the_child() -> None:
    haemoglobin = an_observation(code=a_code("718-7"), valueQuantity=a_value("270", "g/L"))

    def told(birth: str | None) -> tuple[bool, str]:
        traced = maps().project_traced("lab_result", haemoglobin, context=a_specimen("BLD"), birth=birth)
        assert traced is not None
        return traced.fields["implausible"], traced.lineage["implausible"].steps[-1].argument

    assert told("2026-02-27T04:10:00+00:00") == (False, "10..300")
    assert told("2025-06-01") == (True, "10..240")
    assert told(None) == (False, "10..300")


@pytest.mark.behaviour(129)
@pytest.mark.parametrize(
    ("text", "comparator", "value"),
    [
        ("<5", "<", "5"),
        ("≥ 500", ">=", "500"),
        ("12.5", None, "12.5"),
        ("haemolysed", None, None),
        ("1,200", None, None),
    ],
)
def test_text_is_a_number_only_if_all_of_it_is(text: str, comparator: str | None, value: str | None) -> None:
    projection = project(an_observation(valueQuantity=None, valueString=text))
    fields = projection.fields
    assert (fields["comparator"], fields["value_original"]) == (comparator, text)
    assert fields["value_num"] == (None if value is None else Decimal(value))
    assert codes(projection.problems) == [ProblemCode.NOT_A_NUMBER if value is None else ProblemCode.UNKNOWN_UNIT]


def test_an_implausible_value_is_flagged_and_kept() -> None:
    projection = project(an_observation(valueQuantity=a_value("6000", "mg/L")))
    assert (projection.fields["value_canonical"], projection.fields["implausible"]) == (Decimal(6000), True)
    assert codes(projection.problems) == [ProblemCode.IMPLAUSIBLE]


@pytest.mark.behaviour(53)
def test_an_absent_value_has_its_reason_and_no_number() -> None:
    absent = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "error"}]}
    projection = project(an_observation(valueQuantity=None, dataAbsentReason=absent))
    assert (projection.fields["absent_reason"], projection.fields["value_num"]) == ("error", None)
    assert projection.problems == ()


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error", "registered"])
def test_a_withdrawn_or_empty_result_gives_no_row(status: str) -> None:
    assert maps().project("lab_result", an_observation(status=status), context={}) is None


def test_a_vital_sign_is_no_laboratory_result() -> None:
    vital = an_observation(category=[{"coding": [{"code": "vital-signs"}]}])
    assert maps().project("lab_result", vital, context={}) is None


def test_a_laboratorys_own_table_gives_analyte_unit_and_default_specimen(tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text(HEADER + "WINPATH,,CRPB,CRP,crp,mg/dL,serum,2026-01-01,2026-03-31,test\n", encoding="utf-8")
    with_own = load_csor_maps(MAPPINGS, own_concepts=[own])

    def fields(day: str, **more: Any) -> dict[str, Any]:
        resource = an_observation(
            code=a_code("CRPB", system="urn:id:WINPATH"), specimen=None, effectiveDateTime=f"{day}T10:00:00Z", **more
        )
        projection = with_own.project("lab_result", resource, context={})
        assert projection is not None
        return projection.fields

    inside = fields("2026-03-31", valueQuantity=a_value("1.2"))
    assert (inside["analyte"], inside["value_canonical"], inside["specimen_type"]) == ("crp", Decimal("12.0"), "serum")
    assert fields("2026-03-31")["value_canonical"] == Decimal("12.5")
    assert fields("2026-04-01")["analyte"] == "unmapped"


@pytest.mark.parametrize(
    "broken",
    [
        {"code": "CRP"},
        {"code": {"coding": "CRP"}},
        {"code": {"coding": [{"system": ["x"], "code": {"a": 1}}]}},
        {"valueQuantity": "12"},
        {"valueQuantity": {"value": "twelve", "unit": {}, "comparator": []}},
        {"valueQuantity": {"value": True}},
        {"specimen": ["Specimen/1"]},
        {"specimen": {"reference": 7}},
        {"effectiveDateTime": 20260301},
        {"interpretation": "H", "referenceRange": {"low": 3}},
        {"category": [None, "laboratory"]},
        {"dataAbsentReason": {"coding": {"code": ["error"]}}},
        {"issued": {"value": "x"}},
    ],
)
def test_json_of_any_shape_gives_a_row_or_none_but_no_traceback(broken: dict[str, Any]) -> None:
    maps().project_traced("lab_result", an_observation(**broken), context=a_specimen())


def test_a_result_whose_status_nobody_says_is_kept_and_flagged() -> None:
    projection = project(an_observation(status="unknown"))
    assert (projection.fields["status"], projection.fields["source_status"]) == (None, "unknown")
    assert codes(projection.problems) == [ProblemCode.UNKNOWN_CODE]
