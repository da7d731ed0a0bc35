"""The service as it runs, told of a change and killed: what was answered 200 is on the disk."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.config import FhirSearchSource, load_trust
from adapter.errors import SetupError
from adapter.service.assembly import open_store
from adapter.service.polling import Poller
from adapter.simulator import fhir_faults as faults
from adapter.simulator.fhir_faults import Fault
from adapter.simulator.fhir_server import FhirServer
from adapter.simulator.fhir_subscriptions import Form, Subscription
from adapter.store import pushes
from tests.acceptance.bad_input_service import Service, a_free_port
from tests.fakes.polled_hospital import polled, polling_trust

RESULT = {"resourceType": "Observation", "id": "o-1"}


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with polled(0) as served:
        yield served


def test_a_hint_that_was_answered_200_outlives_a_kill_and_is_read_after_it(
    tmp_path: Path, mappings: Path, server: FhirServer
) -> None:
    port = a_free_port()
    hooks = f"{{port: {port}, secret: {{file: hook}}, criteria: [{{name: results, criteria: 'Observation?'}}]}}"
    (tmp_path / "hook").write_text("s3cret")
    types = "{Patient: {}, Observation: {}}"
    file = polling_trust(
        tmp_path, server, mappings=mappings, more={}, name="epr", every="PT1H", types=types, subscriptions=hooks
    )
    endpoint = f"http://127.0.0.1:{port}/fhir-notifications/results"
    subscription = Subscription(
        endpoint=endpoint, base=server.base, headers={"Authorization": "Bearer s3cret"}, form=Form.RESOURCE
    )
    running = Service(file)
    try:
        running.until(lambda: has_read_all(running), timeout_s=120)
        server.faults.add(Fault(effect=faults.status(500), times=None))
        running.until(lambda: is_told(subscription), timeout_s=120)
        assert subscription.answers[-1] == 200
    finally:
        kill(running)
    assert waiting(file) == 1
    server.faults.clear()
    server.seen.clear()
    settings = load_trust(file)
    (source,) = settings.sources
    assert isinstance(source, FhirSearchSource)
    poller = Poller(settings, source)
    poller.turn(threading.Event())
    poller.close()
    assert server.seen[0].query.startswith("_id=o-1")


def has_read_all(running: Service) -> bool:
    try:
        return running.status()["fhir_sources"]["epr"]["last_success_s"] is not None
    except SetupError:  # there is no store yet
        return False


def is_told(subscription: Subscription) -> bool:
    """A port that does not listen yet answers nothing."""
    subscription.tell(RESULT)
    return subscription.answers[-1] != 0


def kill(running: Service) -> None:
    """All its processes, which are one group of their own."""
    for pid in [*children_of(running.pid), running.pid]:
        os.kill(pid, signal.SIGKILL)
    running._process.wait()


def children_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [each for one in found for each in (*children_of(int(one)), int(one))]


def waiting(file: Path) -> int:
    database = open_store(load_trust(file), migrate=False)
    try:
        with database.read() as conn:
            return pushes.waiting(conn, "epr")
    finally:
        database.close()
