"""One FHIR server and the hosts beside it: links, downloads, posts, and statuses one after the other."""

import socket
import threading

import pytest
import responses

from adapter.errors import Halted, NotNow, SourceError, SourceFault
from adapter.sources.fhir_http import Answers, FhirServer, Limits
from adapter.sources.fhir_places import Places
from adapter.sources.fhir_request import Style, follow, search
from adapter.sources.smart_auth import StaticToken, WithHeaders
from tests.fakes.paces import a_pace
from tests.unit.sinks.servers import a_server, request_of, response
from tests.unit.sources.test_fhir_http import OK, PAGE, QUICK, Wire


def a_fhir_server(url: str, *hosts: str, limits: Limits = QUICK) -> FhirServer:
    return FhirServer(
        f"{url}/r4",
        credentials=StaticToken(lambda: b"word"),
        pace=a_pace(),
        limits=limits,
        rules=Answers(allowed_hosts=hosts),
    )


@pytest.mark.behaviour(10)
@pytest.mark.behaviour(20)
def test_a_link_to_a_host_that_was_named_is_followed_without_the_token() -> None:
    here, there = Wire(), Wire()
    with a_server(here.answering(OK)) as url, a_server(there.answering(OK)) as other:
        server = a_fhir_server(url, other.removeprefix("http://"))
        for link in (f"{url}/r4?page=1", f"{other}/r4?page=2"):
            assert server.ask(follow(link), read=bytes, stop=threading.Event()) == PAGE
        with pytest.raises(Halted):
            server.ask(follow("http://127.0.0.1:1/r4?page=3"), read=bytes, stop=threading.Event())
        server.close()

    assert (here.tokens, there.tokens) == (["Bearer word"], [])


@pytest.mark.behaviour(10)
def test_headers_of_the_site_go_where_the_token_goes_and_nowhere_else() -> None:
    here, there, values = Wire(), Wire(), iter((b"ours", b"ours anew"))
    with (
        a_server(here.answering(response(401, b"{}")), here.answering(OK)) as url,
        a_server(there.answering(OK)) as other,
    ):
        shown = WithHeaders(StaticToken(lambda: b"word"), {"Epic-Client-ID": lambda: next(values)})
        hosts = (other.removeprefix("http://"),)
        rules = Answers(allowed_hosts=hosts)
        server = FhirServer(f"{url}/r4", credentials=shown, pace=a_pace(), limits=QUICK, rules=rules)
        for link in (f"{url}/r4?page=1", f"{other}/r4?page=2"):
            server.ask(follow(link), read=bytes, stop=threading.Event())
        server.close()

    name = b"Epic-Client-ID: "
    sent = [[line.removeprefix(name) for line in head.split(b"\r\n") if line.startswith(name)] for head in here.heads]
    assert sent == [[b"ours"], [b"ours anew"]]
    assert [b"epic-client-id" in head.lower() for head in there.heads] == [False]


@pytest.mark.behaviour(10)
@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://files.example/a?b=c", True),
        ("https://files.example:443/a", True),
        ("https://FILES.example/a", True),
        ("http://files.example/a", False),
        ("https://files.example:8443/a", False),
        ("https://files.example.evil/a", False),
        ("https://reader@files.example/a", False),
        ("https://files.example\\@fhir.example.nhs.uk/a", False),
        ("https://other.example:8443/a", True),
        ("http://localhost:9000/a", True),
    ],
)
def test_a_named_host_means_its_secure_address_unless_it_is_loopback(url: str, is_allowed: bool) -> None:
    places = Places("https://fhir.example.nhs.uk/r4", ("files.example", "other.example:8443", "localhost:9000"))
    if is_allowed:
        assert places.is_home(url) is False
    else:
        with pytest.raises(Halted):
            places.is_home(url)
    assert places.is_home("https://fhir.example.nhs.uk:443/r4/Patient/1")


