"""Signing in at a FHIR server: assertions that a strict server takes, few requests, nothing told to anybody else."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jwt
from joserfc.jwk import KeySet
from pytest_httpserver import HTTPServer

from adapter.errors import Declined, NotNow, SetupError, SourceFault
from adapter.outbound import open_session
from adapter.simulator.fhir_server import FhirServer as Hospital
from adapter.simulator.fhir_server import running
from adapter.simulator.fhir_settings import Settings
from adapter.simulator.fhir_token import Client, TokenDesk
from adapter.sources import smart_keys
from adapter.sources.fhir_http import FhirServer
from adapter.sources.smart_keys import SigningKey, read_key
from adapter.sources.smart_token import SharedSecret, SignedAssertion, SignIn, TokenEndpoint, TokenRules
from tests.unit.sources.test_fhir_http import QUICK, a_pace

PEM = serialization.Encoding.PEM
PLAIN = serialization.NoEncryption()


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, PLAIN)


RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP384R1())
OLD = read_key(pem(RSA), kid="old", algorithm="RS384")
NEW = read_key(pem(EC), kid="new", algorithm="ES384")


class Clock:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


class Desk:
    """A hospital's server with a token endpoint, and one who signs in there."""

    def __init__(self, hospital: Hospital, desk: TokenDesk) -> None:
        self.hospital, self.desk, self.clock = hospital, desk, Clock()
        self.url = hospital.base.removesuffix("/fhir/r4") + "/token"
        desk.now = lambda: datetime.now(UTC).timestamp() + (self.clock.s - 1000.0)

    def signed(self, key: SigningKey = OLD, *, audience: str = "", life_s: int = 240) -> SignedAssertion:
        return SignedAssertion(
            client_id="csor",
            audience=audience or self.url,
            key=key,
            life_s=life_s,
            fresh_id=lambda: str(uuid.uuid4()),
        )

    def sign_in(self, client: SignedAssertion | SharedSecret, *scopes: str, rules: TokenRules | None = None) -> SignIn:
        endpoint = TokenEndpoint(
            url=self.url, scopes=scopes or ("system/*.rs",), session=open_session(ca=None, proxy=None)
        )
        now = lambda: datetime.now(UTC) + timedelta(seconds=self.clock.s - 1000.0)  # noqa: E731
        return SignIn(endpoint=endpoint, client=client, rules=rules or TokenRules(), clock=self.clock, now=now)

    def server(self, sign_in: SignIn) -> FhirServer:
        return FhirServer(self.hospital.base, credentials=sign_in, pace=a_pace(), limits=QUICK)

    def page(self, server: FhirServer) -> bytes:
        return server.get(f"{self.hospital.base}/Patient?_count=1", read=bytes, stop=threading.Event())


@contextmanager
def a_hospital(*keys: SigningKey, secret: str = "", scopes: tuple[str, ...] = ("system/*.rs",)) -> Iterator[Desk]:
    known = smart_keys.jwks(keys) if keys else None
    desk = TokenDesk(clients=(Client(client_id="csor", jwks=known, secret=secret, scopes=scopes),))  # type: ignore[arg-type]
    with running(settings=Settings(sign_in=desk)) as hospital:
        yield Desk(hospital, desk)


@pytest.mark.behaviour(1)
@pytest.mark.parametrize("key", [OLD, NEW], ids=["RS384", "ES384"])
def test_a_strict_server_takes_our_assertion_and_gives_a_token(key: SigningKey) -> None:
    with a_hospital(OLD, NEW) as desk:
        sign_in = desk.sign_in(desk.signed(key))
        assert json.loads(desk.page(desk.server(sign_in)))["resourceType"] == "Bundle"
        sent = desk.desk.asked[0]
    known = KeySet.import_key_set(smart_keys.jwks([OLD, NEW]))  # type: ignore[arg-type]
    token = jwt.decode(sent["client_assertion"], known, algorithms=[key.algorithm])
    assert (token.header["alg"], token.header["kid"]) == (key.algorithm, key.kid)
    assert token.claims["iss"] == token.claims["sub"] == "csor"
    assert token.claims["aud"] == desk.url
    assert 0 < token.claims["exp"] - token.claims["iat"] <= 300
    assert sent["scope"] == "system/*.rs"


@pytest.mark.behaviour(1)
def test_each_assertion_is_for_one_use_and_never_lives_longer_than_five_minutes() -> None:
    with a_hospital(OLD) as desk:
        sign_in = desk.sign_in(desk.signed(life_s=3600), rules=TokenRules(shortest_s=0))
        for _ in range(3):
            sign_in.header()
            sign_in.renew()
        assertions = [each["client_assertion"] for each in desk.desk.asked]
    assert len(set(assertions)) == 3
    known = KeySet.import_key_set(smart_keys.jwks([OLD]))  # type: ignore[arg-type]
    claims = [jwt.decode(each, known, algorithms=["RS384"]).claims for each in assertions]
    assert len({each["jti"] for each in claims}) == 3
    assert {each["exp"] - each["iat"] for each in claims} == {300}


