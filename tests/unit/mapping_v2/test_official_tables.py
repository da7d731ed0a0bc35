"""Rules of the official tables that no UK feed was seen to use yet."""

from decimal import Decimal

import pytest

from adapter import mapping
from adapter.assertion import ItemKind, Resource
from tests.unit.mapping_v2.messages import LONDON, OBR, PID, PV1, a_message, adt, all_maps, items, stated


def bundled(kind: str, message: str, *segments: str) -> Resource:
    bundle = mapping.to_bundle(a_message(message, PID, *segments), all_maps(), timezone=LONDON)
    found = [each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == kind]
    return found[0]  # type: ignore[no-any-return]


def test_the_name_somebody_is_called_by_is_a_name_of_its_own() -> None:
    pid = PID.replace("TESTER^BABY^^^^^L", "TESTER^BABY^^^^^L" + "^" * 8 + "Bee")
    patient = stated(a_message("ADT^A31", "EVN|A31|20260103", pid)).patient
    assert patient is not None
    assert patient["name"] == [
        {"family": "TESTER", "given": ["BABY"], "use": "official"},
        {"use": "nickname", "given": ["Bee"]},
    ]


def test_a_licence_is_an_identifier_of_its_own_type() -> None:
    pid = "|".join([*PID.split("|"), *[""] * 11, "L77^Nowhere^20300101"])
    patient = stated(a_message("ADT^A31", "EVN|A31|20260103", pid)).patient
    assert patient is not None
    assert patient["identifier"][-1] == {
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "DL"}]},
        "value": "L77",
        "period": {"end": "2030-01-01"},
    }


def test_alternate_order_numbers_are_identifiers_and_the_group_is_the_requisition() -> None:
    order = "ORC|NW|P1|F1|G1" + "|" * 29 + "ALT1~ALT2"
    request = bundled("ServiceRequest", "ORM^O01", order, OBR)
    assert [each["value"] for each in request["identifier"]] == ["P1", "F1", "ALT1", "ALT2"]
    assert request["requisition"]["value"] == "G1"
    assert request["requisition"]["type"]["coding"][0]["code"] == "PGN"
    request = bundled("ServiceRequest", "ORU^R01", OBR + "|" * 28 + "ALT3")
    assert [each["value"] for each in request["identifier"]] == ["P1", "F1", "ALT3"]


def test_the_answer_to_a_question_of_an_order_has_a_value() -> None:
    observation = bundled("Observation", "OML^O21", "ORC|NW|P1", OBR, "OBX|1|NM|BW^Birth weight||1770|g|||||O")
    assert observation["valueQuantity"]["value"] == Decimal(1770)


@pytest.mark.parametrize("kind", ["ORM^O01", "OMG^O19", "OML^O21"])
def test_the_answers_to_questions_of_an_order_are_no_results(kind: str) -> None:
    statement = stated(a_message(kind, PID, "ORC|NW|P1", OBR, "OBX|1|NM|BW^Birth weight||1770|g|||||O"))
    assert items(statement, ItemKind.OBSERVATION) == []


@pytest.mark.parametrize(("sent", "dead"), [("Y", True), ("YES", True), ("N", False), ("no", False)])
def test_yes_and_no_are_understood_in_words(sent: str, dead: bool) -> None:
    pid = "|".join([*PID.split("|"), *[""] * 21, sent])
    patient = stated(a_message("ADT^A31", "EVN|A31|20260103", pid)).patient
    assert patient is not None
    assert patient["deceasedBoolean"] is dead


def test_a_fault_of_a_field_that_two_rules_read_is_told_once() -> None:
    problems = adt("A01", PV1.replace("20260101103000", "2026010x")).problems
    assert len(problems) == 1
