"""Searches of a real server: what comes to the inbox, where a search stands, and how it gets over faults."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from adapter.envelope import Received
from adapter.errors import Halted, NotNow, SourceError, SourceFault
from adapter.simulator import fhir_faults as faults
from adapter.simulator.fhir_faults import Fault
from adapter.simulator.fhir_server import FhirServer as Hospital
from adapter.simulator.fhir_server import running
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_versions import Change
from adapter.sources.fhir_http import FhirServer, Limits
from adapter.sources.fhir_page import Entry
from adapter.sources.fhir_position import Position, Search
from adapter.sources.fhir_search import FhirSearches, Rules
from adapter.sources.smart_auth import StaticToken
from tests.fakes.paces import a_pace

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OVERLAP = timedelta(minutes=10)
TOKEN = "a-token-of-tests"
VALUES = Search("Observation", (("category", "laboratory"),))
PATIENTS = Search("Patient")


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def a_value(number: int, *, minutes: float | None = None, **more: Any) -> Change:
    coding = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}
    resource = {
        "resourceType": "Observation", "id": f"o{number}", "status": "final", "category": [{"coding": [coding]}],
        "subject": {"reference": "Patient/p1"}, **more,
    }  # fmt: skip
    return Change(visible_at=at(number if minutes is None else minutes), resource=resource)


class Disk:
    """Memory and inbox of one source. May die before any of its writes, as a killed process does."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.positions: dict[str, Position] = {}
        self.digests: set[tuple[str, bytes]] = set()
        self.counts: Counter[str] = Counter()
        self.troubles: dict[str, SourceFault] = {}
        self.dies_at = -1
        self.writes = 0

    def _write(self) -> None:
        self.writes += 1
        if self.writes == self.dies_at:
            raise SystemExit

    def keep(self, received: Sequence[Received]) -> None:
        self._write()
        self.bodies += [one.body for one in received]

    def position(self, search: Search) -> Position:
        return self.positions.setdefault(search.name, Position(first=at(-60)))

    def known(self, search: Search, entries: Sequence[Entry]) -> set[bytes]:
        return {entry.digest for entry in entries if (search.name, entry.digest) in self.digests}

    def page_in(self, search: Search, position: Position, entries: Sequence[Entry], counts: Mapping[str, int]) -> None:
        self._write()
        self.positions[search.name] = position
        self.digests |= {(search.name, entry.digest) for entry in entries}
        self.counts.update(counts)

    def trouble(self, search: Search, error: SourceError) -> None:
        self.troubles[search.name] = error.fault

    @property
    def versions(self) -> list[str]:
        """`o1/1`: every version of every resource in the inbox, in order."""
        found = [entry["resource"] for body in self.bodies for entry in msgspec.json.decode(body)["entry"]]
        return [f"{one['id']}/{one['meta']['versionId']}" for one in found]


class Place:
    """A hospital, and what reads it."""

    def __init__(self, hospital: Hospital) -> None:
        self.hospital, self.disk = hospital, Disk()
        self.now = at(600)
        self.token = TOKEN.encode()

    def turn(self, *searches: Search, count: int = 5, stop: threading.Event | None = None) -> list[SourceFault]:
        server = FhirServer(
            self.hospital.base,
            credentials=StaticToken(lambda: self.token),
            pace=a_pace(),
            limits=Limits(silence_s=0.3, first_wait_s=0.01, longest_wait_s=0.2),
        )
        try:
            return FhirSearches(
                "epr",
                searches or (VALUES,),
                server=server,
                keep=self.disk.keep,
                memory=self.disk,
                rules=Rules(overlap=OVERLAP, count=count, now=lambda: self.now),
            ).turn(stop or threading.Event())
        finally:
            server.close()

    def fails(self, *given: Fault, count: int = 5) -> SourceError:
        self.hospital.faults.add(*given)
        with pytest.raises(SourceError) as caught:
            self.turn(count=count)
        self.hospital.faults.clear()
        return caught.value

    @property
    def asked(self) -> list[str]:
        return [f"{one.interaction} {one.page}" for one in self.hospital.seen]

    def cursor(self, search: Search = VALUES) -> datetime | None:
        return self.disk.positions[search.name].cursor


EVERY = [f"o{number}/1" for number in range(23)]


def a_hospital(**settings: Any) -> Any:
    return running([a_value(number) for number in range(23)], Settings(token=TOKEN, **settings), now=at(60))


@pytest.fixture
def place() -> Iterator[Place]:
    with a_hospital() as hospital:
        yield Place(hospital)


