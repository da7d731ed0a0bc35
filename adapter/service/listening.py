"""The ports of a trust file: opened in the receive process, and tried before any process is started."""

import asyncio
from typing import NamedTuple

import structlog

from adapter.config import FhirSearchSource, HttpSource, Listening, MllpSource, Subscriptions, Tls, TrustSettings
from adapter.errors import SetupError
from adapter.sources.accept import Accepted
from adapter.sources.fhir_push import FhirPushListener, Place, Secret
from adapter.sources.http_listener import HttpListener
from adapter.sources.http_port import HttpLimits
from adapter.sources.intake import Counters, Keep
from adapter.sources.mllp import MllpLimits, MllpListener, Terms, TlsTerms, refuse_if_taken
from adapter.sources.tls import Certificates, server_context

log = structlog.get_logger()


def certificates(tls: Tls) -> Certificates:
    """The files of a port, in the form `sources` takes."""
    return Certificates(certificate=tls.certificate, key=tls.key, client_ca=tls.client_ca)


def refuse_if_unusable(settings: TrustSettings) -> None:
    """SetupError where a port of this trust could not be opened now: its certificates, its address."""
    for source in settings.sources:
        if isinstance(source, Listening):
            refuse_if_untrusted(source)
            refuse_if_taken(source.name, bind=source.bind, port=source.port)
        elif isinstance(source, FhirSearchSource) and (told := source.subscriptions) is not None:
            refuse_if_untrusted(source)
            refuse_if_taken(source.name, bind=told.bind, port=told.port)


def refuse_if_untrusted(source: Listening | FhirSearchSource) -> None:
    """SetupError where its certificates, its token or its secret cannot be used."""
    if isinstance(source, FhirSearchSource):
        if source.subscriptions is not None:
            place(source.name, source.subscriptions, base_url=source.base_url)
        return
    tls_terms(source)
    if isinstance(source, HttpSource) and source.token is not None:
        source.token.resolve()


def tls_terms(source: Listening) -> TlsTerms | None:
    """None where the port is without TLS; SetupError where its files cannot be used, with the line that names them."""
    return _tls(source.name, source.tls, handshake_s=getattr(source, "handshake_s", 10.0))


def _tls(name: str, tls: Tls | None, *, handshake_s: float = 10.0) -> TlsTerms | None:
    if tls is None:
        return None
    try:
        return TlsTerms(server_context(certificates(tls)), handshake_s)
    except SetupError as error:
        at = f"{tls._file}:{tls._line}:{tls._column}: " if tls._line else ""
        raise SetupError(f'{at}source "{name}": {error}') from None


def terms(source: Listening) -> Terms:
    """What this port asks of its senders; SetupError where its certificates cannot be used."""
    said = source.accept
    accepted = Accepted(
        applications=said.applications,
        facilities=said.facilities,
        types=said.types,
        versions=said.versions,
        processing=said.processing,
        needs_control_id=said.control_id == "required",
        refuses_unknown_types=source.ack.on_unknown_type == "AR",
    )
    return Terms(
        allow=source.allow,
        accepted=accepted if accepted != Accepted() else None,
        is_original_only=source.ack.mode == "original",
        tls=tls_terms(source),
    )


def place(name: str, told: Subscriptions, *, base_url: str) -> Place:
    """Where a FHIR server tells of changes; SetupError where the secret or the certificates cannot be used."""
    return Place(
        path=told.path,
        names=tuple(each.name for each in told.criteria),
        base_url=base_url,
        secret=Secret(told.header, told.secret.resolve().strip()),
        allow=told.allow,
        tls=_tls(name, told.tls),
    )


Listener = MllpListener | HttpListener | FhirPushListener


class Keeps(NamedTuple):
    """Where listeners put what they hear."""

    messages: Keep
    notifications: Keep


async def listen(settings: TrustSettings, keeps: Keeps, counters: Counters) -> list[Listener]:
    """Open every port, or close those already open and raise what the first says that could not be opened."""
    listeners: list[Listener] = []
    for source in settings.sources:
        opened = _listener(source, keeps, counters)
        if opened is None:
            continue
        listener, bind, port = opened
        try:
            await listener.start(bind, port)
        except OSError as error:
            reason = error.strerror
            log.error("cannot listen", feed=source.name, bind=bind, port=port, reason=reason)
            await stop(listeners)
            raise
        listeners.append(listener)
    return listeners


def _listener(source: object, keeps: Keeps, counters: Counters) -> tuple[Listener, str, int] | None:
    """And where it is to listen; None for a source that has no port."""
    if isinstance(source, HttpSource):
        return _http_listener(source, keeps.messages, counters), source.bind, source.port
    if isinstance(source, MllpSource):
        return _mllp_listener(source, keeps.messages, counters), source.bind, source.port
    if isinstance(source, FhirSearchSource) and (told := source.subscriptions) is not None:
        return _push_listener(source, told, keeps.notifications, counters), told.bind, told.port
    return None


def _push_listener(source: FhirSearchSource, told: Subscriptions, keep: Keep, counters: Counters) -> FhirPushListener:
    return FhirPushListener(
        source.name,
        keep=keep,
        counters=counters,
        place=place(source.name, told, base_url=source.base_url),
        limits=HttpLimits(max_bytes=told.max_bytes, silence_s=told.silence_s),
    )


def _http_listener(source: HttpSource, keep: Keep, counters: Counters) -> HttpListener:
    return HttpListener(
        source.name,
        keep=keep,
        counters=counters,
        limits=HttpLimits(max_bytes=source.max_bytes, silence_s=source.silence_s),
        terms=terms(source),
        token=source.token.resolve() if source.token else None,
    )


def _mllp_listener(source: MllpSource, keep: Keep, counters: Counters) -> MllpListener:
    limits = MllpLimits(max_bytes=source.max_bytes, frame_s=source.frame_s, idle_s=source.idle_s)
    return MllpListener(source.name, keep=keep, counters=counters, limits=limits, terms=terms(source))


async def stop(listeners: list[Listener]) -> None:
    """All at once: each answers what it has read."""
    await asyncio.gather(*(listener.stop() for listener in listeners))
