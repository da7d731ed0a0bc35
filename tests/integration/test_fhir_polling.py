"""A FHIR server polled into a real store: from its pages to rows, over restarts, faults and idle turns."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from adapter.config import FhirSearchSource
from adapter.service.assembly import Mappings
from adapter.service.polling import Poller
from adapter.simulator import fhir_faults as faults
from adapter.simulator.fhir_faults import Fault
from adapter.simulator.fhir_server import FhirServer, running
from adapter.simulator.fhir_versions import Change
from adapter.store import polls
from tests.acceptance.hospital import comparable
from tests.fakes.polled_hospital import TOKEN, TYPES, changes, polled, polling_trust
from tests.integration.trust import Trust, load
from tests.unit.simulator.fhir_courses import day

CHILDREN = 3


class Polled:
    """A trust and its poller; both may be started again."""

    def __init__(self, file: Path, loaded: Mappings) -> None:
        self.file = file
        self.trust = Trust(load(file), mappings=loaded)
        self.poller = self._open()

    def _open(self) -> Poller:
        source = load(self.file).sources[0]
        assert isinstance(source, FhirSearchSource)
        return Poller(load(self.file), source)

    def restart(self) -> None:
        self.poller.close()
        self.poller = self._open()

    def rewrite(self, before: str, after: str) -> None:
        """Another setting, and started again."""
        text = self.file.read_text()
        assert before in text
        self.file.write_text(text.replace(before, after))
        self.restart()

    def turn(self) -> float | None:
        wait_s = self.poller.turn(threading.Event())
        self.trust.works.drain()
        return wait_s

    @property
    def status(self) -> dict[str, object]:
        return dict(self.trust.status()["fhir_sources"]["fhir"])

    @property
    def rows(self) -> list[str]:
        """Those that are held among them; not what once was and is deleted."""
        return comparable(row for row in self.trust.rows(every=True) if row["state"] != "deleted")

    def count(self, table: str) -> int:
        with self.trust.works.database.read() as conn:
            return int(conn.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())

    @property
    def stored(self) -> dict[str, int]:
        return {table: self.count(table) for table in ("message", "assertion", "csor_row")}

    def close(self) -> None:
        self.poller.close()
        self.trust.close()


Poll = Callable[..., Polled]


@pytest.fixture
def poll(tmp_path: Path, mappings: Path, loaded: Mappings) -> Iterator[Poll]:
    made: list[Polled] = []

    def make(server: FhirServer, *, url: str = "", **of_source: str) -> Polled:
        more = {"store": f"{{url: '{url}'}}"} if url else {}
        file = polling_trust(tmp_path / f"trust{len(made)}", server, mappings=mappings, more=more, **of_source)
        made.append(Polled(file, loaded))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_a_server_read_in_two_turns_gives_each_child_its_rows(
    poll: Poll, store: str, request: pytest.FixtureRequest
) -> None:
    url = str(request.getfixturevalue("postgres_url")) if store == "postgresql" else ""
    with polled(CHILDREN, now=day(30)) as server:
        here = poll(server, url=url, count="7")
        assert here.turn() == pytest.approx(1, abs=1)
        server.advance(day(51))
        here.turn()

    assert here.trust.cases()["nec"] == "confirmed"
    kinds = {row["kind"] for row in here.trust.rows()}
    assert {"infant", "admission", "diagnosis", "operation", "lab_result", "condition_case"} <= kinds
    assert len(here.trust.rows("infant")) == CHILDREN
    assert here.trust.parked() == []


def test_how_often_and_in_which_pages_a_server_is_read_makes_no_difference(poll: Poll) -> None:
    with polled(CHILDREN) as server:
        at_once = poll(server)
        at_once.turn()
    with polled(CHILDREN, now=day(-1)) as server:
        by_and_by = poll(server, count="3")
        for number in range(0, 52, 3):
            server.advance(day(number))
            by_and_by.turn()

    assert by_and_by.rows == at_once.rows
    assert len(at_once.rows) > 10 * CHILDREN


def test_the_order_of_the_types_makes_no_difference(poll: Poll) -> None:
    with polled(CHILDREN) as server:
        forward, backward = poll(server), poll(server)
        source = backward.file.read_text()
        head, _, tail = source.partition("types: {")
        listed, _, rest = tail.partition("}, limits")
        backwards = ", ".join(each.strip() for each in reversed(_types_of(listed)))
        backward.file.write_text(f"{head}types: {{{backwards}}}, limits{rest}")
        backward.restart()
        forward.turn()
        backward.turn()
        asked = [one.resource_type for one in server.seen]

    assert asked[: len(TYPES)] == list(TYPES)
    assert asked[len(TYPES) :] == list(reversed(TYPES))
    assert backward.rows == forward.rows


def _types_of(listed: str) -> list[str]:
    found, depth, one = [], 0, ""
    for sign in listed:
        depth += (sign in "{[") - (sign in "}]")
        if sign == "," and depth == 0:
            found, one = [*found, one], ""
        else:
            one += sign
    return [*found, one]


@pytest.mark.behaviour(18)
def test_idle_turns_store_nothing(poll: Poll) -> None:
    with polled(CHILDREN) as server:
        here = poll(server, overlap="P60D", count="5")
        here.turn()
        here.turn()  # the histories of those who are held since
        before, rows = here.stored, here.rows
        for _ in range(3):
            here.turn()

    assert here.stored == before
    assert here.rows == rows
    counted = here.status["counted"]
    assert isinstance(counted, dict)
    assert counted["unchanged"] > 2 * counted["resources"]


@pytest.mark.behaviour(17)
def test_reading_everything_again_changes_no_row(poll: Poll) -> None:
    with polled(CHILDREN) as server:
        here = poll(server, **{"from": "2026-01-01"})
        here.turn()
        here.turn()
        rows, versions = here.rows, here.trust.versions()
        server.seen.clear()
        here.rewrite("from: 2026-01-01", "from: 2019-01-01")
        here.turn()

    assert len(server.seen) == len(TYPES)
    assert all("_lastUpdated=ge2019-01-01" in one.query for one in server.seen)
    assert here.rows == rows
    assert here.trust.versions() == versions


def test_what_is_remembered_does_not_grow_beyond_the_overlap(poll: Poll) -> None:
    with polled(CHILDREN, now=day(-1)) as server:
        here = poll(server)
        for number in range(0, 51, 5):
            server.advance(day(number))
            here.turn()

    overlap_us = 10 * 60 * 1_000_000 + 1_000_000  # searches ask by whole seconds
    with here.trust.works.database.read() as conn:
        old = conn.exec_driver_sql(
            "SELECT count(*) FROM polled_resource r JOIN polled_search s ON s.id = r.search_id"
            f" WHERE r.updated_us < s.cursor_us - {overlap_us}"
        ).scalar_one()
    assert old == 0
    assert here.count("polled_resource") < len(changes(CHILDREN)) / 3


@pytest.mark.behaviour(19)
def test_a_poller_that_is_started_again_goes_on_at_its_page(poll: Poll) -> None:
    with polled(CHILDREN) as server:
        whole = poll(server)
        whole.turn()
        here = poll(server, count="4")
        server.seen.clear()
        server.faults.add(Fault(effect=faults.status(403), resource_type="Condition", page=2, times=None))
        server.faults.add(Fault(effect=faults.status(400), resource_type="Observation", page=3))
        here.turn()
        assert here.status["trouble"] == "denied"
        server.faults.clear()
        here.restart()
        here.turn()

    assert here.rows == whole.rows
    assert here.status["trouble"] == ""


def test_no_link_no_token_and_no_resource_stands_in_clear_on_the_disk(poll: Poll) -> None:
    canary = "Quillfeather-9990000026"
    with polled(CHILDREN) as server:
        here = poll(server, count="4")
        server.faults.add(Fault(effect=faults.next_link(f"{server.base}?_getpages={canary}"), page=2, times=None))
        server.faults.add(Fault(effect=faults.status(500), interactions=("page",), page=0, times=None))
        here.turn()
    folder = here.file.parent / "data"
    bytes_on_disk = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())

    assert b"Encounter?_include" in bytes_on_disk  # the names of searches stand there, so it is the right place
    for word in (canary, TOKEN, "_getpages", "QUILLFEATHER"):
        assert word.encode() not in bytes_on_disk


@pytest.mark.behaviour(35)
def test_a_server_that_wants_to_be_left_alone_is_not_asked_before_also_after_a_restart(poll: Poll) -> None:
    with polled(CHILDREN) as server:
        here = poll(server)
        server.faults.add(Fault(effect=faults.too_many(retry_after="3600"), times=None))
        wait_s = here.turn()
        asked = len(server.seen)
        here.restart()
        again_s = here.turn()

    assert wait_s == 3600
    assert again_s is not None
    assert 3500 < again_s <= 3600
    assert len(server.seen) == asked == 1
    assert here.status["trouble"] == "busy"


@pytest.mark.behaviour(40)
def test_the_number_of_a_day_outlives_a_restart(poll: Poll) -> None:
    with polled(CHILDREN) as server:
        here = poll(server, limits="{requests_per_second: 1000, requests_per_day: 5}")
        wait_s = here.turn()
        here.restart()
        here.turn()

    assert len(server.seen) == 5
    assert wait_s is not None
    assert wait_s <= 25 * 3600
    assert here.status["trouble"] == "daily-limit"


@pytest.mark.behaviour(10)
def test_a_link_to_another_host_ends_the_polling_of_that_source(poll: Poll) -> None:
    with polled(CHILDREN) as server, running() as other:
        here = poll(server, count="4")
        server.faults.add(Fault(effect=faults.next_link(f"{other.base}?_getpages=x"), page=1, times=None))
        assert here.turn() is None

    assert other.seen == []
    assert here.status["trouble"] == "link-elsewhere"


@pytest.mark.behaviour(5)
def test_a_renewed_token_file_is_used_without_a_restart(poll: Poll) -> None:
    with polled(CHILDREN) as server:
        here = poll(server)
        here.turn()
        server.tokens = {"renewed"}
        here.turn()
        refused = here.status["trouble"]
        (here.file.parent / "token").write_text("renewed")
        here.turn()

    assert refused == "unauthorised"
    assert here.status["trouble"] == ""


def test_a_setting_that_cannot_be_used_is_told_and_tried_again(poll: Poll) -> None:
    with polled(CHILDREN) as server:
        here = poll(server, ca="ca.pem")
        (here.file.parent / "ca.pem").write_text("none yet")
        assert here.turn() is not None
        before = here.status["trouble"]
        trustme.CA().cert_pem.write_to_path(here.file.parent / "ca.pem")
        here.turn()

    assert before == "setup"
    assert here.status["trouble"] == ""
    assert len(here.trust.rows("infant")) == CHILDREN


def test_of_a_child_first_seen_by_a_late_code_the_whole_history_is_read(poll: Poll) -> None:
    with polled(CHILDREN) as server:
        whole = poll(server)
        whole.turn()
        whole.turn()
        late = poll(server, **{"from": str(day(45).date())})
        late.turn()
        before = len(late.rows)
        late.turn()
        asked = [one for one in server.seen if "patient=" in one.query or one.interaction == "read"]
        stored, requests = late.stored, len(server.seen)
        late.turn()

    assert before < len(whole.rows) / 2
    assert late.rows == whole.rows
    assert late.stored == stored
    assert len(server.seen) == requests + len(TYPES)  # each history is read once
    assert len(asked) == 2 * CHILDREN * len(TYPES)


def test_a_history_of_which_all_is_known_stores_nothing(poll: Poll) -> None:
    with polled(CHILDREN) as server:
        here = poll(server)
        here.turn()
        before, rows = here.stored, here.rows
        here.turn()

    # The mother, and the report of a laboratory with its request, are not kept as resources: of them it cannot be told.
    assert here.stored["assertion"] <= before["assertion"] + 2 * CHILDREN
    assert here.rows == rows
    counted = here.status["counted"]
    assert isinstance(counted, dict)
    assert counted["patient.unchanged"] > 50


def test_a_history_that_cannot_be_read_now_is_read_later(poll: Poll) -> None:
    with polled(CHILDREN) as server:
        here = poll(server, **{"from": str(day(45).date())})
        here.turn()
        server.faults.add(Fault(effect=faults.status(503), resource_type="Procedure", skip=1, times=3))
        here.turn()
        here.restart()
        first = here.status["trouble"]
        here.turn()

    assert first == "busy"
    assert len(here.trust.rows("infant")) == CHILDREN
    assert here.count("crawl_patient") >= CHILDREN


def test_who_is_known_by_reference_only_and_has_no_sign_of_being_ours_is_not_held(poll: Poll) -> None:
    adult = {"resourceType": "Patient", "id": "grown", "birthDate": "1970-01-01", "gender": "female"}
    coding = {"system": "http://loinc.org", "code": "1988-5"}
    values = [
        {
            "resourceType": "Observation", "id": f"grown-{number}", "status": "final", "code": {"coding": [coding]},
            "subject": {"reference": "Patient/grown"}, "valueQuantity": {"value": 4, "unit": "mg/L"},
        }
        for number in range(3)
    ]  # fmt: skip
    with polled(1) as server:
        server.add([Change(visible_at=day(number), resource=each) for number, each in enumerate([adult, *values])])
        here = poll(server)
        here.turn()

    assert [person.state for person in here.trust.persons()] == ["confirmed"] * len(here.trust.persons())
    assert here.trust.counts()["not-ours.other-ward"] >= 1
    assert len(here.trust.rows("infant")) == 1


def test_status_tells_how_old_the_reading_is(poll: Poll) -> None:
    with polled(CHILDREN) as server:
        here = poll(server)
        assert here.status["last_success_s"] is None
        here.turn()

    searches = here.status["searches"]
    assert isinstance(searches, dict)
    assert len(searches) == len(TYPES)
    assert here.status["requests_today"] == len(server.seen)
    assert here.status["last_success_s"] in (0, 1)
    with here.trust.works.database.read() as conn:
        cursors = [row.cursor_us for row in polls.searches_of(conn, "fhir")]
    assert None not in cursors
    assert len(changes(CHILDREN)) > 100
