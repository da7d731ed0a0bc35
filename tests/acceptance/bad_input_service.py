"""A real service for the tests of bad input: processes, sockets and folders as on a trust's machine."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from adapter import simulator
from adapter.cli.status import read_status
from adapter.config import load_trust
from adapter.hl7v2.ack import Ack, parse_ack
from adapter.service.assembly import open_store
from adapter.store import messages
from tests.acceptance.hospital import trust_file

FEED, DROP = "pas", "drop"
ROOT = Path(__file__).parents[2]


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def a_trust(folder: Path, *, port: int | None = None, max_bytes: int = 64 << 20, **settings: Any) -> Path:
    """A trust with an MLLP port and a drop folder, no sink."""
    (folder / "in").mkdir(parents=True, exist_ok=True)
    mllp = {"name": FEED, "kind": "mllp", "port": port or a_free_port(), "max_bytes": max_bytes, "frame_s": 2}
    drop = {"name": DROP, "kind": "folder", "path": "in", "poll_s": 0.1}
    hospital = simulator.hospital(seed=3, infants=2)
    return trust_file(folder, simulation=hospital, sources=[mllp, drop], **settings)


def run_cli(*arguments: str | Path, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """One command of the console script, as a user types it."""
    command = [sys.executable, "-m", "adapter", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s)


class Line:
    """One MLLP connection of a sender."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def write(self, raw: bytes) -> None:
        """Bytes as they are, without framing."""
        self._socket.sendall(raw)

    def ask(self, body: bytes) -> Ack:
        """One message in its block, and its answer."""
        self.write(b"\x0b" + body + b"\x1c\r")
        answer = b""
        while b"\x1c" not in answer:
            data = self._socket.recv(65536)
            assert data, "closed without an answer"
            answer += data
        ack = parse_ack(answer.strip(b"\x0b\x1c\r"))
        assert ack is not None
        return ack


class Service:
    """`csor-adapter run` on a trust file, until the block ends."""

    def __init__(self, config: Path, *, launcher: Sequence[str] = ("-m", "adapter"), **environment: str) -> None:
        self.config = config
        found = re.search(r"port: (\d+)", config.read_text())
        assert found
        self.port = int(found[1])
        self._log = (config.parent / "log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, *launcher, "run", "--config", str(config)],
            cwd=ROOT,
            stderr=self._log,
            env={**os.environ, **environment},
        )

    def __enter__(self) -> "Service":
        self.until(self._listens, timeout_s=30)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.stop()
        self._log.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> int:
        """As the system's service manager does; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)

    def _listens(self) -> bool:
        assert self._process.poll() is None, self.log()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self) -> str:
        return (self.config.parent / "log").read_text()

    def line(self) -> Line:
        return Line(self.port)

    def send(self, body: bytes) -> Ack:
        with self.line() as line:
            return line.ask(body)

    def status(self) -> Mapping[str, Any]:
        """What `status --json` prints, without the second that a new process takes."""
        return read_status(load_trust(self.config))

    def counter(self, name: str) -> int:
        return int(self.status()["counters"].get(name, 0))

    def cli(self, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command about this service's trust."""
        return run_cli(verb, *arguments, "--config", self.config)

    def parked(self) -> list[tuple[int, str]]:
        """Id and reason of each parked message."""
        database = open_store(load_trust(self.config), migrate=False)
        try:
            with database.read() as conn:
                return [(each.id, each.reason) for each in messages.parked(conn)]
        finally:
            database.close()

    def until(self, is_so: Callable[[], bool], *, timeout_s: float = 20) -> None:
        deadline = time.monotonic() + timeout_s
        while not is_so():
            assert time.monotonic() < deadline, self.log()[-3000:]
            time.sleep(0.1)

    def until_counted(self, name: str, at_least: int = 1) -> None:
        self.until(lambda: self.counter(name) >= at_least)


def an_adt(number: str, *, event: str = "A01", control: str = "", diagnosis: str = "", name: str = "TESTING") -> bytes:
    """A newborn on the neonatal ward; `number` is the hospital number."""
    ward = simulator.hospital(seed=3, infants=2).wards[0].code
    dg1 = f"DG1|1||{diagnosis}^^I10|||F\r" if diagnosis else ""
    return (
        f"MSH|^~\\&|PAS|RXX|CSOR|RXX|20260301120000||ADT^{event}|{control or 'C' + number}|P|2.4\r"
        f"EVN|{event}|20260301120000\r"
        f"PID|1||{number}^^^RXX^MR||{name}^BABY||20260301|M\r"
        f"PV1|1|I|{ward}^^^RXX||||||||||||||||V{number}^^^RXX^VN|||||||||||||||||||||||||20260301110000\r"
        f"{dg1}"
    ).encode()
