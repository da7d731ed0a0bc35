"""The whole journey of laboratory reports over confirmed children, against what hl7apy takes only to parse them.

The service runs as it does in a hospital: `csor-adapter run`, one process that receives and one that works, debounce 0,
synchronous=FULL. This process sends over MLLP on ten connections, each waiting for its acknowledgement before the next
message. Time is wall clock, from the first byte sent until the last row of the slice is committed and nothing is left
to settle, as seen by a reader of the store. hl7apy's slices lie between ours; the children are confirmed before.
"""

import selectors
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hl7apy.parser import parse_message

from adapter.hl7v2.framing import frame
from benchmarks.ward import RESULTS, Infant, a_trust

CHILDREN = 100
CONNECTIONS = 10
_HL7APY_PER_SLICE = 8
_PATIENCE_S = 120.0
_QUIET_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """Medians of one run, milliseconds a message."""

    journey_ms: float
    hl7apy_ms: float
    messages: int
    rows: int
    ratios: tuple[float, ...]
    """Of each slice with the hl7apy slices around it."""

    @property
    def ratio(self) -> float:
        """How many times faster than parsing alone."""
        return self.hl7apy_ms / self.journey_ms


class Store:
    """A reader beside the running service."""

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(f"file:{folder / 'work.db'}?mode=ro", uri=True, isolation_level=None)

    def _one(self, statement: str) -> int:
        return int(self._connection.execute(statement).fetchone()[0])

    def messages(self) -> int:
        """How many the work process has dealt with."""
        return self._one("SELECT coalesce(max(id), 0) FROM message")

    def is_settled(self) -> bool:
        """Nothing waits."""
        return not self._one("SELECT EXISTS (SELECT 1 FROM dirty)")

    def rows(self) -> int:
        """Rows that dispatch would now take: live, and not accepted in this version."""
        statement = (
            "SELECT count(*) FROM csor_row r JOIN person p ON p.id = r.person_id"
            " WHERE r.kind = 'lab_result' AND r.deleted = 0 AND r.version <> r.sent_version AND p.published = 1"
        )
        return self._one(statement)

    def settled(self) -> None:
        """Until every message received so far is dealt with, and for a moment nothing waits."""
        seen, since = -1, time.monotonic()
        while time.monotonic() - since < _QUIET_S:
            if self.messages() != seen or not self.is_settled():
                seen, since = self.messages(), time.monotonic()
            time.sleep(0.02)

    def wait(self, messages: int) -> None:
        """Until so many are dealt with and settled."""
        deadline = time.monotonic() + _PATIENCE_S
        while not (self.messages() >= messages and self.is_settled()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {self.messages()} of {messages} messages were processed")
            time.sleep(0.002)


def send(connections: Sequence[socket.socket], framed: Sequence[bytes]) -> None:
    """Send them all, one under way on each connection; each must be accepted."""
    waiting = list(reversed(framed))
    selector = selectors.DefaultSelector()
    for connection in connections[: len(framed)]:
        selector.register(connection, selectors.EVENT_READ)
        connection.sendall(waiting.pop())
    open_answers = len(framed)
    while open_answers:
        for key, _ in selector.select(timeout=_PATIENCE_S):
            sender = key.fileobj
            assert isinstance(sender, socket.socket)
            if b"MSA|AA|" not in sender.recv(65536):
                raise RuntimeError("a message was not accepted")
            open_answers -= 1
            if waiting:
                sender.sendall(waiting.pop())
    selector.close()


def _hl7apy(texts: Sequence[str]) -> float:
    begun = time.perf_counter()
    for text in texts:
        parse_message(text)
    return (time.perf_counter() - begun) / len(texts) * 1e3


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def connect(port: int, count: int = CONNECTIONS) -> list[socket.socket]:
    """As soon as the service listens."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
            continue
        for connection in connections:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connections


def _slices(store: Store, connections: Sequence[socket.socket], *, reports: int, per_slice: int) -> Journey:
    infants = [Infant(child) for child in range(CHILDREN)]
    send(connections, [frame(infant.admission()) for infant in infants])
    store.wait(CHILDREN)
    texts = [infant.report(0).decode() for infant in infants[:_HL7APY_PER_SLICE]]
    sent = CHILDREN
    references, ours = [_hl7apy(texts)], []
    for first in range(0, reports, per_slice):
        numbers = range(first, min(first + per_slice, reports))
        framed = [infant.framed(number) for number in numbers for infant in infants]
        begun = time.perf_counter()
        send(connections, framed)
        sent += len(framed)
        store.wait(sent)
        ours.append((time.perf_counter() - begun) / len(framed) * 1e3)
        references.append(_hl7apy(texts))
    expected, found = reports * CHILDREN * RESULTS, store.rows()
    if found != expected:
        raise RuntimeError(f"{found} rows wait for dispatch where {expected} results were sent")
    around = [(references[at] + references[at + 1]) / 2 for at in range(len(ours))]
    return Journey(
        journey_ms=statistics.median(ours),
        hl7apy_ms=statistics.median(references),
        messages=reports * CHILDREN,
        rows=found,
        ratios=tuple(reference / mine for reference, mine in zip(around, ours, strict=True)),
    )


def measure(*, reports: int = 50, per_slice: int = 10) -> Journey:
    """`reports` of 20 results for each of 100 confirmed children, `per_slice` of them for each child in one slice."""
    with tempfile.TemporaryDirectory(prefix="journey-") as name:
        folder, port = Path(name), free_port()
        settings = a_trust(folder, port=port)
        command = [sys.executable, "-m", "adapter", "run", "--config", str(folder / "trust.yaml")]
        with (folder / "log").open("wb") as log:
            service = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            connections = connect(port)
            found = _slices(Store(settings.data_folder), connections, reports=reports, per_slice=per_slice)
            for connection in connections:
                connection.close()
            return found
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(30)


def main() -> None:
    """Print the figures."""
    found = measure(reports=15, per_slice=5) if "--quick" in sys.argv[1:] else measure()
    print(f"{found.messages} reports of {RESULTS} results, {CHILDREN} confirmed children, {found.rows} rows committed")
    print(f"whole journey {found.journey_ms:.3f} ms a report, hl7apy parse only {found.hl7apy_ms:.1f} ms")
    slices = " ".join(f"{each:.0f}" for each in found.ratios)
    print(f"ratio {found.ratio:.1f} (floor 75); by slice: {slices}")


if __name__ == "__main__":
    main()
