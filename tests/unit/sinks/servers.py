"""Servers that misbehave in one exact way, on real sockets."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Script = Callable[[socket.socket], None]


@contextmanager
def a_server(*scripts: Script, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """One script for each connection in turn; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, scripts, tls), daemon=True)
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            # Wakes an accept that waits for a connection the test never made.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=5)


def _accept(listener: socket.socket, scripts: tuple[Script, ...], tls: ssl.SSLContext | None) -> None:
    for script in scripts:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection, tls.wrap_socket(connection, server_side=True) if tls else connection as spoken:
                script(spoken)


def request_of(connection: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of one request, read to its end."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += _some(connection)
    head, body = text.split(b"\r\n\r\n", 1)
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += _some(connection)
    return head, body


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the sender closed")
    return data


def answering(answer: bytes, *, then: Script | None = None) -> Script:
    """Read the whole request, send these bytes, close."""

    def script(connection: socket.socket) -> None:
        request_of(connection)
        connection.sendall(answer)
        if then is not None:
            then(connection)

    return script


def response(status: int, body: bytes = b"", *headers: str) -> bytes:
    """A whole HTTP response."""
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body
