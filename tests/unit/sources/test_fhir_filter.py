"""What of a page is kept: nobody else's, nothing that was not asked for, each resource in its newest version."""

import json
from typing import Any

import pytest

from adapter.sources.fhir_filter import Asked, Newest, Ours, keep_ours
from adapter.sources.fhir_match import fits
from adapter.sources.fhir_page import Page, read_page

BASE = "https://fhir.example.nhs.uk/r4"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
OF_P1 = Asked("Observation", [("category", "laboratory"), ("patient", "p1"), ("_count", "50")], "p1")


def a_value(identity: str, *, of: str = "Patient/p1", category: str = "laboratory", **more: Any) -> dict[str, Any]:
    coding = {"system": CATEGORY, "code": category}
    return {
        "resourceType": "Observation", "id": identity, "category": [{"coding": [coding]}], "status": "final",
        "subject": {"reference": of}, **more,
    }  # fmt: skip


def a_page(*resources: dict[str, Any], included: tuple[dict[str, Any], ...] = (), self_link: str = "") -> Page:
    entries = [{"resource": each, "search": {"mode": "match"}} for each in resources]
    entries += [{"resource": each, "search": {"mode": "include"}} for each in included]
    links = [{"relation": "self", "url": self_link}] if self_link else []
    body = {"resourceType": "Bundle", "type": "searchset", "entry": entries, "link": links}
    return read_page(json.dumps(body).encode(), url=f"{BASE}/Observation")


def names(ours: Ours) -> list[str]:
    return [entry.name for entry in ours.page.entries]


@pytest.mark.behaviour(32)
@pytest.mark.parametrize(
    "other",
    [
        a_value("other", of="Patient/p2"),
        a_value("other", of=f"{BASE}/Patient/p2"),
        a_value("other", of="Patient/p2/_history/3"),
        {"resourceType": "Patient", "id": "p2"},
        {"resourceType": "RelatedPerson", "id": "other", "patient": {"reference": "Patient/p2"}},
    ],
)
@pytest.mark.parametrize("mode", ["match", "include"])
def test_a_resource_of_another_patient_is_not_kept(other: dict[str, Any], mode: str) -> None:
    mine = a_value("mine")
    page = a_page(mine, other) if mode == "match" else a_page(mine, included=(other,))

    ours = keep_ours(page, OF_P1)

    assert (names(ours), ours.strangers, ours.dropped, ours.is_unfiltered) == (["Observation/mine"], 1, 0, False)


@pytest.mark.behaviour(32)
@pytest.mark.parametrize(
    "one",
    [
        a_value("one", of=f"{BASE}/Patient/p1"),
        a_value("one", of="Patient/p1/_history/2"),
        a_value("one", of="#contained"),
        a_value("one", of="Group/g1"),
        {"resourceType": "Observation", "id": "one", "subject": {"identifier": {"value": "1"}}},
        {"resourceType": "Observation", "id": "one", "subject": 7},
        {"resourceType": "Location", "id": "one"},
        {"resourceType": "Patient", "id": "p1"},
    ],
)
def test_what_is_theirs_or_says_of_nobody_goes_on(one: dict[str, Any]) -> None:
    ours = keep_ours(a_page(one), OF_P1)

    assert (len(ours.page.entries), ours.strangers) == (1, 0)


def test_a_search_of_everybody_keeps_everybody() -> None:
    page = a_page(a_value("one"), a_value("other", of="Patient/p2"))
    assert keep_ours(page, Asked("Observation", [("category", "laboratory")])).page is page


@pytest.mark.behaviour(26)
def test_what_a_server_did_not_filter_is_filtered_here() -> None:
    sample, unused = {"resourceType": "Specimen", "id": "s1"}, {"resourceType": "Specimen", "id": "s2"}
    page = a_page(
        a_value("mine", specimen={"reference": "Specimen/s1"}),
        a_value("vital", category="vital-signs", specimen={"reference": "Specimen/s2"}),
        a_value("other", of="Patient/p2"),
        included=(sample, unused),
    )._replace(ignored=("59100",))

    ours = keep_ours(page, OF_P1)

    assert names(ours) == ["Observation/mine", "Specimen/s1"]
    assert (ours.strangers, ours.dropped, ours.is_unfiltered) == (1, 2, True)


