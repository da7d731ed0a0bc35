"""Hears what a FHIR server tells of changes: shown who it is, put on disk, answered; nothing is processed here.

    PATH/NAME               an empty body, the resource itself, or a notification Bundle
    PATH/NAME/Type/id       the resource again (HAPI and others: PUT, DELETE)

Whatever it carries is a hint: the resource is read from the server later (behaviour 50). The payload is not kept.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from adapter.envelope import Media, Received
from adapter.sources.fhir_notification import Kind, Notification, Reference, read_notification, reference_in
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
from adapter.sources.intake import Counters, Keep
from adapter.sources.terms import TlsTerms

_log = structlog.get_logger()

_METHODS = frozenset({"POST", "PUT", "DELETE"})
_ANYTHING = Notification(Kind.HINT)


class Notified(Received, frozen=True, kw_only=True):
    """What was told, in the form in which it is stored; `body` is empty."""

    subscription: str
    """Its name in the trust file."""
    notification: Notification


class Secret(NamedTuple):
    """How a server shows that it is the one that was told where to send."""

    header: str
    value: bytes

    def is_shown_by(self, headers: dict[bytes, bytes]) -> bool:
        """Compared in a time that does not depend on where they differ."""
        shown = headers.get(self.header.lower().encode(), b"")
        if self.header.lower() == "authorization":
            scheme, _, shown = shown.partition(b" ")
            if scheme.lower() != b"bearer":
                shown = b""
        return hmac.compare_digest(shown.strip(), self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where notifications of one source arrive, and from whom they are heard."""

    path: str
    names: tuple[str, ...]
    """Of its Subscriptions."""
    base_url: str
    """Of the server: references of another are not of this one."""
    secret: Secret
    allow: Sequence[str] = ()
    tls: TlsTerms | None = None


class FhirPushListener:
    """The port of one FHIR source; also the ASGI application behind it."""

    def __init__(
        self, feed: str, *, keep: Keep, counters: Counters, place: Place, limits: HttpLimits | None = None
    ) -> None:
        self._feed, self._keep, self._counters, self._place = feed, keep, counters, place
        self._limits = limits or HttpLimits()
        self._port = HttpPort(feed, self, tls=place.tls, allow=place.allow)

    @property
    def port(self) -> int:
        """The port in use; the system's choice where 0 was asked for."""
        return self._port.port

    async def start(self, bind: str, port: int) -> None:
        """Listen. OSError where the address cannot be had."""
        await self._port.start(bind, port)

    async def stop(self) -> None:
        """Accept no more, answer what was read, close."""
        await self._port.stop()

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        """One request."""
        await send_answer(send, self._refusal(scope) or await self._taken(scope, receive))

    # --- before the body is read

    def _refusal(self, scope: Event) -> Answer | None:
        address = str((scope.get("client") or ("",))[0])
        if not self._port.is_allowed(address):
            return self._refused("address", Answer(403), address)
        if not self._place.secret.is_shown_by(dict(scope["headers"])):
            return self._refused("secret", Answer(401), address)
        if self._addressed(scope) is None:
            return self._refused("path", Answer(404), address)
        if scope["method"] not in _METHODS:
            return Answer(405, headers=((b"allow", b"POST, PUT, DELETE"),))
        return None

    def _refused(self, what: str, answer: Answer, address: str) -> Answer:
        self._count(f"refused_{what}")
        _log.warning("notification refused", feed=self._feed, reason=what, address=address)
        return answer

    def _addressed(self, scope: Event) -> tuple[str, Reference | None] | None:
        """Which Subscription it is for, and the resource that its address ends with. None: no address of ours."""
        path = str(scope["path"])
        if not path.startswith(f"{self._place.path}/"):
            return None
        name, _, rest = path.removeprefix(f"{self._place.path}/").rstrip("/").partition("/")
        named = reference_in(rest, "") if rest else None
        return (name, named) if name in self._place.names and (named is not None or not rest) else None

    # --- what it says

    async def _taken(self, scope: Event, receive: Receive) -> Answer:
        body = await read_body(receive, dict(scope["headers"]), self._limits)
        if body.end in (End.SILENT, End.BROKEN):
            self._count("truncated")
            return Answer(408)
        addressed = self._addressed(scope)
        assert addressed is not None, "looked at before the body was read"
        name, named = addressed
        told = self._told(body, named)
        received = Notified(
            feed=self._feed,
            media=Media.FHIR,
            received_at=datetime.now(UTC),
            body=b"",
            subscription=name,
            notification=told,
        )
        error = await on_disk(self._keep, received)
        if error is not None:
            self._count("not_stored")
            return Answer(503)
        self._count(told.kind.value)
        return Answer(413 if body.end is End.TOO_LARGE else 200)

    def _told(self, body: Body, named: Reference | None) -> Notification:
        if body.end is End.TOO_LARGE:
            self._count("too_large")
            return Notification(Kind.HINT, frozenset([named] if named else []))
        told = read_notification(body.data, named=named, base_url=self._place.base_url)
        if told is None:
            # Who sent it has shown that it is the server: something has changed, whatever it is.
            self._count("unreadable")
            _log.warning("notification cannot be read; all is read instead", feed=self._feed, bytes=body.length)
            return _ANYTHING
        return told

    def _count(self, what: str) -> None:
        self._counters.count(f"poll.{self._feed}.push.{what}")
