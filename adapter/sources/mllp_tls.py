"""The way into a port with TLS: the address first, then the handshake, then the connection as without TLS.

asyncio tells nobody of a handshake that failed; here it is counted and logged, and holds up no other sender.
"""

import asyncio
import ssl

import structlog

from adapter.sources.mllp_connection import MllpConnection, is_refused
from adapter.sources.mllp_desk import Desk
from adapter.sources.tls import why_refused

_log = structlog.get_logger()
_EARLY_BUFFER_BYTES = 64 * 1024
_GOODBYE_S = 1.0
"""How long a closed connection may take to send what is left and say goodbye; many senders never answer it."""


class TlsGate(asyncio.Protocol):
    """One connection until its handshake is over."""

    def __init__(self, desk: Desk, context: ssl.SSLContext, *, handshake_s: float) -> None:
        self._desk, self._context, self._handshake_s = desk, context, handshake_s
        self._handshake: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Turn away whom the address does not allow, before any cryptography."""
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        if not is_refused(self._desk, transport):
            self._handshake = asyncio.get_running_loop().create_task(self._shake_hands(transport))
            self._desk.handshakes.add(self._handshake)
            self._handshake.add_done_callback(self._desk.handshakes.discard)

    async def _shake_hands(self, transport: asyncio.Transport) -> None:
        loop, early = asyncio.get_running_loop(), _Early()
        try:
            secured = await loop.start_tls(
                transport,
                early,
                self._context,
                server_side=True,
                ssl_handshake_timeout=self._handshake_s,
                ssl_shutdown_timeout=_GOODBYE_S,
            )
        except OSError as error:  # ssl.SSLError and a handshake that takes too long among them
            reason, address = why_refused(error), str(transport.get_extra_info("peername", ("",))[0])
            self._desk.counters.count("mllp.tls_refused")
            _log.warning("connection refused: no TLS", feed=self._desk.feed, address=address, reason=reason)
            return
        except asyncio.CancelledError:
            transport.abort()
            raise
        if secured is None:
            return
        early.hand_over(MllpConnection(self._desk, is_secured=True), secured)


class _Early(asyncio.BufferedProtocol):
    """Keeps what comes between the end of a handshake and the moment we are told of it."""

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(_EARLY_BUFFER_BYTES))
        self._data = bytearray()
        self._is_at_end = False
        self._lost: list[Exception | None] = []

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop puts the next bytes. A view: TLS reads into slices, which of a bytearray are copies."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Keep them."""
        self._data += self._buffer[:nbytes]

    def eof_received(self) -> None:
        """The sender is at its end already."""
        self._is_at_end = True

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone already."""
        self._lost.append(exc)

    def hand_over(self, connection: MllpConnection, secured: asyncio.Transport) -> None:
        """Let the connection live through what has happened so far, and then meet the rest itself."""
        secured.set_protocol(connection)
        connection.connection_made(secured)
        connection.take(bytes(self._data))
        if self._is_at_end or self._lost:
            connection.eof_received()
        for exc in self._lost:
            connection.connection_lost(exc)
