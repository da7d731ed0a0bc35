"""A FHIR server that tells of changes: from its notification on a real socket to rows, and what it fails to tell of."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from structlog.testing import capture_logs

from adapter.config import FhirSearchSource, Subscriptions
from adapter.service import listening
from adapter.service.assembly import Mappings, open_ring
from adapter.service.polling import Poller
from adapter.service.push_intake import PushIntake, types_of
from adapter.service.push_watch import PushWatch
from adapter.simulator import fhir_faults as faults
from adapter.simulator.fhir_faults import Fault
from adapter.simulator.fhir_server import FhirServer as SimulatedServer
from adapter.simulator.fhir_subscriptions import Form, Subscription
from adapter.simulator.fhir_versions import Change
from adapter.sources.fhir_http import FhirServer
from adapter.sources.fhir_push import FhirPushListener
from adapter.sources.smart_auth import NoCredentials
from tests.fakes.paces import a_pace
from tests.fakes.polled_hospital import polled, polling_trust
from tests.integration.trust import Trust, load
from tests.unit.simulator.fhir_courses import day
from tests.unit.sources.wire import Running

SECRET = {"X-Hook": "the-hooks-secret"}
NEVER = threading.Event()
TOPIC = "https://epr.example/topics/anything"
RESULT = {
    "resourceType": "Observation",
    "id": "o-1",
    "status": "final",
    "code": {"text": "invented"},
    "subject": {"reference": "Patient/stranger"},
}


class Told:
    """A trust whose server tells of changes; its receiving side and its polling side, in this process."""

    def __init__(self, file: Path, loaded: Mappings, server: SimulatedServer) -> None:
        self.file = file
        self.server = server
        self.later = timedelta()
        """By which the polling side's clock is ahead."""
        self.trust = Trust(load(file), mappings=loaded)
        source = load(file).sources[0]
        assert isinstance(source, FhirSearchSource)
        assert source.subscriptions is not None
        self.source = source
        self.poller = self._open()
        self._ring = open_ring(self.trust.settings)
        intake = PushIntake(self.trust.works.database, self._ring, types=types_of(self.trust.settings))
        place = listening.place("epr", source.subscriptions, base_url=server.base)
        self.listening = Running(intake.append, FhirPushListener, place=place)

    def _open(self) -> Poller:
        return Poller(load(self.file), self.source, now=lambda: datetime.now(UTC) + self.later)

    def restart(self) -> None:
        """The polling side."""
        self.poller.close()
        self.poller = self._open()

    def pass_time(self, seconds: float) -> None:
        """For the polling side."""
        self.later += timedelta(seconds=seconds)

    def whole(self) -> float | None:
        """A whole turn; how long until the next."""
        wait_s = self.poller.turn(NEVER)
        self.trust.works.drain()
        return wait_s

    def called(self) -> list[str]:
        """What is read between turns; what was asked."""
        before = len(self.server.seen)
        self.poller.called(NEVER)
        self.trust.works.drain()
        return [f"{each.resource_type}?{each.query}" for each in self.server.seen[before:]]

    @property
    def types(self) -> set[str]:
        """That all is made of."""
        return set(self.source.types or ())

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.trust.status()
        return dict(found["fhir_sources"]["epr"])

    @property
    def results(self) -> dict[str, Any]:
        """How the Subscription stands."""
        found: dict[str, Any] = self.status["subscriptions"]["results"]
        return found

    @property
    def stored(self) -> int:
        """What was asserted, in all."""
        with self.trust.works.database.read() as conn:
            return int(conn.exec_driver_sql("SELECT count(*) FROM assertion").scalar_one())

    def close(self) -> None:
        self.listening.stop()
        self.poller.close()
        self._ring.close()
        self.trust.close()


Tell = Callable[..., tuple[Told, Subscription]]


