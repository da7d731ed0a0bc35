"""The doctor at a FHIR server: what it finds and what to ask its team for; nothing stored, no patient named."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from typer.testing import CliRunner, Result

from adapter.cli.app import app
from adapter.simulator import fhir_faults as faults
from adapter.simulator.fhir_faults import Answer, Fault, Request
from adapter.simulator.fhir_modes import epic, oracle
from adapter.simulator.fhir_server import FhirServer, running
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_token import Client, TokenDesk
from tests.fakes.polled_hospital import END, TOKEN, changes, polling_trust
from tests.fakes.tls_front import tls_front
from tests.unit.sinks.servers import a_server, response
from tests.unit.sources.papers import papers
from tests.unit.sources.test_fhir_http import Wire

SECRET = "a-secret-of-tests"


class Visit(NamedTuple):
    """A hospital, and the trust file that names it."""

    server: FhirServer
    file: Path

    def says(self, *more: str) -> Result:
        return CliRunner().invoke(app, ["doctor", "--config", str(self.file), *more])

    def of_source(self, *more: str) -> list[str]:
        """Its lines about the source, and its list of what to ask for."""
        return [line for line in self.says(*more).output.splitlines() if "source fhir" in line]


@contextmanager
def a_visit(folder: Path, mappings: Path, settings: Settings | None = None, **of_source: str) -> Iterator[Visit]:
    with running(changes(1), settings or Settings(token=TOKEN), now=END) as server:
        yield Visit(server, polling_trust(folder, server, mappings=mappings, more={}, **of_source))


@contextmanager
def by_vendor(folder: Path, mappings: Path, vendor: str, settings: Settings) -> Iterator[Visit]:
    with running(changes(1), replace(settings, token=TOKEN), now=END) as server:
        file = polling_trust(folder, server, mappings=mappings, more={"vendor": vendor}, types="X")
        quick = "{requests_per_second: 1000, peak: {hours: '07:00-19:00', requests_per_second: 1000}}"
        text = file.read_text().replace(", types: X", "").replace("{requests_per_second: 1000}", quick)
        file.write_text(text)
        yield Visit(server, file)


def a_patient(server: FhirServer) -> str:
    found = (each.resource for each in changes(1) if each.resource)
    return next(str(each["id"]) for each in found if each["resourceType"] == "Patient")


def graded(lines: list[str]) -> Mapping[str, int]:
    return {grade: sum(line.startswith(grade) for line in lines) for grade in ("ok", "look", "wrong")}


def test_a_server_that_does_all_that_is_asked_of_it_is_well(tmp_path: Path, mappings: Path) -> None:
    with a_visit(tmp_path, mappings) as visit:
        lines = visit.of_source()
        searches = [one for one in visit.server.seen if one.interaction == "search"]
        assert all("_count=2" in one.query for one in searches)
        assert max(one.page for one in visit.server.seen) == 2
    assert graded(lines)["wrong"] == 0
    assert "ok     source fhir    Observation?_include=Observation:specimen&_include=Observation:based-on: answers, " \
        "and so does its next page" in lines  # fmt: skip
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("vendor", "settings"), [("epic", epic()), pytest.param("oracle-millennium", oracle(), marks=pytest.mark.long)]
)
def test_by_the_vendors_rules_a_patient_is_read_and_never_shown(
    tmp_path: Path, mappings: Path, vendor: str, settings: Settings
) -> None:
    with by_vendor(tmp_path, mappings, vendor, settings) as visit:
        patient = a_patient(visit.server)
        without = visit.of_source()
        assert not [one for one in visit.server.seen if patient in one.url + one.query]
        said = visit.says("--patient", patient)
        assert visit.server.violations == []
    assert any(
        "searches of single patients were not tried: give the id of a patient by --patient" in one for one in without
    )
    lines = [line for line in said.output.splitlines() if "source fhir" in line]
    assert "ok     source fhir    read of the patient: answers" in lines
    assert graded(lines)["wrong"] == 0, lines
    assert patient not in said.output
    assert sum("answers" in line for line in lines) > 8


def test_what_a_statement_leaves_out_is_asked_about_and_refused_to_nobody(tmp_path: Path, mappings: Path) -> None:
    def shorter(_: Request, answer: Answer) -> Answer:
        rest = answer.content["rest"][0]
        kept = [each for each in rest["resource"] if each["type"] != "Condition"]
        for each in kept:
            each["searchParam"] = [one for one in each["searchParam"] if one["name"] != "_lastUpdated"]
        return replace(answer, content={**answer.content, "rest": [{**rest, "resource": kept}]})

    with a_visit(tmp_path, mappings) as visit:
        visit.server.faults.add(Fault(effect=shorter, interactions=("metadata",), times=None))
        lines = visit.of_source()
    assert graded(lines)["wrong"] == 0
    (told,) = (line for line in lines if line.startswith("look") and "CapabilityStatement" in line)
    assert "the type Condition" in told
    (ask,) = (line for line in lines if "whether the server has:" in line)
    assert "Encounter by _lastUpdated" in ask


@pytest.mark.parametrize(
    ("said", "told"),
    [("Quillfeather", "FHIR of a version that is none"), ("3.0.2", "FHIR 3.0.2"), ("", "of no version")],
)
def test_a_version_is_repeated_only_where_it_is_one(tmp_path: Path, mappings: Path, said: str, told: str) -> None:
    with a_visit(tmp_path, mappings) as visit:
        fault = Fault(
            effect=lambda _, answer: replace(answer, content={**answer.content, "fhirVersion": said}),
            interactions=("metadata",),
            times=None,
        )
        visit.server.faults.add(fault)
        output = visit.says().output
    assert told in output
    assert "Quillfeather" not in output


def test_a_search_that_is_refused_is_named_with_what_to_ask_for(tmp_path: Path, mappings: Path) -> None:
    with a_visit(tmp_path, mappings) as visit:
        visit.server.faults.add(
            Fault(effect=faults.status(403, code="forbidden"), resource_type="Procedure", times=None)
        )
        said = visit.says()
        lines = [line for line in said.output.splitlines() if "source fhir" in line]
    assert said.exit_code == 1
    assert graded(lines)["wrong"] == 1
    assert any(line.endswith("source fhir: to be allowed: Procedure") for line in lines)


def test_links_that_lead_elsewhere_are_found_and_not_followed(tmp_path: Path, mappings: Path) -> None:
    with a_visit(tmp_path, mappings) as visit, running(changes(1), Settings(), now=END) as elsewhere:
        effect = faults.next_link(f"{elsewhere.base}?_getpages=1")
        visit.server.faults.add(Fault(effect=effect, resource_type="Encounter", times=None))
        lines = visit.of_source()
        assert elsewhere.seen == []
    assert any("to which hosts next links and files lead" in line for line in lines)


@pytest.mark.behaviour(8)
@pytest.mark.parametrize(("seconds", "told"), [(-3600, "behind ours"), (20, "")])
def test_a_clock_that_differs_is_told(tmp_path: Path, mappings: Path, seconds: int, told: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    wire = Wire()
    answer = wire.answering(response(404, b"", f"Date: {date}"))
    with a_server(answer, answer) as url, a_visit(tmp_path, mappings, base_url=f"'{url}'", silence_s="0.3") as visit:
        lines = visit.of_source()
    assert any("set ours by a time server" in line for line in lines) == bool(told)
    assert any(told in line or "its clock is ours" in line for line in lines)


@pytest.mark.behaviour(7)
def test_scopes_that_were_not_granted_are_asked_for_by_name(tmp_path: Path, mappings: Path) -> None:
    granted = tuple(f"system/{each}.rs" for each in ("Patient", "Encounter"))
    desk = TokenDesk(clients=(Client(client_id="csor", secret=SECRET, scopes=granted),))
    with a_visit(tmp_path, mappings, Settings(sign_in=desk)) as visit:
        _sign_in(visit, scopes="[system/Patient.rs, system/Encounter.rs, system/Observation.rs]")
        said = visit.says()
    assert said.exit_code == 1
    assert "it does not let us read" in said.output
    assert "system/Observation.rs" in said.output
    assert SECRET not in said.output


@pytest.mark.behaviour(6)
def test_a_server_that_does_not_know_us_is_asked_for_nothing_more(tmp_path: Path, mappings: Path) -> None:
    desk = TokenDesk(clients=(Client(client_id="somebody-else", secret=SECRET),))
    with a_visit(tmp_path, mappings, Settings(sign_in=desk)) as visit:
        _sign_in(visit, scopes="[system/Patient.rs]")
        said = visit.says()
        assert [one for one in visit.server.seen if one.interaction == "search"] == []
    assert "no token: the token endpoint refused to know us" in said.output
    assert "our client csor to be registered, with a secret and the scopes system/Patient.rs" in said.output


def _sign_in(visit: Visit, *, scopes: str) -> None:
    (visit.file.parent / "secret").write_text(SECRET)
    url = visit.server.base.removesuffix("/fhir/r4") + "/token"
    auth = (
        f"method: client_secret_basic, token_url: '{url}', client_id: csor, secret: {{file: secret}}, scopes: {scopes}"
    )
    visit.file.write_text(visit.file.read_text().replace("token: {file: token}", f"auth: {{{auth}}}"))


@pytest.mark.behaviour(9)
@pytest.mark.parametrize(("known", "ours_days"), [(True, 400), (True, 20), (False, 400)])
def test_the_way_over_tls_is_examined(tmp_path: Path, mappings: Path, known: bool, ours_days: int) -> None:
    authority, now = trustme.CA(), datetime.now(UTC)
    (authority if known else trustme.CA()).cert_pem.write_to_path(tmp_path / "ca.pem")
    ours = authority.issue_cert("csor.example", not_after=now + timedelta(days=ours_days, hours=1))
    ours.cert_chain_pems[0].write_to_path(tmp_path / "ours.pem")
    ours.private_key_pem.write_to_path(tmp_path / "ours.key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", not_after=now + timedelta(days=90, hours=1)).configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    settings = Settings(token=TOKEN, is_next_relative=True)
    with running(changes(1), settings, now=END) as server, tls_front(server.base, context) as root:
        file = polling_trust(
            tmp_path, server, mappings=mappings, more={}, base_url=f"'{root}/fhir/r4'", ca="ca.pem",
            certificate="ours.pem", key="ours.key",
        )  # fmt: skip
        lines = Visit(server, file).of_source()
    if not known:
        assert any("its certificate is not accepted" in line for line in lines)
        assert server.seen == []
    elif ours_days == 20:
        assert any(line.startswith("look") and "ours.pem ends in 20 days" in line for line in lines)
        assert any("a new certificate for us" in line for line in lines)
    else:
        assert any("the server's certificate for 90 more days; ours for 400" in line for line in lines)
        assert graded(lines)["wrong"] == 0


def test_a_server_that_is_not_there_ends_the_visit(tmp_path: Path, mappings: Path) -> None:
    with a_visit(tmp_path, mappings, base_url="https://nowhere.invalid/r4") as visit:
        lines = visit.of_source()
    assert [line for line in lines if line.startswith("wrong")] == [
        "wrong  source fhir    nowhere.invalid has no address here"
    ]
    assert lines[-1].endswith("the name nowhere.invalid in our DNS, or the right name")


@pytest.mark.behaviour(9)
def test_the_port_for_notifications_is_examined_like_any_other(tmp_path: Path, mappings: Path) -> None:
    ours = papers(tmp_path / "papers", ends=datetime.now(UTC) + timedelta(days=20, hours=1))
    (tmp_path / "hook").write_text("a-secret-that-is-long-enough\n")
    tls = f"{{certificate: {ours.certificate}, key: {ours.key}}}"
    port = (
        f"{{port: 0, bind: 0.0.0.0, tls: {tls}, secret: {{file: hook}},"
        " criteria: [{name: results, criteria: 'Observation?category=laboratory'}]}"
    )
    with a_visit(tmp_path, mappings, subscriptions=port) as visit:
        lines = visit.of_source()
        assert [line.split(None, 1)[0] for line in lines if "notifications" in line] == ["ok", "look"]
        assert "look   source fhir, notifications TLS, certificate for 20 more days; any sender may connect" in lines
        (tmp_path / "hook").unlink()
        (told,) = [line for line in visit.of_source() if line.startswith("wrong")]
        assert told.startswith("wrong  source fhir, notifications ")
        assert "hook" in told
