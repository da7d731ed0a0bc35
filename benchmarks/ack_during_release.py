"""How long a sender waits for its acknowledgement while thousands of held results of a child are released.

The service runs as it does in a hospital (`csor-adapter run`, SQLite, debounce 0). A child of whom 5,000 results are
held becomes a case by its diagnosis; from that message's acknowledgement until the last of its rows is committed, ten
connections go on sending reports of other patients, each as soon as the one before is acknowledged. What counts is the
99th percentile of their waits. The measure is what the disk takes: records of the same sealed size go to a file in the
same folder, with fdatasync after each. Twice: while the release goes on, by a process that does nothing else and pauses
between; and alone, before and after each release, while nothing else is done. The 99th percentile of each. Medians of
several such children. Run: `python -m benchmarks.ack_during_release`.
"""

import contextlib
import json
import os
import select
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

from adapter.hl7v2.framing import frame
from adapter.store.sealing import OVERHEAD_BYTES
from benchmarks.journey import Store, connect, free_port, send
from benchmarks.ward import RESULTS, Infant, a_trust

CONNECTIONS = 10
HELD = 5_000
ROUNDS = 5
FLOOR = 8
_RECORDS = 500
"""Written before, and again after."""
_BETWEEN_SYNCS_S = 0.002
_PATIENCE_S = 120.0
_DIAGNOSIS = b"DG1|1||Q79.3^Gastroschisis^I10||202601011200|F\r"
_BORN, _OF_AN_ADULT = b"||202601011130|", b"||19600101|"
_FIRST_ADULT = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """One child's release; milliseconds."""

    ack_p99_ms: float
    fdatasync_p99_ms: float
    """Of the disk alone."""
    beside_p99_ms: float
    """Of the disk during the release."""
    acks: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AckDuringRelease:
    """All of one run."""

    rounds: tuple[Released, ...]

    @property
    def ratio(self) -> float:
        """The wait for an acknowledgement in waits for the disk, both during the release."""
        return statistics.median(each.ack_p99_ms / each.beside_p99_ms for each in self.rounds)

    @property
    def ratio_to_disk_alone(self) -> float:
        """The same in waits for a disk, and cores, that nobody else uses."""
        return statistics.median(each.ack_p99_ms / each.fdatasync_p99_ms for each in self.rounds)

    @property
    def beside_p99_ms(self) -> float:
        """Median of the rounds."""
        return statistics.median(each.beside_p99_ms for each in self.rounds)

    @property
    def ack_p99_ms(self) -> float:
        """Median of the rounds."""
        return statistics.median(each.ack_p99_ms for each in self.rounds)

    @property
    def fdatasync_p99_ms(self) -> float:
        """Median of the rounds."""
        return statistics.median(each.fdatasync_p99_ms for each in self.rounds)


