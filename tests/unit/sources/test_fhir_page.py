"""What is on a page of a search, whatever a server puts there."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapter import fhir
from adapter.errors import Declined, NotNow, SourceFault
from adapter.sources.fhir_outcomes import Issue, issues_of
from adapter.sources.fhir_page import body_of, read_page, to_keep

URL = "https://fhir.example.nhs.uk/r4/Observation?_count=2"


def a_resource(
    identity: str = "o1", *, updated: str | None = "2026-03-01T10:00:00.000Z", **more: Any
) -> dict[str, Any]:
    meta = {"versionId": "1", **({"lastUpdated": updated} if updated else {})}
    return {"resourceType": "Observation", "id": identity, "meta": meta, "status": "final", **more}


def a_page(*resources: dict[str, Any] | None, **more: Any) -> bytes:
    entries = [{"fullUrl": "urn:x", "resource": resource, "search": {"mode": "match"}} for resource in resources]
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries, **more}).encode()


def to(url: str, relation: str = "next") -> list[dict[str, str]]:
    return [{"relation": "self", "url": URL}, {"relation": relation, "url": url}]


def test_each_resource_keeps_its_bytes_and_says_when_it_was_changed() -> None:
    body = a_page(a_resource(valueQuantity={"value": 7.40}), a_resource("o2", updated="2026-07-01T10:00:00+01:00"))
    body = body.replace(b"7.4}", b"7.40}")

    page = read_page(body, url=URL)

    assert [entry.updated for entry in page.entries] == [
        datetime(2026, 3, 1, 10, tzinfo=UTC),
        datetime(2026, 7, 1, 9, tzinfo=UTC),
    ]
    assert all(entry.raw in body for entry in page.entries)
    assert b"7.40}" in page.entries[0].raw
    assert (page.next_link, page.issues) == ("", [])


@pytest.mark.behaviour(20)
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://fhir.example.nhs.uk/r4?_getpages=a%7Cb", "https://fhir.example.nhs.uk/r4?_getpages=a%7Cb"),
        ("/r4?_getpages=a", "https://fhir.example.nhs.uk/r4?_getpages=a"),
        ("Observation?ct=a", "https://fhir.example.nhs.uk/r4/Observation?ct=a"),
        ("?ct=a", "https://fhir.example.nhs.uk/r4/Observation?ct=a"),
        ("//elsewhere.example/r4", "https://elsewhere.example/r4"),
        ("https://[::1", "https://[::1"),
    ],
)
def test_a_next_link_is_taken_as_given_and_a_relative_one_from_its_page(written: str, meant: str) -> None:
    assert read_page(a_page(link=to(written)), url=URL).next_link == meant
    assert read_page(a_page(link=to(written, "previous")), url=URL).next_link == ""


@pytest.mark.behaviour(25)
@pytest.mark.parametrize("search", [{"mode": "outcome"}, {}, None])
def test_an_outcome_among_the_entries_is_a_remark_and_never_data(search: dict[str, str] | None) -> None:
    issue = {
        "severity": "warning", "code": "not-supported", "diagnostics": "Baby Invented, born 1 March",
        "details": {"coding": [{"code": "59100"}], "text": "Baby Invented"},
    }  # fmt: skip
    outcome = {"resourceType": "OperationOutcome", "issue": [issue, {"severity": "Baby", "code": "Baby Invented"}]}
    page = read_page(a_page(a_resource(), entry=[{"resource": outcome, "search": search}]), url=URL)

    assert page.entries == []
    assert page.issues == [
        Issue("warning", "59100", ("59100", "not-supported")),
        Issue("other", "other", ("other",)),
    ]
    assert (page.ignored, page.unknown) == (("59100",), ("other",))
    assert issues_of(b"<html>") == []


def test_entries_without_a_resource_are_nothing() -> None:
    assert read_page(a_page(None), url=URL).entries == []
    assert read_page(b'{"resourceType": "Bundle"}', url=URL).entries == []


@pytest.mark.parametrize("entry", [7, {"resource": 7}, {"resource": {"meta": "none"}}, {"search": "x", "resource": {}}])
def test_an_entry_that_cannot_be_read_goes_on_so_that_a_person_sees_it(entry: object) -> None:
    page = read_page(a_page(entry=[entry]), url=URL)

    assert [(one.raw, one.updated) for one in page.entries] == [(json.dumps(entry).encode(), None)]


@pytest.mark.parametrize(
    ("body", "error", "fault"),
    [
        (b'{"resourceType": "Bundle", "entry": [', NotNow, SourceFault.BROKEN_BODY),
        (b"", NotNow, SourceFault.BROKEN_BODY),
        (b"<html>Please log in</html>", NotNow, SourceFault.BROKEN_BODY),
        (b"\xff\xfe{}", NotNow, SourceFault.BROKEN_BODY),
        (b"[]", NotNow, SourceFault.NOT_A_SEARCHSET),
        (b'{"resourceType": "Bundle", "entry": {}}', NotNow, SourceFault.NOT_A_SEARCHSET),
        (b'{"resourceType": "Patient"}', Declined, SourceFault.NOT_A_SEARCHSET),
    ],
)
def test_what_is_no_searchset_is_refused_whole(body: bytes, error: type[Exception], fault: SourceFault) -> None:
    with pytest.raises(error) as caught:
        read_page(body, url=URL)
    assert caught.value.fault is fault  # type: ignore[attr-defined]
    assert "log in" not in str(caught.value)


def test_an_outcome_in_place_of_the_page_is_told_by_its_codes() -> None:
    issue = {"severity": "error", "code": "processing", "diagnostics": "Baby Invented"}
    with pytest.raises(Declined, match="^the answer is no FHIR Bundle but an OperationOutcome: processing$"):
        read_page(json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode(), url=URL)


def test_what_goes_to_the_inbox_is_the_same_bytes_whenever_the_page_is_got() -> None:
    bodies = []
    for moment in ("2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z"):
        page = read_page(a_page(a_resource(), a_resource("o2"), id=moment, timestamp=moment, link=to(moment)), url=URL)
        bodies.append(body_of(page.entries, timestamp=page.timestamp))

    assert bodies[0] == bodies[1]
    found, problems = fhir.statements(bodies[0])
    assert (found, [problem.text for problem in problems]) == ([], ["no reference to a patient"] * 2)


def test_the_time_of_the_answer_is_the_clock_of_what_has_none_of_its_own() -> None:
    page = read_page(
        a_page(a_resource(updated=None, subject={"reference": "Patient/1"}), timestamp="2026-03-01T11:00:00Z"), url=URL
    )
    statements, _ = fhir.statements(body_of(page.entries, timestamp=page.timestamp))

    clock = timedelta(microseconds=statements[0].items[0].clock_us)
    assert datetime(1970, 1, 1, tzinfo=UTC) + clock == datetime(2026, 3, 1, 11, tzinfo=UTC)


def an_include(kind: str, identity: str, **more: Any) -> dict[str, Any]:
    resource = {"resourceType": kind, "id": identity, **more}
    return {"resource": resource, "search": {"mode": "include"}}


@pytest.mark.behaviour(28)
def test_what_a_new_resource_refers_to_comes_with_it_though_it_is_in_already() -> None:
    new = {"resource": a_resource("new", specimen={"reference": "Specimen/s1"}), "search": {"mode": "match"}}
    old = {"resource": a_resource("old", specimen={"reference": "Specimen/s2"}), "search": {"mode": "match"}}
    included = [
        an_include("Specimen", "s1", parent=[{"reference": "Specimen/s12"}]),
        an_include("Specimen", "s2"),
        an_include("Specimen", "s12"),
        an_include("Specimen", "s123"),
    ]
    entries = read_page(a_page(entry=[new, new, old, *included]), url=URL).entries
    known = {entry.digest for entry in entries if entry.name != "Observation/new"}

    assert [entry.name for entry in to_keep(entries, known)] == ["Observation/new", "Specimen/s1", "Specimen/s12"]
    assert to_keep(entries, {entry.digest for entry in entries}) == []
    assert len(to_keep(entries, set())) == 6


@pytest.mark.behaviour(28)
@pytest.mark.parametrize("kind", ["Specimen", "Medication", "Location", "ServiceRequest"])
def test_what_refers_to_a_new_sample_drug_place_or_order_comes_again_with_it(kind: str) -> None:
    here = {"resource": a_resource("here", specimen={"reference": f"{kind}/x1"}), "search": {"mode": "match"}}
    beside = {"resource": a_resource("beside", specimen={"reference": f"{kind}/x12"}), "search": {"mode": "match"}}
    included = [an_include(kind, "x1", partOf={"reference": f"{kind}/x2"}), an_include(kind, "x12")]
    before = read_page(a_page(entry=[here, beside, *included, an_include(kind, "x2")]), url=URL).entries
    after = read_page(a_page(entry=[here, beside, *included, an_include(kind, "x2", name="moved")]), url=URL).entries

    kept = to_keep(after, {entry.digest for entry in before})

    assert {entry.name for entry in kept} == {"Observation/here", f"{kind}/x1", f"{kind}/x2"}
    assert to_keep(after, {entry.digest for entry in after}) == []


def test_a_patient_who_changes_does_not_bring_all_their_results_again() -> None:
    result = {"resource": a_resource("here", subject={"reference": "Patient/p1"}), "search": {"mode": "match"}}
    entries = read_page(a_page(entry=[result, an_include("Patient", "p1")]), url=URL).entries

    assert [entry.name for entry in to_keep(entries, {entries[0].digest})] == ["Patient/p1"]
