"""HL7 v2 over HTTP: one message posted in each request, its acknowledgement as the body of the answer.

"HL7 over HTTP", the draft of the HAPI project (2018): whatever the acknowledgement says, the status is 200.
"""

import hmac
import time
from datetime import UTC, datetime

import structlog

from adapter.envelope import Media, Received
from adapter.errors import Problem, ProblemCode
from adapter.hl7v2.ack import EMPTY_BLOCK, NO_HEADER, AckError, too_large
from adapter.hl7v2.framing import KEPT_PREFIX_BYTES
from adapter.hl7v2.header import Header, read_header
from adapter.sources.accept import Door
from adapter.sources.http_port import (
    Answer,
    Body,
    End,
    Event,
    HttpLimits,
    HttpPort,
    Receive,
    Send,
    on_disk,
    read_body,
    send_answer,
)
from adapter.sources.intake import Counters, Framed, Keep, Unaccepted
from adapter.sources.replies import Replies, Stamps
from adapter.sources.terms import Terms

_log = structlog.get_logger()

MEDIA_TYPES = ("application/hl7-v2", "x-application/hl7-v2+er7")
_CUT = {
    End.SILENT: "nothing more came in time",
    End.BROKEN: "the connection ended before the end of the message",
}


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
        self._port = HttpPort(feed, self, tls=terms.tls, allow=terms.allow)
        self._door = Door(terms.accepted) if terms.accepted is not None else None
        self._replies = Replies(Stamps(time.time), counters, transport="http", is_original_only=terms.is_original_only)

    @property
    def port(self) -> int:
        """The port in use; the system's choice where 0 was asked for."""
        return self._port.port

    async def start(self, bind: str, port: int) -> None:
        """Listen. OSError where the address cannot be had."""
        await self._port.start(bind, port)

    async def stop(self) -> None:
        """Accept no more, answer what was read, close. The intake must still be running."""
        await self._port.stop()

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """One request."""
        answer = self._refusal(scope) or await self._taken(scope, receive)
        await send_answer(send, answer)

    # --- before the body is read

    def _refusal(self, scope: Event) -> Answer | None:
        headers = dict(scope["headers"])
        address = str((scope.get("client") or ("",))[0])
        if not self._port.is_allowed(address):
            return self._refused("address", Answer(403), address=address)
        if not self._is_known(headers.get(b"authorization", b"")):
            return self._refused("token", Answer(401, headers=((b"www-authenticate", b"Bearer"),)), address=address)
        if scope["method"] != "POST":
            return Answer(405, headers=((b"allow", b"POST"),))
        if _media_type(headers) not in MEDIA_TYPES:
            accepted = ", ".join(MEDIA_TYPES).encode()
            return self._refused("media_type", Answer(415, headers=((b"accept-post", accepted),)), address=address)
        return None

    def _refused(self, what: str, answer: Answer, *, address: str) -> Answer:
        self._counters.count(f"http.refused_{what}")
        _log.warning("request refused", feed=self._feed, reason=what.replace("_", " "), address=address)
        return answer

    def _is_known(self, shown: bytes) -> bool:
        if self._token is None:
            return True
        scheme, _, token = shown.partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)

    # --- the message

    async def _taken(self, scope: Event, receive: Receive) -> Answer:
        headers = dict(scope["headers"])
        body = await read_body(receive, headers, self._limits)
        problem = self._problem(body)
        is_cut = body.end in _CUT
        if is_cut and not body.data:
            return Answer(408)
        header = read_header(body.data)
        received, refusal = self._judged(body, header, problem)
        error = await on_disk(self._keep, received)
        if is_cut:
            return Answer(408)
        # One request, one answer: of two that enhanced mode may ask for, the accept acknowledgement.
        answers = self._replies.of(header, refusal, error)
        if not answers:
            return Answer(204)
        status = 413 if problem is not None else 200
        return Answer(status, answers[0], ((b"content-type", headers[b"content-type"]),))

    def _judged(self, body: Body, header: Header | None, problem: Problem | None) -> tuple[Received, AckError | None]:
        """What is kept, and what its sender is told of it."""
        error = None
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
            body=body.data[:KEPT_PREFIX_BYTES] if body.end is End.TOO_LARGE else body.data,
            problem=problem,
            length=body.length,
        )
        return kept, error

    def _problem(self, body: Body) -> Problem | None:
        if body.end is End.WHOLE:
            return None
        if body.end is End.TOO_LARGE:
            self._counters.count("http.too_large")
            text = too_large(body.length, limit=self._limits.max_bytes).text
            return Problem(code=ProblemCode.TOO_LARGE, text=text)
        self._counters.count("http.truncated")
        return Problem(code=ProblemCode.TRUNCATED_FRAME, text=f"truncated message: {_CUT[body.end]}")


def _media_type(headers: dict[bytes, bytes]) -> str:
    return headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
