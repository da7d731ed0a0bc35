"""A trust whose FHIR server wants us to sign in: keys in files, `jwks` for its team, polling, rows, what is refused."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapter.config import FhirSearchSource
from adapter.errors import SourceFault
from adapter.service.assembly import Mappings
from adapter.service.polling import Poller
from adapter.simulator.fhir_server import FhirServer, running
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_token import Client, TokenDesk
from tests.fakes.polled_hospital import END, TYPES, changes, polling_trust
from tests.integration.trust import Trust, load
from tests.unit.sources.test_smart_token import EC, pem


@contextmanager
def a_server(client: Client) -> Iterator[tuple[FhirServer, TokenDesk]]:
    desk = TokenDesk(clients=(client,))
    with running(changes(1), Settings(sign_in=desk), now=END) as server:
        yield server, desk


def a_trust(folder: Path, server: FhirServer, *, mappings: Path, types: tuple[str, ...] = TYPES) -> Path:
    file = polling_trust(folder, server, mappings=mappings, more={})
    (folder / "key.pem").write_bytes(pem(EC))
    url = server.base.removesuffix("/fhir/r4") + "/token"
    scopes = ", ".join(f"system/{each}.rs" for each in types)
    auth = f"auth: {{method: private_key_jwt, alg: ES384, token_url: '{url}', client_id: csor, "
    auth += f"scopes: [{scopes}], keys: [{{kid: csor-1, key: {{file: key.pem}}}}]}}"
    text = file.read_text()
    assert "token: {file: token}" in text
    file.write_text(text.replace("token: {file: token}", auth))
    return file


def jwks(file: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "adapter", "jwks", "--config", str(file), *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def turns(file: Path, mappings: Mappings, *, times: int) -> Trust:
    settings = load(file)
    source = settings.sources[0]
    assert isinstance(source, FhirSearchSource)
    trust = Trust(settings, mappings=mappings)
    poller = Poller(settings, source)
    for _ in range(times):
        poller.turn(threading.Event())
        trust.works.drain()
    poller.close()
    return trust


@pytest.mark.behaviour(2)
def test_what_jwks_prints_is_all_that_the_server_needs_to_know(
    tmp_path: Path, mappings: Path, loaded: Mappings
) -> None:
    client = Client(client_id="csor", scopes=tuple(f"system/{each}.rs" for each in TYPES))
    with a_server(client) as (server, desk):
        file = a_trust(tmp_path, server, mappings=mappings)
        printed = jwks(file)
        assert printed.returncode == 0, printed.stderr
        client.jwks = json.loads(printed.stdout)
        assert [set(key) for key in printed_keys(printed)] == [{"kty", "kid", "alg", "use", "crv", "x", "y"}]
        trust = turns(file, loaded, times=2)
    assert len(trust.rows("infant")) == 1
    assert trust.rows("lab_result")
    assert len(desk.asked) == 1  # a token outlives a turn
    assert trust.status()["fhir_sources"]["fhir"]["trouble"] == ""
    trust.close()


def printed_keys(printed: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    return list(json.loads(printed.stdout)["keys"])


@pytest.mark.behaviour(7)
def test_what_was_not_granted_is_told_and_never_counts_as_read(
    tmp_path: Path, mappings: Path, loaded: Mappings
) -> None:
    granted = tuple(f"system/{each}.rs" for each in TYPES if each != "Observation")
    client = Client(client_id="csor", scopes=granted)
    with a_server(client) as (server, _):
        file = a_trust(tmp_path, server, mappings=mappings)
        client.jwks = json.loads(jwks(file).stdout)
        trust = turns(file, loaded, times=1)
        assert not [each for each in server.seen if each.resource_type == "Observation"]
    told = trust.status()["fhir_sources"]["fhir"]
    assert told["trouble"] == SourceFault.NO_SCOPE.value
    (observations,) = (each for name, each in told["searches"].items() if name.startswith("Observation"))
    assert observations["trouble"] == SourceFault.NO_SCOPE.value
    assert observations["last_success_s"] is None
    assert told["last_success_s"] is None
    assert trust.rows("infant")
    assert not trust.rows("lab_result")
    trust.close()


@pytest.mark.behaviour(6)
def test_a_server_that_does_not_know_us_is_left_alone_and_the_rest_goes_on(
    tmp_path: Path, mappings: Path, loaded: Mappings
) -> None:
    with a_server(Client(client_id="somebody-else")) as (server, desk):
        trust = turns(a_trust(tmp_path, server, mappings=mappings), loaded, times=4)
        assert len(desk.asked) == 1
        assert not server.seen
    assert trust.status()["fhir_sources"]["fhir"]["trouble"] == SourceFault.NO_TOKEN.value
    trust.close()


def test_a_key_that_cannot_be_read_is_named_and_jwks_without_keys_says_so(tmp_path: Path, mappings: Path) -> None:
    with a_server(Client(client_id="csor")) as (server, _):
        file = a_trust(tmp_path, server, mappings=mappings)
        plain = polling_trust(tmp_path / "plain", server, mappings=mappings, more={})
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nTUlJRXZR\n-----END PRIVATE KEY-----\n")
    broken = jwks(file)
    assert broken.returncode == 10
    assert "the key csor-1 is no private key for ES384" in broken.stderr
    assert "TUlJRXZR" not in broken.stderr
    none = jwks(plain)
    assert (none.returncode, none.stdout) == (10, "")
    assert "no source signs in by private_key_jwt" in none.stderr
