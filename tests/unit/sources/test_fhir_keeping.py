"""Of the pages of one search: what goes to the inbox, what is counted, why it is not whole, who is to be told."""

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from adapter.errors import SourceFault
from adapter.simulator import fhir_faults as faults
from adapter.simulator.fhir_faults import Fault
from adapter.simulator.fhir_server import FhirServer as Hospital
from adapter.simulator.fhir_server import running
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_versions import Change
from adapter.sources.fhir_filter import Asked
from adapter.sources.fhir_http import FhirServer, Limits
from adapter.sources.fhir_hydrate import Hydrator, Path, Whose
from adapter.sources.fhir_keeping import Keeping, Kept
from adapter.sources.fhir_page import Entry, Page, read_page
from adapter.sources.smart_auth import NoCredentials
from tests.fakes.paces import a_pace

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ASKED = Asked("Observation", [("category", "laboratory"), ("patient", "p1"), ("_count", "50")], "p1")
SPECIMEN = Path("Observation", ("specimen",))


def a_value(identity: str, *, of: str = "p1", specimen: str = "s1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": identity, "category": [{"coding": [{"code": "laboratory"}]}],
        "subject": {"reference": f"Patient/{of}"}, "specimen": {"reference": f"Specimen/{specimen}"}, **more,
    }  # fmt: skip


def a_page(*resources: dict[str, Any], **more: Any) -> Page:
    entries = [{"resource": each} for each in resources]
    body = json.dumps({"resourceType": "Bundle", "entry": entries}).encode()
    return read_page(body, url="https://fhir.example.nhs.uk/r4")._replace(**more)


@pytest.fixture
def hospital() -> Iterator[Hospital]:
    samples = [
        {"resourceType": "Specimen", "id": number, "subject": {"reference": "Patient/p1"}} for number in ("s1", "s2")
    ]
    with running([Change(visible_at=NOON, resource=each) for each in samples], Settings(), now=NOON) as server:
        yield server


class Reading:
    """One search, and what is in already."""

    def __init__(self, hospital: Hospital, *paths: Path, stored: Iterable[bytes] = ()) -> None:
        server = FhirServer(
            hospital.base,
            credentials=NoCredentials(),
            pace=a_pace(),
            limits=Limits(attempts=1, first_wait_s=0.01),
        )
        hydrator = Hydrator(paths, server=server, stop=threading.Event(), whose=Whose("p1"))
        self.keeping = Keeping(ASKED, hydrator=hydrator, feed="epr", search="Observation")
        self.stored = set(stored)

    def kept(self, page: Page, *, is_whole: bool = False) -> Kept:
        kept = self.keeping.kept(page, known=self._known, is_whole=is_whole)
        self.stored |= {entry.digest for entry in kept.entries}
        return kept

    def _known(self, entries: Sequence[Entry]) -> set[bytes]:
        return {entry.digest for entry in entries} & self.stored

    @property
    def remarks(self) -> list[tuple[SourceFault, str]]:
        return [(remark.fault, remark.code) for remark in self.keeping.remarks]


def names(kept: Kept) -> list[str]:
    return [entry.name.partition("/")[2] for entry in kept.entries]


def counted(kept: Kept) -> dict[str, int]:
    return {name: number for name, number in kept.counts.items() if number and name != "pages"}


@pytest.mark.behaviour(30)
def test_what_is_new_goes_with_what_it_refers_to_and_what_is_known_asks_for_nothing(hospital: Hospital) -> None:
    reading = Reading(hospital, SPECIMEN)

    first = reading.kept(a_page(a_value("o1"), a_value("o2", specimen="s2")))
    asked = len(hospital.seen)
    again = Reading(hospital, SPECIMEN, stored=reading.stored)
    second = again.kept(a_page(a_value("o1"), a_value("o3", specimen="s2")))

    assert (names(first), counted(first)) == (["o1", "o2", "s1", "s2"], {"resources": 4, "fetched": 2})
    assert (names(second), counted(second)) == (["o3", "s2"], {"resources": 2, "unchanged": 1, "fetched": 1})
    assert (asked, len(hospital.seen)) == (2, 3)


