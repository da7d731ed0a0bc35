"""A listener that runs, a disk that can be stopped, and plain socket clients."""

import asyncio
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from adapter.envelope import Received
from adapter.hl7v2.ack import Ack, parse_ack
from adapter.hl7v2.framing import Deframer, Frame
from adapter.sources.intake import Append, Intake, Unaccepted
from adapter.sources.mllp import MllpListener


def a_message(control_id: str = "M1", *, more: str = "", event: str = "ADT^A01") -> bytes:
    return (
        f"MSH|^~\\&|EPR|RXX|CSOR|RXX|20260301120000||{event}|{control_id}|P|2.4\rPID|1||X1^^^RXX^MR\r{more}"
    ).encode()


class Tally:
    """Counters that a test can read."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def count(self, name: str, n: int = 1) -> None:
        self.counts[name] += n

    def __getitem__(self, name: str) -> int:
        return self.counts[name]


class Disk:
    """Where appended messages end: can be made to wait, or to fail."""

    def __init__(self) -> None:
        self.commits: list[list[Received]] = []
        self.failure: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def append(self, batch: Sequence[Received]) -> None:
        self.gate.wait(10)
        if self.failure is not None:
            raise self.failure
        self.commits.append(list(batch))

    @property
    def messages(self) -> list[Received]:
        return [one for commit in self.commits for one in commit if not isinstance(one, Unaccepted)]

    @property
    def unaccepted(self) -> list[Unaccepted]:
        return [one for commit in self.commits for one in commit if isinstance(one, Unaccepted)]


class Client:
    """An MLLP sender."""

    def __init__(self, port: int, *, timeout_s: float = 5.0, tls: ssl.SSLContext | None = None) -> None:
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self._deframer = Deframer()
        self._answers: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def raw_answer(self) -> bytes | None:
        """The next answer; None where the connection has ended."""
        while not self._answers:
            data = self.socket.recv(65536)
            if not data:
                return None
            self._answers += [event.body for event in self._deframer.feed(data) if isinstance(event, Frame)]
        return self._answers.pop(0)

    def answer(self) -> Ack:
        raw = self.raw_answer()
        assert raw is not None, "the connection ended without an answer"
        ack = parse_ack(raw)
        assert ack is not None
        return ack

    def has_answer_within(self, seconds: float) -> bool:
        self.socket.settimeout(seconds)
        try:
            return self.raw_answer() is not None
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(5.0)

    def is_closed(self) -> bool:
        """The other side has closed."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


class Running:
    """A listener on its own loop in its own thread."""

    def __init__(self, append: Append, make: Callable[..., Any] = MllpListener, **how: Any) -> None:
        self.tally = Tally()
        self._append, self._make, self._how = append, make, how
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(5)

    def client(self, *, tls: ssl.SSLContext | None = None) -> Client:
        return Client(self.listener.port, tls=tls)

    def stop(self) -> None:
        # A test may have stopped it, and then its loop is closed sooner or later.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(15)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        intake = Intake(self._append, loop=self.loop)
        intake.start()
        self.listener = self._make("epr", keep=intake, counters=self.tally, **self._how)
        await self.listener.start("127.0.0.1", 0)
        self._ready.set()
        await self._stop.wait()
        await self.listener.stop()
        intake.stop()


@contextmanager
def a_listener(append: Append, make: Callable[..., Any] = MllpListener, **how: Any) -> Iterator[Running]:
    """`how` is told to the listener."""
    running = Running(append, make, **how)
    try:
        yield running
    finally:
        running.stop()


def eventually(claim: Callable[[], bool], *, within_s: float = 5.0) -> bool:
    """Whether it becomes true in time."""
    deadline = time.monotonic() + within_s
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
