"""Each rule of the simulated Oracle Health server, by the row of the matrix of vendors' behaviours (VENDORS, a.1)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from joserfc.jwk import RSAKey

from adapter.simulator.fhir_modes import oracle, oracle_tokens, oracle_while_working
from adapter.simulator.fhir_records import fhir_timeline
from adapter.simulator.fhir_terms import identity
from adapter.simulator.fhir_token import Client, TokenDesk
from adapter.simulator.fhir_versions import Change
from tests.unit.simulator.fhir_client import NOON, a_change, a_value, at
from tests.unit.simulator.fhir_counter import Counter
from tests.unit.simulator.fhir_courses import COURSE, MERGED, day

CHILD = identity("Patient", "3000002")
PROVISIONAL = identity("Patient", "T1")
VISIT = identity("Encounter", "V1")


@pytest.fixture
def counter() -> Counter:
    return Counter(fhir_timeline([COURSE]), oracle(), now=day(60))


@pytest.mark.parametrize("kind", ["Encounter", "Condition", "Procedure", "Observation", "DiagnosticReport", "Patient"])
def test_population_search(counter: Counter, kind: str) -> None:
    assert counter.search(kind).status == 400
    assert counter.broken == ["population-search"]


def test_patient_search_ceiling() -> None:
    many = [a_change("Patient", f"p{number}", birthDate="2026-09-01") for number in range(1001)]
    counter = Counter(many, oracle(), now=NOON)

    assert counter.search("Patient", birthdate="2026-09-01").status == 422
    assert counter.broken == ["too-many-patients"]


def test_id_combined(counter: Counter) -> None:
    assert counter.search("Encounter", _id=VISIT, patient=CHILD).status == 400
    assert counter.search("Encounter", _id=VISIT, _count="5").status == 400
    assert counter.search("Encounter", _id=VISIT).ids == [VISIT]
    assert counter.broken == ["id-not-alone"] * 2


@pytest.mark.parametrize("kind", ["Encounter", "Condition", "Procedure", "Observation", "DiagnosticReport"])
def test_last_updated_where_it_is(counter: Counter, kind: str) -> None:
    early = counter.search(kind, ("_lastUpdated", "ge2020-01-01"), patient=CHILD)
    late = counter.search(kind, ("_lastUpdated", "gt2027-01-01T00:00:00Z"), patient=CHILD)

    assert early.ids
    assert (late.status, late.ids) == (200, [])
    assert counter.broken == []


@pytest.mark.parametrize("kind", ["Patient", "RelatedPerson", "MedicationAdministration"])
def test_last_updated_where_it_is_not(counter: Counter, kind: str) -> None:
    answered = counter.search(kind, ("_lastUpdated", "ge2020-01-01"), patient=CHILD, identifier="x|3000002")

    assert answered.status == 400
    assert counter.broken == ["unknown-parameter"]


@pytest.mark.parametrize(
    ("values", "status"),
    [
        (["ge2026-01-01", "lt2027-01-01"], 200),
        (["2026-10-04"], 200),
        (["eq2026-10-04"], 200),
        (["ge2026-01-01", "gt2026-02-01"], 422),
        (["eq2026-01-01", "lt2026-02-01"], 422),
        (["ge2026-01-01", "lt2027-01-01", "lt2026-12-01"], 422),
        (["sa2026-01-01"], 422),
        (["ne2026-01-01"], 422),
    ],
)
def test_last_updated_is_given_at_most_twice_then_as_a_closed_range(
    counter: Counter, values: list[str], status: int
) -> None:
    answered = counter.search("Observation", *(("_lastUpdated", one) for one in values), patient=CHILD)

    assert answered.status == status
    assert counter.broken == (["date-form"] if status == 422 else [])


@pytest.mark.parametrize("kind", ["Observation", "Procedure", "DiagnosticReport"])
def test_last_updated_not_with_date(counter: Counter, kind: str) -> None:
    pair = [("_lastUpdated", "ge2026-01-01"), ("date", "2026-10-04T00:00:00Z")]
    answered = counter.search(kind, *pair, patient=CHILD)

    assert answered.status == 400
    assert counter.broken == ["not-together"]


@pytest.mark.parametrize("kind", ["Procedure", "DiagnosticReport"])
def test_date_prefixes_make_a_closed_range_with_times(counter: Counter, kind: str) -> None:
    assert counter.search(kind, ("date", "ge2026-01-01T00:00:00Z"), patient=CHILD).status == 422
    assert counter.search(kind, ("date", "ge2026-01-01"), ("date", "le2027-01-01"), patient=CHILD).status == 422
    closed = [("date", "ge2026-01-01T00:00:00Z"), ("date", "le2027-01-01T00:00:00Z")]
    assert counter.search(kind, *closed, patient=CHILD).status == 200
    assert counter.broken == ["date-form"] * 2


def test_orders_take_ge_and_le_with_a_time(counter: Counter) -> None:
    assert counter.search("ServiceRequest", ("_lastUpdated", "gt2026-01-01T00:00:00Z"), patient=CHILD).status == 422
    assert counter.search("ServiceRequest", ("_lastUpdated", "ge2026-01-01"), patient=CHILD).status == 422
    assert counter.search("ServiceRequest", ("_lastUpdated", "ge2026-01-01T00:00:00Z"), patient=CHILD).ids


@pytest.mark.parametrize("name", ["_sort", "_include", "_total", "identifier"])
def test_an_unsupported_parameter_is_refused(counter: Counter, name: str) -> None:
    assert counter.search("Observation", (name, "Observation:specimen"), patient=CHILD).status == 400
    assert counter.broken == ["unknown-parameter"]


def test_related_persons_are_found_by_level(counter: Counter) -> None:
    assert counter.search("RelatedPerson", patient=CHILD).status == 400
    assert counter.search("RelatedPerson", ("-relationship-level", "Patient"), patient=CHILD).ids
    assert counter.broken == ["value-needed"]


def test_imaging_study_is_not_served(counter: Counter) -> None:
    assert counter.search("ImagingStudy", patient=CHILD).status == 404
    assert counter.read("ImagingStudy", identity("ImagingStudy", "A100")).status == 404
    assert counter.broken == ["type-not-served"] * 2


@pytest.mark.parametrize(("count", "lengths"), [(None, [50, 0, 25, 50, 0, 25, 50, 0, 25, 25]), ("1000", [200, 0, 50])])
def test_count_of_observations_is_50_or_at_most_200(count: str | None, lengths: list[int]) -> None:
    counter = Counter([a_value(f"o{number}") for number in range(250)], oracle(), now=NOON)
    asked = {"_count": count} if count else {}

    assert [len(page.ids) for page in counter.pages("Observation", patient="p1", **asked)] == lengths


@pytest.mark.parametrize(("count", "first"), [(None, 10), ("1000", 100)])
def test_count_of_reports_is_10_or_at_most_100(count: str | None, first: int) -> None:
    reports = [
        a_change("DiagnosticReport", f"r{number}", subject={"reference": "Patient/p1"}, conclusion="clear")
        for number in range(120)
    ]
    asked = {"_count": count} if count else {}

    assert len(Counter(reports, oracle(), now=NOON).search("DiagnosticReport", patient="p1", **asked).ids) == first


def test_count_of_patients_is_20() -> None:
    counter = Counter(
        [a_change("Patient", f"p{number}", birthDate="2026-09-01") for number in range(25)], oracle(), now=NOON
    )

    assert len(counter.search("Patient", birthdate="2026-09-01").ids) == 20


def test_pages_may_be_short_or_empty_and_have_a_next_link_still() -> None:
    counter = Counter([a_value(f"o{number}") for number in range(10)], oracle(), now=NOON)
    pages = list(counter.pages("Observation", patient="p1", _count="4"))

    assert [len(page.ids) for page in pages] == [4, 0, 2, 4]
    assert pages[1].next
    assert len({one for page in pages for one in page.ids}) == 10


def test_sort_order_is_newest_first_by_effective_time_or_by_last_update() -> None:
    values = [
        a_value("old", minutes=3, effectiveDateTime="2026-08-01T00:00:00Z"),
        a_value("new", minutes=1, effectiveDateTime="2026-08-03T00:00:00Z"),
        a_value("middle", minutes=2, effectiveDateTime="2026-08-02T00:00:00Z"),
    ]
    counter = Counter(values, oracle(), now=at(9))

    assert counter.search("Observation", patient="p1").ids == ["new", "middle", "old"]
    updated = counter.search("Observation", ("_lastUpdated", "ge2026-01-01"), patient="p1")
    assert updated.ids == ["old", "middle", "new"]


def test_the_same_id_comes_on_several_pages_in_different_versions() -> None:
    values = [a_value(f"o{number}") for number in range(6)]
    corrected = a_value("o0", minutes=5, status="corrected")
    counter = Counter([*values, corrected], oracle(), now=at(9))
    seen = [
        (one["resource"]["id"], one["resource"]["meta"]["versionId"])
        for page in counter.pages("Observation", patient="p1", _count="2")
        for one in page.entries
    ]

    assert ("o0", "2") in seen
    assert ("o0", "1") in seen[seen.index(("o0", "2")) :], "the older version comes later"


def test_rows_move_under_the_reader() -> None:
    values = [a_value(f"o{number}", minutes=number) for number in range(4)]
    changed = a_value("o0", minutes=9.5, status="corrected")
    settings = oracle_while_working(a_page_takes=timedelta(minutes=1))
    counter = Counter([*values, changed], settings, now=at(9))
    pages = list(counter.pages("Observation", ("_lastUpdated", "ge2026-01-01"), patient="p1", _count="3"))

    assert pages[0].ids == ["o3", "o2", "o1"]
    statuses = [one["resource"]["status"] for page in pages for one in page.entries]
    assert "corrected" not in statuses, "the row moved to the front while page two was read"
    again = counter.search("Observation", ("_lastUpdated", "ge2026-01-01"), patient="p1").entries
    assert (again[0]["resource"]["id"], again[0]["resource"]["status"]) == ("o0", "corrected")


def test_merged_patient_is_read_by_id_and_in_no_search() -> None:
    counter = Counter(fhir_timeline([MERGED]), oracle(), now=day(60))
    read = counter.read("Patient", PROVISIONAL)

    assert read.body["active"] is False
    assert read.body["link"] == [{"other": {"reference": f"Patient/{CHILD}"}, "type": "replaced-by"}]
    assert "lastUpdated" not in read.body["meta"]
    assert "identifier" not in read.body
    assert counter.search("Patient", _id=PROVISIONAL).ids == []
    assert counter.search("Patient", identifier="T1").ids == []


def test_merged_encounter_is_unknown_and_part_of_the_survivor() -> None:
    counter = Counter(fhir_timeline([COURSE]), oracle(), now=day(60))
    merged = {"status": "unknown", "partOf": {"reference": f"Encounter/{VISIT}"}, "location": []}
    counter.archive.add([_visit("other", **merged)])

    found = next(
        one["resource"]
        for one in counter.search("Encounter", patient=CHILD).entries
        if one["resource"]["id"] == "other"
    )
    assert (found["status"], found["partOf"]["reference"]) == ("unknown", f"Encounter/{VISIT}")


def _visit(id: str, **elements: object) -> Change:
    resource = {"resourceType": "Encounter", "id": id, "subject": {"reference": f"Patient/{CHILD}"}, **elements}
    return Change(visible_at=day(59), resource=resource)


def test_locations_and_medicines_are_contained(counter: Counter) -> None:
    visit = next(
        one["resource"] for one in counter.search("Encounter", patient=CHILD).entries if "contained" in one["resource"]
    )
    places = {one["id"] for one in visit["contained"]}

    assert {stay["location"]["reference"] for stay in visit["location"]} == {f"#{one}" for one in places}
    given = [one["resource"] for one in counter.search("MedicationRequest", patient=CHILD).entries]
    inner = [one for one in given if "medicationReference" in one]
    assert inner[0]["contained"][0]["resourceType"] == "Medication"
    assert counter.read("Medication", inner[0]["contained"][0]["id"]).status == 404


def test_diagnostic_report_shows_only_reports_with_text(counter: Counter) -> None:
    reports = [one["resource"] for one in counter.search("DiagnosticReport", patient=CHILD).entries]

    assert reports
    assert all(one["conclusion"] for one in reports)


def test_token_lives_570_s_and_is_asked_for_once_a_minute() -> None:
    clock = [0.0]
    desk = replace(oracle_tokens(Client(client_id="us", secret="s")), now=lambda: clock[0])
    form = {
        "grant_type": "client_credentials", "scope": "system/Patient.rs", "client_id": "us", "client_secret": "s"
    }  # fmt: skip
    first = desk.answer(form, "", url="http://ehr.example/token")
    clock[0] = 59
    second = desk.answer(form, "", url="http://ehr.example/token")
    clock[0] = 60
    third = desk.answer(form, "", url="http://ehr.example/token")

    assert [first[0], second[0], third[0]] == [200, 429, 200]
    assert first[1]["expires_in"] == 570
    assert [one.rule for one in desk.violations] == ["token-asked-too-often"]


def test_who_cannot_sign_in_is_noted() -> None:
    key = RSAKey.generate_key(2048, parameters={"kid": "one"})
    desk = TokenDesk(clients=(Client(client_id="us", jwks={"keys": [key.as_dict(private=False)]}),))
    form = {"grant_type": "client_credentials", "client_id": "us", "client_secret": "guessed", "scope": "x"}

    assert desk.answer(form, "", url="http://ehr.example/token")[0] == 400
    assert [one.rule for one in desk.violations] == ["not-signed-in"]