@pytest.fixture
def told(tmp_path: Path, mappings: Path, loaded: Mappings) -> Iterator[Tell]:
    """Makes a trust that was read whole once, and its server's side of a Subscription that has begun."""
    made: list[Told] = []

    def make(server: SimulatedServer, *, url: str = "", **hooks: str) -> tuple[Told, Subscription]:
        said = {
            "port": "0", "header": "X-Hook", "secret": "{file: hook}", "gap_grace": "PT30S", "look_every": "none",
            "criteria": f"[{{name: results, criteria: '{TOPIC}'}}]", **hooks,
        }  # fmt: skip
        of_source = {"subscriptions": "{" + ", ".join(f"{name}: {value}" for name, value in said.items()) + "}"}
        if not server.archive.types():
            of_source["types"] = "{Patient: {}, Observation: {}}"
        folder = tmp_path / f"trust{len(made)}"
        folder.mkdir()
        (folder / "hook").write_text("the-hooks-secret\n")
        more = {"store": f"{{url: '{url}'}}"} if url else {}
        here = Told(
            polling_trust(folder, server, mappings=mappings, more=more, name="epr", every="PT1H", **of_source),
            loaded,
            server,
        )
        made.append(here)
        here.whole()
        endpoint = f"http://127.0.0.1:{here.listening.listener.port}/fhir-notifications/results"
        subscription = Subscription(endpoint=endpoint, base=server.base, headers=SECRET)
        subscription.handshake()
        here.called()
        return here, subscription

    yield make
    for one in made:
        one.close()


def corrected(server: SimulatedServer, value: str) -> dict[str, Any]:
    """A result that the hospital has just corrected."""
    before = next(each.resource for each in server.archive.current("Observation") if is_crp(each.resource))
    after = {**before, "status": "corrected", "valueQuantity": {**before["valueQuantity"], "value": Decimal(value)}}
    del after["meta"]
    now = server.archive.now + timedelta(seconds=1)
    server.add([Change(visible_at=now, resource=after)])
    server.advance(now)
    return after


def is_crp(resource: dict[str, Any]) -> bool:
    return "C-reactive" in str(resource["code"]) and "valueQuantity" in resource


def values(here: Told) -> str:
    """Of all results, as rows have them."""
    return " ".join(str(value) for row in here.trust.rows("lab_result") for value in row.values())


@pytest.mark.behaviour(50)
def test_what_a_server_tells_of_is_read_from_it_and_becomes_a_row(told: Tell) -> None:
    with polled(1) as server:
        here, subscription = told(server)
        for number, form in enumerate([Form.IDS, Form.WHOLE, Form.RESOURCE]):
            after = corrected(server, f"42.{number}5")
            subscription.form = form
            subscription.tell({**after, "valueQuantity": {**after["valueQuantity"], "value": 9999}})
            asked = here.called()
            assert [each.partition("?")[0] for each in asked] == ["Observation"]
            assert f"_id={after['id']}" in asked[0]
            assert f"42.{number}5" in values(here)

    assert subscription.answers == [200] * 4
    assert "9999" not in values(here)
    assert here.status["subscriptions"]["waiting"] == 0


@pytest.mark.behaviour(52)
def test_the_same_notification_19_times_is_one_change(told: Tell) -> None:
    with polled(1) as server:
        here, subscription = told(server)
        stored, versions = here.stored, here.trust.versions()
        after = corrected(server, "42.25")
        subscription.tell(after, times=10)
        asked = here.called()
        subscription.count -= 1
        subscription.tell(after, times=9)
        asked += here.called()

    assert subscription.answers == [200] * 20
    assert len(asked) == 2
    changed = {each: now for each, now in here.trust.versions().items() if now != versions.get(each)}
    assert list(changed.values()) == [2]
    assert here.stored == stored + 1
    assert here.results["missing"] == 0


@pytest.mark.behaviour(50)
def test_a_hint_outlives_a_restart_and_stands_sealed_on_the_disk(told: Tell) -> None:
    with polled(1) as server:
        here, subscription = told(server)
        after = corrected(server, "42.25")
        subscription.tell(after)
        folder = here.file.parent / "data"
        on_disk = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
        assert b"push_hint" in on_disk
        assert after["id"].encode() not in on_disk
        here.restart()
        assert len(here.called()) == 1

    assert "42.25" in values(here)


# --- what it fails to tell of; of a server without patients, where all is read by two searches


@pytest.mark.behaviour(50)
def test_a_hint_without_a_name_has_all_read_once(told: Tell) -> None:
    with polled(0) as server:
        here, subscription = told(server)
        subscription.form = Form.EMPTY
        subscription.tell(RESULT)

        assert here.poller.is_called()
        assert kinds(here.called()) == here.types
        assert not here.poller.is_called()


