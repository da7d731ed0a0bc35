"""What a server wrote where it refused: kept with the search, sealed, shown to a person alone, and that is audited."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapter.cli.app import app
from adapter.config import FhirSearchSource
from adapter.errors import ExitCode
from adapter.service.assembly import Mappings
from adapter.service.polling import Poller
from adapter.simulator import fhir_faults as faults
from adapter.simulator.fhir_faults import Answer, Effect, Fault, Request
from adapter.simulator.fhir_server import FhirServer
from tests.fakes.polled_hospital import polled, polling_trust
from tests.integration.trust import Trust, load

NAME = "Quillfeather"
OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "warning", "code": "processing", "details": {"coding": [{"code": "4119"}], "text": NAME}}],
}
TYPES = "{Patient: {}, Encounter: {}, Condition: {}, Observation: {scope: patient}}"


def refused(_: Request, answer: Answer) -> Answer:
    return replace(answer, status=422, content=OUTCOME)


class Site:
    """A trust whose FHIR server may refuse."""

    def __init__(self, folder: Path, server: FhirServer, *, mappings: Path, loaded: Mappings) -> None:
        self.server = server
        rules = "[{code: '4119', action: mark-incomplete}]"
        self.file = polling_trust(folder, server, mappings=mappings, more={}, types=TYPES, outcome_rules=rules)
        self.trust = Trust(load(self.file), mappings=loaded)
        source = self.trust.settings.sources[0]
        assert isinstance(source, FhirSearchSource)
        self.poller = Poller(self.trust.settings, source)

    def turn(self) -> None:
        self.poller.turn(threading.Event())
        self.trust.works.drain()

    def break_by(self, effect: Effect, resource_type: str) -> None:
        self.server.faults.add(Fault(effect=effect, resource_type=resource_type, times=None))

    def told(self, *options: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["told", "fhir", "--config", str(self.file), "--reason", "a call", *options])
        return result.exit_code, result.output

    @property
    def on_disk(self) -> bytes:
        folder = self.file.parent / "data"
        return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())

    def close(self) -> None:
        self.poller.close()
        self.trust.close()


@pytest.fixture
def site(tmp_path: Path, mappings: Path, loaded: Mappings) -> Iterator[Site]:
    with polled(1) as server:
        here = Site(tmp_path, server, mappings=mappings, loaded=loaded)
        yield here
        here.close()


@pytest.mark.behaviour(37)
@pytest.mark.parametrize("effect", [refused, faults.with_entry(OUTCOME, mode="outcome")])
def test_what_was_written_of_a_whole_type_is_kept_until_it_is_well_again(
    site: Site, effect: Effect, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    site.break_by(effect, "Condition")
    site.turn()

    code, output = site.told()
    assert (code, "Condition  incomplete" in output, NAME in output) == (0, True, True)
    assert b"Condition" in site.on_disk
    assert NAME.encode() not in site.on_disk
    assert NAME not in caplog.text + capsys.readouterr().out

    site.server.faults.clear()
    site.turn()
    assert site.told()[0] == ExitCode.FILES_FAILED


@pytest.mark.behaviour(37)
@pytest.mark.parametrize("effect", [refused, faults.with_entry(OUTCOME, mode="outcome")])
def test_what_was_written_of_a_child_is_kept_with_the_child(site: Site, effect: Effect) -> None:
    site.turn()
    site.break_by(effect, "Observation")
    site.turn()
    reasons = site.trust.status()["fhir_sources"]["fhir"]["patients"]["reasons"]
    (child,) = [person.id for person in site.trust.persons() if site.told("--child", str(person.id))[0] == 0]

    code, output = site.told("--child", str(child))

    assert reasons == {"incomplete.4119": 1}
    assert (code, "Observation  4119" in output, NAME in output) == (0, True, True)
    assert NAME.encode() not in site.on_disk
    with site.trust.works.database.read() as conn:
        audited = conn.exec_driver_sql("SELECT count(*) FROM audit WHERE kind = 'told'").scalar_one()
    assert audited >= 2


@pytest.mark.parametrize(("options", "said"), [(["--reason", " "], "say why"), (["--source"], "No such option")])
def test_it_is_shown_to_nobody_without_a_reason(site: Site, options: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["told", "fhir", "--config", str(site.file), "--reason", "", *options])
    assert result.exit_code == ExitCode.USAGE
    assert said in result.output


def test_a_source_that_is_none_is_told(site: Site) -> None:
    result = CliRunner().invoke(app, ["told", "other", "--config", str(site.file), "--reason", "a call"])
    assert result.exit_code == ExitCode.USAGE
    assert "there is no source other" in result.output
