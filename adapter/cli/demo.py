"""`csor-adapter demo`: a simulated hospital, the adapter and a receiver, on this machine alone.

Sends the hospital's messages over MLLP to the real service, waits until CSOR has every row, and holds what arrived to
the truth. Exit 0 only when every expected row arrived and no other.
"""

import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import requests
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from adapter import config, simulator
from adapter.cli import demo_site
from adapter.cli.demo_site import HOST, Site
from adapter.cli.demo_verdict import Verdict, judge
from adapter.cli.rows import read_rows
from adapter.cli.status import read_status
from adapter.errors import ExitCode, SetupError
from adapter.hl7v2.ack import parse_ack
from adapter.hl7v2.framing import Deframer, Frame, frame

_WINDOW = 64
"""Messages under way; an engine with a queue sends like this."""
_START_S = 60.0
_QUIET_S = 300.0
_READ_BYTES = 65536

console = Console(soft_wrap=True)


def demo(
    infants: Annotated[int, typer.Option("--infants", min=1, help="Infants on the simulated wards.")] = 12,
    keep: Annotated[Path | None, typer.Option("--keep", metavar="DIR", help="Leave everything in this folder.")] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Go on running afterwards, until Ctrl-C.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Another hospital for another number.")] = 1,
) -> None:
    """A simulated hospital, the adapter and a receiver on this machine; checks its own end state."""
    simulation = simulator.hospital(seed=seed, infants=infants)
    with _folder(keep) as folder, _fhir_server(folder, simulation) as server:
        site = demo_site.build(folder, simulation, fhir_base=server.base)
        started = time.monotonic()
        with demo_site.running(site):
            for feed in site.mllp_ports:
                _send(site, feed, [message.raw for message in simulation.messages if message.feed == feed])
            settings = config.load_trust(site.trust_file)
            _wait_until_all_is_sent(settings)
            seconds = time.monotonic() - started
            verdict = judge(simulation.truth, list(read_rows(settings)), _received(site))
            _tell(verdict, simulation, server, settings, seconds=seconds)
            if serve:
                _serve(site)
    if keep:
        console.print(f"kept in {keep}: try  csor-adapter rows --config {keep / 'trust.yaml'}")
    if verdict.faults:
        raise typer.Exit(ExitCode.FILES_FAILED)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="csor-demo-") as temporary:
            yield Path(temporary)
        return
    if keep.exists() and any(keep.iterdir()):
        raise SetupError(f"{keep} is not empty: name a new folder", exit_code=ExitCode.USAGE)
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.resolve()


@contextmanager
def _fhir_server(folder: Path, simulation: simulator.Simulation) -> Iterator[simulator.FhirServer]:
    """The same hospital's record, as far as it is told by FHIR; all of it has happened."""
    changes = simulator.fhir_timeline(simulation.courses)
    settings = simulator.FhirSettings(token=demo_site.new_token(folder), page_size=200)
    latest = max((change.visible_at for change in changes), default=datetime.now(UTC))
    with simulator.fhir_running(changes, settings, now=latest) as server:
        yield server


def _send(site: Site, feed: str, messages: Sequence[bytes]) -> None:
    """As an integration engine does: over one connection, some messages under way, each acknowledged."""
    columns = TextColumn(f"{feed}: messages acknowledged"), BarColumn(), MofNCompleteColumn()
    with _connected(site, feed) as line, Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=len(messages))
        deframer = Deframer()
        sent = answered = 0
        while answered < len(messages):
            while sent < len(messages) and sent - answered < _WINDOW:
                line.sendall(frame(messages[sent]))
                sent += 1
            for event in deframer.feed(line.recv(_READ_BYTES)):
                if isinstance(event, Frame):
                    _check_accepted(event.body)
                    answered += 1
            progress.update(bar, completed=answered)


def _check_accepted(answer: bytes) -> None:
    ack = parse_ack(answer)
    if ack is None or not ack.is_accepted:
        raise SetupError("the adapter did not accept a message of the simulated hospital", exit_code=ExitCode.STORE)


