"""Senders of other makers to the service as it runs, plain and over mutual TLS: each reads our answers right."""

import asyncio
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hl7
import hl7.mllp
import pytest

from adapter import simulator
from adapter.hl7v2.ack import Ack, parse_ack
from adapter.hl7v2.framing import Deframer, Frame, frame
from adapter.sources.tls import client_context
from tests.acceptance.bad_input_service import Service, a_free_port, an_adt
from tests.acceptance.hospital import trust_file
from tests.third_party import node
from tests.unit.sources.papers import papers

PLAIN, OVER_TLS = "plain", "tls"
WAYS = [PLAIN, OVER_TLS]
LIBRARIES = {("simple-hl7", PLAIN): 70000, ("node-hl7-client", PLAIN): 71000, ("node-hl7-client", OVER_TLS): 72000}
"""Each with the first of its hospital numbers. simple-hl7 speaks no TLS: it is tried through a tunnel."""

Answer = dict[str, str]


class Hospital:
    """A running service with a plain port and one of mutual TLS."""

    def __init__(self, folder: Path) -> None:
        paper = papers(folder)
        tls = {"certificate": "port.pem", "key": "port.key", "client_ca": "ca.pem"}
        self.ports = {PLAIN: a_free_port(), OVER_TLS: a_free_port()}
        sources: list[dict[str, Any]] = [
            {"name": "engine", "kind": "mllp", "port": self.ports[PLAIN], "accept": {"types": ["ADT^*"]}},
            {"name": "far", "kind": "mllp", "port": self.ports[OVER_TLS], "tls": tls, "accept": {"types": ["ADT^*"]}},
        ]
        self.config = trust_file(folder, simulation=simulator.hospital(seed=3, infants=2), sources=sources)
        self.papers = paper
        files = {"ca": paper.ca, "cert": paper.sender_certificate, "key": paper.sender_key}
        self.tls = {name: str(path) for name, path in files.items()}

    def context(self) -> ssl.SSLContext:
        return client_context(ca=self.papers.ca, certificate=self.papers.sender_certificate, key=self.papers.sender_key)

    def asked(self, way: str) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": self.ports[way], "tls": self.tls if way == OVER_TLS else None}


@pytest.fixture(scope="module")
def installed() -> None:
    try:
        node.modules()
    except node.NotHere as reason:
        pytest.skip(f"senders of other makers: {reason}")


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    return Hospital(tmp_path_factory.mktemp("hospital"))


@pytest.fixture(scope="module", autouse=True)
def service(hospital: Hospital) -> Iterator[Service]:
    with Service(hospital.config) as running:
        running.until(lambda: _listens(hospital.ports[OVER_TLS]))
        yield running
    log = running.log()
    assert "BABY" not in log
    assert "Ångström" not in log


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def port(hospital: Hospital, request: pytest.FixtureRequest) -> Iterator[int]:
    """A plain port, or the plain end of a tunnel to the port with TLS."""
    if request.param == PLAIN:
        yield hospital.ports[PLAIN]
        return
    request.getfixturevalue("installed")
    tunnel = node.start("tunnel", hospital.asked(OVER_TLS))
    try:
        assert tunnel.stdout is not None
        yield int(tunnel.stdout.readline())
    finally:
        tunnel.kill()
        tunnel.communicate()


def text(number: str, *, asking: str = "", kind: str = "ADT^A01", more: str = "") -> str:
    """A newborn; `asking` is MSH-15 and MSH-16."""
    head, rest = an_adt(number, name="Ångström").decode().split("\r", 1)
    return head.replace("ADT^A01", kind) + f"|||{asking}\r" + rest + more


def brief(answers: list[Answer]) -> list[tuple[str, str, str]]:
    return [(each["code"], each["control_id"], each["text"]) for each in answers]