@pytest.mark.behaviour(26)
def test_a_parameter_that_the_link_to_itself_lacks_was_ignored() -> None:
    resources = (a_value("mine"), a_value("vital", category="vital-signs"))
    used = f"{BASE}/Observation?patient=p1&_count=50"
    whole = f"{BASE}/Observation?category=laboratory&patient=Patient%2Fp1"

    assert names(keep_ours(a_page(*resources, self_link=used), OF_P1)) == ["Observation/mine"]
    other_words = f"{BASE}/Observation?Category=laboratory&subject=p1"
    for link in (whole, other_words, f"{BASE}?_getpages=abc", "https://[::1", ""):
        ours = keep_ours(a_page(*resources, self_link=link), OF_P1)
        assert (len(ours.page.entries), ours.is_unfiltered) == (2, False)


@pytest.mark.behaviour(26)
@pytest.mark.parametrize(
    ("parameter", "value", "does"),
    [
        ("_id", "o1,o2", True),
        ("_id", "o2", False),
        ("category", "laboratory", True),
        ("category", "vital-signs,laboratory", True),
        ("category", f"{CATEGORY}|laboratory", True),
        ("category", f"{CATEGORY}|", True),
        ("category", "http://other|laboratory", False),
        ("category", "vital-signs", False),
        ("category:not", "laboratory", True),
        ("code", "1988-5", True),
        ("code", "http://loinc.org|718-7", False),
        ("status", "final", True),
        ("status", "amended", False),
        ("date", "ge2026-03-01", True),
        ("date", "ge2026-03-04", False),
        ("date", "le2026-03", True),
        ("date", "lt2026-02-25", False),
        ("date", "2026-03-01", True),
        ("date", "eq2026-05", False),
        ("date", "sa2027", True),
        ("issued", "ge2026-03-01T12:00:00Z", True),
        ("issued", "ge2026-03-01T12:00:02Z", False),
        ("issued", "gt2026-03-01T13:00:00+01:00", True),
        ("_lastUpdated", "ge2026-03-02T00:00:00Z", True),
        ("_lastUpdated", "ge2026-03-02T00:00:02Z", False),
        ("onset-date", "ge2030", True),
        ("unheard-of", "x", True),
    ],
)
def test_a_second_look_at_a_parameter(parameter: str, value: str, does: bool) -> None:
    resource = a_value(
        "o1",
        code={"coding": [{"system": "http://loinc.org", "code": "1988-5"}]},
        effectiveDateTime="2026-03-01",
        issued="2026-03-01T12:00:00Z",
        meta={"lastUpdated": "2026-03-02T00:00:00.500Z"},
    )
    assert fits(resource, parameter, value) is does