class _Beside:
    """A process of its own that does something again and again until it is told to stop."""

    def __init__(self, *arguments: object) -> None:
        command = [sys.executable, "-m", "benchmarks.ack_during_release", *map(str, arguments)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()  # it has begun

    def between(self, begun: float, ended: float) -> list[float]:
        """Stop it; how long each took of those begun in this time, in milliseconds."""
        told, _ = self._process.communicate(b"", timeout=_PATIENCE_S)
        return [(until - since) * 1e3 for since, until in json.loads(told) if begun <= since <= ended]

    def kill(self) -> None:
        """Where the run has failed."""
        self._process.kill()


def _syncs(folder: Path) -> list[float]:
    """How long each record took to be on disk, in milliseconds."""
    took = []
    record = os.urandom(len(_ADULT) + OVERHEAD_BYTES)
    descriptor = os.open(folder / "records", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for _ in range(_RECORDS):
        begun = time.perf_counter()
        os.write(descriptor, record)
        os.fdatasync(descriptor)
        took.append((time.perf_counter() - begun) * 1e3)
    os.close(descriptor)
    return took


def sync_on(folder: Path) -> None:
    """Records to the disk, a moment between them, until told to stop."""
    took: list[tuple[float, float]] = []
    record = os.urandom(len(_ADULT) + OVERHEAD_BYTES)
    descriptor = os.open(folder / "beside", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    print("begun", flush=True)
    while not select.select([sys.stdin], [], [], _BETWEEN_SYNCS_S)[0]:
        begun = time.monotonic()
        os.write(descriptor, record)
        os.fdatasync(descriptor)
        took.append((begun, time.monotonic()))
    os.close(descriptor)
    json.dump(took, sys.stdout)


def go_on(port: int, number: int) -> None:
    """Reports of adults on ten connections, each sent when the one before is acknowledged."""
    connections = connect(port, CONNECTIONS)
    took: list[tuple[float, float]] = []
    since: dict[socket.socket, float] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)
            since[connection] = time.monotonic()
            connection.sendall(_of_an_adult(number := number + 1))
        print("begun", flush=True)
        while True:
            for key, _ in selector.select():
                sender = key.fileobj
                if not isinstance(sender, socket.socket):
                    json.dump(took, sys.stdout)
                    return
                if b"MSA|AA|" not in sender.recv(65536):
                    raise RuntimeError("a message was not accepted")
                took.append((since[sender], time.monotonic()))
                report = _of_an_adult(number := number + 1)
                since[sender] = time.monotonic()
                sender.sendall(report)


_ADULT = Infant(9_999).report(77_777).replace(_BORN, _OF_AN_ADULT)


def _of_an_adult(number: int) -> bytes:
    """Reports that differ in their control id, their patient's number and their order; quick to make."""
    text = b"%06d" % number
    return frame(_ADULT.replace(b"L999977777", b"L" + text, 1).replace(b"4009999^^^", b"5" + text + b"^^^", 1))


class _Watch:
    """Sees in the store how far the release is."""

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(f"file:{folder / 'work.db'}?mode=ro", uri=True, isolation_level=None)

    def rows(self) -> int:
        """Rows that dispatch would now take."""
        statement = (
            "SELECT count(*) FROM csor_row r JOIN person p ON p.id = r.person_id"
            " WHERE r.kind = 'lab_result' AND r.deleted = 0 AND p.published = 1"
        )
        return int(self._connection.execute(statement).fetchone()[0])

    def wait(self, rows: int) -> None:
        """Until so many are there."""
        deadline = time.monotonic() + _PATIENCE_S
        while self.rows() < rows:
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {self.rows()} of {rows} results were released")
            time.sleep(0.02)


def _held(infant: Infant) -> list[bytes]:
    """What makes a child one that is held: on the neonatal unit, of no diagnosis yet."""
    reports = [infant.framed(number) for number in range(1, HELD // RESULTS + 1)]
    return [frame(infant.admission().replace(_DIAGNOSIS, b"")), *reports]


def p99(values: Sequence[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(values, n=100, method="inclusive")[98]


def _release(child: int, *, port: int, folder: Path, store: Store) -> Released:
    syncs = _syncs(folder)
    connections = connect(port, 1)
    senders, disk = _Beside("send", port, _FIRST_ADULT * child), _Beside("sync", folder)
    try:
        send(connections, [frame(Infant(child).admission())])
        begun = time.monotonic()
        _Watch(folder).wait(child * HELD)
        ended = time.monotonic()
        waits, beside = senders.between(begun, ended), disk.between(begun, ended)
    finally:
        senders.kill()
        disk.kill()
        connections[0].close()
    store.settled()
    syncs += _syncs(folder)
    return Released(
        ack_p99_ms=p99(waits),
        fdatasync_p99_ms=p99(syncs),
        beside_p99_ms=p99(beside),
        acks=len(waits),
        seconds=ended - begun,
    )


def measure(*, rounds: int = ROUNDS) -> AckDuringRelease:
    """One child after the other, in one running service."""
    with tempfile.TemporaryDirectory(prefix="ack-during-release-") as name:
        folder, port = Path(name), free_port()
        settings = a_trust(folder, port=port)
        command = [sys.executable, "-m", "adapter", "run", "--config", str(folder / "trust.yaml")]
        with (folder / "log").open("wb") as log:
            service = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            connections = connect(port, CONNECTIONS)
            store, found = Store(settings.data_folder), []
            for child in range(1, rounds + 1):
                send(connections[:1], _held(Infant(child)))
                store.settled()
                found.append(_release(child, port=port, folder=settings.data_folder, store=store))
                store.settled()
        finally:
            service.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                service.wait(60)
            service.kill()
    return AckDuringRelease(rounds=tuple(found))


def main() -> int:
    """Print the run; exit 1 where the floor is missed."""
    match sys.argv[1:]:
        case ["send", port, first]:
            go_on(int(port), int(first))
            return 0
        case ["sync", folder]:
            sync_on(Path(folder))
            return 0
    found = measure()
    for each in found.rounds:
        print(
            f"{each.seconds:.2f} s, {each.acks} acknowledgements p99 {each.ack_p99_ms:.2f} ms, "
            f"fdatasync p99 {each.beside_p99_ms:.2f} ms beside it, {each.fdatasync_p99_ms:.2f} ms alone"
        )
    print(f"ratio {found.ratio:.2f} beside it, {found.ratio_to_disk_alone:.2f} to the disk alone (at most {FLOOR})")
    return int(found.ratio > FLOOR)


if __name__ == "__main__":
    sys.exit(main())