@pytest.mark.behaviour(17)
@pytest.mark.behaviour(30)
def test_a_whole_reading_finds_what_changed_behind_a_reference_that_did_not(hospital: Hospital) -> None:
    before = Reading(hospital, SPECIMEN)
    before.kept(a_page(a_value("o1")))
    changed = {"resourceType": "Specimen", "id": "s1", "subject": {"reference": "Patient/p1"}, "condition": []}
    hospital.add([Change(visible_at=NOON, resource=changed)])

    assert names(Reading(hospital, SPECIMEN, stored=before.stored).kept(a_page(a_value("o1")))) == []
    whole = Reading(hospital, SPECIMEN, stored=before.stored)
    assert sorted(names(whole.kept(a_page(a_value("o1")), is_whole=True))) == ["o1", "s1"]


@pytest.mark.behaviour(32)
def test_another_patients_resource_is_an_alarm_and_leaves_the_child_incomplete(hospital: Hospital) -> None:
    reading = Reading(hospital)

    kept = reading.kept(a_page(a_value("o1"), a_value("other", of="p2")))
    reading.kept(a_page(a_value("another", of="p3")))

    assert names(kept) == ["o1"]
    assert counted(kept)["identity.other-patient"] == 1
    assert reading.remarks == [(SourceFault.OTHER_PATIENT, "")]
    assert reading.keeping.alarms == [SourceFault.OTHER_PATIENT]


@pytest.mark.behaviour(26)
def test_a_parameter_that_was_ignored_is_an_alarm_but_nothing_is_missing(hospital: Hospital) -> None:
    reading = Reading(hospital)
    vital = a_value("vital", category=[{"coding": [{"code": "vital-signs"}]}])

    kept = reading.kept(a_page(a_value("o1"), vital, a_value("other", of="p2"), ignored=("59100",)))

    assert (names(kept), reading.remarks) == (["o1"], [])
    assert reading.keeping.alarms == [SourceFault.UNFILTERED]
    assert counted(kept) == {"filter.ignored": 1, "filter.dropped": 2, "resources": 1, "unchanged": 2}


@pytest.mark.behaviour(26)
def test_what_was_ignored_is_ignored_on_the_pages_that_follow_too(hospital: Hospital) -> None:
    reading = Reading(hospital)
    vital = a_value("vital", category=[{"coding": [{"code": "vital-signs"}]}])
    reading.kept(a_page(a_value("o1"), ignored=("59100",)))

    kept = reading.kept(a_page(a_value("o2"), vital, a_value("other", of="p2")))

    assert (names(kept), reading.remarks, counted(kept)["filter.dropped"]) == (["o2"], [], 2)


@pytest.mark.behaviour(25)
@pytest.mark.behaviour(27)
def test_what_the_server_remarks_is_counted_and_more_than_it_shows_is_missing(hospital: Hospital) -> None:
    reading = Reading(hospital)

    kept = reading.kept(a_page(a_value("o1"), incomplete=("4119",), unknown=("77777", "other")))
    reading.kept(a_page(a_value("o2"), incomplete=("4119",)))

    assert names(kept) == ["o1"]
    assert counted(kept)["outcome.unknown"] == 2
    assert reading.remarks == [(SourceFault.INCOMPLETE, "4119")]
    assert reading.keeping.alarms == []


@pytest.mark.behaviour(31)
@pytest.mark.parametrize(
    ("status", "reason", "is_missing"), [(404, "not-found", False), (410, "gone", False), (403, "denied", True)]
)
def test_what_a_resource_refers_to_and_is_withheld_is_missing_what_is_gone_is_only_counted(
    hospital: Hospital, status: int, reason: str, is_missing: bool
) -> None:
    hospital.faults.add(Fault(effect=faults.status(status), interactions=("read",), times=None))
    reading = Reading(hospital, SPECIMEN)

    kept = reading.kept(a_page(a_value("o1")))

    assert names(kept) == ["o1"]
    assert counted(kept)[f"reference.unresolved.{reason}"] == 1
    assert reading.remarks == ([(SourceFault.INCOMPLETE, f"reference-{reason}")] if is_missing else [])


@pytest.mark.behaviour(24)
def test_an_older_version_on_a_later_page_is_not_kept(hospital: Hospital) -> None:
    reading = Reading(hospital)
    newer = a_value("o1", meta={"versionId": "2", "lastUpdated": "2026-03-01T11:00:00Z"})
    older = a_value("o1", meta={"versionId": "1", "lastUpdated": "2026-03-01T10:00:00Z"})

    assert names(reading.kept(a_page(newer))) == ["o1"]
    kept = reading.kept(a_page(older))
    assert (names(kept), counted(kept)) == ([], {"unchanged": 1})
