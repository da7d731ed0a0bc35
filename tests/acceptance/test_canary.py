"""Criterion 6: what a sender writes about a person is found in clear nowhere but in what it sent."""

import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import yaml

from adapter import config, simulator
from adapter.cli.rows import read_rows
from adapter.cli.status import read_status
from adapter.simulator import Course, Simulation
from adapter.simulator.fhir_versions import encode
from tests.acceptance import canary_messages as canary
from tests.acceptance.canary_search import Search
from tests.acceptance.hospital import FHIR_FEED, listeners, trust_file

ROOT = Path(__file__).parents[2]
INSIDE = Path(__file__).parent / "canary_inside"
TOKEN = "a-token-of-the-test"
KINDS = {
    "admission", "diagnosis", "infant", "imaging_report", "imaging_study", "lab_result", "medication_course",
    "operation", "operation_note", "outcome_event", "vital_sign", "ward_stay",
}  # fmt: skip
RECORD_LENGTH_MIN = 6
"""Shorter values of the simulated hospital would be found by chance in a megabyte of noise."""
SENTENCE_LENGTH_MIN = 20


def names_of(simulation: Simulation) -> set[str]:
    """What the simulated hospital itself says of its children: numbers, names, words of reports and of drugs."""
    found = {each for message in simulation.messages for each in (message.subject, message.control_id)}
    for course in simulation.courses:
        person = course.person
        found |= {person.hospital_number, person.nhs_number, person.family, person.street, person.postcode}
        found |= {visit.number for visit in course.visits}
        if course.confirmed:
            found |= set(_said_of(course))
    wards = {ward.code for ward in simulation.wards}
    return {each for each in found if len(each) >= RECORD_LENGTH_MIN and each not in wards}


def _said_of(course: Course) -> Iterator[str]:
    for report in course.reports:
        yield from (part.order.number for part in report.orders)
    for examination in course.examinations:
        yield from (examination.accession, examination.placer, examination.study_uid)
        for reading in examination.readings:
            yield from (line for line in reading.lines if len(line) >= SENTENCE_LENGTH_MIN)
    for prescription in course.prescriptions:
        yield from (prescription.number, prescription.drug.words)
    yield from (record.number for record in course.records)