@pytest.mark.behaviour(26)
@pytest.mark.parametrize(
    ("resource", "parameter", "value", "does"),
    [
        ({"resourceType": "Encounter", "period": {"start": "2026-03-01T10:00:00Z"}}, "date", "ge2026-04-01", True),
        ({"resourceType": "Encounter", "period": {"end": "2026-03-01T10:00:00Z"}}, "date", "ge2026-04-01", False),
        ({"resourceType": "Encounter", "period": {"start": "soon"}}, "date", "ge2026-04-01", True),
        ({"resourceType": "Procedure", "performedPeriod": {"start": "2026-05"}}, "date", "lt2026-02", False),
        ({"resourceType": "Encounter", "class": {"code": "IMP"}}, "class", "IMP", True),
        ({"resourceType": "Encounter", "class": {"code": "IMP"}}, "class", "AMB", False),
        ({"resourceType": "Patient", "identifier": [{"system": "s", "value": "1"}]}, "identifier", "s|1", True),
        ({"resourceType": "Patient", "identifier": [{"system": "s", "value": "1"}]}, "identifier", "s|2", False),
        ({"resourceType": "MedicationRequest", "medicationReference": {}}, "code", "x", True),
        ({"resourceType": "Medication", "medicationCodeableConcept": {"coding": {"code": "y"}}}, "code", "x", False),
        ({"resourceType": "Observation"}, "category", "laboratory", False),
        ({"resourceType": "Observation", "effectiveDateTime": "0001-01-01"}, "date", "ge2026", True),
        ({"resourceType": "Observation", "effectiveDateTime": "2026-03-01T10:00"}, "date", "ge2026-03-01T20:00Z", True),
        ({"resourceType": "Observation", "effectiveInstant": "2026-03-01T10:00:00Z"}, "date", "ge2026-03-03", False),
        ({"resourceType": "Condition", "recordedDate": "2026"}, "recorded-date", "ge2026-11-01", True),
        ({"resourceType": "Condition", "recordedDate": "2025"}, "recorded-date", "ge2026-11-01", False),
    ],
)  # fmt: skip
def test_a_second_look_at_other_types(resource: dict[str, Any], parameter: str, value: str, does: bool) -> None:
    assert fits(resource, parameter, value) is does


def versions(*found: tuple[str, str | None]) -> Page:
    resources = [
        a_value("o1", meta={"versionId": number, **({"lastUpdated": updated} if updated else {})})
        for number, updated in found
    ]
    return a_page(*resources)


@pytest.mark.behaviour(24)
def test_of_one_resource_on_several_pages_the_newest_is_kept() -> None:
    one, two, three = (("1", "2026-03-01T10:00:00Z"), ("2", "2026-03-01T11:00:00Z"), ("3", "2026-03-01T12:00:00Z"))
    newest = Newest()

    pages = [newest.only(versions(*page).entries) for page in ([two, one], [one, two], [three], [two])]

    assert [[entry.version.split("|")[1] for entry in page] for page in pages] == [["2"], [], ["3"], []]


@pytest.mark.behaviour(24)
def test_versions_of_one_moment_are_told_apart_by_their_number() -> None:
    moment = "2026-03-01T10:00:00Z"
    newest = Newest()

    kept = newest.only(versions(("9", moment), ("10", moment), ("2", moment)).entries)

    assert [entry.version.split("|")[1] for entry in kept] == ["10"]


def test_versions_that_do_not_say_when_come_in_the_order_they_were_read() -> None:
    newest = Newest()
    first, second = versions(("1", None)), versions(("2", None))

    assert len(newest.only(first.entries)) == len(newest.only(second.entries)) == 1
    assert newest.only(second.entries) == []


@pytest.mark.behaviour(24)
def test_what_cannot_be_read_or_has_no_id_is_never_taken_for_the_same() -> None:
    page = read_page(
        json.dumps({"resourceType": "Bundle", "entry": [7, 8, {"resource": {"resourceType": "Observation"}}]}).encode(),
        url=BASE,
    )
    newest = Newest()

    assert len(newest.only(page.entries)) == 3
    assert len(newest.only(page.entries)) == 3


def test_what_is_included_stays_on_each_page_that_refers_to_it() -> None:
    sample = {"resourceType": "Specimen", "id": "s1", "meta": {"versionId": "1", "lastUpdated": "2026-03-01T10:00:00Z"}}
    newest = Newest()

    for page in (a_page(a_value("o1"), included=(sample,)), a_page(a_value("o2"), included=(sample,))):
        assert [entry.name for entry in newest.only(page.entries)][1] == "Specimen/s1"


def test_what_is_remembered_of_a_long_search_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapter.sources.fhir_filter._MOST_REMEMBERED", 3)
    newest = Newest()
    pages = [a_page(a_value(f"o{number}"), a_value(f"p{number}")) for number in range(4)]

    assert all(len(newest.only(page.entries)) == 2 for page in pages)
    assert newest.only(pages[3].entries) == []
    assert len(newest.only(pages[0].entries)) == 2
