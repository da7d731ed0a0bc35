"""Drugs: what was ordered (RDE) and what was given (RAS), each order and each administration an item."""

import pytest

from adapter.assertion import Item, ItemKind
from adapter.mapping.trace import trace
from tests.unit.mapping_v2.messages import LONDON, PID, PV1, a_message, items, state_maps, stated

ORC = "ORC|RE|P5^EPR|F5^PHARM"
GIVEN = "RXA|0|1|20260104100000|20260104180000|PN1^Neonatal parenteral nutrition^LOCAL|120|mL^millilitre^UCUM"


def a_given(*segments: str) -> list[Item]:
    return items(stated(a_message("RAS^O17", PID, PV1, *segments)), ItemKind.MEDICATION)


def test_an_administration_has_drug_dose_route_and_both_times() -> None:
    (item,) = a_given(ORC, GIVEN + "|" * 13 + "CP", "RXR|IV^Intravenous^HL70162|CVC")
    assert item.key == "given|P5|0|1|20260104100000"
    administration = item.resources[0]
    assert administration["resourceType"] == "MedicationAdministration"
    assert administration["status"] == "completed"
    assert administration["effectivePeriod"] == {
        "start": "2026-01-04T10:00:00+00:00",
        "end": "2026-01-04T18:00:00+00:00",
    }
    assert administration["medicationCodeableConcept"]["coding"][0]["code"] == "PN1"
    assert str(administration["dosage"]["dose"]["value"]) == "120"
    assert administration["dosage"]["dose"]["unit"] == "millilitre"
    assert administration["dosage"]["route"]["coding"][0]["code"] == "IVINJ"
    assert administration["dosage"]["site"]["coding"][0]["code"] == "CVC"


@pytest.mark.parametrize(
    ("sent", "status"),
    [("CP", "completed"), ("PA", "stopped"), ("NA", "not-done"), ("RE", "not-done"), ("", "completed")],
)
def test_the_completion_status_says_whether_it_was_given(sent: str, status: str) -> None:
    assert a_given(ORC, GIVEN + "|" * 13 + sent)[0].resources[0]["status"] == status


def test_without_status_and_end_nobody_says_whether_all_was_given() -> None:
    administration = a_given(ORC, "RXA|0|1|20260104100000||GENT^Gentamicin|999")[0].resources[0]
    assert administration["status"] == "unknown"
    assert administration["effectiveDateTime"] == "2026-01-04T10:00:00+00:00"
    assert "dosage" not in administration


def test_a_deleted_administration_was_entered_in_error() -> None:
    assert a_given(ORC, GIVEN + "|" * 13 + "CP|D")[0].resources[0]["status"] == "entered-in-error"


def test_several_administrations_are_several_items_and_share_the_route_after_them() -> None:
    found = a_given(
        ORC,
        "RXA|0|1|20260104100000||A^Drug|5|mg",
        "RXA|0|2|20260104220000||A^Drug|5|mg",
        "RXR|IV",
        "ORC|RE|P6",
        "RXA|0|1|20260104100000||B^Other|5|mg",
        "RXR|PO",
        "RXA|0|2|20260104220000||B^Other|5|mg",
    )
    assert [item.key for item in found] == [
        "given|P5|0|1|20260104100000",
        "given|P5|0|2|20260104220000",
        "given|P6|0|1|20260104100000",
        "given|P6|0|2|20260104220000",
    ]
    routes = [item.resources[0]["dosage"].get("route", {}).get("coding", [{}])[0].get("code") for item in found]
    assert routes == ["IVINJ", "IVINJ", "PO", None]


def test_the_route_of_the_order_counts_where_the_administration_names_none() -> None:
    (item,) = a_given(ORC, "RXO|A^Drug", "RXR|IV", "RXA|0|1|20260104100000||A^Drug|5|mg")
    assert item.resources[0]["dosage"]["route"]["coding"][0]["code"] == "IVINJ"


def test_without_an_order_number_the_patient_and_the_drug_are_part_of_the_key() -> None:
    (item,) = a_given("RXA|0|1|20260104100000||A^Drug|5|mg")
    assert item.key == "given||100200|A|0|1|20260104100000"


