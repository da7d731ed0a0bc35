"""What a search did not bring: read once, so far and no farther, and told where it cannot be had; on a real server."""

import json
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from adapter import fhir
from adapter.errors import Declined, NotNow, SourceFault
from adapter.simulator import fhir_faults as faults
from adapter.simulator.fhir_faults import Fault
from adapter.simulator.fhir_server import FhirServer as Hospital
from adapter.simulator.fhir_server import running
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_versions import Change
from adapter.sources.fhir_http import Answers, FhirServer, Limits
from adapter.sources.fhir_hydrate import Filled, Hydrator, Path, Target, Whose, target_of
from adapter.sources.fhir_outcomes import Action, Outcomes
from adapter.sources.fhir_page import Entry, body_of, read_page
from adapter.sources.fhir_request import Style
from adapter.sources.smart_auth import NoCredentials
from tests.fakes.paces import a_pace

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RESULT = Path("DiagnosticReport", ("result",))
BASE = "https://fhir.example.nhs.uk/r4"


def a_resource(name: str, *, of: str = "p1", **more: Any) -> dict[str, Any]:
    kind, _, identity = name.partition("/")
    owner = {} if kind in {"Location", "Medication"} else {"subject": {"reference": f"Patient/{of}"}}
    return {"resourceType": kind, "id": identity, "status": "final", **owner, **more}


def to(*names: str) -> list[dict[str, str]]:
    return [{"reference": name} for name in names]


STORED = [
    a_resource("Observation/o1", specimen=to("Specimen/s1")[0]),
    a_resource("Observation/o2", hasMember=to("Observation/o3")),
    a_resource("Observation/o3", hasMember=to("Observation/o4")),
    a_resource("Observation/o4", hasMember=to("Observation/o2")),
    a_resource("Observation/other", of="p2"),
    a_resource("Specimen/s1"),
    a_resource("Location/l1"),
]


@pytest.fixture
def hospital() -> Iterator[Hospital]:
    changes = [Change(visible_at=NOON, resource=each) for each in STORED]
    with running(changes, Settings(), now=NOON) as server:
        yield server


def on_a_page(*resources: dict[str, Any]) -> list[Entry]:
    entries = [{"resource": each, "search": {"mode": "match"}} for each in resources]
    return read_page(json.dumps({"resourceType": "Bundle", "entry": entries}).encode(), url=BASE).entries


class Place:
    """A server, and the reading of one search."""

    def __init__(self, hospital: Hospital, *paths: Path, post: bool = False, rules: Answers | None = None) -> None:
        self.hospital = hospital
        limits = Limits(attempts=2, silence_s=0.5, first_wait_s=0.01, longest_wait_s=0.05)
        self.server = FhirServer(
            hospital.base, credentials=NoCredentials(), pace=a_pace(), limits=limits, rules=rules or Answers()
        )
        self.paths, self.style = paths, Style(post=post)
        self.shared: dict[str, Entry] = {}
        self.begin()

    def begin(self) -> None:
        """With the next child."""
        whose = Whose("p1", self.shared)
        self.hydrator = Hydrator(self.paths, server=self.server, stop=threading.Event(), style=self.style, whose=whose)

    def fill(self, *resources: dict[str, Any]) -> Filled:
        return self.hydrator.fill(on_a_page(*resources))

    @property
    def read(self) -> list[str]:
        return [one.url.removeprefix(f"{self.hospital.base}/") for one in self.hospital.seen]


def names(filled: Filled) -> list[str]:
    return [entry.name for entry in filled.entries]


def a_report(*results: str) -> dict[str, Any]:
    return a_resource("DiagnosticReport/d1", result=to(*results))


@pytest.mark.behaviour(30)
def test_results_that_a_search_did_not_bring_are_read_and_stand_in_the_same_bundle(hospital: Hospital) -> None:
    place = Place(hospital, RESULT)

    filled = place.fill(a_report("Observation/o1", "Observation/o2"))

    assert names(filled) == ["DiagnosticReport/d1", "Observation/o1", "Observation/o2"]
    assert place.read == ["Observation/o1", "Observation/o2"]
    found, _ = fhir.statements(body_of(filled.entries, timestamp="2026-03-01T12:00:00Z"))
    assert sum(len(statement.items) for statement in found) >= 2