@pytest.mark.behaviour(2)
def test_keys_are_changed_without_an_outage_and_no_private_part_is_shown() -> None:
    with a_hospital(OLD) as desk:
        assert desk.sign_in(desk.signed(OLD)).header()
        desk.desk.clients[0].jwks = smart_keys.jwks([OLD, NEW])  # type: ignore[assignment]
        assert desk.sign_in(desk.signed(OLD)).header()
        assert desk.sign_in(desk.signed(NEW)).header()
    shown = smart_keys.jwks([OLD, NEW])["keys"]
    assert [each["kid"] for each in shown] == ["old", "new"]
    assert not {"d", "p", "q", "dp", "dq", "qi", "k", "oth"} & {name for each in shown for name in each}
    numbers = RSA.private_numbers()
    assert str(numbers.d) not in json.dumps(shown)


@pytest.mark.behaviour(3)
@pytest.mark.parametrize("in_body", [False, True])
def test_a_secret_is_sent_as_the_server_wants_it_and_stands_in_no_text(in_body: bool) -> None:
    secret = "s3cret/with:odd signs"
    with a_hospital(secret=secret) as desk, structlog.testing.capture_logs() as logs:
        good = SharedSecret(client_id="csor", read=secret.encode, in_body=in_body)
        bad = SharedSecret(client_id="csor", read=lambda: b"wrong-s3cret", in_body=in_body)
        assert desk.page(desk.server(desk.sign_in(good)))
        with pytest.raises(NotNow) as caught:
            desk.sign_in(bad).header()
        assert ("client_secret" in desk.desk.asked[0]) is in_body
        assert desk.desk.asked[0]["Authorization"].startswith("Basic ") is not in_body
    for shown in (str(caught.value), repr(good), repr(desk.sign_in(good)), str(logs)):
        assert "s3cret" not in shown


@pytest.mark.behaviour(4)
def test_a_token_of_570_seconds_is_used_until_shortly_before_its_end() -> None:
    with a_hospital(OLD) as desk:
        sign_in = desk.sign_in(desk.signed())
        first = sign_in.header()
        for _ in range(50):
            desk.clock.s += 10
            assert sign_in.header() == first
        desk.clock.s += 15
        assert sign_in.header() != first
        assert len(desk.desk.asked) == 2


@pytest.mark.behaviour(4)
def test_no_more_than_one_token_a_minute_is_asked_for() -> None:
    with a_hospital(OLD) as desk:
        sign_in = desk.sign_in(desk.signed())
        sign_in.header()
        sign_in.renew()
        with pytest.raises(NotNow) as caught:
            sign_in.header()
        assert caught.value.retry_after_s == 60
        assert caught.value.is_brief
        desk.clock.s += 61
        assert sign_in.header()
        assert len(desk.desk.asked) == 2


@pytest.mark.behaviour(5)
def test_a_401_between_pages_takes_one_new_token_and_the_same_page_again() -> None:
    with a_hospital(OLD) as desk:
        server = desk.server(desk.sign_in(desk.signed()))
        desk.page(server)
        desk.clock.s += 61
        desk.desk.revoke()
        assert desk.page(server)
        asked = [request for request in desk.hospital.seen if request.interaction == "search"]
        assert [request.is_authorised for request in asked] == [True, False, True]
        assert asked[1].url == asked[2].url
        assert len(desk.desk.asked) == 2


@pytest.mark.behaviour(6)
def test_a_server_that_does_not_know_us_is_asked_again_an_hour_later() -> None:
    with a_hospital(NEW) as desk:
        sign_in = desk.sign_in(desk.signed(OLD))
        for _ in range(5):
            with pytest.raises(NotNow) as caught:
                sign_in.header()
            desk.clock.s += 600
        assert len(desk.desk.asked) == 1
        assert "refused to know us" in str(caught.value)
        assert caught.value.retry_after_s == 3600 - 4 * 600
        desk.desk.clients[0].jwks = smart_keys.jwks([OLD])  # type: ignore[assignment]
        desk.clock.s += 1000
        assert sign_in.header()


@pytest.mark.behaviour(7)
def test_a_type_that_was_not_granted_is_named_and_not_searched() -> None:
    with a_hospital(OLD, scopes=("system/Patient.rs", "system/Observation.rs?category=laboratory")) as desk:
        asked = ("system/Patient.rs", "system/Observation.rs?category=laboratory", "system/Condition.rs")
        server = desk.server(desk.sign_in(desk.signed(), *asked))
        server.check_granted("Patient")
        server.check_granted("Observation")
        with pytest.raises(Declined, match=r"not granted us to read Condition.*system/Condition\.rs") as caught:
            server.check_granted("Condition")
        assert caught.value.fault is SourceFault.NO_SCOPE


