"""Criterion 6 for exceptions: whatever a FHIR server answers, what is raised names nobody and no address."""

import threading
import traceback
from collections.abc import Callable, Iterator

import pytest
import requests

from adapter.errors import SourceError
from adapter.simulator.fhir_faults import Effect, Fault, Interaction
from adapter.simulator.fhir_server import FhirServer as SimulatedServer
from adapter.simulator.fhir_server import running
from adapter.simulator.fhir_settings import Settings
from adapter.sources import fhir_request
from adapter.sources.fhir_bulk import BulkServer, Order
from adapter.sources.fhir_capability import read_capability
from adapter.sources.fhir_http import FhirServer, Limits
from adapter.sources.smart_auth import StaticToken
from tests.acceptance import canary_fhir as planted
from tests.acceptance import canary_fhir_faults as faults
from tests.acceptance.canary_messages import MARK, STRAY_NUMBER, SURNAME
from tests.acceptance.canary_search import Search
from tests.fakes.paces import a_pace
from tests.fakes.polled_hospital import END

CHILD = 417
NEVER = threading.Event()
Acts = dict[str, Callable[[], object]]
EFFECTS: dict[str, Effect] = {
    **{f"turn {name}": effect for name, effect in faults.OF_TURNS.items()},
    **{f"search {name}": faults.OF_SEARCHES[name] for name in ("Condition", "ImagingStudy", "Observation")},
    **{f"patient {name}": faults.OF_PATIENTS[name] for name in ("404", "another", "survivor", "elsewhere")},
    "link": planted.next_link_elsewhere(),
    "busy": planted.refusing(429),
}
EVERY: tuple[Interaction, ...] = (
    "metadata", "read", "search", "page", "export", "export-status", "export-file", "export-delete",
)  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatedServer]:
    with running(planted.the_changes(CHILD), Settings(token=planted.TOKEN), now=END) as served:
        served.exports.groups = {MARK: None}
        yield served


@pytest.fixture(scope="module")
def search() -> Search:
    return planted.searcher(planted.numbers_in(planted.the_changes(CHILD)))


@pytest.fixture(scope="module")
def asked(server: SimulatedServer) -> Acts:
    """Everything that a server is ever asked, each in an address that names somebody."""
    wire = FhirServer(
        server.base,
        credentials=StaticToken(planted.TOKEN.encode),
        pace=a_pace(),
        limits=Limits(attempts=1, connect_s=5, silence_s=5),
    )
    bulk, job = BulkServer(wire, NEVER), f"{server.base}/bulk/1?{planted.QUERY}"
    of_child = fhir_request.search(server.base, "Observation", [("patient", f"{MARK}-9")])
    patient = server.archive.current("Patient")[0].resource["id"]
    return {
        "page": lambda: _followed(wire, of_child),
        "resource": lambda: wire.resource(f"Patient/{patient}", NEVER),
        "statement": lambda: wire.get(f"{server.base}/metadata", read=read_capability, stop=NEVER),
        "start": lambda: bulk.start(Order(f"Group/{MARK}", ("Observation",), patients=(f"{MARK}-9",))),
        "status": lambda: bulk.status(job),
        "file": lambda: bulk.download(f"{server.base}/bulk/1/files/0?{planted.QUERY}", needs_token=True, take=bytes),
        "delete": lambda: bulk.delete(job),
        "beside": lambda: bulk.read(f"Specimen/{MARK}"),
    }


def _followed(wire: FhirServer, search: fhir_request.Request) -> None:
    link = wire.page(search, NEVER).next_link
    if link:
        wire.page(fhir_request.follow(link), NEVER)


@pytest.mark.parametrize("name", EFFECTS)
def test_what_is_raised_names_nobody(server: SimulatedServer, asked: Acts, search: Search, name: str) -> None:
    raised = {}
    server.faults.add(Fault(effect=EFFECTS[name], interactions=EVERY, times=None))
    try:
        for what, act in asked.items():
            try:
                act()
            except SourceError as error:
                raised[what] = "".join(traceback.format_exception(error)) + repr(error)
    finally:
        server.faults.clear()

    assert {what: found for what, text in raised.items() if (found := search.found_in(text.encode()))} == {}
    assert raised, "nothing was refused: the test asks for nothing"


def test_the_search_finds_an_address_in_what_is_raised() -> None:
    """The control: what a library raises of its own does name the patient."""
    with pytest.raises(requests.ConnectionError) as caught:
        requests.get(f"http://127.0.0.1:9/Patient?{planted.QUERY}", timeout=5)
    text = "".join(traceback.format_exception(caught.value))
    assert planted.searcher([]).found_in(text.encode()) >= {MARK, SURNAME, STRAY_NUMBER}
