"""The ports of a trust file: opened in the receive process, and tried before any process is started."""

import asyncio

import structlog

from adapter.config import HttpSource, Listening, MllpSource, Tls, TrustSettings
from adapter.errors import SetupError
from adapter.sources.accept import Accepted
from adapter.sources.http_listener import HttpLimits, HttpListener
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


def refuse_if_untrusted(source: Listening) -> None:
    """SetupError where its certificates or its token cannot be used."""
    tls_terms(source)
    if isinstance(source, HttpSource) and source.token is not None:
        source.token.resolve()


def tls_terms(source: Listening) -> TlsTerms | None:
    """None where the port is without TLS; SetupError where its files cannot be used, with the line that names them."""
    if source.tls is None:
        return None
    try:
        return TlsTerms(server_context(certificates(source.tls)), getattr(source, "handshake_s", 10.0))
    except SetupError as error:
        place = f"{source.tls._file}:{source.tls._line}:{source.tls._column}: " if source.tls._line else ""
        raise SetupError(f'{place}source "{source.name}": {error}') from None


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


Listener = MllpListener | HttpListener


async def listen(settings: TrustSettings, keep: Keep, counters: Counters) -> list[Listener]:
    """Open every port, or close those already open and raise what the first says that could not be opened."""
    listeners: list[Listener] = []
    for source in settings.sources:
        if not isinstance(source, Listening):
            continue
        listener = _listener(source, keep, counters)
        try:
            await listener.start(source.bind, source.port)
        except OSError as error:
            reason = error.strerror
            log.error("cannot listen", feed=source.name, bind=source.bind, port=source.port, reason=reason)
            await stop(listeners)
            raise
        listeners.append(listener)
    return listeners


def _listener(source: Listening, keep: Keep, counters: Counters) -> Listener:
    if isinstance(source, HttpSource):
        return HttpListener(
            source.name,
            keep=keep,
            counters=counters,
            limits=HttpLimits(max_bytes=source.max_bytes, silence_s=source.silence_s),
            terms=terms(source),
            token=source.token.resolve() if source.token else None,
        )
    assert isinstance(source, MllpSource)
    limits = MllpLimits(max_bytes=source.max_bytes, frame_s=source.frame_s, idle_s=source.idle_s)
    return MllpListener(source.name, keep=keep, counters=counters, limits=limits, terms=terms(source))


async def stop(listeners: list[Listener]) -> None:
    """All at once: each answers what it has read."""
    await asyncio.gather(*(listener.stop() for listener in listeners))
