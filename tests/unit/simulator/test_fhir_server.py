from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.operationoutcome import OperationOutcome

from adapter.simulator.fhir_server import FhirServer, running
from adapter.simulator.fhir_settings import Settings, Unknown
from tests.unit.simulator.fhir_client import NOON, a_change, a_value, at, get, ids, link, pages

TOKEN = "a-token-of-tests"


@pytest.fixture
def server() -> Iterator[FhirServer]:
    values = [a_value(f"o{number}", minutes=number) for number in range(25)]
    with running([a_change("Patient", "p1", gender="male"), *values], now=at(60)) as served:
        yield served


def test_the_capability_statement_is_fhir_and_needs_no_token() -> None:
    with running(settings=Settings(token=TOKEN)) as server:
        answer = get(server, "metadata")

    assert answer.headers["content-type"] == "application/fhir+json"
    assert CapabilityStatement.model_validate(answer.json()).fhirVersion == "4.0.1"


@pytest.mark.parametrize("path", ["Patient/p1", "Patient", ""])
@pytest.mark.parametrize("token", ["", "another", TOKEN[:-1]])
def test_without_the_token_nothing_is_told(path: str, token: str) -> None:
    with running([a_change("Patient", "p1")], Settings(token=TOKEN), now=NOON) as server:
        answer = get(server, path, token=token)

    assert answer.status_code == 401
    assert OperationOutcome.model_validate(answer.json()).issue[0].code == "login"
    assert not server.seen[0].is_authorised


def test_the_token_may_change_while_the_server_runs() -> None:
    with running([a_change("Patient", "p1")], Settings(token=TOKEN), now=NOON) as server:
        before = get(server, "Patient/p1", token=TOKEN).status_code
        server.tokens = {"renewed"}
        after = [get(server, "Patient/p1", token=token).status_code for token in (TOKEN, "renewed")]

    assert before == 200
    assert after == [401, 200]


def test_a_resource_is_read_with_version_and_time(server: FhirServer) -> None:
    answer = get(server, "Patient/p1")

    meta = {"versionId": "1", "lastUpdated": "2026-09-01T13:00:00.000+01:00"}
    assert answer.json() == {"resourceType": "Patient", "id": "p1", "gender": "male", "meta": meta}
    assert answer.headers["etag"] == 'W/"1"'


def test_what_does_not_exist_is_not_found(server: FhirServer) -> None:
    for path in ("Patient/p2", "Spaceship/p1", "Spaceship"):
        answer = get(server, path)
        assert answer.status_code == 404
        OperationOutcome.model_validate(answer.json())


def test_pages_show_each_match_once_in_the_order_asked_for(server: FhirServer) -> None:
    bundles = list(pages(server, "Observation", _sort="_lastUpdated", _count="10"))

    assert [len(bundle["entry"]) for bundle in bundles] == [10, 10, 5]
    assert ids(*bundles) == [f"o{number}" for number in range(25)]
    assert {bundle["total"] for bundle in bundles} == {25}
    assert link(bundles[0], "self") == f"{server.base}/Observation?_sort=_lastUpdated&_count=10"
    assert "_lastUpdated" not in str(link(bundles[0], "next"))
    for bundle in bundles:
        Bundle.model_validate(bundle)


def test_a_page_is_no_longer_than_the_server_allows() -> None:
    with running([a_value(f"o{number}") for number in range(9)], Settings(page_size_limit=4), now=NOON) as server:
        assert [len(bundle["entry"]) for bundle in pages(server, "Observation", _count="100")] == [4, 4, 1]


def test_the_last_changed_come_first_when_asked_for(server: FhirServer) -> None:
    assert ids(get(server, "Observation", _sort="-_lastUpdated", _count=2).json()) == ["o24", "o23"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["ge2026-09-01T12:22:00Z"], ["o22", "o23", "o24"]),
        (["gt2026-09-01T12:22:00.000Z"], ["o23", "o24"]),
        (["gt2026-09-01T13:22:00+01:00"], ["o23", "o24"]),
        (["lt2026-09-01T12:02:00Z"], ["o0", "o1"]),
        (["le2026-09-01T12:02:00.000Z"], ["o0", "o1", "o2"]),
        (["ge2026-09-01T12:05:00Z", "lt2026-09-01T12:07:00Z"], ["o5", "o6"]),
        (["lt2026-09-01"], []),
    ],
)
def test_several_bounds_of_the_last_update_hold_at_once(
    server: FhirServer, asked: list[str], expected: list[str]
) -> None:
    assert ids(*pages(server, "Observation", _lastUpdated=asked, _sort="_lastUpdated")) == expected


