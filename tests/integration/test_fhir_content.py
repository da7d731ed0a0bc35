"""What single elements of FHIR say, from the page to the row: behaviours 53 to 65 of one child's resources."""

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter import mapping
from adapter.cli.codes import read_codes
from adapter.cli.explain import explainer
from adapter.cli.kept_rows import reading
from adapter.dispatch import record_bytes
from adapter.service.assembly import Mappings, own_tables
from tests.integration.conftest import Make
from tests.integration.fhir_child import SETTINGS, a_known_child, a_page, a_patient, a_result, a_sample, at, by_v2
from tests.integration.trust import Trust, load, trust_file

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
ABSENT_SYSTEM = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
SECRET = "QUILLFEATHER Torin"
EPIC = "urn:oid:1.2.840.114350"


@pytest.fixture
def a_trust_that(tmp_path: Path, mappings: Path, loaded: Mappings) -> Iterator[Callable[..., Trust]]:
    """An adapter whose trust file says more of its rows."""
    made: list[Trust] = []

    def make(**entries: str) -> Trust:
        folder = tmp_path / f"own{len(made)}"
        folder.mkdir()
        settings = load(trust_file(folder, mappings=mappings, **{**SETTINGS, **entries}))
        csor = mapping.load_csor_maps(mappings, timezone=settings.site.timezone, own=own_tables(settings))
        made.append(Trust(settings, mappings=loaded._replace(csor=csor)))
        by_v2(made[-1])
        made[-1].take(a_page(a_patient()), is_fhir=True)
        return made[-1]

    yield make
    for trust in made:
        trust.close()


def take(trust: Trust, *resources: dict[str, Any]) -> None:
    trust.take(a_page(*resources, a_sample()), is_fhir=True)


def without_value(**more: Any) -> dict[str, Any]:
    result = a_result(**more)
    if "valueQuantity" not in more:
        del result["valueQuantity"]
    return result


@pytest.mark.behaviour(53)
@pytest.mark.parametrize(
    "said",
    [
        {"dataAbsentReason": {"coding": [{"system": ABSENT_SYSTEM, "code": "error", "display": "Error"}], "text": "0"}},
        {"valueQuantity": {"extension": [{"url": ABSENT, "valueCode": "error"}]}},
        {"valueQuantity": {"_value": {"extension": [{"url": ABSENT, "valueCode": "error"}]}, "unit": "mg/L"}},
        {"_valueString": {"extension": [{"url": ABSENT, "valueCode": "error"}]}},
        {
            "valueCodeableConcept": {
                "coding": [{"system": ABSENT_SYSTEM, "code": "error", "display": "Error"}],
                "text": "0",
            }
        },
    ],
    ids=["of the result", "of the quantity", "of its number", "of the text", "as a code"],
)
def test_a_value_that_is_absent_has_its_reason_and_is_no_value(a_trust: Make, said: dict[str, Any]) -> None:
    trust = a_known_child(a_trust)
    take(trust, without_value(**said))

    (row,) = trust.rows("lab_result")
    assert row["absent_reason"] == "error"
    assert [row.get(name) for name in ("value_num", "value_original", "value_canonical")] == [None, None, None]


