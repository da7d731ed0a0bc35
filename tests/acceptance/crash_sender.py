"""A hospital's sender: keeps a message until it is acknowledged, and sends it again after every lost connection."""

import contextlib
import re
import socket
import threading
from collections import deque
from collections.abc import Iterable, Mapping

from adapter.simulator import SentMessage

_ANSWER = re.compile(rb"\x0b(.*?)\x1c\r", re.DOTALL)
_MSA = re.compile(rb"\rMSA\|(A[AER])\|([^|\r]*)")


class ResendingSender:
    """One connection, several messages in flight, answers in order. Runs in a thread until `close`."""

    def __init__(self, port: int, *, in_flight: int = 8) -> None:
        self._port = port
        self._in_flight = in_flight
        self._waiting: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self.acknowledged: list[bytes] = []
        self.offered = 0
        """Frames written, resends included."""
        self.errors = 0
        self.faults: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def send(self, messages: Iterable[bytes]) -> None:
        """Hand over messages; the sender has them until they are acknowledged."""
        with self._lock:
            self._waiting.extend(messages)

    @property
    def left(self) -> int:
        """Not acknowledged yet."""
        return len(self._waiting)

    def close(self) -> None:
        self._stopping.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=5) as peer:
                self._converse(peer)
            self._stopping.wait(0.02)

    def _converse(self, peer: socket.socket) -> None:
        """Until the connection is lost or an answer is not AA: then everything not acknowledged goes anew."""
        flying = 0
        buffer = b""
        while not self._stopping.is_set():
            with self._lock:
                fresh = [self._waiting[n] for n in range(flying, min(len(self._waiting), self._in_flight))]
            if not fresh and not flying:
                self._stopping.wait(0.01)
                continue
            for message in fresh:
                peer.sendall(b"\x0b" + message + b"\x1c\r")
                self.offered += 1
            flying += len(fresh)
            received = peer.recv(65536)
            if not received:
                return
            buffer += received
            taken = 0
            for answer in _ANSWER.finditer(buffer):
                taken = answer.end()
                if not self._is_taken(answer.group(1)):
                    return
                flying -= 1
            buffer = buffer[taken:]

    def _is_taken(self, answer: bytes) -> bool:
        found = _MSA.search(answer)
        oldest = self._waiting[0]
        if found is None or found.group(2) != oldest.split(b"|")[9]:
            self.faults.append("an answer that is not of the oldest message")
            return False
        if found.group(1) == b"AA":
            with self._lock:
                self.acknowledged.append(self._waiting.popleft())
            return True
        self.errors += 1
        if found.group(1) == b"AR":
            self.faults.append("a message was rejected")
        return False


class Senders:
    """One for each feed of the hospital."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._of_feed = {feed: ResendingSender(port) for feed, port in ports.items()}

    def start(self) -> None:
        for sender in self._of_feed.values():
            sender.start()

    def send(self, messages: Iterable[SentMessage]) -> None:
        """Each over its own feed."""
        for message in messages:
            self._of_feed[message.feed].send([message.raw])

    def close(self) -> None:
        for sender in self._of_feed.values():
            sender.close()

    @property
    def left(self) -> int:
        """Not acknowledged yet."""
        return sum(sender.left for sender in self._of_feed.values())

    @property
    def acknowledged(self) -> list[bytes]:
        return [message for sender in self._of_feed.values() for message in sender.acknowledged]

    @property
    def offered(self) -> int:
        return sum(sender.offered for sender in self._of_feed.values())

    @property
    def faults(self) -> list[str]:
        return [fault for sender in self._of_feed.values() for fault in sender.faults]