def test_a_bound_without_encoded_plus_is_refused(server: FhirServer) -> None:
    answer = requests.get(f"{server.base}/Observation?_lastUpdated=ge2026-09-01T12:00:00+01:00", timeout=5)

    assert answer.status_code == 400
    assert "12:00" not in answer.text


def test_nothing_found_is_a_bundle_without_entries(server: FhirServer) -> None:
    bundle = get(server, "Observation", patient="nobody").json()

    assert bundle["total"] == 0
    assert "entry" not in bundle


def test_a_search_by_post_is_the_same_search(server: FhirServer) -> None:
    body = {"patient": "p1", "_lastUpdated": "ge2026-09-01T12:23:00Z"}
    answer = requests.post(f"{server.base}/Observation/_search", data=body, timeout=5)

    assert ids(answer.json()) == ["o23", "o24"]
    assert "patient=p1" in server.seen[-1].query


def test_the_count_alone_may_be_asked_for(server: FhirServer) -> None:
    bundle = get(server, "Observation", _summary="count").json()

    assert (bundle["total"], "entry" in bundle, link(bundle, "next")) == (25, False, None)


def test_an_unknown_parameter_is_refused_ignored_or_warned_of() -> None:
    found = {}
    for on_unknown in Unknown:
        with running([a_value("o1")], Settings(on_unknown=on_unknown), now=NOON) as server:
            found[on_unknown] = get(server, "Observation", colour="blue")

    assert found[Unknown.REFUSE].status_code == 400
    OperationOutcome.model_validate(found[Unknown.REFUSE].json())
    ignored, warned = found[Unknown.IGNORE].json(), found[Unknown.WARN].json()
    assert ids(ignored) == ids(warned) == ["o1"]
    assert "colour" not in str(link(ignored, "self"))
    assert [entry["search"]["mode"] for entry in warned["entry"]] == ["match", "outcome"]


@pytest.mark.parametrize(
    "asked", [{"_count": "ten"}, {"_sort": "colour"}, {"_include": "Observation:subject"}, {"date": "last week"}]
)
def test_a_value_that_cannot_be_taken_is_refused(server: FhirServer, asked: dict[str, str]) -> None:
    answer = get(server, "Observation", **asked)

    assert answer.status_code == 400
    OperationOutcome.model_validate(answer.json())


def test_a_server_may_search_only_patient_by_patient() -> None:
    changes = [a_value("o1"), a_value("o2", patient="p2")]
    with running(changes, Settings(patient_needed=frozenset({"Observation"})), now=NOON) as server:
        refused = get(server, "Observation", _lastUpdated="ge2026-01-01")
        taken = get(server, "Observation", patient="p1")

    assert refused.status_code == 400
    assert ids(taken.json()) == ["o1"]


def test_a_server_may_refuse_parameters_together() -> None:
    settings = Settings(exclusive=(frozenset({"date", "_lastUpdated"}),))
    with running([a_value("o1")], settings, now=NOON) as server:
        both = get(server, "Observation", date="ge2026-01-01", _lastUpdated="ge2026-01-01")
        one = get(server, "Observation", _lastUpdated="ge2026-01-01")

    assert (both.status_code, one.status_code) == (400, 200)


def test_versions_and_deletions_appear_as_the_time_passes() -> None:
    changes = [
        a_change("Patient", "p1", minutes=10, active=True),
        a_change("Patient", "p1", minutes=20, active=False),
        a_change("Patient", "p1", minutes=30, is_deleted=True),
        a_change("Patient", "p1", minutes=40, active=True),
    ]
    with running(changes, now=NOON) as server:
        seen = [get(server, "Patient/p1")]
        for minutes in (10, 20, 30, 40):
            server.advance(at(minutes))
            seen.append(get(server, "Patient/p1"))
        found_then = get(server, "Patient").json()["total"]

    assert [answer.status_code for answer in seen] == [404, 200, 200, 410, 200]
    assert [seen[place].json()["meta"]["versionId"] for place in (1, 2, 4)] == ["1", "2", "4"]
    assert seen[2].json()["meta"]["lastUpdated"] == "2026-09-01T13:20:00.000+01:00"
    assert found_then == 1
    assert server.archive.next_change_at() is None


def test_a_deleted_resource_is_in_no_search() -> None:
    changes = [a_value("o1"), a_value("o2"), a_change("Observation", "o1", minutes=5, is_deleted=True)]
    with running(changes, now=at(6)) as server:
        assert ids(get(server, "Observation").json()) == ["o2"]


