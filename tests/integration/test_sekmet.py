"""A FHIR server nobody here wrote (sekmet-fhir): each way of reading it, from the first contact to rows."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapter.config import FhirSearchSource
from adapter.errors import SourceFault
from adapter.service import listening
from adapter.service.assembly import Mappings, open_ring
from adapter.service.polling import Poller
from adapter.service.push_intake import PushIntake, types_of
from adapter.service.push_watch import wanted_of
from adapter.sources import smart_keys
from adapter.sources.fhir_push import FhirPushListener
from tests.acceptance.hospital import comparable
from tests.fakes.exporting_hospital import BULK, GROUP, Exporting
from tests.fakes.polled_hospital import TYPES, changes, polled, polling_trust
from tests.integration.trust import Trust, load
from tests.third_party import sekmet
from tests.third_party.sekmet import Sekmet
from tests.unit.sources.test_smart_token import EC, pem
from tests.unit.sources.wire import Running, eventually

NEVER = threading.Event()
CHILDREN = 2
MET_BY = ("Patient", "RelatedPerson", "Encounter", "Condition")
CLIENT = "csor-adapter"
_ZEROS = re.compile(r'("\d+)\.0+(?=")|("\d+\.\d*?[1-9])0+(?=")')
"""sekmet-fhir reads decimals as binary fractions: 72.50 comes back as 72.5, and 14 as 14.0."""
SCOPES = [f"system/{each}.rs" for each in (*TYPES, "Subscription")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekmet]:
    """With two children, and our public key."""
    folder = tmp_path_factory.mktemp("sekmet")
    (folder / "key.pem").write_bytes(pem(EC))
    try:
        sekmet.environment()
    except sekmet.NotHere as reason:
        pytest.skip(f"a FHIR server of another maker: {reason}")
    client = {"client_id": CLIENT, "jwks": jwks(folder), "scopes": " ".join([*SCOPES, "system/*.rs"])}
    with sekmet.running(folder, clients=[client]) as running:
        running.put(hospital())
        yield running


def hospital() -> list[Mapping[str, Any]]:
    """Everything that there will be of the children, in its last version."""
    last = {(each.resource["resourceType"], each.resource["id"]): each.resource for each in changes(CHILDREN)}
    return list(last.values())


def jwks(folder: Path) -> dict[str, Any]:
    """As `csor-adapter jwks` prints it for the server's team."""
    key = smart_keys.read_key((folder / "key.pem").read_bytes(), kid="csor-1", algorithm="ES384")
    return smart_keys.jwks([key])


def without_zeros(rows: list[str]) -> list[str]:
    """sekmet-fhir reads decimals as binary fractions: 72.50 comes back as 72.5, and 14 as 14.0."""
    return [_ZEROS.sub(lambda found: found[1] or found[2], each) for each in rows]


def a_group() -> dict[str, Any]:
    """Of both children, as the server's team keeps it for exports."""
    members = [f"Patient/{each['id']}" for each in hospital() if each["resourceType"] == "Patient"]
    return {
        "resourceType": "Group",
        "id": GROUP,
        "type": "person",
        "actual": True,
        "member": [{"entity": {"reference": each}} for each in members],
    }


def a_result() -> Mapping[str, Any]:
    """As it was at first."""
    return next(each for each in hospital() if "C-reactive" in str(each.get("code")) and "valueQuantity" in each)


def corrected(value: str) -> dict[str, Any]:
    """A result, as it is once the hospital has corrected it."""
    found = a_result()
    return {**found, "status": "corrected", "valueQuantity": {**found["valueQuantity"], "value": Decimal(value)}}


class Here:
    """A trust that reads it, in this process."""

    def __init__(self, file: Path, loaded: Mappings) -> None:
        self.file = file
        self.trust = Trust(load(file), mappings=loaded)
        source = load(file).sources[0]
        assert isinstance(source, FhirSearchSource)
        self.source = source
        self.poller = Poller(self.trust.settings, source)

    def turn(self) -> None:
        assert self.poller.turn(NEVER) is not None
        self.trust.works.drain()

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.trust.status()
        return dict(found["fhir_sources"][self.source.name])

    @property
    def rows(self) -> list[str]:
        live = (row for row in self.trust.rows(every=True) if row["state"] != "deleted")
        return without_zeros(comparable(live))

    def close(self) -> None:
        self.poller.close()
        self.trust.close()


