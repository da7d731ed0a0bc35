"""Runs the exports of a FHIR source in a thread of its own, with its own hold on the store."""

import threading
from collections.abc import Callable

import structlog

from adapter import config
from adapter.config import FhirSearchSource, TrustSettings
from adapter.errors import Halted, SetupError
from adapter.service.assembly import open_ring, open_store
from adapter.service.bulk import QUEUE_LIMIT, Exporter, Rooms
from adapter.service.bulk_orders import levels_of
from adapter.sources.fhir_http import FhirServer
from adapter.store.bulk_spool import Spool
from adapter.store.faults import StoreError
from adapter.store.inbox import open_inbox

log = structlog.get_logger()

_SHORTEST_S = 0.2
_FAULT_WAIT_S = 10.0
_SETUP_WAIT_S = 60.0

OpenServer = Callable[[], FhirServer]


class Exports:
    """All groups of one source, one after the other: an export is asked about rarely."""

    def __init__(
        self,
        settings: TrustSettings,
        source: FhirSearchSource,
        *,
        open_server: OpenServer,
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        self._source = source
        self._open_server = open_server
        ring, database = open_ring(settings), open_store(settings, migrate=False)
        inbox = open_inbox(database, folder=settings.data_folder)
        self._rooms = Rooms(database, ring, inbox, Spool(settings.data_folder, ring))
        rules = config.rules_of(source, settings.fhir_search)
        self._exporters = [
            Exporter(
                self._rooms,
                source=source.name,
                level=level,
                rules=rules,
                hold=settings.hold.unknown,
                queue_limit=queue_limit,
            )
            for level in levels_of(rules)
        ]

    def run(self, stopping: threading.Event) -> None:
        """Turn after turn until told to stop, or halted."""
        try:
            wait_s: float | None = 0.0
            while wait_s is not None and not stopping.wait(wait_s):
                wait_s = self._safely(stopping)
        finally:
            self.close()

    def close(self) -> None:
        """Close files and connections."""
        self._rooms.inbox.close()
        self._rooms.database.close()
        self._rooms.ring.close()

    def _safely(self, stopping: threading.Event) -> float | None:
        try:
            return self.turn(stopping)
        except SetupError as error:
            log.error("exports cannot begin", feed=self._source.name, reason=str(error))
            return _SETUP_WAIT_S
        except Halted as error:
            log.critical(
                "EXPORTS ARE STOPPED until the service is started again", feed=self._source.name, reason=str(error)
            )
            return None
        except StoreError as error:
            log.error("the store refuses; exports wait", feed=self._source.name, reason=type(error).__name__)
        except Exception as error:  # noqa: BLE001
            # Not swallowed: logged each time, and `status` shows an export that does not move.
            log.error("an export failed; it is tried again", feed=self._source.name, reason=type(error).__name__)
        return _FAULT_WAIT_S

    def turn(self, stopping: threading.Event) -> float:
        """Each group as far as it goes now; seconds until the next turn."""
        server = self._open_server()
        try:
            waits = [exporter.turn(server, stopping) for exporter in self._exporters if not stopping.is_set()]
        finally:
            server.close()
        return max(_SHORTEST_S, min(waits, default=_SHORTEST_S))


def start(
    settings: TrustSettings, source: FhirSearchSource, *, open_server: OpenServer, stopping: threading.Event
) -> threading.Thread:
    """A thread for the exports of a source."""
    exports = Exports(settings, source, open_server=open_server)
    thread = threading.Thread(target=exports.run, args=(stopping,), name=f"exports {source.name}", daemon=True)
    thread.start()
    return thread