def test_all_pages_come_to_the_inbox_and_the_cursor_moves_to_the_last_change(place: Place) -> None:
    assert place.turn() == []

    assert place.disk.versions == EVERY
    assert place.cursor() == at(22)
    assert place.disk.counts == {"pages": 5, "resources": 23, "unchanged": 0}
    query = place.hospital.seen[0].query
    assert "_lastUpdated=ge2026-03-01T11%3A00%3A00Z&_sort=_lastUpdated&_count=5" in query


@pytest.mark.behaviour(18)
def test_the_next_search_begins_an_overlap_before_the_cursor_and_takes_only_what_is_new(place: Place) -> None:
    place.turn()
    place.hospital.add([a_value(90, minutes=15), a_value(91, minutes=70), a_value(20, minutes=71, status="amended")])
    place.hospital.advance(at(80))

    place.turn()

    assert place.disk.versions[23:] == ["o90/1", "o91/1", "o20/2"]
    assert place.cursor() == at(71)
    since = [one.query for one in place.hospital.seen if one.interaction == "search"][1]
    assert "_lastUpdated=ge2026-03-01T12%3A12%3A00Z" in since


def test_a_search_is_complete_as_of_its_beginning(place: Place) -> None:
    place.fails(Fault(effect=faults.status(503), page=3, times=None))
    assert place.disk.positions[VALUES.name].complete is None
    place.now = at(700)
    place.hospital.add([a_value(95, minutes=650)])
    place.hospital.advance(at(690))

    place.turn()  # goes on with the pages of the search that began before the last value
    first = place.disk.positions[VALUES.name].complete
    place.turn()

    assert (first, place.disk.positions[VALUES.name].complete) == (at(600), at(700))
    assert place.disk.versions == [*EVERY, "o95/1"]


def test_nothing_new_appends_nothing(place: Place) -> None:
    place.turn()
    place.turn()

    assert place.disk.versions == EVERY
    assert place.disk.counts["unchanged"] == 11


@pytest.mark.behaviour(13)
def test_each_search_has_a_cursor_of_its_own(place: Place) -> None:
    place.hospital.add([Change(visible_at=at(3), resource={"resourceType": "Patient", "id": "p1"})])

    place.turn(PATIENTS, VALUES, Search("Observation", (("category", "exam"),)))

    assert {name: one.cursor for name, one in place.disk.positions.items()} == {
        "Patient": at(3), "Observation?category=laboratory": at(22), "Observation?category=exam": None,
    }  # fmt: skip


@pytest.mark.behaviour(19)
@pytest.mark.parametrize("dies_at", range(1, 11))
def test_killed_before_any_write_it_goes_on_and_loses_nothing(place: Place, dies_at: int) -> None:
    place.disk.dies_at = dies_at
    with pytest.raises(SystemExit):
        place.turn()
    assert place.cursor() is None

    place.turn()

    assert list(dict.fromkeys(place.disk.versions)) == EVERY
    # Of two messages with one page the second is the same bytes, which the inbox's reader drops.
    assert len(set(place.disk.bodies)) == 5
    assert place.cursor() == at(22)
    assert place.asked.count("search 1") == (2 if dies_at <= 2 else 1)


@pytest.mark.behaviour(23)
def test_links_that_expire_begin_the_search_again_from_where_the_order_lets_it(place: Place) -> None:
    place.hospital.faults.add(Fault(effect=faults.expired_link(), page=4))

    assert place.turn() == []

    assert place.disk.versions == EVERY
    assert place.disk.counts["restarts"] == 1
    # 15 were in, the last of minute 14: from ten minutes before that it goes on.
    assert (
        "_lastUpdated=ge2026-03-01T12%3A04%3A00Z"
        in [one.query for one in place.hospital.seen if one.interaction == "search"][1]
    )


@pytest.mark.behaviour(23)
def test_where_the_server_keeps_no_order_it_begins_at_the_cursor(place: Place) -> None:
    unsorted = Search("Observation", (("_sort", "-_lastUpdated"),))
    place.hospital.faults.add(Fault(effect=faults.expired_link(), page=4))

    assert place.turn(unsorted) == []

    assert sorted(place.disk.versions) == sorted(EVERY)
    first, second = [one.query for one in place.hospital.seen if one.interaction == "search"]
    assert first == second
    assert place.cursor(unsorted) == at(22)


def test_links_that_always_expire_end_the_turn_and_not_the_other_searches(place: Place) -> None:
    place.hospital.faults.add(Fault(effect=faults.expired_link(), interactions=("page",), times=None))

    assert place.turn(VALUES, PATIENTS) == [SourceFault.PAGING_EXPIRED]
    assert place.disk.troubles == {VALUES.name: SourceFault.PAGING_EXPIRED}
    assert PATIENTS.name in place.disk.positions
    assert place.cursor() is None

    place.hospital.faults.clear()
    place.turn()
    assert sorted(set(place.disk.versions)) == sorted(EVERY)


