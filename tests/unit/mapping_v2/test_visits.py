"""ADT: patient, visit, lists of codes, cancels, clocks, cleared fields, merges, the mother's numbers."""

import pytest

from adapter import mapping
from adapter.assertion import ItemKind
from adapter.errors import ProblemCode
from adapter.mapping.feed_rules import DeathUndone, FeedRules
from adapter.statement import Statement
from tests.unit.mapping_v2.messages import LONDON, PID, PV1, a_message, adt, items, state_maps, stated

DISCHARGED = PV1 + "|20260110090000"


def the_encounter(statement: Statement) -> dict[str, object]:
    return items(statement, ItemKind.ENCOUNTER)[0].resources[0]


@pytest.mark.behaviour(114)
def test_an_admission_makes_the_patient_and_the_visit() -> None:
    statement = adt("A01", PV1)
    visit = items(statement, ItemKind.ENCOUNTER)[0]
    assert visit.key == "visit|V7001"
    assert visit.resources[0]["period"] == {"start": "2026-01-01T10:30:00+00:00"}
    assert visit.resources[0]["serviceType"]["coding"][0]["code"] == "422"
    assert statement.patient is not None
    assert statement.patient["birthDate"] == "2026-01-01"


@pytest.mark.behaviour(116)
def test_a_discharge_closes_the_visit_at_its_time_else_when_it_happened() -> None:
    assert the_encounter(adt("A03", DISCHARGED))["period"]["end"] == "2026-01-10T09:00:00+00:00"  # type: ignore[index]
    occurred = the_encounter(adt("A03", PV1, occurred="20260110093000"))
    assert occurred["period"]["end"] == "2026-01-10T09:30:00+00:00"  # type: ignore[index]
    assert occurred["status"] == "finished"


@pytest.mark.behaviour(116)
def test_a_cancelled_discharge_repeats_no_end() -> None:
    encounter = the_encounter(adt("A13", DISCHARGED))
    assert "end" not in encounter["period"]  # type: ignore[operator]
    assert encounter["status"] == "in-progress"


@pytest.mark.behaviour(117)
@pytest.mark.parametrize("event", ["A11", "A13"])
def test_a_cancel_wins_a_tie_of_clocks(event: str) -> None:
    cancel = items(adt(event, PV1), ItemKind.ENCOUNTER)[0]
    original = items(adt("A01", PV1), ItemKind.ENCOUNTER)[0]
    assert cancel.clock_us == original.clock_us
    assert cancel.rank > original.rank


@pytest.mark.behaviour(119)
@pytest.mark.parametrize("event", ["A28", "A31", "A40"])
def test_a_person_event_makes_no_visit(event: str) -> None:
    statement = adt(event, PV1)
    assert items(statement, ItemKind.ENCOUNTER) == []
    assert "triage-encounter" in statement.context


@pytest.mark.behaviour(123)
def test_recorded_time_is_the_clock_never_the_time_it_happened() -> None:
    statement = adt("A01", PV1, recorded="20260103120000", occurred="20260101090000")
    assert statement.clock_us == 1767441600_000000


def test_a_visit_without_a_number_is_told_of() -> None:
    statement = adt("A01", PV1.replace("V7001^^^RXX^VN", ""))
    assert [problem.code for problem in statement.problems] == [ProblemCode.NO_VISIT_NUMBER]


@pytest.mark.behaviour(96)
def test_two_quotes_clear_and_nothing_is_silent() -> None:
    pid = PID.replace("|20260101|", '|""|').replace("TESTER^BABY", '""^BABY')
    statement = stated(a_message("ADT^A08", "EVN|A08|20260103", pid, PV1))
    patient = items(statement, ItemKind.PATIENT)[0]
    assert "birthDate" in patient.cleared
    assert "birthDate" not in patient.resources[0]
    assert patient.resources[0]["name"][0] == {"given": ["BABY"], "use": "official"}
    assert "deceasedDateTime" not in patient.cleared


