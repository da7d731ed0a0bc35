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


@pytest.mark.parametrize(
    ("at", "minutes", "performed"),
    [
        (
            "202603201330",
            "95",
            {"performedPeriod": {"start": "2026-03-20T13:30:00+00:00", "end": "2026-03-20T15:05:00+00:00"}},
        ),
        ("202603201330", "", {"performedDateTime": "2026-03-20T13:30:00+00:00"}),
        ("202603201330", "long", {"performedDateTime": "2026-03-20T13:30:00+00:00"}),
        ("20260320", "95", {"performedDateTime": "2026-03-20"}),
    ],
)
def test_a_procedure_with_its_minutes_is_a_period(at: str, minutes: str, performed: Resource) -> None:
    statement = adt("A03", PV1, f"PR1|1||T57.1||{at}||{minutes}")
    (procedure,) = items(statement, ItemKind.PROCEDURES)[0].resources
    assert {name: value for name, value in procedure.items() if name.startswith("performed")} == performed


def test_the_diagnoses_of_a_visit_are_shown_with_use_and_rank() -> None:
    diagnoses = ("DG1|1||P77.9||20260301|F|||||||||1", "DG1|2||Q79.3||20260301|W|||||||||2")
    visit = bundled("Encounter", "ADT^A03", "EVN|A03|20260301", PV1, *diagnoses)
    assert [(each["use"]["coding"][0]["code"], each["rank"]) for each in visit["diagnosis"]] == [("F", 1), ("W", 2)]
    assert len({each["condition"]["reference"] for each in visit["diagnosis"]}) == 2


def test_an_order_has_its_reason_its_specimen_and_its_urgency() -> None:
    order = ("ORC|NW|P1", "TQ1|1||||||20260412073000||S", OBR, "DG1|1||P77.9|", "SPM|1|S1||BLD")
    request = bundled("ServiceRequest", "OML^O21", *order)
    assert (len(request["reasonReference"]), len(request["specimen"]), request["priority"]) == (1, 1, "stat")
    assert request["occurrenceTiming"] == {"repeat": {"boundsPeriod": {"start": "2026-04-12T07:30:00+01:00"}}}


def test_the_urgency_of_one_order_is_not_that_of_the_next() -> None:
    orders = ("ORC|NW|P1", "TQ1|1||||||||S", OBR, "ORC|NW|P2", OBR)
    bundle = mapping.to_bundle(a_message("OML^O21", PID, *orders), all_maps(), timezone=LONDON)
    found = [each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == "ServiceRequest"]
    assert [each.get("priority") for each in found] == ["stat", None]


def test_an_expected_admission_is_no_period() -> None:
    visit = bundled(
        "Encounter", "ADT^A05", "EVN|A05|20260301", PV1.replace("20260101103000", ""), "PV2||||||||20260609"
    )
    assert "period" not in visit
    assert [each["valueDateTime"] for each in visit["extension"]] == ["2026-06-09"]


@pytest.mark.parametrize("kind", ["RDE^O11", "RAS^O17"])
def test_an_order_for_a_drug_is_no_request_for_a_service(kind: str) -> None:
    bundle = mapping.to_bundle(a_message(kind, PID, "ORC|NW|P1|F1"), all_maps(), timezone=LONDON)
    assert "ServiceRequest" not in [each["resource"]["resourceType"] for each in bundle["entry"]]
