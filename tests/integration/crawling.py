"""A trust that reads a FHIR server child by child, in the hand of a test: its turns, its restarts, its time."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from adapter.config import FhirSearchSource
from adapter.service.assembly import Mappings
from adapter.service.polling import Poller
from adapter.simulator.fhir_server import FhirServer
from adapter.simulator.fhir_terms import reference
from tests.acceptance.hospital import comparable
from tests.fakes.crawled_hospital import admission, crawling_trust
from tests.fakes.polled_hospital import a_child
from tests.integration.trust import Trust, load

EPIC = {"vendor": "epic"}
"""A trust whose EPR is of that make."""


class Crawled:
    """A trust and its poller; the poller may be started again, and time may pass."""

    def __init__(self, file: Path, loaded: Mappings) -> None:
        self.file = file
        self.trust = Trust(load(file), mappings=loaded)
        self.poller = self._open()

    def _open(self) -> Poller:
        source = next(each for each in load(self.file).sources if isinstance(each, FhirSearchSource))
        return Poller(load(self.file), source)

    def restart(self) -> None:
        self.poller.close()
        self.poller = self._open()

    def rewrite(self, before: str, after: str) -> None:
        text = self.file.read_text()
        assert before in text
        self.file.write_text(text.replace(before, after))
        self.restart()

    def admit(self, *numbers: int, at: str = "202610010500", event: str = "A01") -> None:
        self.trust.now = datetime.now(UTC)
        for number in numbers:
            self.trust.receive(admission(number, at=at, event=event))

    def turn(self, turns: int = 1) -> float | None:
        """Read who is due; what comes is processed and settled."""
        wait_s = None
        for _ in range(turns):
            wait_s = self.poller.turn(threading.Event())
            self.trust.works.drain()
        return wait_s

    def age(self, **span: float) -> None:
        """So much time passes."""
        us = int(timedelta(**span).total_seconds() * 1_000_000)
        with self.trust.works.database.write() as conn:
            conn.exec_driver_sql(f"UPDATE crawl_patient SET due_us = due_us - {us}, whole_us = whole_us - {us}")
            moved = ", ".join(f"{name} = {name} - {us}" for name in ("cursor_us", "whole_us", "read_us"))
            conn.exec_driver_sql(f"UPDATE crawl_search SET {moved}")

    @property
    def status(self) -> dict[str, Any]:
        return dict(self.trust.status()["fhir_sources"]["fhir"])

    @property
    def patients(self) -> dict[str, Any]:
        """Children by how they stand, without what is nothing."""
        return {name: value for name, value in self.status["patients"].items() if value}

    @property
    def rows(self) -> list[str]:
        return comparable(row for row in self.trust.rows(every=True) if row["state"] != "deleted")

    def count(self, table: str) -> int:
        with self.trust.works.database.read() as conn:
            return int(conn.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())

    @property
    def stored(self) -> dict[str, int]:
        return {table: self.count(table) for table in ("message", "assertion", "csor_row")}

    def close(self) -> None:
        self.poller.close()
        self.trust.close()


Crawl = Callable[..., Crawled]


@pytest.fixture
def crawl(tmp_path: Path, mappings: Path, loaded: Mappings) -> Iterator[Crawl]:
    made: list[Crawled] = []

    def make(server: FhirServer, *, url: str = "", more: dict[str, str] | None = None, **of_source: str) -> Crawled:
        entries = {**({"store": f"{{url: '{url}'}}"} if url else {}), **(more or {})}
        file = crawling_trust(tmp_path / f"trust{len(made)}", server, mappings=mappings, more=entries, **of_source)
        made.append(Crawled(file, loaded))
        return made[-1]

    yield make
    for one in made:
        one.close()


def id_of(number: int) -> str:
    """The server's id of a child."""
    return str(reference("Patient", a_child(number).person.hospital_number)["reference"]).removeprefix("Patient/")


def asked_of(server: FhirServer, resource_type: str = "") -> list[str]:
    return [one.query for one in server.seen if resource_type in ("", one.resource_type)]


def children(here: Crawled) -> list[int]:
    """Local ids of those who have rows."""
    return sorted(row["child"] for row in here.trust.rows("infant"))
