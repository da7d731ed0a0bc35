"""HL7 v2 over HTTP: one message posted in each request, its acknowledgement as the body of the answer.

"HL7 over HTTP", the draft of the HAPI project (2018): whatever the acknowledgement says, the status is 200.
"""

import asyncio
import hmac
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import structlog
import uvicorn

from adapter.envelope import Media, Received
from adapter.errors import Problem, ProblemCode
from adapter.hl7v2.ack import EMPTY_BLOCK, NO_HEADER, AckError, too_large
from adapter.hl7v2.framing import DEFAULT_MAX_BYTES, KEPT_PREFIX_BYTES
from adapter.hl7v2.header import Header, read_header
from adapter.sources.accept import Door
from adapter.sources.intake import Counters, Framed, Keep, Unaccepted
from adapter.sources.replies import Replies, Stamps
from adapter.sources.terms import Terms

_log = structlog.get_logger()

MEDIA_TYPES = ("application/hl7-v2", "x-application/hl7-v2+er7")
_MOST_REQUESTS = 64
"""At once; one more is told to come again (503)."""
_GRACE_S = 3
"""How long a stop waits for requests under way. Idle TLS connections, whose clients say no goodbye, last as long."""

_Event = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Event]]
_Send = Callable[[_Event], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What one request may cost."""

    max_bytes: int = DEFAULT_MAX_BYTES
    silence_s: float = 30.0


class _Answer(NamedTuple):
    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


class _Body(NamedTuple):
    """What came: the whole, or its beginning and why it is no more."""

    data: bytes
    length: int
    problem: Problem | None = None


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the business of the process."""
        yield


class HttpListener:
    """One port of one feed; also the ASGI application behind it."""

    def __init__(
        self,
        feed: str,
        *,
        keep: Keep,
        counters: Counters,
        limits: HttpLimits | None = None,
        terms: Terms | None = None,
        token: bytes | None = None,
    ) -> None:
        terms = terms or Terms()
        self._feed, self._keep, self._counters, self._token = feed, keep, counters, token
        self._limits = limits or HttpLimits()
        self._tls = terms.tls
        self._allow = tuple(ip_network(one, strict=False) for one in terms.allow)
        self._door = Door(terms.accepted) if terms.accepted is not None else None
        self._replies = Replies(Stamps(time.time), counters, transport="http", is_original_only=terms.is_original_only)
        self._socket: socket.socket | None = None
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port in use; the system's choice where 0 was asked for."""
        assert self._socket is not None
        return int(self._socket.getsockname()[1])

    async def start(self, bind: str, port: int) -> None:
        """Listen. OSError where the address cannot be had."""
        family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        self._socket = socket.create_server((bind, port), family=family, backlog=128)
        # No lifespan and no logging of its own; and X-Forwarded-For must not stand for a sender's address.
        config = uvicorn.Config(
            self,
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

    async def __call__(self, scope: _Event, receive: _Receive, send: _Send) -> None:
        """One request."""
        answer = self._refusal(scope) or await self._taken(scope, receive)
        length = str(len(answer.body)).encode()
        headers = [*answer.headers, (b"content-length", length)]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    # --- before the body is read

    def _refusal(self, scope: _Event) -> _Answer | None:
        headers = dict(scope["headers"])
        address = str((scope.get("client") or ("",))[0])
        if not self._is_allowed(address):
            return self._refused("address", _Answer(403), address=address)
        if not self._is_known(headers.get(b"authorization", b"")):
            return self._refused("token", _Answer(401, headers=((b"www-authenticate", b"Bearer"),)), address=address)
        if scope["method"] != "POST":
            return _Answer(405, headers=((b"allow", b"POST"),))
        if _media_type(headers) not in MEDIA_TYPES:
            accepted = ", ".join(MEDIA_TYPES).encode()
            return self._refused("media_type", _Answer(415, headers=((b"accept-post", accepted),)), address=address)
        return None

    def _refused(self, what: str, answer: _Answer, *, address: str) -> _Answer:
        self._counters.count(f"http.refused_{what}")
        _log.warning("request refused", feed=self._feed, reason=what.replace("_", " "), address=address)
        return answer

    def _is_allowed(self, address: str) -> bool:
        if not self._allow:
            return True
        peer = ip_address(address.partition("%")[0])
        peer = getattr(peer, "ipv4_mapped", None) or peer
        return any(peer in network for network in self._allow)

    def _is_known(self, shown: bytes) -> bool:
        if self._token is None:
            return True
        scheme, _, token = shown.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)

    # --- the message

    async def _taken(self, scope: _Event, receive: _Receive) -> _Answer:
        headers = dict(scope["headers"])
        body = await self._read(receive, declared=_declared(headers))
        is_cut = body.problem is not None and body.problem.code is ProblemCode.TRUNCATED_FRAME
        if is_cut and not body.data:
            return _Answer(408)
        header = read_header(body.data)
        received, refusal = self._judged(body, header)
        error = await self._kept(received)
        if is_cut:
            return _Answer(408)
        # One request, one answer: of two that enhanced mode may ask for, the accept acknowledgement.
        answers = self._replies.of(header, refusal, error)
        if not answers:
            return _Answer(204)
        status = 413 if body.problem is not None else 200
        return _Answer(status, answers[0], ((b"content-type", headers[b"content-type"]),))

    async def _kept(self, received: Received) -> Exception | None:
        """None when it is on the disk, else why it is not."""
        told: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._keep.submit(received, lambda error: None if told.done() else told.set_result(error))
        return await told

    def _judged(self, body: _Body, header: Header | None) -> tuple[Received, AckError | None]:
        """What is kept, and what its sender is told of it."""
        problem, error = body.problem, None
        if problem is not None:
            error = AckError("207", "Application internal error", problem.text)
        elif header is None:
            error, code = (NO_HEADER, ProblemCode.NO_MSH) if body.data else (EMPTY_BLOCK, ProblemCode.EMPTY)
            problem = Problem(code=code, text=error.text)
            self._counters.count("http.no_msh")
        elif self._door is not None and (refusal := self._door.refusal(header)) is not None:
            error = refusal.error
            problem = Problem(code=ProblemCode.NOT_TAKEN, text=error.text, at=f"MSH-{error.field}")
            self._counters.count(f"http.{refusal.counted}")
        now = datetime.now(UTC)
        if problem is None and header is not None:
            return Framed(feed=self._feed, media=Media.HL7V2, received_at=now, body=body.data, header=header), None
        assert problem is not None
        _log.warning("message rejected", feed=self._feed, reason=problem.text, bytes=body.length)
        kept = Unaccepted(
            feed=self._feed,
            media=Media.HL7V2,
            received_at=now,
            body=body.data,
            problem=problem,
            length=body.length,
        )
        return kept, error

    async def _read(self, receive: _Receive, *, declared: int) -> _Body:
        data, limit = bytearray(), self._limits.max_bytes
        while declared <= limit and len(data) <= limit:
            try:
                event = await asyncio.wait_for(receive(), self._limits.silence_s)
            except TimeoutError:
                return self._cut(data, "nothing more came in time")
            if event["type"] != "http.request":
                return self._cut(data, "the connection ended before the end of the message")
            data += event.get("body", b"")
            if not event.get("more_body", False) and len(data) <= limit:
                return _Body(bytes(data), len(data))
        length = max(declared, len(data))
        self._counters.count("http.too_large")
        problem = Problem(code=ProblemCode.TOO_LARGE, text=too_large(length, limit=limit).text)
        return _Body(bytes(data[:KEPT_PREFIX_BYTES]), length, problem)

    def _cut(self, data: bytearray, why: str) -> _Body:
        self._counters.count("http.truncated")
        problem = Problem(code=ProblemCode.TRUNCATED_FRAME, text=f"truncated message: {why}")
        return _Body(bytes(data), len(data), problem)


def _media_type(headers: dict[bytes, bytes]) -> str:
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")


def _declared(headers: dict[bytes, bytes]) -> int:
    written = headers.get(b"content-length", b"")
    return int(written) if written.isdigit() else 0