class Outcome:
    """All that a run has written."""

    def __init__(self, folder: Path, *, simulation: Simulation, sent: list[bytes]) -> None:
        self.folder = folder
        self.simulation = simulation
        self.sent = sent
        self.kinds: set[str] = set()
        """Of the rows that left."""
        self.texts: dict[str, str] = {}
        """Output of commands."""


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _send(port: int, bodies: Sequence[bytes]) -> None:
    """All on one connection, each after the answer to the one before."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        for body in bodies:
            line.sendall(b"\x0b" + body + b"\x1c\r")
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                answer += line.recv(65536)
        line.sendall(b"\x0bMSH|^~\\&|" + canary.SURNAME.encode())  # and a frame that never ends


def _until(is_so: Callable[[], bool], *, timeout_s: float, why: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, why
        time.sleep(0.2)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _drop(folder: Path, simulation: Simulation, confirmed: Sequence[str]) -> list[bytes]:
    """Files whose names and contents hold canaries."""
    files = {
        f"{canary.SURNAME} {canary.STRAY_NUMBER}.json": canary.bundle(confirmed[0]),
        f"{canary.MARK}-wrong.json": canary.bundle(confirmed[0], is_wrong=True),
        f"{canary.GIVEN}.ndjson": canary.bundle(confirmed[-1]) + b"\n" + canary.bundle(confirmed[0]),
        f"{canary.MARK}.json": f'{{"resourceType": "{canary.MARK}", "text": "{canary.WORDS}"'.encode(),
        f"{canary.POSTCODE}.hl7": canary.planted(simulation.messages[-1]).raw,
        f"{canary.MARK}.hl7": canary.malformed()[0],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return list(files.values())


def _command(*arguments: str, inside: Path | None = None) -> tuple[list[str], dict[str, str]]:
    paths = os.pathsep.join([*([str(inside)] if inside else []), str(ROOT)])
    return [sys.executable, "-m", "adapter", *arguments], {**os.environ, "PYTHONPATH": paths}


def _outputs(trust: Path) -> dict[str, str]:
    """What an operator sees without asking for a body."""
    found = {}
    for arguments in (("status",), ("status", "--json"), ("parked",), ("check",)):
        command, environment = _command(*arguments, "--config", str(trust))
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        found[" ".join(arguments)] = done.stdout + done.stderr
    for number in [line.split()[0] for line in found["parked"].splitlines() if line[:1].isdigit()][:40:4]:
        command, environment = _command("parked", "show", number, "--config", str(trust))
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        found[f"parked show {number}"] = done.stdout + done.stderr
    return found


def _run(folder: Path, *, sink: str, simulation: Simulation) -> Outcome:
    changes = [
        replace(change, resource=canary.planted_in(change.resource))
        for change in simulator.fhir_timeline(simulation.courses)
    ]
    now = max(change.visible_at for change in changes)
    with simulator.fhir_running(changes, simulator.FhirSettings(token=TOKEN), now=now) as server:
        served = [encode(change.resource) for change in changes]
        return _serve(folder, sink=sink, simulation=simulation, base_url=server.base, served=served)


def _serve(folder: Path, *, sink: str, simulation: Simulation, base_url: str, served: list[bytes]) -> Outcome:
    receiver_port = a_free_port()
    out = {"kind": "folder", "path": "out"} if sink == "folder" else {
        "kind": "csor-api", "url": f"http://127.0.0.1:{receiver_port}"
    }  # fmt: skip
    ports = {site.feed: a_free_port() for site in simulation.sites}
    (folder / "token").write_text(TOKEN)
    sources = [
        *({**each, "frame_s": 2} for each in listeners(simulation, ports)),
        {"name": "drop", "kind": "folder", "path": "in", "poll_s": 0.2},
        {
            "name": FHIR_FEED,
            "kind": "fhir-search",
            "base_url": base_url,
            "token": {"file": "token"},
            "from": "2020-01-01",
            "every": "PT2S",
            "limits": {"requests_per_second": 1000},
        },
    ]
    # The simulated year must not end a hold while the test runs.
    hold = {"unknown": "P9000D", "after_discharge": "P9000D", "max": "P9000D"}
    trust = trust_file(folder, simulation=simulation, sources=sources, sink=out, hold=hold)
    confirmed = [course.person.hospital_number for course in simulation.courses if course.confirmed]
    receiver = folder / "receiver.yaml"
    receiver.write_text(yaml.safe_dump({"data-folder": "received", "port": str(receiver_port)}))
    processes = []
    with (folder / "receiver.log").open("wb") as receiver_log, (folder / "service.log").open("wb") as log:
        if sink != "folder":
            command, environment = _command("receive", "--config", str(receiver))
            processes.append(subprocess.Popen(command, env=environment, stdout=receiver_log, stderr=receiver_log))
            _until(lambda: _listens(receiver_port), timeout_s=30, why="the receiver does not start")
        command, environment = _command("run", "--config", str(trust), inside=INSIDE)
        processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        try:
            for port in ports.values():
                _until(partial(_listens, port), timeout_s=30, why="the service does not start")
            messages = list(canary.everything(simulation.messages, confirmed[0]))
            for feed, port in ports.items():
                _send(port, [message.raw for message in messages if message.feed == feed])
            sent = [message.raw for message in messages] + served
            sent += _drop(folder / "in", simulation, confirmed)
            settings = config.load_trust(trust)
            _until(lambda: _is_done(read_status(settings)), timeout_s=90, why="the service does not finish")
            outcome = Outcome(folder, simulation=simulation, sent=sent)
            outcome.kinds = {row["kind"] for row in read_rows(settings) if row["state"] in ("live", "confirmed")}
            outcome.texts = _outputs(trust)
            # The write-ahead logs are searched as they stand while the service runs.
            outcome.texts["while running"] = json.dumps(
                {name: sorted(found) for name, found in _searcher(simulation).found_below(folder / "data").items()}
            )
        finally:
            for process in reversed(processes):
                process.terminate()
                process.wait(60)
    return outcome


def _is_done(status: dict[str, object]) -> bool:
    queue, messages, children = status["queue"], status["messages"], status["children"]
    assert isinstance(queue, dict)
    assert isinstance(messages, dict)
    assert isinstance(children, dict)
    waits = queue["waiting"] or messages.get("received", 0) or children["to_settle"] or status["unsent_rows"]
    sources = status["fhir_sources"]
    assert isinstance(sources, dict)
    is_read = all(source["last_success_s"] is not None for source in sources.values())
    return is_read and not waits and messages.get("parked", 0) > 3


def _searcher(simulation: Simulation) -> Search:
    return Search(canary.CANARIES, plainly=names_of(simulation))


@pytest.fixture(scope="module", params=["receiver", "folder"])
def outcome(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    simulation = simulator.hospital(seed=4, infants=3)
    return _run(tmp_path_factory.mktemp("canary"), sink=request.param, simulation=simulation)


def test_every_canary_was_sent(outcome: Outcome) -> None:
    """The control: what is searched for stands in what was sent."""
    found = Search(canary.CANARIES).found_in(b"\n".join(outcome.sent))
    assert found | {canary.MAIL} == set(canary.CANARIES) - {"ZZ997QX"} | {canary.MAIL}


def test_rows_did_leave(outcome: Outcome) -> None:
    """The control: there was something to search."""
    received = [*(outcome.folder / "out").glob("*"), *(outcome.folder / "received").glob("*.db")]
    assert sum(path.stat().st_size for path in received) > 50_000
    assert outcome.kinds >= KINDS


def test_the_search_finds_what_is_left_unsealed_in_any_of_its_forms(outcome: Outcome, tmp_path: Path) -> None:
    """The control: one careless file, however written."""
    search = _searcher(outcome.simulation)
    body = outcome.sent[0]
    forms = {
        "plain": body,
        "upper": body.upper(),
        "utf-16": body.decode().encode("utf-16"),
        "hex": body.hex().encode(),
        "base64": base64.b64encode(b"x" + body),
    }
    for name, content in forms.items():
        (tmp_path / name).write_bytes(os.urandom(5_000) + content + os.urandom(5_000))
    (tmp_path / f"{canary.SURNAME}.txt").touch()
    found = search.found_below(tmp_path)
    assert all(canary.MARK in found[name] and canary.SURNAME in found[name] for name in forms)
    assert found[f"{canary.SURNAME}.txt"] == {canary.SURNAME}


def test_nothing_stands_in_clear_in_the_data_folder(outcome: Outcome) -> None:
    assert _searcher(outcome.simulation).found_below(outcome.folder / "data") == {}
    assert json.loads(outcome.texts["while running"]) == {}


def test_nothing_left_with_the_rows(outcome: Outcome) -> None:
    search = _searcher(outcome.simulation)
    assert search.found_below(outcome.folder / "out") == {}
    assert search.found_below(outcome.folder / "received") == {}


def test_no_process_said_anything(outcome: Outcome) -> None:
    search = _searcher(outcome.simulation)
    logs = {name: search.found_in((outcome.folder / name).read_bytes()) for name in ("service.log", "receiver.log")}
    assert logs == {"service.log": set(), "receiver.log": set()}
    assert b"RuntimeError" in (outcome.folder / "service.log").read_bytes(), "the poisoned message was not met"


def test_no_command_shows_it_unasked(outcome: Outcome) -> None:
    search = _searcher(outcome.simulation)
    shown = {name: found for name, text in outcome.texts.items() if (found := search.found_in(text.encode()))}
    assert shown == {}
    assert "crashed three times" in outcome.texts["parked"]
