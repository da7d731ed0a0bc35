"""A whole source keeps to its limits: pages, tokens and restarts counted together, as the server sees them come."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from threading import Event

import pytest

from adapter.config import FhirSearchSource
from adapter.service.assembly import Mappings
from adapter.service.polling import Poller
from adapter.simulator.fhir_faults import Answer, Fault, Request
from adapter.simulator.fhir_server import FhirServer, running
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_token import Client, TokenDesk
from tests.fakes.polled_hospital import END, changes, polling_trust
from tests.integration.trust import Trust, load

PER_SECOND = 20


class Gate:
    """When requests came, of whatever kind."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def note(self, _: Request, answer: Answer) -> Answer:
        self.times.append(time.monotonic())
        return answer


@contextmanager
def a_source(folder: Path, mappings: Path, *, limits: str) -> Iterator[tuple[Path, FhirServer, TokenDesk, Gate]]:
    gate = Gate()
    desk = TokenDesk(clients=(Client(client_id="csor", secret="a-secret"),), lives_s=570)
    with running(changes(1), Settings(sign_in=desk), now=END) as server:
        server.faults.add(Fault(effect=gate.note, interactions=("search", "page", "read", "metadata"), times=None))
        folder.mkdir(exist_ok=True)
        (folder / "secret").write_text("a-secret")
        url = server.base.removesuffix("/fhir/r4") + "/token"
        auth = f"method: client_secret_basic, token_url: '{url}', client_id: csor, secret: {{file: secret}}"
        file = polling_trust(folder, server, mappings=mappings, more={}, limits=limits, count="50")
        file.write_text(file.read_text().replace("token: {file: token}", f"auth: {{{auth}, scopes: [system/*.rs]}}"))
        yield file, server, desk, gate


def turns(file: Path, loaded: Mappings, *, times: int) -> Trust:
    """Each by a service that was started again."""
    settings = load(file)
    source = settings.sources[0]
    assert isinstance(source, FhirSearchSource)
    trust = Trust(settings, mappings=loaded)
    for _ in range(times):
        poller = Poller(settings, source)
        poller.turn(Event())
        poller.close()
    trust.close()
    return trust


@pytest.mark.behaviour(40)
def test_no_second_sees_more_requests_than_agreed_also_after_restarts(
    tmp_path: Path, mappings: Path, loaded: Mappings
) -> None:
    with a_source(tmp_path, mappings, limits=f"{{requests_per_second: {PER_SECOND}}}") as (file, _, desk, gate):
        trust = turns(file, loaded, times=3)
        asked = len(gate.times) + len(desk.asked)
        assert len(desk.asked) == 3
        # A thread of the server may have taken up a request late, the next one in time.
        assert min(after - before for before, after in pairwise(gate.times)) >= 0.6 / PER_SECOND
        assert gate.times[-1] - gate.times[0] >= (asked - 2) / PER_SECOND
    assert trust.status()["fhir_sources"]["fhir"]["requests_today"] == asked


@pytest.mark.behaviour(40)
def test_tokens_count_among_the_requests_of_a_day(tmp_path: Path, mappings: Path, loaded: Mappings) -> None:
    with a_source(tmp_path, mappings, limits="{requests_per_second: 1000, requests_per_day: 5}") as found:
        file, _, desk, gate = found
        trust = turns(file, loaded, times=2)
        assert (len(desk.asked), len(gate.times)) == (1, 4)
    assert trust.status()["fhir_sources"]["fhir"]["trouble"] == "daily-limit"


@pytest.mark.behaviour(40)
def test_in_hours_of_rest_not_even_a_token_is_asked_for(tmp_path: Path, mappings: Path, loaded: Mappings) -> None:
    with a_source(tmp_path, mappings, limits='{blackout: ["00:00-12:00", "12:00-00:00"]}') as found:
        file, _, desk, gate = found
        trust = turns(file, loaded, times=1)
        assert (desk.asked, gate.times) == ([], [])
    assert trust.status()["fhir_sources"]["fhir"]["trouble"] == "blackout"
