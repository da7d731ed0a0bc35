"""The service as it runs, with a port of every kind: TLS with certificates of the senders, rules, HTTP."""

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from adapter import simulator
from adapter.hl7v2.ack import Ack, parse_ack
from adapter.sources.tls import client_context
from tests.acceptance.bad_input_service import Service, a_free_port, an_adt
from tests.acceptance.hospital import trust_file
from tests.unit.sources.papers import Papers, papers
from tests.unit.sources.wire import Client

ER7 = {"Content-Type": "application/hl7-v2", "Authorization": "Bearer s3cret"}


class Ports:
    def __init__(self, folder: Path) -> None:
        self.papers: Papers = papers(folder)
        (folder / "token").write_text("s3cret\n")
        self.mllp, self.http = a_free_port(), a_free_port()
        tls = {"certificate": "port.pem", "key": "port.key"}
        sources = [
            {
                "name": "engine",
                "kind": "mllp",
                "port": self.mllp,
                "tls": {**tls, "client_ca": "ca.pem"},
                "accept": {"applications": ["PAS"], "types": ["ADT^*"]},
            },
            {"name": "lab", "kind": "http", "port": self.http, "tls": tls, "token": {"file": "token"}},
        ]
        self.config = trust_file(folder, simulation=simulator.hospital(seed=3, infants=2), sources=sources)

    def engine(self) -> ssl.SSLContext:
        return client_context(ca=self.papers.ca, certificate=self.papers.sender_certificate, key=self.papers.sender_key)

    def post(self, body: bytes) -> Ack | None:
        url = f"https://localhost:{self.http}/"
        return parse_ack(requests.post(url, data=body, headers=ER7, verify=str(self.papers.ca), timeout=20).content)


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Ports:
    return Ports(tmp_path_factory.mktemp("ports"))


@pytest.fixture(scope="module")
def service(ports: Ports) -> Iterator[Service]:
    with Service(ports.config) as running:
        running.until(lambda: _is_open(ports.http))
        yield running


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ask(ports: Ports, body: bytes) -> Ack:
    client = Client(ports.mllp, tls=ports.engine(), timeout_s=20)
    client.send(b"\x0b" + body + b"\x1c\r")
    answer = client.answer()
    client.socket.close()
    return answer


def processed(service: Service) -> int:
    return int(service.status()["messages"].get("processed", 0))


@pytest.mark.behaviour(80)
def test_what_comes_over_tls_and_over_http_is_acknowledged_and_processed(service: Service, ports: Ports) -> None:
    before = processed(service)
    assert ask(ports, an_adt("81001")).code == "AA"
    answer = ports.post(an_adt("81002"))
    assert answer == Ack("AA", "C81002", "")
    service.until(lambda: processed(service) == before + 2)


@pytest.mark.behaviour(79)
def test_what_a_rule_refuses_is_counted_and_taken_by_a_replay(service: Service, ports: Ports) -> None:
    before = processed(service)
    stranger = an_adt("81003").replace(b"|PAS|", b"|OTHER|")
    assert ask(ports, stranger) == Ack("AR", "C81003", "not taken here: the sending application (MSH-3)")
    service.until_counted("problem.P012")
    service.until_counted("mllp.refused_application")
    (number,) = (str(number) for number, reason in service.parked() if reason == "P012")
    assert service.cli("parked", "show", number).stdout.splitlines()[1].startswith("P012: not taken here")
    assert service.cli("replay", number).returncode == 0
    service.until(lambda: processed(service) == before + 1)


def test_a_sender_without_tls_is_refused_and_the_log_says_why(service: Service, ports: Ports) -> None:
    with socket.create_connection(("127.0.0.1", ports.mllp), timeout=20) as plain:
        plain.sendall(b"\x0b" + an_adt("81004") + b"\x1c\r")
        while plain.recv(100):
            pass
    service.until_counted("mllp.tls_refused")
    service.until(lambda: "it does not speak TLS" in service.log())
    assert "81004" not in service.log()


def test_the_status_holds_what_was_refused(service: Service, ports: Ports) -> None:
    assert requests.post(
        f"https://localhost:{ports.http}/", data=b"", verify=str(ports.papers.ca), timeout=20
    ).status_code == 401  # fmt: skip
    service.until_counted("http.refused_token")
    assert json.loads(service.cli("status", "--json").stdout)["counters"]["http.refused_token"] == 1


def test_the_doctor_sees_both_ports_and_their_certificates(service: Service, ports: Ports) -> None:
    said = service.cli("doctor").stdout
    assert "senders show theirs" in said
    assert "any sender may connect" in said


def test_a_certificate_that_cannot_be_used_stops_the_start_with_its_name(tmp_path: Path) -> None:
    ports = Ports(tmp_path)
    ports.papers.key.write_text("nothing")
    with pytest.raises(AssertionError, match="holds no private key in PEM"), Service(ports.config):
        pass


def test_a_stop_ends_the_service_with_open_connections(tmp_path: Path) -> None:
    ports = Ports(tmp_path)
    with Service(ports.config) as running:
        running.until(lambda: _is_open(ports.http))
        idle, half = Client(ports.mllp, tls=ports.engine()), Client(ports.mllp)
        session = requests.Session()
        session.post(
            f"https://localhost:{ports.http}/",
            data=an_adt("81005"),
            headers=ER7,
            verify=str(ports.papers.ca),
            timeout=20,
        )
        assert running.stop() == 0
        assert idle.is_closed()
        assert half.is_closed()


@pytest.mark.behaviour(83)
def test_a_message_that_contradicts_itself_is_accepted_and_parked(service: Service, ports: Ports) -> None:
    two = b"81006^^^RXX^MR~9990000018^^^NHS^NH~9990000026^^^NHS^NH"
    assert ask(ports, an_adt("81006").replace(b"81006^^^RXX^MR", two)).code == "AA"
    service.until(lambda: any(reason == "P201" for _, reason in service.parked()))
