"""The MLLP listener: accepts connections, watches their silence, and drains them at the end."""

import asyncio
import errno
import os
import time
from datetime import UTC, datetime
from ipaddress import ip_network

import structlog

from adapter.errors import SetupError
from adapter.sources.accept import Door
from adapter.sources.intake import Counters, Keep
from adapter.sources.mllp_connection import MllpConnection
from adapter.sources.mllp_desk import Desk, MllpLimits
from adapter.sources.mllp_tls import TlsGate
from adapter.sources.replies import Replies, Stamps
from adapter.sources.terms import Terms, TlsTerms

_log = structlog.get_logger()

__all__ = ["MllpLimits", "MllpListener", "Terms", "TlsTerms", "refuse_if_taken"]


def _now() -> datetime:
    return datetime.now(UTC)


def refuse_if_taken(feed: str, *, bind: str, port: int) -> None:
    """SetupError where a listener could not start here now, in words for whoever starts the service."""
    try:
        asyncio.run(_try(bind, port))
    except OSError as error:
        why = "is in use by another program" if error.errno == errno.EADDRINUSE else _words(error)
        raise SetupError(f'source "{feed}": {bind}:{port} {why}; free it, or change bind or port') from None


async def _try(bind: str, port: int) -> None:
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, bind, port)
    server.close()
    await server.wait_closed()


def _words(error: OSError) -> str:
    return f"cannot be listened on ({os.strerror(error.errno).lower() if error.errno and error.errno > 0 else error})"


class MllpListener:
    """One port of one feed."""

    def __init__(
        self,
        feed: str,
        *,
        keep: Keep,
        counters: Counters,
        limits: MllpLimits | None = None,
        terms: Terms | None = None,
    ) -> None:
        terms = terms or Terms()
        replies = Replies(Stamps(time.time), counters, transport="mllp", is_original_only=terms.is_original_only)
        self._desk = Desk(
            feed=feed,
            keep=keep,
            counters=counters,
            limits=limits or MllpLimits(),
            allow=tuple(ip_network(one, strict=False) for one in terms.allow),
            door=Door(terms.accepted) if terms.accepted is not None else None,
            replies=replies,
            connections=set(),
            handshakes=set(),
            now=_now,
        )
        self._tls = terms.tls
        self._server: asyncio.Server | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port in use; the system's choice where 0 was asked for."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._desk.connections)

    async def start(self, bind: str, port: int) -> None:
        """Listen. OSError where the address cannot be had."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, bind, port, backlog=256)
        self._watch = loop.create_task(self._tick())
        _log.info("listening", feed=self._desk.feed, bind=bind, port=self.port, tls=bool(self._tls))

    def _connection(self) -> asyncio.BaseProtocol:
        if self._tls is None:
            return MllpConnection(self._desk)
        return TlsGate(self._desk, self._tls.context, handshake_s=self._tls.handshake_s)

    async def stop(self, *, drain_s: float = 10.0) -> None:
        """Accept no more, answer what was read, close. The intake must still be running."""
        if self._server is None or self._watch is None:
            return
        self._server.close()
        self._watch.cancel()
        for handshake in list(self._desk.handshakes):
            handshake.cancel()
        deadline = asyncio.get_running_loop().time() + drain_s
        for connection in list(self._desk.connections):
            connection.end()
        while self._desk.connections and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        for connection in list(self._desk.connections):
            connection.drop()
        await asyncio.sleep(0)

    async def _tick(self) -> None:
        limits = self._desk.limits
        shortest_s = min(limits.frame_s, limits.idle_s or limits.frame_s)
        while True:
            await asyncio.sleep(min(1.0, max(0.02, shortest_s / 4)))
            now = asyncio.get_running_loop().time()
            for connection in list(self._desk.connections):
                connection.tick(now)
