"""A service that reads three FHIR servers full of canaries: child by child, by export, and by search and being told."""

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapter import config
from adapter.cli.app import app
from adapter.cli.cohort import ask_servers_again, read_not_whole
from adapter.cli.rows import read_rows
from adapter.cli.status import read_status
from adapter.errors import SetupError
from adapter.simulator.fhir_faults import Answer, Effect, Fault, Request
from adapter.simulator.fhir_server import FhirServer, running
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_terms import HOSPITAL_NUMBER
from adapter.simulator.fhir_versions import Change, encode
from adapter.store.faults import StoreError
from tests.acceptance import canary_fhir as planted
from tests.acceptance.bad_input_service import a_free_port
from tests.acceptance.canary_messages import MARK
from tests.acceptance.crash_service import Service
from tests.fakes.crawled_hospital import NEEDED, admission
from tests.fakes.crawled_hospital import types as crawled_types
from tests.fakes.exporting_hospital import GROUP
from tests.fakes.polled_hospital import END, source
from tests.integration.trust import trust_file

CHILDREN = {"crawl": 417, "bulk": 528, "push": 639}
"""By source: one child at each server."""
RULES = "[{code: '4119', action: mark-incomplete}]"
_BULK = f"{{groups: [{GROUP}], every: PT1S, full: PT1S, poll_min_s: 0.05, instead_of_search: yes}}"
_LONGEST_S = 90.0


@dataclass
class Hospital:
    """The servers, the service and all that was written."""

    folder: Path
    trust: Path
    service: Service
    servers: dict[str, FhirServer]
    numbers: set[str]
    mllp: int
    hook: int
    sent: list[bytes] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    """By name of a fault: how often a request has met it."""
    texts: dict[str, str] = field(default_factory=dict)
    """By command: what it has printed."""
    hits: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    """By moment: what was found below the data folder."""

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def temporary(self) -> Path:
        """Where a process of the service would put a file for a moment."""
        return self.folder / "tmp"

    @property
    def log(self) -> str:
        return (self.folder / "service.log").read_text()

    def break_by(self, source: str, name: str, effect: Effect, *, times: int | None = None, **which: Any) -> None:
        """From now on; what is sent is kept, so that a test can say that it held a canary."""

        def noted(request: Request, answer: Answer) -> Answer:
            spoilt = effect(request, answer)
            self.met[f"{source}: {name}"] += 1
            self.sent.append(bytes(encode(spoilt.content)) + repr(dict(spoilt.headers)).encode())
            return spoilt

        self.servers[source].faults.add(Fault(effect=noted, times=times, **which))

    def until(self, is_so: Callable[[], bool], why: str) -> None:
        deadline = time.monotonic() + _LONGEST_S
        while not is_so():
            assert time.monotonic() < deadline, f"{why}\nmet: {dict(self.met)}\n{self.service.tail()}"
            time.sleep(0.1)

    def until_met(self, names: Sequence[str], *, times: int = 1) -> None:
        self.until(lambda: all(self.met[name] >= times for name in names), f"never asked: {names}")

    def status(self) -> dict[str, Any]:
        try:
            return read_status(config.load_trust(self.trust))
        except (StoreError, SetupError):  # in the middle of its start
            return {}

    def is_all_read(self) -> bool:
        """Each of the three children is in, and what came of it has left."""
        found = self.status()
        if not found or found["queue"]["waiting"] or found["children"]["to_settle"] or found["unsent_rows"]:
            return False
        servers = found["fhir_sources"]
        is_crawled = servers["crawl"]["patients"]["complete"] >= 1
        is_exported = found["exports"]["bulk"][f"Group/{GROUP}"]["last"] == "whole"
        return bool(is_crawled and is_exported and servers["push"]["last_success_s"] is not None)

    def is_crawl_broken(self) -> bool:
        """Whether the child that is read alone stands as not whole."""
        found = self.status()
        return bool(found) and found["fhir_sources"]["crawl"]["patients"]["complete"] == 0

    def rows(self) -> list[dict[str, Any]]:
        return list(read_rows(config.load_trust(self.trust)))

    def admit(self) -> None:
        """HL7 v2 tells of the child who is then read from the first server."""
        with socket.create_connection(("127.0.0.1", self.mllp), timeout=30) as line:
            line.sendall(b"\x0b" + admission(CHILDREN["crawl"]) + b"\x1c\r")
            assert line.recv(4096)

    def look(self, moment: str) -> None:
        """Search all of the data folder, with the names of its files."""
        self.hits[moment] = planted.searcher(self.numbers).found_below(self.data)

    def kill(self, moment: str) -> None:
        """SIGKILL to every process at once; what lies on the disk then is searched as it lies there."""
        self.service.kill("all")
        self.look(moment)

    def kill_at(self, place: str, *, nth: int) -> None:
        """The work process dies at such a statement, the rest by our hand: all of it lies there as it then stood."""
        self.service.arm(place, nth)
        self.until(self.service.died_inside, f"never came to {place}")
        self.service.disarm()
        self.service.kill("all")

    def ask_again(self) -> None:
        """The child that is read alone is due now."""
        for each in read_not_whole(config.load_trust(self.trust)):
            ask_servers_again(config.load_trust(self.trust), each.child)

    def ask(self, *arguments: str) -> None:
        done = CliRunner().invoke(app, [*arguments, "--config", str(self.trust)])
        self.texts[" ".join(arguments)] = done.output + repr(done.exception)

    def ask_all(self) -> None:
        """What an operator sees without asking for a body or a server's words."""
        for arguments in (
            ("status",), ("status", "--json"), ("cohort",), ("cohort", "--incomplete"), ("parked",), ("check",),
            ("cohort", "--incomplete", "--format", "ndjson"), ("told", "crawl"),
            ("told", "other", "--reason", "a call"),
        ):  # fmt: skip
            self.ask(*arguments)
        self.ask("doctor", "--patient", f"{MARK}-nobody")
        for number in [line.split()[0] for line in self.texts["parked"].splitlines() if line[:1].isdigit()][:3]:
            self.ask("parked", "show", number)

    def ask_for_words(self) -> None:
        """What a server wrote, which names the patient and is shown to who gives a reason."""
        self.ask("told", "push", "--reason", "a call")
        for each in read_not_whole(config.load_trust(self.trust)):
            self.ask("told", each.source, "--reason", "a call", "--child", str(each.child))

    @property
    def told(self) -> str:
        return "\n".join(text for name, text in self.texts.items() if name.startswith("told ") and "a call" in name)

    @property
    def shown(self) -> dict[str, str]:
        """All that was printed unasked."""
        return {name: text for name, text in self.texts.items() if not (name.startswith("told ") and "a call" in name)}