@pytest.mark.behaviour(7)
@pytest.mark.parametrize(
    ("scope", "is_enough"),
    [
        ("system/Observation.read", True), ("system/Observation.*", True), ("system/*.read", True),
        ("system/Observation.rs", True), ("system/Observation.cruds", True), ("user/Observation.read", True),
        ("system/Observation.r", False), ("system/Observation.s", False), ("system/Observation.write", False),
        ("system/Patient.read", False), ("openid", False), ("", False),
    ],
)  # fmt: skip
def test_what_a_scope_lets_us_read(httpserver: HTTPServer, scope: str, is_enough: bool) -> None:
    said = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": scope}
    httpserver.expect_request("/token").respond_with_json(said)
    assert a_sign_in(httpserver).may_read("Observation") is is_enough


def a_sign_in(httpserver: HTTPServer, **settings: object) -> SignIn:
    endpoint = TokenEndpoint(
        url=httpserver.url_for("/token"), scopes=("system/*.read",), session=open_session(ca=None, proxy=None)
    )
    client = SharedSecret(client_id="csor", read=lambda: b"s3cret")
    return SignIn(endpoint=endpoint, client=client, **settings)  # type: ignore[arg-type]


def test_a_server_that_names_no_scope_has_granted_what_was_asked_for(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/token").respond_with_json({"access_token": "t", "token_type": "bearer"})
    sign_in = a_sign_in(httpserver)
    assert sign_in.header() == "Bearer t"
    assert sign_in.may_read("Observation")


@pytest.mark.behaviour(8)
def test_a_clock_that_differs_is_said_and_not_only_a_bad_assertion(httpserver: HTTPServer) -> None:
    said = {"error": "invalid_client", "error_description": "invalid JWT of CHILD SMITH"}
    httpserver.expect_request("/token").respond_with_json(said, 400)
    late = a_sign_in(httpserver, now=lambda: datetime.now(UTC) - timedelta(seconds=340))
    with pytest.raises(NotNow, match=r"invalid_client\); its clock is (339|340|341) s ahead of ours") as caught:
        late.header()
    assert caught.value.fault is SourceFault.CLOCK_SKEW
    assert "SMITH" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "body", "fault", "text"),
    [
        (200, b"no json", SourceFault.NO_TOKEN, "without a token"),
        (200, b'{"access_token": "two words"}', SourceFault.NO_TOKEN, "without a token"),
        (200, b'{"access_token": "t", "token_type": "mac"}', SourceFault.NO_TOKEN, "not bearer"),
        (200, b"[" + b"1," * 60_000 + b"1]", SourceFault.NO_TOKEN, "without a token"),
        (302, b"", SourceFault.REDIRECT, "correct token_url"),
        (401, b'{"error": "SMITH"}', SourceFault.NO_TOKEN, r"refused to know us \(401\)$"),
        (503, b"", SourceFault.BUSY, "503"),
    ],
)
def test_a_bad_answer_is_named_and_nothing_of_it_repeated(
    httpserver: HTTPServer, status: int, body: bytes, fault: SourceFault, text: str
) -> None:
    head = {"Location": "http://127.0.0.1:1/token"} if status == 302 else {}
    httpserver.expect_request("/token").respond_with_data(body, status, head)
    with pytest.raises(NotNow, match=text) as caught:
        a_sign_in(httpserver).header()
    assert caught.value.fault is fault
    assert len(httpserver.log) == 1


def test_nobody_listening_is_said_without_an_address() -> None:
    endpoint = TokenEndpoint(
        url="http://127.0.0.1:9/token", scopes=("system/*.rs",), session=open_session(ca=None, proxy=None)
    )
    with pytest.raises(NotNow, match=r"cannot be reached \(ConnectionError\)") as caught:
        SignIn(endpoint=endpoint, client=SharedSecret(client_id="c", read=lambda: b"s")).header()
    assert caught.value.is_brief


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: read_key(b"nothing", kid="k", algorithm="RS384"), "the key k is no private key for RS384"),
        (lambda: read_key(pem(EC), kid="k", algorithm="RS384"), "no private key for RS384"),
        (
            lambda: read_key(pem(ec.generate_private_key(ec.SECP256R1())), kid="k", algorithm="ES384"),
            "on the curve P-256; ES384 needs P-384",
        ),
        (lambda: read_key(pem(rsa.generate_private_key(65537, 1024)), kid="k", algorithm="RS384"), "1024 bits"),
        (
            lambda: read_key(
                RSA.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
                kid="k",
                algorithm="RS384",
            ),
            "only the public half",
        ),
    ],
)
def test_a_key_that_cannot_sign_is_refused_at_the_start(made: object, text: str) -> None:
    with pytest.raises(SetupError, match=text):
        made()  # type: ignore[operator]