@pytest.mark.behaviour(30)
@pytest.mark.parametrize(
    ("depth", "read"), [(1, ["o2"]), (2, ["o2", "o3"]), (3, ["o2", "o3", "o4"]), (5, ["o2", "o3", "o4"])]
)
def test_members_of_members_are_read_so_far_and_never_in_a_circle(
    hospital: Hospital, depth: int, read: list[str]
) -> None:
    place = Place(hospital, RESULT._replace(depth=depth), Path("Observation", ("hasMember",)))

    place.fill(a_report("Observation/o2"))

    assert place.read == [f"Observation/{each}" for each in read]


@pytest.mark.behaviour(30)
def test_what_stands_on_the_page_is_not_read_and_what_was_read_is_remembered(hospital: Hospital) -> None:
    place = Place(hospital, RESULT, Path("Observation", ("specimen",)))

    first = place.fill(a_report("Observation/o1"), STORED[0])
    second = place.fill(a_report("Observation/o1"))

    assert place.read == ["Specimen/s1"]
    assert names(first) == ["DiagnosticReport/d1", "Observation/o1", "Specimen/s1"]
    assert names(second) == ["DiagnosticReport/d1", "Observation/o1"]
    again = place.fill(STORED[0])
    assert (names(again), again.fetched, len(place.read)) == (["Observation/o1", "Specimen/s1"], 0, 1)


@pytest.mark.behaviour(30)
def test_what_another_search_of_the_patient_has_brought_is_set_beside_and_not_read(hospital: Hospital) -> None:
    place = Place(hospital, RESULT)
    place.fill(STORED[0])
    place.hydrator.remember(on_a_page(STORED[1]))

    filled = place.fill(a_report("Observation/o1", "Observation/o2"))

    assert names(filled) == ["DiagnosticReport/d1", "Observation/o1", "Observation/o2"]
    assert [entry.is_include for entry in filled.entries] == [False, True, True]
    assert (filled.fetched, place.read) == (0, [])


@pytest.mark.behaviour(30)
def test_what_is_nobodys_is_read_once_for_all_patients(hospital: Hospital) -> None:
    place = Place(hospital, Path("Encounter", ("location", "location")), RESULT)
    visit = a_resource("Encounter/e1", location=[{"location": to("Location/l1")[0]}])
    place.fill(visit, a_report("Observation/o1"))
    place.begin()

    filled = place.fill(visit, a_report("Observation/o1"))

    assert (len(filled.entries), filled.fetched) == (4, 1)
    assert place.read == ["Location/l1", "Observation/o1", "Observation/o1"]


@pytest.mark.behaviour(30)
def test_an_element_within_a_list_is_found(hospital: Hospital) -> None:
    place = Place(hospital, Path("Encounter", ("location", "location")))
    visit = a_resource("Encounter/e1", location=[{"location": to("Location/l1")[0]}, {"status": "active"}])

    assert names(place.fill(visit)) == ["Encounter/e1", "Location/l1"]


@pytest.mark.behaviour(30)
@pytest.mark.parametrize("post", [False, True])
def test_many_are_read_by_one_search_where_the_server_takes_a_list_of_ids(hospital: Hospital, post: bool) -> None:
    place = Place(hospital, RESULT._replace(by_search=True), post=post)

    filled = place.fill(a_report("Observation/o1", "Observation/o2", "Observation/none"))

    assert len(place.read) == 1
    assert ("_id" in hospital.seen[0].url) is not post
    assert names(filled) == ["DiagnosticReport/d1", "Observation/o1", "Observation/o2"]
    assert filled.unresolved == {"not-found": 1}


@pytest.mark.behaviour(32)
def test_another_patients_resource_is_not_kept_though_a_reference_leads_to_it(hospital: Hospital) -> None:
    filled = Place(hospital, RESULT).fill(a_report("Observation/other"))

    assert (names(filled), filled.strangers) == (["DiagnosticReport/d1"], 1)