@pytest.mark.behaviour(54)
def test_what_has_a_modifier_nobody_knows_waits_for_a_person_and_the_others_pass(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    modifier = [{"url": "https://epr.example/negated", "valueBoolean": True}]
    take(trust, a_result(modifierExtension=modifier), a_result(7, identity="o2"))

    assert trust.values() == ["7"]
    assert trust.parked() == ["P021"]


def of_every_kind() -> dict[str, dict[str, Any]]:
    """A resource for each kind of row, by that kind."""
    subject, meta = {"reference": "Patient/p1"}, {"lastUpdated": at(1)}
    shared = {"subject": subject, "meta": meta}
    icd, opcs = "http://hl7.org/fhir/sid/icd-10", "https://fhir.hl7.org.uk/Id/opcs-4"
    visit = {"status": "finished", "class": {"code": "IMP"}, "period": {"start": "2026-09-03T03:00:00+01:00"}}
    dose = {"medicationCodeableConcept": {"text": "Gentamicin"}, "effectiveDateTime": "2026-09-03T10:00:00+01:00"}
    film = {"code": {"text": "XR Abdomen"}, "category": [{"coding": [{"code": "RAD"}]}], "status": "final"}
    weight = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}], "text": "Body weight"}
    return {
        "lab_result": a_result(),
        "diagnosis": {"resourceType": "Condition", "id": "c1", **shared,
                      "code": {"coding": [{"system": icd, "code": "Q43.1"}]}},
        "operation": {"resourceType": "Procedure", "id": "x1", "status": "completed", **shared,
                      "code": {"coding": [{"system": opcs, "code": "H01.1"}]},
                      "performedDateTime": "2026-09-04T10:00:00+01:00"},
        "admission": {"resourceType": "Encounter", "id": "e1", **shared, **visit},
        "imaging_study": {"resourceType": "ImagingStudy", "id": "i1", **shared, "status": "available",
                          "started": "2026-09-03T10:00:00+01:00", "procedureCode": [{"text": "XR Abdomen"}]},
        "imaging_report": {"resourceType": "DiagnosticReport", "id": "d1", **shared, **film, "conclusion": "Normal."},
        "medication_course": {"resourceType": "MedicationAdministration", "id": "m1", "status": "completed", **shared,
                              **dose},
        "vital_sign": {"resourceType": "Observation", "id": "w1", "status": "final", **shared, "code": weight,
                       "category": [{"coding": [{"code": "vital-signs"}]}],
                       "effectiveDateTime": "2026-09-03T10:00:00+01:00",
                       "valueQuantity": {"value": 2400, "unit": "g"}},
    }  # fmt: skip


def in_error(resource: dict[str, Any], *, minute: int = 20) -> dict[str, Any]:
    if resource["resourceType"] == "Condition":
        code = {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "entered-in-error"}
            ]
        }
        return {**resource, "meta": {"lastUpdated": at(minute)}, "verificationStatus": code}
    return {**resource, "meta": {"lastUpdated": at(minute)}, "status": "entered-in-error"}


def counted(trust: Trust) -> dict[str, int]:
    kinds = [row["kind"] for row in trust.rows(every=True) if row["state"] != "deleted"]
    return {kind: kinds.count(kind) for kind in of_every_kind()}