def test_an_immunisation_is_no_medication_of_ours() -> None:
    statement = stated(a_message("VXU^V04", PID, "ORC|RE|P1", "RXA|0|1|20260104||08^Hep B^CVX|999"))
    assert items(statement, ItemKind.MEDICATION) == []


def an_ordered(orc: str, *segments: str) -> Item:
    (found,) = items(stated(a_message("RDE^O11", PID, PV1, orc, *segments)), ItemKind.MEDICATION)
    return found


RXE = "RXE|^^^20260104090000^20260111090000|GENT^Gentamicin^LOCAL|5||mg"


def test_an_order_has_drug_dose_route_and_times() -> None:
    item = an_ordered("ORC|NW|P5|F5||||||20260104083000", RXE, "RXR|IV^Intravenous")
    assert item.key == "ordered|P5"
    request = item.resources[0]
    assert request["resourceType"] == "MedicationRequest"
    assert (request["status"], request["intent"]) == ("active", "original-order")
    assert request["authoredOn"] == "2026-01-04T08:30:00+00:00"
    assert request["medicationCodeableConcept"]["coding"][0]["display"] == "Gentamicin"
    (dosage,) = request["dosageInstruction"]
    assert dosage["timing"]["repeat"]["boundsPeriod"] == {
        "start": "2026-01-04T09:00:00+00:00",
        "end": "2026-01-11T09:00:00+00:00",
    }
    assert dosage["route"]["coding"][0]["code"] == "IVINJ"
    (amount,) = dosage["doseAndRate"]
    assert str(amount["doseQuantity"]["value"]) == "5"
    assert amount["doseQuantity"]["unit"] == "mg"


def test_times_are_taken_from_tq1_first_and_from_the_order_last() -> None:
    def start(*segments: str) -> str:
        request = an_ordered(*segments).resources[0]
        return str(request["dosageInstruction"][0]["timing"]["repeat"]["boundsPeriod"]["start"])

    orc = "ORC|NW|P5|||||^^^20260101"
    assert start(orc, RXE, "TQ1|1||||||20260105|20260106") == "2026-01-05"
    assert start(orc, RXE) == "2026-01-04T09:00:00+00:00"
    assert start(orc, "RXE||A^Drug") == "2026-01-01"


@pytest.mark.parametrize(
    ("control", "sent", "status"),
    [("NW", "", "active"), ("NW", "CM", "completed"), ("CA", "IP", "cancelled"), ("DC", "", "stopped"),
     ("OD", "A", "stopped"), ("HD", "", "on-hold"), ("RL", "", "active"), ("SC", "HD", "on-hold"),
     ("ZZ", "", "unknown")],
)  # fmt: skip
def test_an_order_is_what_its_control_code_says(control: str, sent: str, status: str) -> None:
    assert an_ordered(f"ORC|{control}|P5|||{sent}", RXE).resources[0]["status"] == status


def test_an_order_falls_back_on_the_filler_number() -> None:
    assert an_ordered("ORC|NW||F5", RXE).key == "ordered|F5"


def test_a_range_of_doses_and_a_rate_are_kept_apart() -> None:
    rate = "RXE||PN^Parenteral nutrition|5|8|mL" + "|" * 18 + "12.5|mL/h"
    (amount,) = an_ordered("ORC|NW|P5", rate).resources[0]["dosageInstruction"][0]["doseAndRate"]
    assert [str(amount["doseRange"][end]["value"]) for end in ("low", "high")] == ["5", "8"]
    assert str(amount["rateQuantity"]["value"]) == "12.5"
    assert amount["rateQuantity"]["unit"] == "mL/h"


def test_a_value_of_an_order_is_traced_to_its_segment() -> None:
    message = a_message("RDE^O11", PID, "ORC|NW|P5", RXE, "RXR|IV^Intravenous")
    found = {each.path: each for each in trace(message, state_maps(), timezone=LONDON)}
    assert found["dosageInstruction[0].route.coding[0].code"].position == "RXR[1]-1.1"
    assert found["dosageInstruction[0].doseAndRate[0].doseQuantity.value"].position == "RXE[1]-3"
    assert found["dosageInstruction[0].timing.repeat.boundsPeriod.end"].position == "RXE[1]-1.5"