def test_a_resource_may_be_stamped_long_before_it_is_seen() -> None:
    late = replace(a_value("o1", minutes=30), updated_at=at(1))
    with running([late], now=at(2)) as server:
        before = ids(get(server, "Observation").json())
        server.advance(at(31))
        after = ids(get(server, "Observation", _lastUpdated="lt2026-09-01T12:02:00Z").json())

    assert (before, after) == ([], ["o1"])


def test_pages_of_a_stable_server_do_not_move_and_those_of_another_do() -> None:
    changes = [a_value(f"o{number}", minutes=number) for number in range(4)]
    touched = a_value("o0", minutes=30)
    found = {}
    for is_stable in (True, False):
        with running([*changes, touched], Settings(is_paging_stable=is_stable), now=at(10)) as server:
            first = get(server, "Observation", _sort="_lastUpdated", _count=2).json()
            server.advance(at(31))
            found[is_stable] = ids(first, get(server, str(link(first, "next"))).json())

    assert found[True] == ["o0", "o1", "o2", "o3"]
    # o0 moves to the end, and what followed moves up: o2 is never shown.
    assert found[False] == ["o0", "o1", "o3", "o0"]


def test_a_link_expires_after_so_many_pages() -> None:
    with running([a_value(f"o{n}") for n in range(3)], Settings(page_size=1, link_life_pages=2), now=NOON) as server:
        old = str(link(get(server, "Observation").json(), "next"))
        get(server, "Observation")
        soon = get(server, old).status_code
        get(server, "Observation")
        late = get(server, old)

    assert soon == 200
    assert late.status_code == 410
    OperationOutcome.model_validate(late.json())


def test_next_links_may_be_relative_to_the_host() -> None:
    with running([a_value("o1"), a_value("o2")], Settings(page_size=1, is_next_relative=True), now=NOON) as server:
        url = str(link(get(server, "Observation").json(), "next"))

        assert url.startswith("/fhir/r4?_getpages=")
        assert ids(get(server, server.base.removesuffix("/fhir/r4") + url).json()) == ["o2"]


def test_included_resources_are_marked_and_not_counted() -> None:
    order = a_change("ServiceRequest", "s1")
    values = [a_value(f"o{number}", basedOn=[{"reference": "ServiceRequest/s1"}]) for number in range(2)]
    with running([order, *values], now=NOON) as server:
        bundle = get(server, "Observation", _include="Observation:based-on").json()

    assert bundle["total"] == 2
    assert ids(bundle) == ["o0", "o1"]
    assert ids(bundle, mode="include") == ["s1"]


LOINC = "http://loinc.org"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"code": f"{LOINC}|2524-7"}, ["o1", "o2"]),
        ({"code": "2524-7"}, ["o1", "o2"]),
        ({"code": "http://snomed.info/sct|2524-7"}, []),
        ({"code": "1-1,2524-7"}, ["o1", "o2"]),
        ({"code": f"{LOINC}|"}, ["o1", "o2"]),
        ({"status": "final"}, ["o1"]),
        ({"patient": "Patient/p2"}, ["o2"]),
        ({"subject": "Patient/p2,Patient/p1"}, ["o1", "o2"]),
        ({"subject": "p1"}, ["o1"]),
        ({"identifier": "urn:x|A1"}, ["o1"]),
        ({"identifier": "urn:y|A1"}, []),
        ({"_id": "o2,o3"}, ["o2"]),
        ({"date": "2026-09"}, ["o1", "o2"]),
        ({"date": "ge2026-09-02"}, ["o2"]),
        ({"date": ["gt2026-08-31", "lt2026-09-02"]}, ["o1"]),
    ],
)
def test_the_parameters_of_a_search_select(asked: dict[str, str], expected: list[str]) -> None:
    changes = [
        a_value("o1", effectiveDateTime="2026-09-01T23:30:00+01:00", identifier=[{"system": "urn:x", "value": "A1"}]),
        a_value("o2", effectiveDateTime="2026-09-02", patient="p2", status="preliminary"),
    ]
    with running(changes, now=NOON) as server:
        assert ids(get(server, "Observation", **asked).json()) == expected


def test_a_period_without_end_reaches_into_the_future() -> None:
    stay = a_change("Encounter", "e1", period={"start": "2026-08-01T10:00:00+01:00"})
    with running([stay], now=NOON) as server:
        found = [get(server, "Encounter", date=asked).json()["total"] for asked in ("gt2026-12-01", "lt2026-07-01")]

    assert found == [1, 0]
