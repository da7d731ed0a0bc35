"""Each rule of the simulated Epic server, by its row in the matrix of vendors' behaviours (VENDORS, a.1)."""

from dataclasses import replace
from datetime import timedelta

import pytest
import requests
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.operationoutcome import OperationOutcome

from adapter.simulator.fhir_modes import EPIC_WORDS, FREE_TEXT, epic
from adapter.simulator.fhir_records import fhir_timeline
from adapter.simulator.fhir_server import running
from adapter.simulator.fhir_terms import ICD_10, identity
from tests.unit.simulator.fhir_client import NOON, a_change, a_value, at, get
from tests.unit.simulator.fhir_counter import BASE, Counter
from tests.unit.simulator.fhir_courses import COURSE, MERGED, day

CHILD = identity("Patient", "3000002")
PROVISIONAL = identity("Patient", "T1")
LABORATORY = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"


@pytest.fixture
def counter() -> Counter:
    return Counter(fhir_timeline([COURSE]), epic(), now=day(60))


@pytest.mark.parametrize("kind", ["Encounter", "Condition", "Procedure", "Observation", "DiagnosticReport", "Specimen"])
def test_population_search(counter: Counter, kind: str) -> None:
    asked = {"category": "laboratory"} if kind == "Observation" else {}
    answered = counter.search(kind, **asked)

    assert answered.status == 400
    assert answered.codes == ["4111"]
    assert counter.broken == ["population-search"]
    OperationOutcome.model_validate(answered.body)


def test_population_search_of_patients(counter: Counter) -> None:
    assert counter.search("Patient").codes == ["4110"]
    assert counter.search("Patient", gender="male").status == 400
    assert counter.search("Patient", _id=CHILD).ids == [CHILD]
    assert counter.broken == ["population-search"] * 2


@pytest.mark.parametrize("pairs", [[("patient", f"{CHILD},other")], [("patient", CHILD), ("patient", "other")]])
def test_population_search_of_several_patients(counter: Counter, pairs: list[tuple[str, str]]) -> None:
    answered = counter.search("Condition", *pairs)

    assert (answered.status, answered.codes) == (400, ["4112"])
    assert counter.broken == ["several-patients"]


def test_one_patient_may_be_named_twice(counter: Counter) -> None:
    answered = counter.search("Condition", patient=CHILD, subject=f"Patient/{CHILD}")

    assert answered.ids
    assert counter.broken == []


def test_observation_needs_a_category_or_a_code(counter: Counter) -> None:
    refused = counter.search("Observation", patient=CHILD)
    by_category = counter.search("Observation", patient=CHILD, category=LABORATORY)
    by_code = counter.search("Observation", patient=CHILD, code="8339-4")

    assert (refused.status, refused.codes) == (400, ["59108"])
    assert by_category.ids
    assert len(by_code.ids) == 1
    assert counter.broken == ["category-needed"]


def test_patient_search_ceiling() -> None:
    many = [a_change("Patient", f"p{number}", birthDate="2026-09-01") for number in range(101)]
    counter = Counter(many, epic(), now=NOON)
    answered = counter.search("Patient", birthdate="2026-09-01")

    assert (answered.status, answered.codes) == (400, ["4127", "59133"])
    assert counter.broken == ["too-many-patients"]


def test_last_updated_is_no_parameter_and_in_no_resource(counter: Counter) -> None:
    asked = counter.search("Condition", patient=CHILD, _lastUpdated="ge2027-01-01")

    assert asked.ids, "the filter was not applied"
    assert asked.codes == ["59100"]
    assert counter.broken == ["unknown-parameter"]
    assert all("meta" not in one["resource"] for one in asked.entries)
    read = counter.read("Patient", CHILD)
    assert "meta" not in read.body
    assert read.headers == {}


