"""A port on which requests are answered: who may connect, how much a request may bring, an orderly end.

What a request means is the business of the ASGI application behind it.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import structlog
import uvicorn

from adapter.envelope import Received
from adapter.hl7v2.framing import DEFAULT_MAX_BYTES
from adapter.sources.intake import Keep
from adapter.sources.terms import TlsTerms

_log = structlog.get_logger()

_MOST_REQUESTS = 64
"""At once; one more is told to come again (503)."""
_GRACE_S = 3
"""How long a stop waits for requests under way. Idle TLS connections, whose clients say no goodbye, last as long."""

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Event, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What one request may cost."""

    max_bytes: int = DEFAULT_MAX_BYTES
    silence_s: float = 30.0


class Answer(NamedTuple):
    """What a request is told."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


class End(Enum):
    """How the body of a request ended."""

    WHOLE = auto()
    SILENT = auto()
    """Nothing more came in time."""
    BROKEN = auto()
    """The connection ended before it."""
    TOO_LARGE = auto()


class Body(NamedTuple):
    """What came: the whole, or its beginning."""

    data: bytes
    length: int
    end: End = End.WHOLE


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the business of the process."""
        yield


class HttpPort:
    """One port of one feed."""

    def __init__(self, feed: str, application: Application, *, tls: TlsTerms | None, allow: Sequence[str]) -> None:
        self._feed, self._application, self._tls = feed, application, tls
        self._allow = tuple(ip_network(one, strict=False) for one in allow)
        self._socket: socket.socket | None = None
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port in use; the system's choice where 0 was asked for."""
        assert self._socket is not None
        return int(self._socket.getsockname()[1])

    def is_allowed(self, address: str) -> bool:
        """Whether requests from there are heard."""
        if not self._allow:
            return True
        peer = ip_address(address.partition("%")[0])
        peer = getattr(peer, "ipv4_mapped", None) or peer
        return any(peer in network for network in self._allow)

    async def start(self, bind: str, port: int) -> None:
        """Listen. OSError where the address cannot be had."""
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        self._socket = socket.create_server((bind, port), family=family, backlog=128)
        # No lifespan and no logging of its own; and X-Forwarded-For must not stand for a sender's address.
        config = uvicorn.Config(
            self._application,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MOST_REQUESTS,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_GRACE_S,
        )
        config.load()
        config.ssl = self._tls.context if self._tls else None
        self._server = _Server(config)
        self._serving = asyncio.get_running_loop().create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(0.005)
        _log.info("listening", feed=self._feed, bind=bind, port=self.port, tls=bool(self._tls))

    async def stop(self) -> None:
        """Accept no more, answer what was read, close. The intake must still be running."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving


async def send_answer(send: Send, answer: Answer) -> None:
    """The whole of it."""
    headers = [*answer.headers, (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def read_body(receive: Receive, headers: dict[bytes, bytes], limits: HttpLimits) -> Body:
    """No more of it than the limit and one piece."""
    declared, data = _declared(headers), bytearray()
    while declared <= limits.max_bytes and len(data) <= limits.max_bytes:
        try:
            event = await asyncio.wait_for(receive(), limits.silence_s)
        except TimeoutError:
            return Body(bytes(data), len(data), End.SILENT)
        if event["type"] != "http.request":
            return Body(bytes(data), len(data), End.BROKEN)
        data += event.get("body", b"")
        if not event.get("more_body", False) and len(data) <= limits.max_bytes:
            return Body(bytes(data), len(data))
    return Body(bytes(data), max(declared, len(data)), End.TOO_LARGE)


async def on_disk(keep: Keep, received: Received) -> Exception | None:
    """None when it is there, else why it is not."""
    told: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    keep.submit(received, lambda error: None if told.done() else told.set_result(error))
    return await told


def _declared(headers: dict[bytes, bytes]) -> int:
    written = headers.get(b"content-length", b"")
    return int(written) if written.isdigit() else 0
