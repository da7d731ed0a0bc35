"""A trust that takes exports of one child's hospital, in the hand of a test: what both files on exports begin with."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from adapter.service.assembly import Mappings
from adapter.simulator.fhir_server import FhirServer
from tests.fakes.exporting_hospital import GROUP, Exporting, exporting_trust
from tests.fakes.polled_hospital import END, polled

LATE = END + timedelta(days=2)


@pytest.fixture(name="server")
def a_server() -> Iterator[FhirServer]:
    with polled(1) as served:
        served.exports.groups = {GROUP: None}
        yield served


Export = Callable[..., Exporting]


@pytest.fixture(name="export")
def an_export(tmp_path: Path, mappings: Path, loaded: Mappings) -> Iterator[Export]:
    made: list[Exporting] = []

    def make(server: FhirServer, *, url: str = "", more: dict[str, str] | None = None, **of_source: str) -> Exporting:
        store = {"store": f"{{url: '{url}'}}"} if url else {}
        folder = tmp_path / f"trust{len(made)}"
        file = exporting_trust(folder, server, mappings=mappings, more={**store, **(more or {})}, **of_source)
        made.append(Exporting(file, loaded))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(name="faultless", scope="module")
def a_faultless_export(tmp_path_factory: pytest.TempPathFactory, mappings: Path, loaded: Mappings) -> list[str]:
    """The rows of an export in which nothing goes wrong."""
    with polled(1) as server:
        server.exports.groups = {GROUP: None}
        file = exporting_trust(tmp_path_factory.mktemp("faultless") / "trust", server, mappings=mappings, more={})
        here = Exporting(file, loaded)
        here.until_idle()
        try:
            return here.rows
        finally:
            here.close()