@pytest.mark.behaviour(51)
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_a_gap_in_the_numbers_is_an_alarm_and_all_is_read_at_once(
    told: Tell, store: str, request: pytest.FixtureRequest
) -> None:
    url = str(request.getfixturevalue("postgres_url")) if store == "postgresql" else ""
    with polled(0) as server, capture_logs() as logs:
        here, subscription = told(server, url=url)
        server.add([Change(visible_at=day(50), resource=RESULT)])
        subscription.tell(RESULT, is_lost=True)
        subscription.tell(RESULT)
        assert kinds(here.called()) == {"Observation"}
        assert here.results["missing"] == 1
        here.pass_time(10)
        assert not here.poller.is_called()
        here.pass_time(20)
        assert here.poller.is_called()
        assert here.results["alarm"] == "gap"
        assert any("results" in each and "gap" in each for each in here.trust.status()["alarms"])
        assert kinds(here.called()) == here.types

    found = here.results
    assert (found["missing"], found["alarm"], found["event"]) == (0, "", 2)
    assert here.trust.status()["alarms"] == []
    assert here.status["counted"]["push.missed"] == 1
    assert any(each["log_level"] == "error" and "missing" in each["event"] for each in logs)


@pytest.mark.behaviour(51)
def test_a_number_that_only_came_late_is_no_gap(told: Tell) -> None:
    with polled(0) as server, capture_logs():
        here, subscription = told(server)
        subscription.tell(RESULT, is_lost=True)
        subscription.tell(RESULT)
        subscription.count = 0
        subscription.tell(RESULT)
        here.called()
        here.pass_time(31)
        here.poller.is_called()

        assert here.results["alarm"] == ""
        assert "push.missed" not in here.status["counted"]


@pytest.mark.behaviour(51)
def test_a_server_that_falls_silent_is_an_alarm_until_it_speaks_again(told: Tell) -> None:
    with polled(0) as server, capture_logs() as logs:
        here, subscription = told(server, heartbeat="PT15M", catch_up="PT24H")
        assert here.whole() == pytest.approx(24 * 3600, abs=60)
        here.pass_time(12 * 60)
        assert not here.poller.is_called()
        here.pass_time(3 * 60)

        assert here.poller.is_called()
        assert here.results["alarm"] == "silent"
        assert kinds(here.called()) == here.types
        assert here.whole() == pytest.approx(3600, abs=60)
        assert not here.poller.is_called()
        here.later = timedelta()
        subscription.heartbeat()
        assert not here.poller.is_called()
        assert here.results["alarm"] == ""
    assert [each["alarm"] for each in logs if "alarm" in each] == ["silent"]


@pytest.mark.behaviour(51)
@pytest.mark.parametrize("state", ["error", "off"])
def test_a_state_in_which_nothing_is_told_any_more_is_an_alarm_and_all_is_read(told: Tell, state: str) -> None:
    with polled(0) as server, capture_logs():
        here, subscription = told(server)
        subscription.state = state
        subscription.heartbeat()

        assert kinds(here.called()) == here.types
        assert here.results["alarm"] == state
        subscription.state = "active"
        subscription.handshake()
        assert kinds(here.called()) == here.types
        assert here.results["alarm"] == ""


@pytest.mark.behaviour(51)
def test_the_state_is_looked_at_where_the_server_says_nothing_of_it(told: Tell) -> None:
    kept = {"resourceType": "Subscription", "id": "s-1", "status": "active", "criteria": TOPIC}
    criteria = f"[{{name: results, criteria: '{TOPIC}', id: s-1}}]"
    with polled(0) as server, capture_logs():
        server.add([Change(visible_at=day(50), resource=kept)])
        here, _ = told(server, criteria=criteria, look_every="PT1H", catch_up="PT24H")
        here.pass_time(3601)
        assert here.poller.is_called()
        assert here.called() == ["Subscription?"]
        assert here.whole() == pytest.approx(24 * 3600, abs=60)
        server.add([Change(visible_at=server.archive.now, resource={**kept, "status": "off"})])
        here.pass_time(3601)
        asked = here.called()
        assert asked[0] == "Subscription?"
        assert kinds(asked[1:]) == here.types
        assert here.results["alarm"] == "off"
        server.add([Change(visible_at=server.archive.now, resource=kept, is_deleted=True)])
        here.pass_time(3601)
        assert kinds(here.called()[1:]) == here.types
        assert here.results["alarm"] == "gone"