@contextmanager
def a_hospital(folder: Path) -> Iterator[Hospital]:
    """With its service, which has read everything once."""
    changes = {name: planted.the_changes(number) for name, number in CHILDREN.items()}
    with ExitStack() as stack:
        settings = Settings(token=planted.TOKEN)
        servers = {
            name: stack.enter_context(
                running(
                    changes[name], replace(settings, patient_needed=NEEDED) if name == "crawl" else settings, now=END
                )
            )
            for name in CHILDREN
        }
        servers["bulk"].exports.groups = {GROUP: None}
        servers["push"].add([Change(visible_at=END, resource=planted.SUBSCRIPTION)])
        mllp, hook = a_free_port(), a_free_port()
        trust = _trust(folder, servers, mllp=mllp, hook=hook)
        every: list[Change] = [each for one in changes.values() for each in one]
        temporary = folder / "tmp"
        temporary.mkdir()
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("TMPDIR", str(temporary))
        service = Service(trust, folder)
        found = Hospital(folder, trust, service, servers, planted.numbers_in(every), mllp, hook)
        found.sent += [bytes(encode(each.resource)) for each in every]
        try:
            service.ensure_up()
            found.until(lambda: "listening" in found.log and found.log.count("listening") >= 2, "it does not listen")
            found.admit()
            found.until(found.is_all_read, "not all is read")
            yield found
        finally:
            service.abandon()


def _trust(folder: Path, servers: dict[str, FhirServer], *, mllp: int, hook: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "token").write_text(f"{planted.TOKEN}\n")
    (folder / "hook").write_text(f"{planted.HOOK_SECRET}\n")
    same = {"outcome_rules": RULES, "count": "5"}
    hooks = (
        f"{{port: {hook}, header: X-Hook, secret: {{file: hook}}, look_every: PT1S,"
        " reactivate: yes, address: 'https://csor.trust.example:8443',"
        " criteria: [{name: results, criteria: 'https://epr.example/topics/anything'},"
        " {name: looked, criteria: 'Observation?', id: s-1}]}"
    )
    patients = {"types": crawled_types(), "patients": "{triggered_by: [epr], every: PT1S}"}
    sources = [
        source(servers["crawl"], **{**same, **patients, "name": "crawl", "from": "2026-09-01"}),
        source(servers["bulk"], **{**same, "name": "bulk", "bulk": _BULK}),
        source(servers["push"], **{**same, "name": "push", "subscriptions": hooks}),
    ]
    whole = {
        "wards": "[{code: NNU, type: nicu}, {code: PSW, type: surgical}, {code: NICU, type: nicu}]",
        "identity": f"{{hospital_numbers: [{{authority: RXX, fhir_system: '{HOSPITAL_NUMBER}'}}]}}",
        "sources": f"[{{name: epr, kind: mllp, port: {mllp}}}, {', '.join(each[1:-1] for each in sources)}]",
        "sink": f"{{kind: folder, path: '{folder / 'out'}'}}",
        # The invented autumn must not end a hold while a test runs in some later year.
        "hold": "{unknown: P9000D, after_discharge: P9000D, max: P9000D}",
    }
    return trust_file(folder, mappings=config.packaged("mappings"), **whole)
