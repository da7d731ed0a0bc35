"""HL7 v2 sources in a trust file: what each wrong setting is told, by `check` and by the doctor."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adapter import config
from adapter.cli.app import app
from adapter.cli.doctor import examine
from adapter.config import HttpSource, MllpSource
from adapter.errors import SetupError
from adapter.service.listening import terms
from adapter.sources.accept import Accepted
from tests.unit.config.test_load import TRUST, a_trust
from tests.unit.sources.papers import papers

LINE = "sources:\n  - {name: epr, kind: mllp, port: 0%s}\n"


def loaded(folder: Path, more: str = "") -> MllpSource:
    (found,) = config.load_trust(a_trust(folder, text=TRUST + LINE % more)).sources
    assert isinstance(found, MllpSource)
    return found


def refused(folder: Path, more: str) -> str:
    with pytest.raises(SetupError) as caught:
        loaded(folder, more)
    return str(caught.value)


def checked(folder: Path, more: str) -> Result:
    return CliRunner().invoke(app, ["check", "--config", str(a_trust(folder, text=TRUST + LINE % more))])


def told(folder: Path, more: str) -> list[tuple[str, str]]:
    path = a_trust(folder, text=TRUST + LINE % more)
    return [(found.grade.value, found.text) for found in examine(path) if found.about == "source epr"]


TLS = ", tls: {certificate: ../papers/port.pem, key: ../papers/port.key%s}"


def test_a_port_without_further_settings_takes_all_that_reach_it(tmp_path: Path) -> None:
    source = loaded(tmp_path)
    assert (source.allow, source.tls, source.bind) == ((), None, "127.0.0.1")


def test_the_files_of_tls_are_meant_from_the_folder_of_the_trust_file(tmp_path: Path) -> None:
    tls = loaded(tmp_path, TLS % ", client_ca: ../papers/ca.pem").tls
    assert tls is not None
    assert tls.client_ca == tmp_path / "trusts" / "../papers/ca.pem"


@pytest.mark.parametrize("written", ["10.1.2.3", "10.1.0.0/16", "2001:db8::/32"])
def test_addresses_and_networks_may_be_allowed(tmp_path: Path, written: str) -> None:
    assert loaded(tmp_path, f", allow: ['{written}']").allow == (written,)


def test_what_is_no_network_is_told_where_it_stands(tmp_path: Path) -> None:
    text = refused(tmp_path, ", allow: [10.1.0.0/16, engine.example]")
    assert "is neither an address nor a network such as 10.1.0.0/16" in text
    assert "t.yaml:" in text


def test_check_tries_the_certificates_of_a_port(tmp_path: Path) -> None:
    papers(tmp_path / "papers")
    assert checked(tmp_path, TLS % "").exit_code == 0


def test_check_names_the_line_and_the_file_that_cannot_be_used(tmp_path: Path) -> None:
    papers(tmp_path / "papers")
    (tmp_path / "papers" / "port.key").unlink()
    result = checked(tmp_path, TLS % "")
    assert result.exit_code == 10
    assert 'source "epr": the key ' in result.stderr
    assert "cannot be read: no such file or directory" in result.stderr
    assert "/t.yaml:" in result.stderr


def test_the_doctor_says_for_how_many_days_the_certificate_is_good(tmp_path: Path) -> None:
    papers(tmp_path / "papers", ends=datetime.now(UTC) + timedelta(days=400, hours=1))
    assert told(tmp_path, TLS % "")[1:] == [("ok", "TLS, certificate for 400 more days; any sender may connect")]


def test_the_doctor_warns_of_the_last_month_and_of_a_key_that_others_can_read(tmp_path: Path) -> None:
    papers(tmp_path / "papers", ends=datetime.now(UTC) + timedelta(days=20, hours=1)).key.chmod(0o644)
    found = told(tmp_path, TLS % ", client_ca: ../papers/ca.pem")[1:]
    assert found[0] == ("look", "TLS, certificate for 20 more days; senders show theirs")
    assert found[1][0] == "look"
    assert found[1][1].endswith("can be read by others: chmod 600")


def test_the_doctor_calls_an_ended_certificate_and_a_missing_file_wrong(tmp_path: Path) -> None:
    ours = papers(tmp_path / "papers", ends=datetime.now(UTC) - timedelta(days=2))
    assert told(tmp_path, TLS % "")[1][0] == "wrong"
    ours.certificate.unlink()
    grade, text = told(tmp_path, TLS % "")[1]
    assert (grade, "cannot be read" in text) == ("wrong", True)


def test_the_doctor_asks_to_look_at_a_port_for_others_without_tls(tmp_path: Path) -> None:
    assert told(tmp_path, ", bind: 0.0.0.0")[1] == ("look", "0.0.0.0 without TLS: whoever is on the way can read along")
    assert len(told(tmp_path, "")) == 1


def test_a_port_says_what_it_takes_and_how_it_answers(tmp_path: Path) -> None:
    more = (
        ", accept: {applications: [EPR], types: ['ADT^*', ORU^R01], control_id: required}, ack: {on_unknown_type: AR}"
    )
    source = loaded(tmp_path, more)
    assert (source.accept.types, source.accept.control_id) == (("ADT^*", "ORU^R01"), "required")
    assert (source.ack.mode, source.ack.on_unknown_type) == ("auto", "AR")


def test_without_rules_nothing_is_asked_of_a_message(tmp_path: Path) -> None:
    assert terms(loaded(tmp_path)).accepted is None
    assert loaded(tmp_path).ack.on_unknown_type == "AA"
    found = terms(loaded(tmp_path, ", accept: {versions: ['2.4']}, ack: {mode: original}"))
    assert (found.accepted, found.is_original_only) == (Accepted(versions=("2.4",)), True)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (", accept: {application: [EPR]}", 'did you mean "applications"?'),
        (", accept: {types: [ADT^A01^ADT_A01]}", "should be a type such as ADT^A01"),
        (", accept: {facilities: ['']}", "at least 1 character"),
        (", ack: {mode: enhanced}", "is not one of: auto, original"),
        (", ack: {on_unknown_type: AE}", "is not one of: AA, AR"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_told_where_it_stands(tmp_path: Path, written: str, told: str) -> None:
    text = refused(tmp_path, written)
    assert told in text
    assert "t.yaml:" in text


POST = "sources:\n  - {name: epr, kind: http, port: 0%s}\n"


def posted(folder: Path, more: str) -> HttpSource:
    (found,) = config.load_trust(a_trust(folder, text=TRUST + POST % more)).sources
    assert isinstance(found, HttpSource)
    return found


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (", bind: 10.1.2.3", "senders of other machines need `token`, or `tls` with `client_ca`"),
        (", bind: 10.1.2.3" + TLS % "", "senders of other machines need `token`, or `tls` with `client_ca`"),
        (", bind: 10.1.2.3, token: {file: t}", "without `tls` the token and the messages can be read on the way"),
        (", token: hunter2", "a secret is never written here"),
    ],
)
def test_a_port_for_http_is_open_only_to_senders_that_are_known(tmp_path: Path, more: str, told: str) -> None:
    with pytest.raises(SetupError) as caught:
        posted(tmp_path, more)
    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_port_for_http_with_a_token_or_certificates_of_its_senders(tmp_path: Path) -> None:
    assert posted(tmp_path, "").token is None
    assert posted(tmp_path, ", bind: 10.1.2.3, token: {file: t}" + TLS % "").token is not None
    assert posted(tmp_path, ", bind: 10.1.2.3" + TLS % ", client_ca: ../papers/ca.pem").tls is not None


def test_check_tries_the_token_of_a_port(tmp_path: Path) -> None:
    path = a_trust(tmp_path, text=TRUST + POST % ", token: {file: gone}")
    result = CliRunner().invoke(app, ["check", "--config", str(path)])
    assert (result.exit_code, "the secret {file: " in result.stderr) == (10, True)


def test_two_ports_at_one_address_are_refused(tmp_path: Path) -> None:
    two = "sources:\n  - {name: a, kind: mllp, port: 2575}\n  - {name: b, kind: http, port: 2575}\n"
    with pytest.raises(SetupError, match="address of a port given twice"):
        config.load_trust(a_trust(tmp_path, text=TRUST + two))