@pytest.mark.behaviour(21)
@pytest.mark.parametrize("effect", [faults.endless_next(), faults.page_again()])
def test_links_in_a_circle_end_the_search_and_the_next_turn_begins_it_again(place: Place, effect: Any) -> None:
    place.hospital.faults.add(Fault(effect=effect, page=2, times=None))

    assert place.turn(VALUES, PATIENTS) == [SourceFault.ENDLESS_PAGING]
    assert place.cursor() is None
    assert len(place.hospital.seen) < 120

    place.hospital.faults.clear()
    place.turn()
    assert place.disk.versions == EVERY
    assert place.cursor() == at(22)


@pytest.mark.behaviour(22)
def test_an_empty_page_with_a_next_link_is_gone_through() -> None:
    with a_hospital(has_total=False) as hospital:
        place = Place(hospital)
        hospital.faults.add(Fault(effect=faults.empty_page(), page=2))
        place.turn()
    assert place.disk.versions == [*EVERY[:5], *EVERY[10:]]


@pytest.mark.behaviour(29)
def test_a_wrong_total_is_not_looked_at(place: Place) -> None:
    place.hospital.faults.add(Fault(effect=faults.wrong_total(3), times=None))
    place.turn()
    assert place.disk.versions == EVERY


@pytest.mark.behaviour(10)
@pytest.mark.behaviour(20)
def test_a_link_to_another_host_halts_the_source_and_no_token_goes_there(place: Place) -> None:
    with running(settings=Settings(), now=at(60)) as other:
        error = place.fails(Fault(effect=faults.next_link(f"{other.base}?_getpages=x"), page=2))
        assert isinstance(error, Halted)
        assert other.seen == []
    assert place.disk.versions == EVERY[:10]
    assert place.cursor() is None

    place.turn()  # started again, after the server's team had a look
    assert place.disk.versions == EVERY


def test_relative_links_are_followed() -> None:
    with a_hospital(is_next_relative=True) as hospital:
        place = Place(hospital)
        place.turn()
    assert place.disk.versions == EVERY


@pytest.mark.behaviour(25)
@pytest.mark.behaviour(26)
def test_what_the_server_remarks_is_counted_and_never_data(place: Place) -> None:
    remark = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "warning", "code": "not-supported", "diagnostics": "x"}],
    }
    place.hospital.faults.add(Fault(effect=faults.with_entry(remark, mode="outcome"), page=2))
    place.turn()
    assert place.disk.versions == EVERY
    assert place.disk.counts["outcome.warning"] == 1


FAULTS = {
    "401": faults.unauthorised(),
    "429": faults.too_many(),
    "429 with a time": faults.too_many(retry_after="0"),
    "500": faults.status(500),
    "dropped": faults.dropped(),
    "truncated": faults.truncated(),
    "slow": faults.slow(pause_s=0.5),
    "expired": faults.expired_link(),
}


@pytest.mark.behaviour(5)
@pytest.mark.behaviour(36)
@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("page", [2, 5])
def test_after_any_one_fault_on_a_page_all_is_in(place: Place, name: str, page: int) -> None:
    place.hospital.faults.add(Fault(effect=FAULTS[name], page=page))

    assert place.turn() == []

    assert place.hospital.faults.hits == 1
    assert sorted(set(place.disk.versions)) == sorted(EVERY)
    assert place.cursor() == at(22)


@pytest.mark.behaviour(36)
def test_after_a_fault_that_stays_the_next_turn_goes_on_at_the_same_page(place: Place) -> None:
    error = place.fails(Fault(effect=faults.status(503), page=3, times=None))
    assert isinstance(error, NotNow)
    assert (place.disk.versions, place.cursor()) == (EVERY[:10], None)

    place.turn()

    assert place.disk.versions == EVERY
    assert place.asked.count("search 1") == 1


def test_a_link_that_still_fails_in_the_next_turn_is_given_up(place: Place) -> None:
    for _ in range(2):
        place.fails(Fault(effect=faults.status(500), page=3, times=None))

    place.turn()

    assert sorted(set(place.disk.versions)) == sorted(EVERY)
    assert place.asked.count("search 1") == 2


@pytest.mark.behaviour(37)
def test_a_search_that_is_refused_does_not_end_the_others(place: Place) -> None:
    place.hospital.faults.add(Fault(effect=faults.status(403, code="forbidden"), resource_type="Patient", times=None))

    assert place.turn(PATIENTS, VALUES) == [SourceFault.DENIED]
    assert place.disk.versions == EVERY
    assert place.disk.troubles == {"Patient": SourceFault.DENIED}


