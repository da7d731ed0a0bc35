"""An in-patient list: whoever stands on it is looked up at the server, and is ours only if the record says so."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapter.cli.app import app
from adapter.cli.status import read_status
from adapter.config import FhirSearchSource
from adapter.service.assembly import Mappings, prepare
from adapter.service.polling import Poller
from adapter.simulator.fhir_server import FhirServer, running
from adapter.simulator.fhir_settings import Settings
from tests.acceptance.hospital import rows_of
from tests.fakes.polled_hospital import END, TOKEN, TYPES, a_child, changes, polling_trust
from tests.integration.trust import Trust, load

PER_PATIENT = ", ".join(f"{each}: {{scope: patient}}" for each in TYPES)
Make = Callable[[FhirServer], Path]


@pytest.fixture
def a_file(tmp_path: Path, mappings: Path) -> Make:
    def make(server: FhirServer) -> Path:
        file = polling_trust(tmp_path, server, mappings=mappings, more={}, types=f"{{{PER_PATIENT}}}")
        prepare(load(file))
        return file

    return make


def named(file: Path, *lines: str, header: str = "nhs_number,hospital_number,admitted") -> Result:
    table = file.parent / "in-patients.csv"
    table.write_text("\n".join([header, *lines]) + "\n")
    return CliRunner().invoke(app, ["backfill", "--config", str(file), "--patients", str(table)])


def turns(file: Path, loaded: Mappings, *, times: int = 3) -> Trust:
    settings = load(file)
    source = settings.sources[0]
    assert isinstance(source, FhirSearchSource)
    trust = Trust(settings, mappings=loaded)
    poller = Poller(settings, source)
    for _ in range(times):
        poller.turn(threading.Event())
        trust.works.drain()
    poller.close()
    return trust


def test_whoever_is_named_is_looked_up_and_read_whole_if_ours(a_file: Make, loaded: Mappings) -> None:
    first, second = (a_child(number).person for number in range(2))
    with running(changes(3), Settings(token=TOKEN), now=END) as server:
        file = a_file(server)
        assert turns(file, loaded, times=1).rows("infant") == []  # nobody has told us of anybody
        said = named(file, f"{first.nhs_number},,2026-09-01", f",{second.hospital_number},")
        assert said.exit_code == 0, said.output
        assert "2 patients named, 2 look-ups" in said.output
        trust = turns(file, loaded)
        assert not any(first.nhs_number in one.url for one in server.seen if "identifier" not in one.url)
    assert len(trust.rows("infant")) == 2
    assert trust.rows("operation")
    assert read_status(load(file))["sought"] == {"fhir": {"found": 2}}
    trust.close()
    stored = b"".join(path.read_bytes() for path in load(file).data_folder.rglob("*") if path.is_file())
    assert str(first.nhs_number).encode() not in stored
    assert "0 look-ups" in named(file, f"{first.nhs_number},,2026-09-01").output


def test_nobody_is_enrolled_by_being_named(a_file: Make, loaded: Mappings) -> None:
    mother = a_child(0).person.mother
    with running(changes(1), Settings(token=TOKEN), now=END) as server:
        file = a_file(server)
        named(file, f"{mother.nhs_number},,", f",{mother.hospital_number},", ",39999999,")
        trust = turns(file, loaded, times=2)
    assert trust.persons() == []
    assert rows_of(load(file)) == []
    assert read_status(load(file))["sought"]["fhir"]["due"] >= 1  # looked for again tomorrow
    trust.close()


def test_a_line_that_names_nobody_is_told_by_its_number_alone(a_file: Make) -> None:
    with running((), Settings(token=TOKEN), now=END) as server:
        file = a_file(server)
        said = named(file, "9990000000,,", ",,2026-09-01", ",4000001,")
        assert said.exit_code == 1
        assert "in-patients.csv:2: what stands as NHS number is none" in said.output
        assert "in-patients.csv:3: neither nhs_number nor hospital_number is given" in said.output
        assert "9990000000" not in said.output
        assert "1 patients named" in said.output
        assert named(file, "x", header="who").exit_code != 0