@pytest.mark.behaviour(55)
def test_entered_in_error_withdraws_every_kind_of_row(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    before = counted(trust)
    resources = of_every_kind()
    take(trust, *resources.values())
    trust.dispatch()
    there = counted(trust)
    take(trust, *map(in_error, resources.values()))
    trust.dispatch()

    assert {kind for kind in resources if there[kind] <= before[kind]} == set()
    assert counted(trust) == before
    trust.assert_csor_agrees()


@pytest.mark.behaviour(55)
def test_what_is_new_and_entered_in_error_gives_no_row(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    before = counted(trust)
    take(trust, *map(in_error, of_every_kind().values()))
    assert counted(trust) == before


@pytest.mark.behaviour(56)
@pytest.mark.parametrize("status", ["amended", "corrected"])
def test_a_corrected_value_is_the_same_row_anew_and_the_former_one_stays_in_the_log(a_trust: Make, status: str) -> None:
    trust = a_known_child(a_trust)
    take(trust, a_result(12))
    trust.dispatch()
    (first,) = trust.rows("lab_result")
    take(trust, a_result(14, minute=20, status=status))
    trust.dispatch()
    (second,) = trust.rows("lab_result")
    with explainer(trust.settings) as explain:
        found = explain.explain(record_bytes(second["row"]))
    assert found is not None

    assert (second["row"], second["value_original"], second["status"]) == (first["row"], "14", status)
    assert trust.versions()[second["row"]] == 2
    assert len(found.messages) == 2
    assert sum('"value": 12' in body for body in trust.bodies("fhir")) == 1
    trust.assert_csor_agrees()


@pytest.mark.behaviour(56)
def test_of_equal_times_the_higher_version_counts(a_trust: Make) -> None:
    def version(value: int, number: str) -> dict[str, Any]:
        return a_result(value, meta={"versionId": number, "lastUpdated": at(1)})

    for order in itertools.permutations([version(12, "9"), version(14, "10")]):
        trust = a_known_child(a_trust)
        for each in order:
            take(trust, each)
        assert trust.values() == ["14"]


@pytest.mark.behaviour(57)
def test_an_older_version_after_a_newer_one_changes_nothing(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    take(trust, a_result(14, minute=20))
    versions = trust.versions()
    take(trust, a_result(12, minute=10))
    assert (trust.values(), trust.versions()) == (["14"], versions)


@pytest.mark.behaviour(58)
def test_a_preliminary_value_is_kept_as_such_and_the_final_one_replaces_it(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    take(trust, a_result(12, status="preliminary"), a_result(1, identity="o2", status="registered"))
    before = [(row["value_original"], row["status"]) for row in trust.rows("lab_result")]
    take(trust, a_result(14, minute=20))

    assert before == [("12", "preliminary")]
    assert [(row["value_original"], row["status"]) for row in trust.rows("lab_result")] == [("14", "final")]


@pytest.mark.behaviour(58)
def test_where_the_trust_says_so_a_preliminary_value_waits_for_the_final_one(
    a_trust_that: Callable[..., Trust],
) -> None:
    trust = a_trust_that(results="{provisional: wait}")
    take(trust, a_result(12, status="preliminary"))
    before = [row["state"] for row in trust.rows("lab_result", every=True)]
    take(trust, a_result(14, minute=20))

    assert before == ["deleted"]
    assert trust.values() == ["14"]


@pytest.mark.behaviour(59)
def test_comparator_number_and_unit_stay_apart(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    take(trust, a_result(valueQuantity={"value": 5, "comparator": "<", "unit": "mg/L"}))
    (row,) = trust.rows("lab_result")
    assert (row["comparator"], str(row["value_num"]), row["unit_original"]) == ("<", "5", "mg/L")


@pytest.mark.behaviour(60)
def test_a_unit_that_no_rule_converts_stays_as_it_is_and_is_flagged(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    take(trust, a_result(valueQuantity={"value": 5, "unit": "furlong/L"}))
    (row,) = trust.rows("lab_result", every=True)
    assert (row["unit_original"], row.get("value_canonical"), row.get("unit_ucum")) == ("furlong/L", None, None)
    assert "P115" in problems(trust, "lab_result")


@pytest.mark.behaviour(61)
def test_a_date_of_a_month_stays_a_month(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    condition = of_every_kind()["diagnosis"] | {"onsetDateTime": "2026-09", "recordedDate": "2026"}
    take(trust, condition)
    found = {row["code"]: row for row in trust.rows("diagnosis")}["Q43.1"]
    assert [found[name] for name in ("onset_dt", "recorded_dt")] == ["2026-09", "2026"]


@pytest.mark.behaviour(62)
def test_a_code_without_a_mapping_is_listed_with_a_count_and_an_example(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    code = {"coding": [{"system": "urn:lab", "code": "ZZ9", "display": "Novel marker"}]}
    take(trust, a_result(code=code), a_result(identity="o2", code=code))

    ((sent, use),) = [(sent, use) for sent, use in read_codes(trust.settings) if sent.code == "ZZ9"]
    assert (sent.system, use.rows, len(use.children)) == ("urn:lab", 2, 1)
    assert use.example in {row["row"] for row in trust.rows("lab_result", every=True)}
    assert {row["analyte"] for row in trust.rows("lab_result", every=True)} == {"unmapped"}


@pytest.mark.behaviour(63)
def test_of_several_codings_the_preferred_system_counts_whatever_its_spaces(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    codings = [
        {"system": "http://snomed.info/sct", "code": "204739008"},
        {"system": " http://hl7.org/fhir/sid/icd-10 ", "code": " Q43.1 ", "display": " Hirschsprung disease "},
    ]
    take(trust, of_every_kind()["diagnosis"] | {"code": {"coding": codings}})
    found = [row for row in trust.rows("diagnosis") if row["code"] == "Q43.1"]
    assert [row["code_system"] for row in found] == ["icd-10"]


@pytest.mark.behaviour(64)
def test_codes_of_a_system_that_may_hold_words_or_numbers_are_not_copied(a_trust_that: Callable[..., Trust]) -> None:
    trust = a_trust_that(privacy=f"{{deny_code_system_prefixes: ['{EPIC}']}}")
    own = {"system": f"{EPIC}.1.13.999", "code": SECRET, "display": SECRET}
    loinc = {"system": "http://loinc.org", "code": "1988-5"}
    resources = of_every_kind()
    diagnosis = resources["diagnosis"]["code"]["coding"]
    take(
        trust,
        a_result(code={"coding": [own, loinc]}),
        a_result(identity="o2", code={"coding": [own]}),
        resources["diagnosis"] | {"code": {"coding": [*diagnosis, own]}},
        resources["vital_sign"] | {"code": {"coding": [own, *resources["vital_sign"]["code"]["coding"]]}},
    )
    trust.dispatch()

    rows = trust.rows(every=True)
    assert [row["analyte"] for row in rows if row["kind"] == "lab_result"].count("crp") == 1
    assert [each["code"] for row in rows if row.get("analyte") == "crp" for each in row["codes"]] == ["1988-5"]
    assert "Q43.1" in {row.get("code") for row in rows}
    assert SECRET not in json.dumps(rows, default=str)
    assert not any(SECRET.encode() in batch for _, batch in trust.csor.batches)


def test_where_nothing_is_denied_every_coding_is_kept_inside_the_trust(a_trust: Make) -> None:
    """Else the test above would prove nothing."""
    trust = a_known_child(a_trust)
    own = {"system": f"{EPIC}.1.13.999", "code": SECRET}
    take(trust, a_result(code={"coding": [own, {"system": "http://loinc.org", "code": "1988-5"}]}))
    assert SECRET in json.dumps(trust.rows(every=True), default=str)


@pytest.mark.behaviour(65)
def test_what_no_mapping_names_reaches_neither_rows_nor_what_is_sent(a_trust: Make) -> None:
    extension = [{"url": "https://epr.example/anything", "valueString": SECRET}]
    beside = {
        "extension": extension, "text": {"div": SECRET}, "name": [{"text": SECRET}], "note": [{"text": SECRET}],
        "vendorElement": {"inner": [SECRET]}, "_status": {"extension": extension},
    }  # fmt: skip
    trust = a_known_child(a_trust)
    resources = [{**each, **beside} for each in of_every_kind().values()]
    for concept in [each["code"] for each in resources if "coding" in each.get("code", {})]:
        concept["coding"] = [{**coding, "extension": extension} for coding in concept["coding"]]
    take(trust, {**a_patient(minute=5), **beside, "address": [{"line": [SECRET]}]}, *resources)
    trust.dispatch()

    assert counted(trust)["lab_result"] == 1
    assert SECRET not in json.dumps(trust.rows(every=True), default=str)
    with reading(trust.settings) as reader:
        kept = [each.content for chart in reader.charts() for each in chart.rows]
    assert SECRET not in str(kept)
    assert trust.csor.batches
    assert not any(SECRET.encode() in batch for _, batch in trust.csor.batches)


def problems(trust: Trust, kind: str) -> list[str]:
    with reading(trust.settings) as reader:
        kept = [each for chart in reader.charts() for each in chart.rows if each.row.kind == kind]
    return [code for each in kept for code, _, _ in each.content.problems]
