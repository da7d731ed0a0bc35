"""An adapter in this process, on SQLite; and on PostgreSQL where a test asks for `trust_on_each_store`."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapter import config, simulator
from adapter.config import V2Source
from adapter.service.assembly import Mappings
from adapter.service.feeds import FeedReading, Feeds, rules_of_reading
from adapter.simulator import LabCode
from tests.integration.crawling import crawl  # noqa: F401  (a fixture)
from tests.integration.trust import Trust, load, trust_file
from tests.unit.store.conftest import postgres, postgres_url  # noqa: F401  (fixtures)

Make = Callable[..., Trust]


@pytest.fixture(scope="session")
def mappings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged mappings with the table of the invented laboratory."""
    folder = tmp_path_factory.mktemp("mappings") / "mappings"
    shutil.copytree(config.packaged("mappings"), folder)
    crp = LabCode(code="CRPB", words="C-reactive protein", system="WINPATH", analyte="crp", unit="mg/L")
    (folder / "concepts" / "invented-lab.csv").write_text(simulator.lab_codes_csv([crp]))
    return folder


@pytest.fixture(scope="session")
def loaded(mappings: Path, tmp_path_factory: pytest.TempPathFactory) -> Mappings:
    return Mappings.load(load(trust_file(tmp_path_factory.mktemp("loaded"), mappings=mappings)))


@pytest.fixture
def a_trust(tmp_path: Path, mappings: Path, loaded: Mappings) -> Iterator[Make]:
    """Makes an adapter by the entries of its trust file."""
    made: list[Trust] = []

    def make(*, reads_ahead: bool = False, **entries: str) -> Trust:
        folder = tmp_path / f"trust{len(made)}"
        folder.mkdir()
        made.append(
            Trust(load(trust_file(folder, mappings=mappings, **entries)), mappings=loaded, reads_ahead=reads_ahead)
        )
        return made[-1]

    yield make
    for trust in made:
        trust.close()


@pytest.fixture
def trust(a_trust: Make) -> Trust:
    return a_trust()


@pytest.fixture
def a_feed(tmp_path: Path, mappings: Path, loaded: Mappings) -> Iterator[Callable[[str], Trust]]:
    """Makes an adapter whose feed `epr` is read by the rules that are given as in its trust file."""
    made: list[Trust] = []

    def make(reading: str) -> Trust:
        folder = tmp_path / f"feed{len(made)}"
        folder.mkdir()
        sources = f"[{{name: epr, kind: mllp, port: 2575, reading: {reading}}}]"
        settings = load(trust_file(folder, mappings=mappings, sources=sources))
        (source,) = settings.sources
        assert isinstance(source, V2Source)
        others = loaded.feeds.of("epr")
        feeds = Feeds(others, {"epr": FeedReading(others.maps, rules_of_reading(source.reading), others.timezone)})
        made.append(Trust(settings, mappings=loaded._replace(feeds=feeds), reads_ahead=True))
        return made[-1]

    yield make
    for trust in made:
        trust.close()


@pytest.fixture(params=["sqlite", "sqlite, read ahead", "postgresql"])
def trust_on_each_store(request: pytest.FixtureRequest, a_trust: Make) -> Trust:
    """The same outcome everywhere, and whether or not another process reads ahead."""
    if request.param != "postgresql":
        return a_trust(reads_ahead=request.param != "sqlite")
    return a_trust(url=str(request.getfixturevalue("postgres_url")))