def test_what_is_not_there_yet_is_asked_for_again_and_at_last_left_to_the_next_turn(told: Tell) -> None:
    with polled(0) as server, capture_logs():
        here, subscription = told(server)
        subscription.tell(RESULT)
        assert len(here.called()) == 1
        assert here.called() == []
        assert here.status["subscriptions"]["waiting"] == 1
        for _ in range(3):
            here.pass_time(601)
            assert len(here.called()) == 1

        assert here.status["subscriptions"]["waiting"] == 0
        assert here.status["counted"]["push.not_there"] == 1


def test_of_types_that_are_not_asked_for_nothing_is_read_or_kept(told: Tell) -> None:
    with polled(0) as server:
        here, subscription = told(server)
        subscription.tell({"resourceType": "Communication", "id": "c-1"})

        assert not here.poller.is_called()
        assert here.status["subscriptions"]["waiting"] == 0


@pytest.mark.behaviour(50)
def test_who_does_not_show_the_secret_changes_nothing(told: Tell) -> None:
    with polled(0) as server, capture_logs():
        here, subscription = told(server)
        subscription.headers = {"X-Hook": "another-secret"}
        subscription.tell(RESULT)
        subscription.handshake()

        assert subscription.answers[-2:] == [401, 401]
        assert not here.poller.is_called()


def test_while_the_server_wants_to_be_left_alone_a_hint_waits(told: Tell) -> None:
    with polled(0) as server, capture_logs():
        here, subscription = told(server)
        server.faults.add(Fault(effect=faults.too_many(retry_after="3600")))
        subscription.tell(RESULT)
        assert len(here.called()) == 1
        assert not here.poller.is_called()
        assert here.called() == []
        assert here.status["subscriptions"]["waiting"] == 1
        here.pass_time(3601)
        assert here.poller.is_called()


def kinds(asked: list[str]) -> set[str]:
    return {each.partition("?")[0] for each in asked}


@pytest.mark.behaviour(51)
def test_one_in_error_is_asked_for_again_where_we_may(told: Tell, httpserver: HTTPServer, tmp_path: Path) -> None:
    """Written whole, as we want it: what a server shows of it may lack the secret."""
    kept = {"resourceType": "Subscription", "id": "s-1", "status": "error", "channel": {"header": ["X-Hook: ***"]}}
    httpserver.expect_ordered_request("/r4/Subscription/s-1", method="GET").respond_with_json(kept)
    httpserver.expect_ordered_request("/r4/Subscription/s-1", method="PUT").respond_with_json(kept)
    (tmp_path / "hook").write_text("the-hooks-secret")
    said = Subscriptions.model_validate(
        {
            "port": 0, "header": "X-Hook", "secret": {"file": str(tmp_path / "hook")}, "reactivate": "yes",
            "address": "https://csor.trust.example:8443",
            "criteria": [{"name": "results", "criteria": TOPIC, "id": "s-1"}],
        }
    )  # fmt: skip
    with polled(0) as server, capture_logs() as logs:
        here, _ = told(server)
        watch = PushWatch(here.trust.works.database, source="epr", settings=said, now=lambda: datetime.now(UTC))
        watch.look(FhirServer(httpserver.url_for("/r4"), credentials=NoCredentials(), pace=a_pace()), NEVER)
        watch.judge()

    httpserver.check()
    request, _ = httpserver.log[-1]
    written = request.get_json()
    assert (written["status"], written["id"], written["criteria"]) == ("requested", "s-1", TOPIC)
    assert written["channel"]["header"] == ["X-Hook: the-hooks-secret"]
    assert written["channel"]["endpoint"] == "https://csor.trust.example:8443/fhir-notifications/results"
    assert here.results["alarm"] == "error"
    assert "the-hooks-secret" not in repr(logs)