def test_an_outcome_in_place_of_a_page_moves_nothing(place: Place) -> None:
    place.hospital.faults.add(Fault(effect=faults.outcome_instead(), page=3))

    assert place.turn() == [SourceFault.NOT_A_SEARCHSET]
    assert (place.disk.versions, place.cursor()) == (EVERY[:10], None)

    place.turn()
    assert sorted(set(place.disk.versions)) == sorted(EVERY)


def test_a_wrong_token_reads_nothing(place: Place) -> None:
    place.token = b"another"
    error = place.fails()
    assert error.fault is SourceFault.UNAUTHORISED
    assert place.disk.bodies == []


def test_a_change_dated_in_the_future_does_not_hide_those_before_it(place: Place) -> None:
    far = Change(visible_at=at(30), resource=a_value(99).resource, updated_at=at(999_999))
    place.hospital.add([far])
    place.now = at(60)
    place.turn()
    assert place.cursor() == at(60)

    place.hospital.add([a_value(50, minutes=65)])
    place.hospital.advance(at(70))
    place.turn()
    assert place.disk.versions[-1] == "o50/1"


@pytest.mark.behaviour(24)
def test_a_resource_that_moves_while_pages_are_read_comes_in_both_versions(place: Place) -> None:
    place.turn(count=5)
    place.hospital.add([a_value(22, minutes=61, status="corrected")])
    place.hospital.advance(at(62))
    place.turn(count=5)
    assert [each for each in place.disk.versions if each.startswith("o22")] == ["o22/1", "o22/2"]


def test_a_stop_ends_the_turn_and_is_no_trouble(place: Place) -> None:
    stop = threading.Event()
    stop.set()
    assert place.turn(stop=stop) == []
    assert place.disk.troubles == {}


OF_ONE = VALUES._replace(patient_id="p1", patient_param="subject")


def test_all_of_one_patient_is_asked_for_whenever_it_was_changed(place: Place) -> None:
    place.hospital.add([a_value(77, subject={"reference": "Patient/p2"})])
    place.hospital.advance(at(80))
    place.disk.positions[OF_ONE.name] = Position(first=at(-60), cursor=at(50), is_sorted=False, is_whole=True)

    place.turn(OF_ONE)

    assert place.disk.versions == EVERY
    queries = [one.query for one in place.hospital.seen if one.interaction == "search"]
    assert queries == ["category=laboratory&subject=p1&_count=5"]
    assert "p1" not in "".join(place.disk.positions)


@pytest.mark.behaviour(18)
def test_what_is_new_of_one_patient_is_asked_for_from_the_overlap_on(place: Place) -> None:
    place.disk.positions[OF_ONE.name] = Position(first=at(-60), cursor=at(20), is_sorted=False)

    place.turn(OF_ONE._replace(overlap=timedelta(minutes=2)), count=3)

    assert place.disk.versions == [f"o{number}/1" for number in range(18, 23)]
    assert "_sort" not in place.hospital.seen[0].query
    assert place.cursor() == at(22)


def test_links_of_an_unsorted_search_that_expire_begin_it_at_its_cursor(place: Place) -> None:
    place.disk.positions[OF_ONE.name] = Position(first=at(-60), cursor=at(8), is_sorted=False)
    place.hospital.faults.add(Fault(effect=faults.expired_link(), page=4))

    place.turn(OF_ONE, count=5)

    asked = [one.query for one in place.hospital.seen if one.interaction == "search"]
    assert asked[1] == asked[0]
    assert place.disk.versions == EVERY


@pytest.mark.behaviour(16)
def test_where_only_creation_is_told_the_cursor_is_when_the_search_began(place: Place) -> None:
    by_creation = OF_ONE._replace(since_param="date", is_by_creation=True)
    place.disk.positions[by_creation.name] = Position(first=at(-60), is_sorted=False, is_whole=True)

    place.turn(by_creation)
    place.disk.positions[by_creation.name] = Position(first=at(-60), cursor=place.cursor(), is_sorted=False)
    place.turn(by_creation)

    assert place.cursor() == place.now
    assert place.hospital.seen[-1].query.startswith("category=laboratory&subject=p1&date=ge2026-03-01T21%3A50%3A00Z")


def test_a_search_with_more_pages_than_allowed_is_declined(place: Place) -> None:
    assert place.turn(VALUES._replace(max_pages=3), count=2) == [SourceFault.PAGE_LIMIT]
    assert len(place.hospital.seen) == 3


def test_a_position_never_asks_before_the_first_day() -> None:
    position = Position(first=NOON, cursor=NOON + timedelta(minutes=3, seconds=0.7))
    assert position.since(timedelta(minutes=10)) == NOON
    assert position.since(timedelta(minutes=1)) == NOON + timedelta(minutes=2)
