"""A door with TLS in front of a server that speaks none, so that a simulated hospital can be asked as a real one is."""

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


@contextmanager
def tls_front(base: str, context: ssl.SSLContext) -> Iterator[str]:
    """The root under https of the server at this address."""
    behind = urlsplit(base)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = (behind.hostname, behind.port)
        threading.Thread(target=_serve, args=(listener, place, context), daemon=True).start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, place: tuple[str, int], context: ssl.SSLContext) -> None:
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_speak, args=(line, place, context), daemon=True).start()


def _speak(line: socket.socket, place: tuple[str, int], context: ssl.SSLContext) -> None:
    with (
        suppress(OSError),
        line,
        socket.create_connection(place) as behind,
        context.wrap_socket(line, server_side=True) as secured,
    ):
        # One thread: OpenSSL does not read and write one connection at once.
        while _carried(secured, behind):
            pass


def _carried(secured: ssl.SSLSocket, behind: socket.socket) -> bool:
    """What came on either side, handed on; False where one of them has ended."""
    ready = [secured] if secured.pending() else select.select([secured, behind], [], [], 30)[0]
    for side in ready:
        data = side.recv(65536)
        if not data:
            return False
        (behind if side is secured else secured).sendall(data)
    return bool(ready)
