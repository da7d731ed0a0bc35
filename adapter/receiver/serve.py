"""Runs the receiver: opens the port, the store and TLS, and stops cleanly on SIGTERM."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from adapter.receiver.app import build
from adapter.receiver.settings import Settings
from adapter.receiver.store import Store


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, but without raising the signal again at the end: a stop that was asked for is exit 0."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(settings: Settings, *, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told the address once connections are accepted."""
    with socket.create_server((settings.bind, settings.port), backlog=128) as listener:
        store = Store(settings.data_folder)
        try:
            server = _server(settings, store)
            # The listener already accepts: a peer that connects now waits in its backlog.
            ready(_url(settings, listener))
            server.run(sockets=[listener])
        finally:
            store.close()


@contextmanager
def running(settings: Settings) -> Iterator[str]:
    """The receiver in a thread of this process, for the demo and for tests; gives its address."""
    with socket.create_server((settings.bind, settings.port), backlog=128) as listener:
        store = Store(settings.data_folder)
        server = _server(settings, store)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="receiver", daemon=True)
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.005)
            yield _url(settings, listener)
        finally:
            server.should_exit = True
            thread.join(timeout=10)
            store.close()


def _server(settings: Settings, store: Store) -> _Server:
    token = settings.token.read() if settings.token else None
    return _Server(
        uvicorn.Config(
            build(store, token=token, max_bytes=settings.max_bytes),
            ssl_certfile=settings.tls.cert if settings.tls else None,
            ssl_keyfile=settings.tls.key if settings.tls else None,
            # An access log would hold pseudonyms from query strings.
            access_log=False,
            log_level="warning",
            server_header=False,
            # Longer than a sender's pause between batches, so that it rarely meets a closing connection.
            timeout_keep_alive=75,
            # A batch takes well under a second; what remains are idle TLS connections that never say goodbye.
            timeout_graceful_shutdown=2,
        )
    )


def _url(settings: Settings, listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{'https' if settings.tls else 'http'}://{host}:{port}"