@pytest.mark.behaviour(97)
@pytest.mark.behaviour(140)
def test_the_codes_of_a_message_are_one_list_of_the_visit() -> None:
    statement = adt(
        "A08",
        PV1,
        "DG1|1||Q79.3^Gastroschisis^I10|||F",
        "DG1|2||P77X",
        "PR1|1||T28.1^Closure of gastroschisis^OPCS4||20260102093000",
        "PR1|2||Y50.2",
    )
    diagnoses, procedures = (items(statement, kind)[0] for kind in (ItemKind.CONDITIONS, ItemKind.PROCEDURES))
    assert diagnoses.key == procedures.key == "visit|V7001"
    first, second = (each["code"]["coding"][0] for each in diagnoses.resources)
    assert first == {"system": "http://hl7.org/fhir/sid/icd-10", "code": "Q79.3", "display": "Gastroschisis"}
    assert second["system"] == "http://hl7.org/fhir/sid/icd-10"
    assert second["extension"] == [{"url": "urn:csor-adapter:system-inferred", "valueBoolean": True}]
    closure, approach = procedures.resources
    assert closure["code"]["coding"][0]["system"] == "https://fhir.hl7.org.uk/Id/opcs-4"
    assert closure["performedDateTime"] == "2026-01-02T09:30:00+00:00"
    assert "extension" in approach["code"]["coding"][0]


@pytest.mark.behaviour(97)
def test_an_emptied_list_is_a_list() -> None:
    assert items(adt("A08", PV1, 'DG1|1||""'), ItemKind.CONDITIONS)[0].resources == []
    assert items(adt("A08", PV1), ItemKind.CONDITIONS) == []


@pytest.mark.behaviour(118)
def test_a_code_list_without_a_visit_is_the_persons() -> None:
    assert items(adt("A31", "DG1|1||Q43.1^^I10"), ItemKind.CONDITIONS)[0].key == "person"


def test_a_merge_names_the_prior_record() -> None:
    statement = adt("A40", "MRG|100999^^^RXX^MR")
    assert statement.prior[0]["identifier"][0]["value"] == "100999"
    assert statement.prior[0]["identifier"][0]["assigner"] == {"display": "RXX"}


def test_the_mothers_numbers_stand_apart() -> None:
    pid = "|".join([*PID.split("|"), *[""] * 12, "9990009090^^^NHS^NH"])
    nk1 = "NK1|1|TESTER^MUM|MTH^Mother" + "|" * 30 + "300400^^^RXX^MR"
    statement = stated(a_message("ADT^A01", "EVN|A01|20260103", pid, nk1, PV1))
    assert [person["identifier"][0]["value"] for person in statement.related] == ["9990009090", "300400"]
    assert statement.related[1]["relationship"][0]["coding"][0]["code"] == "MTH"


def test_the_nhs_number_has_its_system_and_its_trace_status() -> None:
    pid = "|".join([*PID.split("|"), *[""] * 23, "NSTS01"])
    statement = stated(a_message("ADT^A31", "EVN|A31|20260103", pid))
    assert statement.patient is not None
    local, national = statement.patient["identifier"]
    assert local == {
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
        "value": "100200",
        "assigner": {"display": "RXX"},
    }
    assert national["system"] == "https://fhir.nhs.uk/Id/nhs-number"
    status = national["extension"][0]["valueCodeableConcept"]["coding"][0]
    assert (status["code"], status["display"]) == ("01", "Number present and verified")


@pytest.mark.behaviour(99)
@pytest.mark.parametrize(
    ("sent", "code"),
    [("20261025013000", ProblemCode.AMBIGUOUS_HOUR), ("20260329013000", ProblemCode.MISSING_HOUR)],
)
def test_a_doubtful_hour_is_told_of_each_time(sent: str, code: ProblemCode) -> None:
    for _ in range(2):
        problems = adt("A01", PV1.replace("20260101103000", sent)).problems
        assert [(each.code, each.at) for each in problems] == [(code, "PV1[1]-44")]


@pytest.mark.behaviour(122)
def test_death_keeps_its_precision_and_can_be_taken_back() -> None:
    def patient(death: str, indicator: str) -> dict[str, object]:
        pid = "|".join([*PID.split("|"), *[""] * 20, death, indicator])
        return stated(a_message("ADT^A08", "EVN|A08|20260103", pid, PV1)).patient or {}

    assert patient("20260105", "Y")["deceasedDateTime"] == "2026-01-05"
    assert patient("", "N")["deceasedBoolean"] is False
    pid = "|".join([*PID.split("|"), *[""] * 20, "RESURREC"])
    rules = FeedRules(edits=(DeathUndone(("RESURREC",)),))
    message = a_message("ADT^A08", "EVN|A08|20260103", pid, PV1)
    taken_back = mapping.state(message, state_maps(), timezone=LONDON, rules=rules)
    item = items(taken_back, ItemKind.PATIENT)[0]
    assert item.resources[0]["deceasedBoolean"] is False
    assert "deceasedDateTime" in item.cleared