@pytest.mark.parametrize("name", ["_sort", "_summary", "colour"])
def test_an_unknown_parameter_is_told_of_with_200(counter: Counter, name: str) -> None:
    answered = counter.search("Condition", (name, "-date"), patient=CHILD)
    issue = next(one["resource"] for one in answered.entries if one["search"]["mode"] == "outcome")["issue"][0]

    assert (answered.status, answered.codes, issue["severity"]) == (200, ["59100"], "information")
    assert counter.broken == ["unknown-parameter"]
    assert counter.cases.violations[0].parameters == (name,)
    Bundle.model_validate({**answered.body, "entry": answered.entries})


def test_no_results_are_an_entry(counter: Counter) -> None:
    answered = counter.search("Procedure", patient="nobody")

    assert (answered.status, answered.codes, answered.ids) == (200, ["4101"], [])
    assert counter.broken == []


def test_with_ids_everything_else_is_ignored(counter: Counter) -> None:
    first, second = counter.search("Condition", patient=CHILD).ids[:2]
    answered = counter.search("Condition", _id=f"{first},{second}", patient="somebody-else", _count="10")

    assert sorted(answered.ids) == sorted([first, second])
    assert answered.codes == ["59100"]


def test_paging_session_expires_as_4113() -> None:
    values = [a_value(f"o{number}") for number in range(5)]
    counter = Counter(values, epic(), now=NOON)
    first = counter.search("Observation", patient="p1", code="2524-7", _count="2")
    counter.desk.forget()
    gone = counter.follow(first)

    assert (gone.status, gone.codes) == (400, ["4113"])
    assert counter.broken == []


def test_include_is_narrow(counter: Counter) -> None:
    taken = counter.search("Encounter", patient=CHILD, _include="Encounter:location")
    overlooked = counter.search("Observation", patient=CHILD, category="laboratory", _include="Observation:specimen")

    assert "include" in {one["search"]["mode"] for one in taken.entries}
    assert "include" not in {one["search"]["mode"] for one in overlooked.entries}
    assert overlooked.codes == ["59100"]


def test_interactions_are_read_and_search() -> None:
    with running(fhir_timeline([COURSE]), epic(), now=day(60)) as server:
        version = get(server, f"Patient/{CHILD}/_history/1")
        history = get(server, f"Patient/{CHILD}/_history")

        assert (version.status_code, history.status_code) == (400, 400)
        assert [one.rule for one in server.violations] == ["history"] * 2


def test_of_a_search_by_post_the_query_is_ignored() -> None:
    with running(fhir_timeline([COURSE]), epic(), now=day(60)) as server:
        url = f"{server.base}/Condition/_search"
        form = {"patient": CHILD}
        told = requests.post(f"{url}?category=problem-list-item", data=form, timeout=5).json()
        plain = requests.post(f"{url}?_format=json", data=form, timeout=5).json()

        assert told["total"] == plain["total"] == 3
        assert [entry["search"]["mode"] for entry in told["entry"]].count("outcome") == 1
        assert [one.parameters for one in server.violations] == [("category",)]


def test_additional_data_may_be_present(counter: Counter) -> None:
    counter.cases.incomplete.add(CHILD)
    answered = counter.search("Condition", patient=CHILD)

    assert answered.ids
    assert answered.codes == ["4119"]
    assert counter.search("Condition", patient="nobody").codes == ["4101"]


@pytest.mark.parametrize("code", ["4130", "4131"])
def test_access_denied_per_patient(counter: Counter, code: str) -> None:
    counter.cases.restricted[CHILD] = code
    searched = counter.search("Condition", patient=CHILD)
    read = counter.read("Patient", CHILD)

    assert (searched.status, searched.codes) == (403, [code])
    assert (read.status, read.codes) == (403, [code])
    assert counter.broken == []
    counter.search("Condition", patient=CHILD)
    assert counter.broken == ["asked-again-after-denial"]


def test_access_denied_per_patient_may_look_like_nothing_found(counter: Counter) -> None:
    counter.cases.restricted[CHILD] = "4134"
    answered = counter.search("Condition", patient=CHILD)

    assert (answered.status, answered.codes, answered.ids) == (200, ["4134"], [])
    assert counter.read("Patient", CHILD).status == 403


