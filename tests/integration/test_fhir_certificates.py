"""A FHIR server behind mutual TLS and an authority of its own: read whole, and the end of certificates told in time."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from adapter.config import FhirSearchSource
from adapter.service.assembly import Mappings
from adapter.service.polling import Poller
from adapter.simulator.fhir_server import running
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_token import Client, TokenDesk
from tests.fakes.polled_hospital import END, changes, polling_trust
from tests.fakes.tls_front import tls_front
from tests.integration.trust import Trust, load

SECRET = "a-secret-of-tests"


class Door:
    """A hospital's authority, its server's certificate and the one it has given us."""

    def __init__(self, folder: Path, *, ours_ends: datetime, theirs_ends: datetime) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "hospital-ca.pem")
        ours = authority.issue_cert("csor-adapter.example", not_after=ours_ends)
        ours.cert_chain_pems[0].write_to_path(folder / "ours.pem")
        ours.private_key_pem.write_to_path(folder / "ours.key")
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", not_after=theirs_ends).configure_cert(self.tls)
        authority.configure_trust(self.tls)
        self.tls.verify_mode = ssl.CERT_REQUIRED


@contextmanager
def a_hospital(folder: Path, mappings: Path, *, ours_days: float = 400, theirs_days: float = 400) -> Iterator[Path]:
    """The trust file of one that wants mutual TLS, at the token endpoint too."""
    now = datetime.now(UTC)
    door = Door(folder, ours_ends=now + timedelta(days=ours_days), theirs_ends=now + timedelta(days=theirs_days))
    desk = TokenDesk(clients=(Client(client_id="csor", secret=SECRET),))
    hospital = running(changes(1), Settings(sign_in=desk, is_next_relative=True), now=END)
    with hospital as server, tls_front(server.base, door.tls) as root:
        (folder / "secret").write_text(SECRET)
        auth = f"method: client_secret_basic, token_url: '{root}/token', client_id: csor, secret: {{file: secret}}"
        file = polling_trust(
            folder, server, mappings=mappings, more={}, base_url=f"'{root}/fhir/r4'", ca="hospital-ca.pem",
            certificate="ours.pem", key="ours.key", auth=f"{{{auth}, scopes: [system/*.rs]}}",
        )  # fmt: skip
        file.write_text(file.read_text().replace("token: {file: token}, ", ""))
        yield file


def read_once(file: Path, mappings: Mappings) -> Trust:
    settings = load(file)
    source = settings.sources[0]
    assert isinstance(source, FhirSearchSource)
    trust = Trust(settings, mappings=mappings)
    poller = Poller(settings, source)
    poller.turn(threading.Event())
    trust.works.drain()
    poller.close()
    trust.close()
    return trust


def alarms(trust: Trust) -> list[str]:
    """Of the source."""
    return [each for each in trust.status()["alarms"] if each.startswith("fhir:")]


@pytest.mark.behaviour(9)
def test_mutual_tls_and_a_private_authority_lead_from_the_token_to_rows(
    tmp_path: Path, mappings: Path, loaded: Mappings
) -> None:
    with a_hospital(tmp_path, mappings) as file:
        trust = read_once(file, loaded)
    assert len(trust.rows("infant")) == 1
    assert trust.status()["fhir_sources"]["fhir"]["trouble"] == ""
    assert alarms(trust) == []


@pytest.mark.behaviour(9)
@pytest.mark.parametrize("ours", [True, False])
def test_that_a_certificate_will_end_is_told_in_time(
    tmp_path: Path, mappings: Path, loaded: Mappings, ours: bool
) -> None:
    days = {"ours_days": 20.5} if ours else {"theirs_days": 20.5}
    with a_hospital(tmp_path, mappings, **days) as file:
        trust = read_once(file, loaded)
    what = f"our certificate {tmp_path / 'ours.pem'}" if ours else "the server's certificate"
    assert alarms(trust) == [f"fhir: {what} ends in 20 days: renew it in time"]

    file.write_text(file.read_text().replace("kind: fhir-search", "kind: fhir-search, expiry_warn_days: 19"))
    trust.settings = load(file)
    assert alarms(trust) == []


@pytest.mark.behaviour(9)
def test_without_our_certificate_the_server_gives_nothing(tmp_path: Path, mappings: Path, loaded: Mappings) -> None:
    with a_hospital(tmp_path, mappings) as file:
        text = file.read_text()
        file.write_text(text.replace("certificate: ours.pem, key: ours.key, ", ""))
        trust = read_once(file, loaded)
    assert trust.rows() == []
    assert trust.status()["fhir_sources"]["fhir"]["trouble"] == "unreachable"


@pytest.mark.behaviour(9)
def test_proxy_variables_and_a_netrc_decide_nothing(
    tmp_path: Path, mappings: Path, loaded: Mappings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither at the token endpoint nor at the server itself."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nothing.pem"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login stranger password of-the-netrc\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login stranger password of-the-netrc\n")
    with a_hospital(tmp_path, mappings) as file:
        trust = read_once(file, loaded)
    assert len(trust.rows("infant")) == 1
    assert "of-the-netrc" not in json.dumps(trust.status())