Make = Callable[..., Here]


@pytest.fixture
def here(tmp_path: Path, mappings: Path, loaded: Mappings, server: Sekmet) -> Iterator[Make]:
    """Makes a trust that signs in at it; `scopes` are what it asks for."""
    made: list[Here] = []

    def make(*, scopes: list[str] = SCOPES, one_by_one: tuple[str, ...] = (), **of_source: str) -> Here:
        folder = tmp_path / f"trust{len(made)}"
        file = polling_trust(folder, server, mappings=mappings, more={}, **of_source)
        (folder / "key.pem").write_bytes(pem(EC))
        (folder / "hook").write_text("the-hooks-secret")
        auth = f"auth: {{method: private_key_jwt, alg: ES384, token_url: '{server.token_url}', client_id: {CLIENT}, "
        auth += f"scopes: [{', '.join(scopes)}], keys: [{{kid: csor-1, key: {{file: key.pem}}}}]}}"
        text = file.read_text()
        assert "token: {file: token}" in text
        for each in one_by_one:
            text = text.replace(f"{each}: {{", f"{each}: {{scope: patient, ")
        file.write_text(text.replace("token: {file: token}", auth).replace("patient, }", "patient}"))
        made.append(Here(file, loaded))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def of_simulator(tmp_path_factory: pytest.TempPathFactory, mappings: Path, loaded: Mappings) -> list[str]:
    """Rows of the same children, read from our own simulated server."""
    with polled(CHILDREN) as ours:
        file = polling_trust(tmp_path_factory.mktemp("ours") / "trust", ours, mappings=mappings, more={})
        at_ours = Here(file, loaded)
        for _ in range(2):
            at_ours.turn()
        rows = at_ours.rows
        at_ours.close()
    return rows


@pytest.mark.behaviour(26)
def test_signed_in_and_read_page_by_page_it_gives_the_rows_that_our_own_server_gives(
    here: Make, of_simulator: list[str]
) -> None:
    read = here(count="7")
    read.turn()
    read.turn()

    # It knows no `patient` of QuestionnaireResponse, shows everybody's, and says so in an entry of the page.
    assert read.status["trouble"] == SourceFault.UNFILTERED.value
    assert read.status["counted"]["pages"] > 20
    assert len(read.trust.rows("infant")) == CHILDREN
    assert read.trust.parked() == []
    assert read.rows == of_simulator


@pytest.mark.behaviour(12)
def test_read_child_by_child_it_gives_the_same_rows(here: Make, server: Sekmet, of_simulator: list[str]) -> None:
    """Children are met by whole types; everything else is asked for of each. It passes over `patient` for one type."""
    server.put([a_result()])
    read = here(count="20", one_by_one=tuple(each for each in TYPES if each not in MET_BY))
    for _ in range(3):
        read.turn()

    assert read.rows == of_simulator
    assert read.status["patients"]["complete"] == CHILDREN


def values(read: Here) -> str:
    return " ".join(str(value) for row in read.trust.rows("lab_result") for value in row.values())


@pytest.mark.behaviour(18)
def test_of_what_has_changed_since_it_is_asked_by_last_updated(here: Make, server: Sekmet) -> None:
    read = here()
    read.turn()
    read.turn()
    before = read.status["counted"]
    server.put([corrected("43.5")])
    read.turn()
    after = read.status["counted"]

    assert after["resources"] - before["resources"] <= 4  # with the order and the sample that it refers to
    assert "43.5" in values(read)


@pytest.mark.behaviour(41)
@pytest.mark.behaviour(43)
def test_an_export_gives_the_same_rows_and_the_next_one_what_has_changed(
    here: Make, server: Sekmet, of_simulator: list[str], loaded: Mappings
) -> None:
    """Beside searches: it exports no QuestionnaireResponse at all. What refers to no patient is read beside it."""
    server.put([a_group(), a_result()])
    read = here(scopes=["system/*.rs"], bulk=BULK)
    export = Exporting(read.file, loaded)
    export.run()
    assert export.states == ["whole"]
    assert exported(export.rows) == exported(of_simulator)
    assert len(exported(of_simulator)) > 0.8 * len(of_simulator)
    for _ in range(2):
        read.poller.turn(NEVER)
        export.trust.works.drain()
    assert without_zeros(export.rows) == of_simulator
    server.put([corrected("43.75")])
    export.run()

    assert set(export.states) == {"whole"}
    assert "43.75" in str(export.rows)
    export.close()


