"""A connection with TLS: the sender's address first, then the handshake, then MLLP as without TLS.

TLS is done here over asyncio's plain transport and not by asyncio, for two reasons. asyncio ends both directions when a
sender closes its own, though TLS 1.3 (RFC 8446 §6.1) and MLLP senders know a connection that is closed on one side
only: the answers would be lost (behaviour 76). And it tells nobody of a handshake that failed; here it is counted and
logged. It holds up no other sender.
"""

import asyncio
import ssl
from contextlib import suppress

import structlog

from adapter.sources.mllp_connection import MllpConnection, is_refused
from adapter.sources.mllp_desk import Desk
from adapter.sources.tls import why_refused

_log = structlog.get_logger()
_BUFFER_BYTES = 64 * 1024
_MORE_LATER = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class TlsGate(asyncio.BufferedProtocol, asyncio.Transport):
    """Below, the protocol of a plain connection; above, the transport of an MLLP connection."""

    def __init__(self, desk: Desk, context: ssl.SSLContext, *, handshake_s: float) -> None:
        asyncio.Transport.__init__(self)
        self._desk, self._handshake_s = desk, handshake_s
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._cipher = memoryview(bytearray(_BUFFER_BYTES))
        self._loop = asyncio.get_running_loop()
        self._limit: asyncio.TimerHandle | None = None
        self._line: asyncio.Transport
        self._connection: MllpConnection | None = None
        """There once the handshake is over."""
        self._is_paused = False
        self._is_ended = False
        """The sender has closed its side."""
        self._is_closed = False

    # --- called by asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Turn away whom the address does not allow, before any cryptography."""
        assert isinstance(transport, asyncio.Transport)
        self._line = transport
        if is_refused(self._desk, transport):
            self._is_closed = True
            return
        self._desk.handshakes.add(self)
        self._limit = self._loop.call_later(self._handshake_s, self._refuse, TimeoutError())

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop puts the next bytes."""
        return self._cipher

    def buffer_updated(self, nbytes: int) -> None:
        """The next bytes, still encrypted; after the sender's goodbye nothing is read, so nothing is kept."""
        if self._is_ended:
            return
        self._incoming.write(self._cipher[:nbytes])
        self._advance()

    def eof_received(self) -> bool:
        """The sender has closed its side of the line; whether ours stays open for what is to be answered."""
        if self._connection is None:
            self._refuse(ConnectionResetError())
        elif not self._is_ended:
            self._end()
        return not self._is_closed

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone, by whomever."""
        if self._connection is None:
            self._refuse(exc or ConnectionResetError())
        else:
            self._is_closed = True
            self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """The sender does not read its answers."""
        if self._connection is not None:
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        """It reads again."""
        if self._connection is not None:
            self._connection.resume_writing()

    # --- called by the listener

    def cancel(self) -> None:
        """Give up a handshake that is not over."""
        self._handshake_is_over()
        if self._connection is None:
            self._is_closed = True
            self._line.abort()

    # --- called by the MLLP connection

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        rest = memoryview(data)
        with suppress(*_MORE_LATER, ssl.SSLError):
            while rest and not self.is_closing():
                rest = rest[self._tls.write(rest) :]
        self._flush()

    def close(self) -> None:
        """Say goodbye, send what is left, close the line. Nobody is waited for."""
        if self._is_closed:
            return
        self._is_closed = True
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()
        self._line.close()

    def abort(self) -> None:
        """Close without sending what is left."""
        self._is_closed = True
        self._line.abort()

    def is_closing(self) -> bool:
        """Nothing can be sent any more."""
        return self._is_closed or self._line.is_closing()

    def pause_reading(self) -> None:
        """Take nothing more from the line, nor from what is read already."""
        self._is_paused = True
        self._line.pause_reading()

    def resume_reading(self) -> None:
        """Go on."""
        self._is_paused = False
        self._line.resume_reading()
        self._loop.call_soon(self._advance)

    # --- inside

    def _advance(self) -> None:
        """Do what the bytes that came allow."""
        if self._is_closed:
            return
        try:
            if self._connection is None:
                self._tls.do_handshake()
                self._open()
            self._read()
        except _MORE_LATER:
            pass
        except ssl.SSLError as error:
            self._flush()
            self._fail(error)
            return
        self._flush()

    def _open(self) -> None:
        self._handshake_is_over()
        self._connection = MllpConnection(self._desk, is_secured=True)
        self._connection.connection_made(self)

    def _read(self) -> None:
        """Hand on what can be decrypted, until there is no more or the connection wants to wait."""
        assert self._connection is not None
        while not (self._is_paused or self._is_ended or self._is_closed):
            try:
                data = self._tls.read(_BUFFER_BYTES)
            except ssl.SSLZeroReturnError:
                data = b""
            if not data:
                self._end()
                return
            self._connection.take(data)

    def _end(self) -> None:
        """After the sender's goodbye: what it still waits for is answered, then we close."""
        assert self._connection is not None
        self._is_ended = True
        if not self._connection.eof_received():
            self.close()

    def _flush(self) -> None:
        if self._outgoing.pending and not self._line.is_closing():
            self._line.write(self._outgoing.read())

    def _fail(self, error: Exception) -> None:
        """Broken TLS: before the end of the handshake a refusal, later the end of the connection."""
        if self._connection is None:
            self._refuse(error)
        else:
            self.abort()

    def _refuse(self, error: Exception) -> None:
        if self._is_closed:
            return
        self._handshake_is_over()
        self._is_closed = True
        reason, address = why_refused(error), str(self._line.get_extra_info("peername", ("",))[0])
        self._desk.counters.count("mllp.tls_refused")
        _log.warning("connection refused: no TLS", feed=self._desk.feed, address=address, reason=reason)
        # What TLS has to say of it goes out first.
        self._line.close()

    def _handshake_is_over(self) -> None:
        self._desk.handshakes.discard(self)
        if self._limit is not None:
            self._limit.cancel()
