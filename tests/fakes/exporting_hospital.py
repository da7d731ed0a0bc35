"""A trust that takes exports of the polled hospital, instead of searching it, turn by turn."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from adapter.config import FhirSearchSource
from adapter.outbound import open_session
from adapter.service.assembly import Mappings
from adapter.service.bulk_running import Exports
from adapter.service.signing_in import credentials_of
from adapter.simulator.fhir_export import storage_app
from adapter.simulator.fhir_server import FhirServer as SimulatedServer
from adapter.sources.fhir_http import Answers, FhirServer, Limits
from adapter.store import bulk
from adapter.store.bulk import JobRow
from tests.acceptance.hospital import comparable
from tests.fakes.paces import a_pace
from tests.fakes.polled_hospital import polling_trust
from tests.integration.trust import Trust, load

GROUP = "surgical-infants"
# Longer than a step takes on a slow machine: a test says when the time has come (`make_due`).
BULK = f"{{groups: [{GROUP}], every: P1D, poll_min_s: 5}}"


class Exporting:
    """A trust and its exports; both may be started again."""

    def __init__(self, file: Path, loaded: Mappings) -> None:
        self.file = file
        self.trust = Trust(load(file), mappings=loaded)
        self.exports = self._open()

    def _open(self) -> Exports:
        settings = load(self.file)
        source = settings.sources[0]
        assert isinstance(source, FhirSearchSource)
        return Exports(settings, source, open_server=lambda: server_of(source), queue_limit=10**6)

    def restart(self) -> None:
        self.exports.close()
        self.exports = self._open()

    def rewrite(self, before: str, after: str) -> None:
        """Another setting, and started again."""
        text = self.file.read_text()
        assert before in text
        self.file.write_text(text.replace(before, after))
        self.restart()

    def turn(self) -> float:
        wait_s = self.exports.turn(threading.Event())
        self.trust.works.drain()
        return wait_s

    def until_idle(self, *, turns: int = 60) -> None:
        """So many turns as it takes that no export goes on."""
        for _ in range(turns):
            self.turn()
            if not self.open:
                return
            self.make_due()
        raise AssertionError(f"it does not come to an end: {self.open}")

    def make_due(self) -> None:
        """What waits for its time need not."""
        with self.trust.works.database.write() as conn:
            conn.exec_driver_sql("UPDATE bulk_job SET next_us = 0")

    def next_day(self) -> None:
        """Every type is due again."""
        with self.trust.works.database.write() as conn:
            conn.exec_driver_sql("UPDATE bulk_type SET asked_us = 0")

    def run(self) -> None:
        """All that is due, to its end, and what follows from it."""
        self.next_day()
        self.until_idle()

    @property
    def jobs(self) -> list[JobRow]:
        """The newest first."""
        with self.trust.works.database.read() as conn:
            return bulk.jobs(conn, "fhir", f"Group/{GROUP}")

    @property
    def open(self) -> list[JobRow]:
        return [job for job in self.jobs if job.ended_us is None]

    @property
    def states(self) -> list[str]:
        """In order of time."""
        return [job.state for job in reversed(self.jobs)]

    @property
    def rows(self) -> list[str]:
        return comparable(row for row in self.trust.rows(every=True) if row["state"] != "deleted")

    @property
    def since(self) -> dict[str, str]:
        with self.trust.works.database.read() as conn:
            return {name: row.since for name, row in bulk.types(conn, "fhir", f"Group/{GROUP}").items()}

    def counted(self, name: str) -> int:
        return self.trust.counts().get(f"poll.fhir.bulk.{name}", 0)

    def count(self, table: str) -> int:
        with self.trust.works.database.read() as conn:
            return int(conn.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())

    def close(self) -> None:
        self.exports.close()
        self.trust.close()


def server_of(source: FhirSearchSource) -> FhirServer:
    return FhirServer(
        source.base_url,
        credentials=credentials_of(source),
        pace=a_pace(),
        limits=Limits(attempts=2, first_wait_s=0.01, longest_wait_s=0.05),
        session=open_session(ca=None, proxy=None),
        rules=Answers(allowed_hosts=source.allowed_hosts),
    )


def exporting_trust(folder: Path, server: SimulatedServer, *, mappings: Path, more: dict[str, str], **of: str) -> Path:
    """Its file."""
    return polling_trust(folder, server, mappings=mappings, more=more, **{"bulk": BULK, **of})


@dataclass
class Storage:
    """Another host, where files are."""

    base: str
    seen: list[str] = field(default_factory=list)
    """What it was sent as Authorization."""


@contextmanager
def storage(server: SimulatedServer) -> Iterator[Storage]:
    """Of the files of this server."""
    seen: list[str] = []
    config = uvicorn.Config(
        storage_app(server.exports, seen), host="127.0.0.1", port=0, log_level="critical", lifespan="off"
    )
    served = uvicorn.Server(config)
    thread = threading.Thread(target=served.run, daemon=True)
    thread.start()
    while not served.started:
        thread.join(0.01)
    port = served.servers[0].sockets[0].getsockname()[1]
    try:
        yield Storage(f"http://127.0.0.1:{port}", seen)
    finally:
        served.should_exit = True
        thread.join(10)