def exported(rows: list[str]) -> list[str]:
    """Without those that are made from what it does not export: operation notes, and cases that rest on them."""
    return [each for each in without_zeros(rows) if not re.search('"kind": "(operation_note|condition_case)"', each)]


class Hearing:
    """A trust with its port for notifications, and the Subscriptions that the server's team has set up for it."""

    def __init__(self, read: Here, server: Sekmet) -> None:
        self.read = read
        self._ring = open_ring(read.trust.settings)
        intake = PushIntake(read.trust.works.database, self._ring, types=types_of(read.trust.settings))
        assert read.source.subscriptions is not None
        place = listening.place("epr", read.source.subscriptions, base_url=server.base)
        self.listening = Running(intake.append, FhirPushListener, place=place)
        said = read.source.subscriptions.model_copy(
            update={"address": f"http://127.0.0.1:{self.listening.listener.port}"}
        )
        self.ids = {each.name: server.create(wanted_of(said, each))["id"] for each in said.criteria}

    @property
    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = self.read.status["subscriptions"]
        return found

    def has_heard(self, kind: str, times: int = 1) -> bool:
        return eventually(lambda: self.listening.tally[f"poll.epr.push.{kind}"] >= times, within_s=20)

    def called(self) -> None:
        self.read.poller.called(NEVER)
        self.read.trust.works.drain()

    def close(self) -> None:
        self.listening.stop()
        self._ring.close()


@pytest.fixture
def hearing(here: Make, server: Sekmet) -> Iterator[Hearing]:
    subscriptions = (
        "{port: 0, header: X-Hook, secret: {file: hook}, heartbeat: PT4S, criteria: ["
        "{name: results, criteria: 'Observation?status=final,corrected'},"
        "{name: people, criteria: 'http://sekmet.dev/fhir/SubscriptionTopic/patient-change'}]}"
    )
    read = here(name="epr", every="PT1H", subscriptions=subscriptions)
    read.turn()
    read.turn()
    made = Hearing(read, server)
    yield made
    for identity in made.ids.values():
        server.delete(f"Subscription/{identity}")
    made.close()


@pytest.mark.behaviour(50)
@pytest.mark.behaviour(51)
def test_what_it_tells_of_is_read_and_becomes_rows(hearing: Hearing, server: Sekmet) -> None:
    assert hearing.has_heard("handshake")
    hearing.called()
    server.put([corrected("44.25")])
    assert hearing.has_heard("hint")
    before = hearing.read.status["counted"].get("push.read", 0)
    hearing.called()
    assert "44.25" in values(hearing.read)
    assert hearing.read.status["counted"]["push.read"] == before + 1

    patient = next(each for each in hospital() if each["resourceType"] == "Patient")
    server.put([patient])
    assert hearing.has_heard("event-notification")
    assert hearing.told["people"]["event"] == 1
    hearing.called()
    assert hearing.told["waiting"] == 0
    assert hearing.has_heard("heartbeat")
    assert hearing.told["people"]["missing"] == 0


@pytest.mark.behaviour(51)
def test_that_it_has_given_up_telling_is_seen_at_the_next_look(hearing: Hearing, server: Sekmet) -> None:
    """It tries three times, sets the Subscription to error, and tells of nothing any more, nor counts it."""
    assert hearing.has_heard("handshake")
    hearing.called()
    identity = hearing.ids["people"]
    server.put([{**server.read(f"Subscription/{identity}"), "status": "off"}])
    with hearing.read.trust.works.database.write() as conn:
        conn.exec_driver_sql("UPDATE subscription SET looked_us = NULL")
    assert hearing.read.poller.is_called()
    hearing.called()
    assert hearing.told["people"]["alarm"] == "off"