def test_a_search_by_post_is_sent_in_the_body() -> None:
    heads: list[bytes] = []
    bodies: list[bytes] = []

    def script(connection: socket.socket) -> None:
        head, body = request_of(connection)
        heads.append(head)
        bodies.append(body)
        connection.sendall(OK)

    style = Style(post=True, lenient=True)
    with a_server(script) as url:
        server = a_fhir_server(url)
        request = search(server.base_url, "Patient", [("identifier", "s|9990000026")], style=style)
        assert server.ask(request, read=bytes, stop=threading.Event()) == PAGE
        server.close()

    assert heads[0].startswith(b"POST /r4/Patient/_search HTTP/1.1")
    assert b"\r\nPrefer: handling=lenient\r\n" in heads[0]
    assert b"9990000026" not in heads[0]
    assert bodies == [b"identifier=s%7C9990000026"]


@pytest.mark.behaviour(10)
def test_a_download_is_streamed_and_takes_the_token_only_where_it_is_wanted_and_only_home() -> None:
    home, store = Wire(), Wire()
    moved = response(307, b"", "Location: http://storage.example/f")
    with (
        a_server(home.answering(response(401)), home.answering(moved), home.answering(OK)) as url,
        a_server(store.answering(OK), store.answering(response(401))) as other,
    ):
        server = a_fhir_server(url, other.removeprefix("http://"))

        def status_of(place: str, *, with_token: bool) -> tuple[int, bytes]:
            headers = {"Accept": "application/fhir+ndjson"}
            with server.exchange(
                "GET", place, headers=headers, stop=threading.Event(), with_token=with_token
            ) as stream:
                return stream.status, b"".join(stream.chunks())

        assert status_of(f"{url}/files/1", with_token=True) == (307, b"")  # after one new token, and not followed
        assert status_of(f"{url}/files/1", with_token=False) == (200, PAGE)
        assert status_of(f"{other}/f", with_token=True) == (200, PAGE)
        assert status_of(f"{other}/f", with_token=True)[0] == 401  # no token is renewed for another host
        server.close()

    assert (home.tokens, store.tokens) == (["Bearer word", "Bearer word"], [])
    assert all(b"Accept: application/fhir+ndjson\r\n" in head for head in home.heads + store.heads)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (response(200, PAGE)[:-5], SourceFault.BROKEN_BODY),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc", SourceFault.BROKEN_BODY),
        (b"", SourceFault.UNREACHABLE),
    ],
)
def test_a_download_that_breaks_off_says_so(answer: bytes, fault: SourceFault) -> None:
    wire = Wire()
    with a_server(wire.answering(answer)) as url:
        server = a_fhir_server(url)
        with (
            pytest.raises(NotNow) as caught,
            server.exchange("GET", f"{url}/files/1", headers={}, stop=threading.Event()) as stream,
        ):
            list(stream.chunks())
        server.close()
    assert caught.value.fault is fault


SCRIPTS = [
    ([503, 429, 500, 200], "", 4),
    ([200], "", 1),
    ([401, 200], "", 2),
    ([500, 401, 200], "", 3),
    ([429, 401, 403], "denied", 3),
    ([503, 404], "not-found", 2),
    ([502, 410], "gone", 2),
    ([408, 425, 422], "refused", 3),
    ([500, 500, 500, 500, 200], "server-error", 4),
    ([504, 307], "redirect", 2),
    ([401, 401, 200], "unauthorised", 2),
]


@pytest.mark.behaviour(36)
@pytest.mark.behaviour(37)
@pytest.mark.parametrize(("script", "told", "asked"), SCRIPTS)
def test_a_script_of_statuses_ends_where_it_should(script: list[int], told: str, asked: int) -> None:
    url = "https://fhir.example.nhs.uk/r4/Patient/p1"
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for status in script:
            mock.get(url, body=PAGE, status=status)
        server = a_fhir_server("https://fhir.example.nhs.uk", limits=Limits(attempts=4, first_wait_s=0.001))
        try:
            got = server.get(url, read=bytes, stop=threading.Event())
            fault = ""
        except SourceError as error:
            got, fault = PAGE, error.fault.value
        server.close()
        tokens = [call.request.headers["Authorization"] for call in mock.calls]

    assert (got, fault, tokens) == (PAGE, told, asked * ["Bearer word"])
