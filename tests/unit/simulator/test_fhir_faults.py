import time
from collections.abc import Iterator

import pytest
import requests
from fhir.resources.R4B.operationoutcome import OperationOutcome

from adapter.simulator import fhir_faults as faults
from adapter.simulator.fhir_faults import Fault
from adapter.simulator.fhir_server import FhirServer, running
from adapter.simulator.fhir_settings import Settings
from tests.unit.simulator.fhir_client import NOON, a_value, get, ids, link, pages

ALL = ["o0", "o1", "o2", "o3", "o4"]


@pytest.fixture
def server() -> Iterator[FhirServer]:
    with running([a_value(one) for one in ALL], Settings(page_size=2), now=NOON) as served:
        yield served


def test_a_fault_hits_so_many_requests_and_then_no_more(server: FhirServer) -> None:
    server.faults.add(Fault(effect=faults.status(500), skip=1, times=2))

    assert [get(server, "Observation").status_code for _ in range(5)] == [200, 500, 500, 200, 200]
    assert server.faults.hits == 2


def test_a_fault_hits_only_the_type_and_page_it_names(server: FhirServer) -> None:
    server.faults.add(Fault(effect=faults.status(500), resource_type="Observation", page=2, times=None))
    first = get(server, "Observation")

    assert (first.status_code, get(server, "Patient").status_code) == (200, 200)
    assert get(server, str(link(first.json(), "next"))).status_code == 500


def test_faults_can_be_lifted(server: FhirServer) -> None:
    server.faults.add(Fault(effect=faults.status(500), times=None))
    server.faults.clear()

    assert get(server, "Observation").status_code == 200


@pytest.mark.parametrize("retry_after", ["", "7", "Wed, 02 Sep 2026 12:00:00 GMT"])
def test_too_many_requests_may_say_when_to_come_back(server: FhirServer, retry_after: str) -> None:
    server.faults.add(Fault(effect=faults.too_many(retry_after=retry_after)))
    answer = get(server, "Observation")

    assert answer.status_code == 429
    assert answer.headers.get("Retry-After", "") == retry_after
    OperationOutcome.model_validate(answer.json())


def test_a_truncated_body_breaks_the_connection(server: FhirServer) -> None:
    server.faults.add(Fault(effect=faults.truncated()))

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(server, "Observation")
    assert get(server, "Observation").status_code == 200


def test_a_dropped_connection_gives_no_answer(server: FhirServer) -> None:
    server.faults.add(Fault(effect=faults.dropped(), page=2))
    url = str(link(get(server, "Observation").json(), "next"))

    with pytest.raises(requests.exceptions.ConnectionError):
        get(server, url)
    assert ids(get(server, url).json()) == ["o2", "o3"]


def test_a_slow_body_comes_whole_but_late(server: FhirServer) -> None:
    server.faults.add(Fault(effect=faults.slow(pause_s=0.3)))
    began = time.monotonic()
    found = ids(get(server, "Observation").json())

    assert found == ["o0", "o1"]
    assert time.monotonic() - began >= 0.3


def test_the_token_may_expire_in_the_middle(server: FhirServer) -> None:
    server.faults.add(Fault(effect=faults.unauthorised(), page=2))
    url = str(link(get(server, "Observation").json(), "next"))

    assert [get(server, url).status_code for _ in range(2)] == [401, 200]


def test_a_link_may_expire_once(server: FhirServer) -> None:
    server.faults.add(Fault(effect=faults.expired_link(), page=2))
    url = str(link(get(server, "Observation").json(), "next"))

    assert get(server, url).status_code == 410
    assert ids(*pages(server, "Observation")) == ALL


def test_all_links_can_be_forgotten(server: FhirServer) -> None:
    url = str(link(get(server, "Observation").json(), "next"))
    server.desk.forget()

    assert get(server, url).status_code == 410


def test_an_endless_next_link_is_the_one_that_was_followed(server: FhirServer) -> None:
    server.faults.add(Fault(effect=faults.endless_next(), page=2, times=None))
    url = str(link(get(server, "Observation").json(), "next"))

    assert link(get(server, url).json(), "next") == url


def test_a_page_may_be_shown_twice_under_another_link(server: FhirServer) -> None:
    server.faults.add(Fault(effect=faults.page_again(), page=2))

    assert ids(*pages(server, "Observation")) == ["o0", "o1", "o2", "o3", "o2", "o3", "o4"]


def test_a_redirect_leads_to_another_host(server: FhirServer) -> None:
    server.faults.add(Fault(effect=faults.redirected(to="http://elsewhere.example/?"), interactions=("read",)))
    answer = get(server, "Observation/o1")

    assert answer.status_code == 307
    assert answer.headers["Location"].startswith("http://elsewhere.example/")


def test_a_next_link_may_lead_to_another_host(server: FhirServer) -> None:
    server.faults.add(Fault(effect=faults.next_link("http://elsewhere.example/fhir?page=2")))

    assert link(get(server, "Observation").json(), "next") == "http://elsewhere.example/fhir?page=2"


def test_the_resource_of_another_patient_may_slip_in(server: FhirServer) -> None:
    foreign = a_value("o9", patient="p2").resource
    server.faults.add(Fault(effect=faults.with_entry(foreign)))
    bundle = get(server, "Observation", patient="p1").json()

    assert ids(bundle) == ["o0", "o1", "o9"]
    assert bundle["entry"][-1]["resource"]["subject"] == {"reference": "Patient/p2"}


def test_a_page_may_be_empty_and_yet_have_a_next(server: FhirServer) -> None:
    server.faults.add(Fault(effect=faults.empty_page(), page=1), Fault(effect=faults.wrong_total(99), page=1))
    found = list(pages(server, "Observation"))

    assert ids(*found) == ["o2", "o3", "o4"]
    assert [bundle["total"] for bundle in found] == [99, 5, 5]


def test_an_outcome_may_come_with_200(server: FhirServer) -> None:
    server.faults.add(Fault(effect=faults.outcome_instead()))
    answer = get(server, "Observation")

    assert answer.status_code == 200
    OperationOutcome.model_validate(answer.json())
