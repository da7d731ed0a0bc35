"""What a Bundle shows and no record takes: death and autopsy, accidents, referrals, specimens that nobody describes."""

import pytest

from adapter import mapping
from adapter.assertion import ItemKind, Resource
from tests.unit.mapping_v2.messages import LONDON, OBR, PID, PV1, a_message, all_maps, items, state_maps, stated

PDA = "PDA|P77.9^Necrotising enterocolitis^I10||Y|20260301123000|9911^DOCTOR^D|Y|20260302^20260303|9912^DOCTOR^E|N"
ACC = "ACC|20260228|||||||fall from a bed|||||77"
EVN = "EVN|A03|20260301"


def shown(kind: str, message: str, *segments: str) -> list[Resource]:
    bundle = mapping.to_bundle(a_message(message, PID, *segments), all_maps(), timezone=LONDON)
    return [each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == kind]


def code_of(resource: Resource) -> str:
    return str(resource["code"]["coding"][0]["code"])


def test_a_bundle_shows_the_cause_of_death_and_the_autopsy() -> None:
    assert [code_of(each) for each in shown("Condition", "ADT^A03", EVN, PV1, PDA)] == ["P77.9"]
    certified, autopsy = shown("Procedure", "ADT^A03", EVN, PV1, PDA)
    assert (code_of(certified), certified["performedDateTime"]) == ("death-certification", "2026-03-01T12:30:00+00:00")
    assert autopsy["performedPeriod"] == {"start": "2026-03-02", "end": "2026-03-03"}
    answers = [
        (code_of(each), each["valueCodeableConcept"]["coding"][0]["code"])
        for each in shown("Observation", "ADT^A03", EVN, PV1, PDA)
    ]
    assert answers == [("death-certificate", "Y"), ("autopsy", "Y"), ("coroner", "N")]


def test_no_certificate_and_no_autopsy_make_no_procedure() -> None:
    assert shown("Procedure", "ADT^A03", EVN, PV1, "PDA|||N|||N||") == []


@pytest.mark.parametrize("segment", [PDA, ACC, "RF1|A|S|||I|R1|20260101||20260101||E1", "DB1|1|PT|D1^^^HOSP"])
def test_none_of_it_is_stated(segment: str) -> None:
    with_it, without = stated(a_message("ADT^A03", EVN, PID, PV1, segment)), stated(a_message("ADT^A03", EVN, PID, PV1))
    assert [item.resources for item in with_it.items] == [item.resources for item in without.items]
    assert with_it.patient == without.patient
    assert (with_it.context, with_it.problems) == (without.context, without.problems)


def test_an_accident_is_an_observation_with_its_day() -> None:
    (accident,) = shown("Observation", "ADT^A03", EVN, PV1, ACC)
    assert (accident["valueString"], accident["effectiveDateTime"]) == ("fall from a bed", "2026-02-28")


def test_a_referral_has_its_numbers_at_both_ends() -> None:
    (referral,) = shown("ServiceRequest", "REF^I12", "RF1|A|S|||I|R1|20260101||20260101||E1")
    assert [each["value"] for each in referral["identifier"]] == ["R1", "E1"]
    assert (referral["status"], referral["priority"]) == ("active", "stat")


@pytest.mark.parametrize(("whose", "count"), [("PT", 3), ("AP", 2), ("GT", 2), ("", 2)])
def test_a_disability_number_is_the_patients_only_where_it_says_so(whose: str, count: int) -> None:
    (patient,) = shown("Patient", "ADT^A31", "EVN|A31|20260301", f"DB1|1|{whose}|D1^^^HOSP")
    assert len(patient["identifier"]) == count


def test_results_refer_to_the_specimen_of_spm_and_not_to_the_time_of_the_request() -> None:
    specimens = shown("Specimen", "ORU^R01", OBR, "OBX|1|NM|K||4.0|mmol/L|||||F", "SPM|1|S1||BLD^Blood")
    (result,) = shown("Observation", "ORU^R01", OBR, "OBX|1|NM|K||4.0|mmol/L|||||F", "SPM|1|S1||BLD^Blood")
    named = {f"urn:uuid:{each['id']}": each for each in specimens}
    assert len(named) == 2
    assert "type" in named[result["specimen"]["reference"]]


def test_a_specimen_that_nobody_describes_is_not_stated() -> None:
    statement = stated(a_message("ORU^R01", PID, OBR, "OBX|1|NM|K||4.0|mmol/L|||||F"))
    (result,) = items(statement, ItemKind.OBSERVATION)
    assert "specimen" not in result.resources[0]
    assert statement.context == {}


@pytest.mark.parametrize(
    ("message", "status"),
    [("ADT^A01", "completed"), ("ADT^A05", "unknown"), ("ADT^A14", "unknown"), ("REF^I12", "unknown")],
)
def test_a_procedure_before_an_admission_is_not_said_to_be_done(message: str, status: str) -> None:
    (procedure,) = shown("Procedure", message, f"EVN|{message[4:]}|20260301", PV1, "PR1|1||T57.1||20260301")
    assert procedure["status"] == status


def test_the_procedure_that_one_was_part_of_is_shown_by_its_number() -> None:
    part, whole = shown("Procedure", "ADT^A01", "EVN|A01|20260301", PV1, "PR1|1||T57.1||20260301" + "|" * 20 + "W1")
    assert part["partOf"] == [{"type": "Procedure", "identifier": {"value": "W1"}}]
    assert (whole["identifier"], whole["status"]) == ([{"value": "W1"}], "unknown")


def test_no_result_refers_to_a_specimen_that_nobody_describes() -> None:
    """Its unknown type would stand above the default specimen of a laboratory's table."""
    results = (OBR, "OBX|1|NM|K||4.0|mmol/L|||||F")
    assert len(shown("Specimen", "ORU^R01", *results)) == 1
    (result,) = shown("Observation", "ORU^R01", *results)
    assert "specimen" not in result


@pytest.mark.parametrize(("visit", "count"), [("PV1|1|N", 0), ("PV1|1|N|NICU", 1), ("PV1|1|I", 1)])
def test_a_visit_segment_that_only_fills_its_place_makes_no_visit(visit: str, count: int) -> None:
    assert len(shown("Encounter", "ADT^A31", "EVN|A31|20260301", visit)) == count


def test_a_death_that_is_taken_back_says_that_the_child_lives() -> None:
    pid = "|".join([*PID.split("|"), *[""] * 20, '""', "N"])
    bundle = mapping.to_bundle(a_message("ADT^A31", "EVN|A31|20260301", pid), all_maps(), timezone=LONDON)
    patient = next(each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == "Patient")
    assert patient["deceasedBoolean"] is False


@pytest.mark.parametrize(("message", "status"), [("DFT^P03", "completed"), ("ORM^O01", "unknown")])
def test_a_charge_shows_its_procedure_and_states_none(message: str, status: str) -> None:
    charge = "FT1|1|||20260301||CG|X" + "|" * 18 + "T57.1^Excision^OPCS"
    (procedure,) = shown("Procedure", message, charge)
    assert (code_of(procedure), procedure["status"]) == ("T57.1", status)
    assert items(stated(a_message(message, PID, charge)), ItemKind.PROCEDURES) == []


def test_nothing_of_it_is_compiled_for_a_record() -> None:
    assert any(made.block.only_in_bundle for made in all_maps().compiled.blocks)
    assert not any(made.block.only_in_bundle for made in state_maps().compiled.blocks)