def test_daily_quota() -> None:
    counter = Counter(fhir_timeline([COURSE]), epic(quota={"DiagnosticReport": 2}), now=day(60))
    answers = [counter.search("DiagnosticReport", patient=CHILD) for _ in range(3)]

    assert [one.status for one in answers] == [200, 200, 403]
    assert answers[-1].codes == ["4135"]
    assert counter.search("Condition", patient=CHILD).status == 200
    assert counter.broken == []
    assert counter.search("DiagnosticReport", patient=CHILD).codes == ["4135"]
    assert counter.broken == ["asked-again-after-quota"]
    counter.archive.advance(day(61))
    assert counter.search("DiagnosticReport", patient=CHILD).status == 200


def test_merged_patient_is_a_redirect_on_read_and_in_no_search() -> None:
    counter = Counter(fhir_timeline([MERGED]), epic(), now=day(60))
    read = counter.read("Patient", PROVISIONAL)

    assert (read.status, read.codes) == (301, ["4107"])
    assert read.headers["Location"] == f"{BASE}/Patient/{CHILD}"
    assert counter.search("Patient", _id=PROVISIONAL).codes == ["4101"]
    assert counter.search("Condition", patient=PROVISIONAL).codes == ["4101"]
    assert counter.read("Patient", CHILD).status == 200


def test_deleted_on_read() -> None:
    counter = Counter(
        [a_change("Patient", "p1"), a_change("Patient", "p1", minutes=1, is_deleted=True)], epic(), now=at(2)
    )
    read = counter.read("Patient", "p1")

    assert (read.status, read.codes) == (410, ["4103"])
    assert counter.read("Patient", "p2").codes == ["4102"]


def test_lab_via_diagnostic_report_lacks_members_unless_read_by_id(counter: Counter) -> None:
    reports = counter.search("DiagnosticReport", patient=CHILD).entries
    members = {
        reference["reference"].partition("/")[2] for one in reports for reference in one["resource"].get("result", ())
    }
    searched = set(counter.search("Observation", patient=CHILD, category=LABORATORY).ids)
    missing = sorted(members - searched)

    assert missing
    assert searched < members
    assert [counter.read("Observation", one).status for one in missing] == [200] * len(missing)
    assert sorted(counter.search("Observation", _id=",".join(missing)).ids) == missing


def test_specimens_are_found_by_id_alone(counter: Counter) -> None:
    specimen = identity("Specimen", "26L1")

    assert counter.search("Specimen", patient=CHILD).codes == ["4111"]
    assert counter.search("Specimen", _id=specimen).ids == [specimen]


def test_codes_hold_free_text_and_displays_end_in_a_space(counter: Counter) -> None:
    codings = [
        coding
        for one in counter.search("Condition", patient=CHILD).entries
        for coding in one["resource"]["code"]["coding"]
    ]

    assert {coding["code"] for coding in codings if coding["system"] == EPIC_WORDS} == {FREE_TEXT}
    assert all(coding["display"].endswith(" ") for coding in codings if coding["system"] == ICD_10)


def test_what_is_allowed_leaves_no_trace(counter: Counter) -> None:
    for kind in ("Encounter", "Condition", "Procedure", "ServiceRequest", "ImagingStudy", "MedicationRequest"):
        assert counter.search(kind, patient=CHILD, _count="50").status == 200
    counter.search("DiagnosticReport", ("issued", "ge2026-01-01"), patient=CHILD)
    counter.search("Condition", ("recorded-date", "ge2026-01-01"), patient=CHILD)

    assert counter.broken == []


def test_rows_stay_where_they_are_while_they_are_read() -> None:
    settings = replace(epic(), page_size=2)
    counter = Counter([a_value(f"o{number}") for number in range(4)], settings, now=NOON)
    first = counter.search("Observation", patient="p1", code="2524-7")
    counter.archive.add([a_value("early", minutes=1)])
    counter.archive.advance(NOON + timedelta(minutes=2))

    assert [*first.ids, *counter.follow(first).ids] == ["o0", "o1", "o2", "o3"]