@pytest.mark.parametrize(("library", "way"), LIBRARIES)
def test_each_message_is_answered_with_aa_and_its_control_id(
    installed: None, service: Service, hospital: Hospital, library: str, way: str
) -> None:
    before = service.status()["messages"].get("processed", 0)
    start = LIBRARIES[library, way]
    numbers = [str(start + each) for each in range(20)]
    large = text(f"{start}99", more="NTE|1||" + "Å" * 200_000 + "\r")
    found = node.answers(library, hospital.asked(way), [*map(text, numbers), large])
    assert brief(found) == [("AA", f"C{number}", "") for number in [*numbers, f"{start}99"]]
    assert len({each["raw"].split("\r")[0].split("|")[9] for each in found}) == 21  # our own control ids
    service.until(lambda: service.status()["messages"].get("processed", 0) == before + 21)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.behaviour(84)
def test_enhanced_mode_is_understood_and_a_refusal_read_with_its_reason(
    installed: None, hospital: Hospital, way: str
) -> None:
    start = 73000 + 100 * WAYS.index(way)
    refused = text(f"{start}3", kind="ORU^R01")
    asked = [text(f"{start}1", asking="AL|NE"), text(f"{start}2", asking="NE|AL"), refused, text(f"{start}4")]
    found = node.answers("node-hl7-client", hospital.asked(way), asked)
    reason = "not taken here: messages of this type (MSH-9)"
    assert brief(found) == [
        ("CA", f"C{start}1", ""), ("AA", f"C{start}2", ""), ("AR", f"C{start}3", reason), ("AA", f"C{start}4", ""),
    ]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.behaviour(76)
def test_a_sender_of_node_that_closes_its_side_at_once_reads_all_its_answers(
    installed: None, hospital: Hospital, way: str
) -> None:
    numbers = [f"77{WAYS.index(way)}{number}" for number in range(10)]
    found = node.answers("half-close", hospital.asked(way), [text(number) for number in numbers])
    assert [parse_ack(each["raw"].encode()) for each in found] == [Ack("AA", f"C{number}", "") for number in numbers]


@pytest.mark.parametrize("port", WAYS, indirect=True)
def test_simple_hl7_reads_answers_of_both_modes_plain_and_through_a_tunnel(installed: None, port: int) -> None:
    asked = {"host": "127.0.0.1", "port": port, "tls": None}
    found = node.answers("simple-hl7", asked, [text("74001", asking="AL|NE"), text("74002")])
    assert brief(found) == [("CA", "C74001", ""), ("AA", "C74002", "")]


@pytest.mark.parametrize("port", WAYS, indirect=True)
@pytest.mark.parametrize("form", ["framed", "loose"])
def test_mllp_send_of_python_hl7_prints_our_answers(port: int, form: str, tmp_path: Path) -> None:
    wanted = ["75001", "75002", "75003"]
    file = tmp_path / "sample.hl7"
    bodies = [text(number).encode() for number in wanted]
    file.write_bytes(b"".join(map(frame, bodies)) if form == "framed" else b"\r\n".join(bodies).replace(b"\r", b"\r\n"))
    command = [str(Path(sys.executable).parent / "mllp_send"), "--port", str(port), "--file", str(file)]
    command += ["--loose", "127.0.0.1"] if form == "loose" else ["127.0.0.1"]
    done = subprocess.run(command, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    printed = [event.body for event in Deframer().feed(done.stdout) if isinstance(event, Frame)]
    assert [parse_ack(body) for body in printed] == [Ack("AA", f"C{number}", "") for number in wanted]


@pytest.mark.parametrize("way", WAYS)
def test_the_asyncio_client_of_python_hl7_parses_our_answers(hospital: Hospital, way: str) -> None:
    async def ask() -> list[tuple[str, str]]:
        more = {"ssl": hospital.context(), "server_hostname": "localhost"} if way == OVER_TLS else {}
        reader, writer = await hl7.mllp.open_hl7_connection("127.0.0.1", hospital.ports[way], encoding="utf-8", **more)
        found = []
        for number in ("76001", "76002"):
            writer.writemessage(hl7.parse(text(number)))
            ack = await reader.readmessage()
            found.append((str(ack.segment("MSA")[1]), str(ack.segment("MSA")[2])))
        writer.close()
        await writer.wait_closed()
        return found

    assert asyncio.run(ask()) == [("AA", "C76001"), ("AA", "C76002")]