@contextmanager
def _connected(site: Site, feed: str) -> Iterator[socket.socket]:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            line = socket.create_connection((HOST, site.mllp_ports[feed]), timeout=30)
            break
        except OSError:
            if time.monotonic() > deadline:
                text = f"the service did not start within {_START_S:.0f} s: see {site.folder / 'run.log'}"
                raise SetupError(text, exit_code=ExitCode.STORE) from None
            time.sleep(0.05)
    with line:
        yield line


def _wait_until_all_is_sent(settings: config.TrustSettings) -> None:
    """Nothing queued, nothing to settle, nothing unsent, twice in a row."""
    quiet = 0
    deadline = time.monotonic() + _QUIET_S
    with console.status("processing, settling, sending"):
        while quiet < 2:
            if time.monotonic() > deadline:
                raise SetupError(f"not everything was sent within {_QUIET_S:.0f} s", exit_code=ExitCode.STORE)
            time.sleep(0.1)
            found = read_status(settings)
            open_deliveries = sum(count for state, count in found["deliveries"].items() if state != "accepted")
            busy = (
                found["queue"]["waiting"] or found["children"]["to_settle"] or found["unsent_rows"] or open_deliveries
            )
            quiet = 0 if busy or not _is_read(found["fhir_sources"]) else quiet + 1


def _is_read(sources: Mapping[str, Any]) -> bool:
    """Whether every search of every FHIR server came to its end at least once."""
    return all(each["last_success_s"] is not None for each in sources.values())


def _received(site: Site) -> list[dict[str, Any]]:
    """Every row that the receiver holds, as it gives them out."""
    session = requests.Session()
    session.trust_env = False
    session.verify = str(site.folder / "receiver.pem")
    session.headers["Authorization"] = f"Bearer {site.token}"
    rows: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        page = session.get(f"{site.receiver_url}/v1/rows", params={"after": after}, timeout=30).json()
        rows += page["rows"]
        after = page["next"]
    return rows


def _tell(
    verdict: Verdict,
    simulation: simulator.Simulation,
    server: simulator.FhirServer,
    settings: config.TrustSettings,
    *,
    seconds: float,
) -> None:
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(verdict.rows.items()))
    sent = ", ".join(f"{count} {kind}" for kind, count in sorted(verdict.sent.items()))
    share = 100 * verdict.filled / verdict.fields if verdict.fields else 0
    patients = len({message.subject for message in simulation.messages})
    console.print(f"hospital   {len(simulation.courses)} patients, {len(simulation.lookalikes)} of them look-alikes")
    console.print(f"HL7 v2     {len(simulation.messages)} messages of {patients} hospital numbers, two dialects")
    console.print(f"FHIR       {len(server.seen)} requests answered")
    conditions = ", ".join(f"{count} {name}" for name, count in sorted(verdict.conditions.items()))
    console.print(f"children   {verdict.children} of the cohort: {conditions}")
    console.print(f"rows       {verdict.rows.total()} inside the trust: {kinds}")
    console.print(f"held       {verdict.held} of them: their test or unit is not mapped, or their sample is not blood")
    console.print(f"received   {verdict.sent.total()} by CSOR: {sent}")
    console.print(f"fields     {verdict.filled} of {verdict.fields} filled without a human ({share:.0f} %)")
    console.print(f"time       {seconds:.1f} s")
    for fault in verdict.faults:
        console.print(f"fault      {fault}")
    console.print("verdict    " + ("not as expected" if verdict.faults else "every expected row arrived, and no other"))


def _serve(site: Site) -> None:
    ports = ", ".join(f"{feed} {HOST}:{port}" for feed, port in site.mllp_ports.items())
    console.print(f"MLLP on {ports}, FHIR {site.fhir_base}, receiver {site.receiver_url}; trust file {site.trust_file}")
    console.print("Ctrl-C stops")
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        return
