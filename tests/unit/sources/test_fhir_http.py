"""One FHIR server and no other: where the token goes, what is tried again, what is not; on real sockets."""

import json
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme

from adapter.errors import Declined, Halted, NotNow, PagingExpired, SetupError, SourceError, SourceFault
from adapter.outbound import open_session
from adapter.sources.fhir_http import FhirServer, Limits
from adapter.sources.smart_auth import NoCredentials, StaticToken
from tests.fakes.paces import PaperBook, a_pace
from tests.unit.sinks.servers import Script, a_server, response

PAGE = b'{"resourceType": "Bundle"}'
QUICK = Limits(
    connect_s=0.5, silence_s=0.3, answer_s=0.6, attempts=3, first_wait_s=0.01, longest_wait_s=0.5, max_bytes=2_000
)


class Wire:
    """What the server saw."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []

    def answering(self, answer: bytes = b"", *, pause_s: float = 0, rest: bytes = b"") -> Script:
        """Read one request, answer, close."""

        def script(connection: socket.socket) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                data = connection.recv(65536)
                if not data:
                    return
                head += data
            self.heads.append(head)
            connection.sendall(answer)
            time.sleep(pause_s)
            connection.sendall(rest)

        return script

    @property
    def tokens(self) -> list[str]:
        return [
            line.split(b" ", 1)[1].decode()
            for head in self.heads
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"authorization")
        ]

    @property
    def targets(self) -> list[str]:
        return [head.split(b" ")[1].decode() for head in self.heads]


def get(url: str, path: str = "/r4/Patient?_count=1", **settings: object) -> bytes:
    given = {"credentials": NoCredentials(), "pace": a_pace(), "limits": QUICK, **settings}
    is_link = bool(given.pop("is_link", False))
    server = FhirServer(url + "/r4", **given)  # type: ignore[arg-type]
    try:
        place = path if "://" in path else url + path
        return server.get(place, read=bytes, stop=threading.Event(), is_link=is_link)
    finally:
        server.close()


def fails(*answers: bytes, **settings: object) -> tuple[SourceError, Wire]:
    wire = Wire()
    with a_server(*[wire.answering(answer) for answer in answers]) as url, pytest.raises(SourceError) as caught:
        get(url, **settings)  # type: ignore[arg-type]
    return caught.value, wire


OK = response(200, PAGE)


@pytest.mark.behaviour(20)
@pytest.mark.parametrize(
    "path", ["/r4?_getpages=a%7cb&x=A%2fB", "/r4/Patient?_lastUpdated=ge2026-03-01T00:00:00Z", "/r4;v=1?a=(b)~c,d'e|f"]
)
def test_an_address_is_asked_for_as_it_is_written(path: str) -> None:
    wire = Wire()
    with a_server(wire.answering(OK)) as url:
        assert get(url, path) == PAGE
    # Hexadecimal digits of either case are the same address (RFC 3986 section 6.2.2.1).
    assert [target.lower().replace("%7c", "|") for target in wire.targets] == [path.lower().replace("%7c", "|")]


@pytest.mark.behaviour(10)
@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://elsewhere.example/r4?_getpages=a",
        "http://127.0.0.1/r4",
        "https://127.0.0.1:{port}/r4",
        "http://127.0.0.2:{port}/r4",
        "http://localhost:{port}/r4",
        "http://127.0.0.1:{port}@elsewhere.example/r4",
        "http://reader@127.0.0.1:{port}/r4",
        "http://elsewhere.example\\@127.0.0.1:{port}/r4",
        "http://127.0.0.1:{port}\\.elsewhere.example/r4",
        "http://127.0.0.1:{port} .elsewhere.example/r4",
        "http://127.0.0.1:{port}.elsewhere.example/r4",
        "http://127.0.0.1%2eelsewhere.example:{port}/r4",
        "http://127.0.0.1:{port}x/r4",
        "ftp://127.0.0.1:{port}/r4",
        "file:///etc/passwd",
        "http://[::1]:{port}/r4",
        "http://[::1",
        "",
    ],
)
def test_a_link_to_another_address_stops_the_source_and_nothing_is_sent_there(elsewhere: str) -> None:
    asked = PaperBook()
    with a_server() as url:
        port = url.rpartition(":")[2]
        server = FhirServer(f"{url}/r4", credentials=StaticToken(lambda: b"word"), pace=a_pace(asked), limits=QUICK)
        with pytest.raises(Halted, match="leads to another address") as caught:
            server.get(elsewhere.replace("{port}", port), read=bytes, stop=threading.Event(), is_link=True)
    assert caught.value.fault is SourceFault.LINK_ELSEWHERE
    assert asked.taken == []


@pytest.mark.parametrize("own", ["HTTP://127.0.0.1:{port}/r4", "http://127.0.0.1:{port}"])
def test_the_same_address_in_another_spelling_is_the_same(own: str) -> None:
    wire = Wire()
    with a_server(wire.answering(OK)) as url:
        assert get(url, own.replace("{port}", url.rpartition(":")[2])) == PAGE


@pytest.mark.behaviour(10)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    wire, other = Wire(), Wire()
    with a_server(other.answering(OK)) as elsewhere:
        moved = response(status, b"", f"Location: {elsewhere}/r4/Patient")
        with a_server(wire.answering(moved)) as url, pytest.raises(NotNow, match=f"{status}, a redirect") as caught:
            get(url, credentials=StaticToken(lambda: b"word"))
    assert caught.value.fault is SourceFault.REDIRECT
    assert (len(wire.heads), other.heads) == (1, [])


@pytest.mark.behaviour(5)
def test_a_token_that_is_refused_is_read_anew_once_and_the_page_asked_for_again() -> None:
    wire = Wire()
    tokens = iter([b"old\n", b"new\n"])
    with a_server(wire.answering(response(401)), wire.answering(OK)) as url:
        assert get(url, credentials=StaticToken(lambda: next(tokens))) == PAGE
    assert wire.tokens == ["Bearer old", "Bearer new"]


@pytest.mark.behaviour(5)
def test_a_second_refusal_leaves_the_source_for_later() -> None:
    error, wire = fails(response(401), response(401), OK, credentials=StaticToken(lambda: b"word"))

    assert isinstance(error, NotNow)
    assert error.fault is SourceFault.UNAUTHORISED
    assert len(wire.heads) == 2


@pytest.mark.parametrize("secret", [b"two words", b"a\r\nHost: elsewhere", b"\xff"])
def test_a_token_of_a_form_that_no_token_has_is_not_sent(secret: bytes) -> None:
    error, wire = fails(OK, credentials=StaticToken(lambda: secret))

    assert error.fault is SourceFault.NO_TOKEN
    assert secret.decode("latin-1") not in str(error)
    assert wire.heads == []


def test_a_token_that_is_not_there_is_told_by_its_place() -> None:
    def read() -> bytes:
        raise SetupError("trust.yaml:7:12: the secret {file: token} cannot be read: No such file or directory")

    error, _ = fails(OK, credentials=StaticToken(read))
    assert "trust.yaml:7:12" in str(error)


@pytest.mark.behaviour(36)
@pytest.mark.parametrize(
    "broken",
    [
        b"",
        response(500),
        response(502),
        response(429),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"not http at all\r\n\r\n",
    ],
)
def test_what_may_pass_is_tried_again(broken: bytes) -> None:
    wire = Wire()
    with a_server(wire.answering(broken), wire.answering(broken), wire.answering(OK)) as url:
        assert get(url) == PAGE
    assert len(wire.heads) == 3


def test_what_does_not_pass_is_left_for_later_after_the_last_attempt() -> None:
    error, wire = fails(*[response(500, b"Baby Invented")] * 5)

    assert isinstance(error, NotNow)
    assert (error.fault, len(wire.heads)) == (SourceFault.SERVER_ERROR, 3)
    assert "Baby" not in str(error)


def test_a_page_that_cannot_be_read_is_asked_for_again() -> None:
    wire = Wire()

    def read(body: bytes) -> bytes:
        if body != PAGE:
            raise NotNow(SourceFault.BROKEN_BODY, "broken", is_brief=True)
        return body

    with a_server(wire.answering(b"HTTP/1.1 200 OK\r\n\r\n{"), wire.answering(OK)) as url:
        server = FhirServer(url, credentials=NoCredentials(), pace=a_pace(), limits=QUICK)
        assert server.get(url + "/Patient", read=read, stop=threading.Event()) == PAGE


@pytest.mark.behaviour(35)
@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_waited_for(as_date: bool) -> None:
    wire = Wire()
    wanted = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True) if as_date else "1"
    limits = Limits(attempts=2, first_wait_s=0.01, longest_wait_s=5)
    began = time.monotonic()
    with a_server(wire.answering(response(503, b"", f"Retry-After: {wanted}")), wire.answering(OK)) as url:
        assert get(url, limits=limits) == PAGE
    assert time.monotonic() - began >= (0.9 if as_date else 1)


@pytest.mark.behaviour(35)
def test_a_long_wait_is_left_to_the_next_turn() -> None:
    error, wire = fails(response(429, b"", "Retry-After: 3600"), OK)

    assert isinstance(error, NotNow)
    assert (error.fault, error.retry_after_s, len(wire.heads)) == (SourceFault.BUSY, 3600, 1)


@pytest.mark.behaviour(37)
@pytest.mark.parametrize("status", [400, 403, 404, 422, 501])
def test_a_search_that_is_refused_is_not_tried_again_and_told_by_its_codes(status: int) -> None:
    issue = {"severity": "error", "code": "security", "diagnostics": "Baby Invented"}
    body = json.dumps({"resourceType": "OperationOutcome", "issue": [issue]}).encode()
    error, wire = fails(response(status, body), OK)

    assert isinstance(error, Declined)
    assert str(error) == f"the server answered {status} to this request (security)"
    assert len(wire.heads) == 1


@pytest.mark.behaviour(23)
@pytest.mark.parametrize("status", [404, 410])
def test_a_link_that_leads_nowhere_any_more_has_expired(status: int) -> None:
    error, _ = fails(response(status), is_link=True)

    assert isinstance(error, PagingExpired)


def test_more_than_the_limit_is_not_taken() -> None:
    error, wire = fails(response(200, b" " * 2_001), OK)

    assert isinstance(error, Declined)
    assert (error.fault, len(wire.heads)) == (SourceFault.TOO_LARGE, 1)


def test_a_server_that_falls_silent_is_left() -> None:
    wire = Wire()
    script = wire.answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", pause_s=0.6)
    with a_server(script, script, script) as url, pytest.raises(NotNow) as caught:
        get(url)
    assert caught.value.fault is SourceFault.TOO_SLOW


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_trickle_is_left_after_a_while(is_chunked: bool) -> None:
    def trickle(connection: socket.socket) -> None:
        connection.recv(65536)
        length = "Transfer-Encoding: chunked" if is_chunked else "Content-Length: 1000"
        connection.sendall(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode())
        for _ in range(100):
            connection.sendall(b"1\r\n{\r\n" if is_chunked else b"{")
            time.sleep(0.05)

    began = time.monotonic()
    with a_server(trickle) as url, pytest.raises(NotNow) as caught:
        get(url, limits=Limits(silence_s=0.3, answer_s=0.6, attempts=1))
    assert caught.value.fault is SourceFault.TOO_SLOW
    assert time.monotonic() - began < 2


def test_a_server_that_is_not_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotNow) as caught:
        get(f"http://127.0.0.1:{port}")
    assert caught.value.fault is SourceFault.UNREACHABLE


@pytest.mark.behaviour(9)
def test_a_private_authority_is_trusted_where_it_is_named_and_not_else(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    wire = Wire()
    with a_server(wire.answering(OK), wire.answering(OK), tls=tls) as url:
        assert get(url, session=open_session(ca=tmp_path / "ca.pem", proxy=None)) == PAGE
        with pytest.raises(NotNow, match="certificate is not trusted") as caught:
            get(url, credentials=StaticToken(lambda: b"word"))
    assert caught.value.fault is SourceFault.UNREACHABLE
    assert wire.tokens == []


def test_a_file_of_certificates_that_is_none_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none")
    with pytest.raises(SetupError, match=r"ca\.pem: is not a readable file of certificates"):
        get("https://127.0.0.1:1", session=open_session(ca=tmp_path / "ca.pem", proxy=None))


def test_the_environment_decides_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login x password y\n")
    wire = Wire()
    with a_server(wire.answering(OK)) as url:
        assert get(url) == PAGE
    assert wire.tokens == []


def test_a_proxy_is_used_where_one_is_named() -> None:
    wire = Wire()
    with a_server(wire.answering(OK)) as proxy:
        assert get("http://fhir.example.nhs.uk", session=open_session(ca=None, proxy=proxy)) == PAGE
    assert wire.targets == ["http://fhir.example.nhs.uk/r4/Patient?_count=1"]


def test_a_stop_ends_every_wait() -> None:
    stop = threading.Event()
    wire = Wire()
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()
    with a_server(wire.answering(response(503, b"", "Retry-After: 30"))) as url:
        server = FhirServer(url, credentials=NoCredentials(), pace=a_pace(), limits=Limits())
        with pytest.raises(NotNow):
            server.get(url + "/Patient", read=bytes, stop=stop)
    assert time.monotonic() - began < 1.5