@pytest.mark.behaviour(31)
@pytest.mark.parametrize(
    ("reference", "meant"),
    [
        ({"reference": "Observation/1"}, Target(name="Observation/1")),
        ({"reference": f"{BASE}/Observation/1"}, Target(name="Observation/1")),
        ({"reference": "Observation/1/_history/7"}, Target(name="Observation/1")),
        ({"reference": f"{BASE}/Observation/1/_history/7"}, Target(name="Observation/1")),
        ({"reference": "#inside"}, Target()),
        ({"reference": "#missing"}, Target(problem="not-contained")),
        ({"reference": "urn:uuid:here"}, Target()),
        ({"reference": "urn:uuid:elsewhere"}, Target(problem="not-in-the-bundle")),
        ({"reference": "https://other.example/r4/Observation/1"}, Target(problem="elsewhere")),
        ({"reference": "Observation?identifier=1"}, Target(problem="malformed")),
        ({"reference": "Observation/../Patient/1"}, Target(problem="malformed")),
        ({"reference": "Observation"}, Target(problem="malformed")),
        ({"identifier": {"value": "1"}}, Target(problem="logical")),
        ({"display": "Blood"}, Target()),
        ({"reference": 7}, Target()),
    ],
)
def test_each_form_of_reference_is_resolved_by_its_rule_or_told(reference: dict[str, Any], meant: Target) -> None:
    local = {"#inside": None, "urn:uuid:here": None}
    assert target_of(reference, base_url=BASE, local=local) == meant


@pytest.mark.behaviour(31)
def test_references_that_cannot_be_followed_are_counted_by_their_reason(hospital: Hospital) -> None:
    report = a_report(
        "Observation/none", "#inside", "#missing", "urn:uuid:x", "https://other.example/r4/Observation/1",
        f"{hospital.base}/Observation/o1/_history/1",
    )  # fmt: skip
    report["contained"] = [{"resourceType": "Observation", "id": "inside"}]
    report["result"].append({"identifier": {"value": "1"}})
    place = Place(hospital, RESULT)

    filled = place.fill(report)

    assert names(filled) == ["DiagnosticReport/d1", "Observation/o1"]
    assert filled.unresolved == {
        "not-found": 1, "not-contained": 1, "not-in-the-bundle": 1, "elsewhere": 1, "logical": 1
    }  # fmt: skip
    assert sorted(place.read) == ["Observation/none", "Observation/o1"]


@pytest.mark.behaviour(38)
def test_a_denial_for_a_person_is_not_passed_over(hospital: Hospital) -> None:
    hospital.faults.add(Fault(effect=faults.status(403, code="forbidden"), interactions=("read",), times=None))
    counted = Place(hospital, RESULT).fill(a_report("Observation/o1"))
    strict = Place(hospital, RESULT, rules=Answers(outcomes=Outcomes([("forbidden", Action.PERSON)])))

    assert counted.unresolved == {"denied": 1}
    with pytest.raises(Declined) as caught:
        strict.fill(a_report("Observation/o1"))
    assert caught.value.fault is SourceFault.PERSON


def test_a_server_in_trouble_ends_the_reading_and_nothing_is_remembered_as_missing(hospital: Hospital) -> None:
    place = Place(hospital, RESULT)
    hospital.faults.add(Fault(effect=faults.status(500), interactions=("read",), times=2))

    with pytest.raises(NotNow):
        place.fill(a_report("Observation/o1"))

    assert names(place.fill(a_report("Observation/o1"))) == ["DiagnosticReport/d1", "Observation/o1"]


def test_what_cannot_be_read_refers_to_nothing(hospital: Hospital) -> None:
    body = json.dumps(
        {
            "resourceType": "Bundle",
            "entry": [7, {"resource": {"resourceType": "DiagnosticReport", "id": "d", "result": 7}}],
        }
    )
    entries: Sequence[Entry] = read_page(body.encode(), url=BASE).entries

    assert len(Place(hospital, RESULT).hydrator.fill(entries).entries) == 2
