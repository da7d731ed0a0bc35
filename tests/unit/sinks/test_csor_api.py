"""Every way a delivery over HTTP can go, on real sockets: taken, surely not taken, perhaps taken, refused."""

import json
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import trustme

from adapter.errors import DeliveryError, Refused, SetupError, TryLater, Unsure
from adapter.receiver import Settings, running
from adapter.sinks import CsorApi, Receipt, Timeouts
from tests.unit.receiver.test_batches import a_batch, a_row
from tests.unit.sinks.servers import Script, a_server, answering, request_of, response

KEY = "key-0000000000000001"
BATCH = json.dumps(a_batch()).encode()
QUICK = Timeouts(connect_s=0.5, silence_s=0.3, answer_s=0.6)
TAKEN = json.dumps({"idempotency_key": KEY, "applied": 1, "unchanged": 0}).encode()


def deliver(url: str, batch: bytes = BATCH) -> Receipt:
    return CsorApi(url, timeouts=QUICK).deliver(batch, idempotency_key=KEY)


def outcome(*scripts: Script, batch: bytes = BATCH) -> DeliveryError:
    with a_server(*scripts) as url, pytest.raises(DeliveryError) as raised:
        deliver(url, batch)
    return raised.value


def tls_contexts(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    return server, tmp_path / "ca.pem"


def test_the_receiver_takes_a_batch_and_repeats_its_receipt(tmp_path: Path) -> None:
    with running(Settings(data_folder=tmp_path, port=0)) as url:
        api = CsorApi(url)
        receipts = [api.deliver(BATCH, idempotency_key=KEY) for _ in range(2)]
    assert receipts == [Receipt(applied=1, unchanged=0)] * 2


def test_the_receiver_refusing_a_lower_version_names_the_row(tmp_path: Path) -> None:
    with running(Settings(data_folder=tmp_path, port=0)) as url:
        api = CsorApi(url)
        api.deliver(json.dumps(a_batch(a_row(version=2))).encode(), idempotency_key=KEY)
        with pytest.raises(Refused) as raised:
            api.deliver(BATCH, idempotency_key="key-0000000000000002")
    assert str(raised.value) == f"CSOR answered 409: outdated, row {a_row()['record_id']}"


def test_the_request_carries_key_token_and_the_bytes_untouched() -> None:
    seen: list[tuple[bytes, bytes]] = []

    def script(connection: socket.socket) -> None:
        seen.append(request_of(connection))
        connection.sendall(response(200, TAKEN))

    with a_server(script) as url:
        CsorApi(url, token="s3cret").deliver(BATCH, idempotency_key=KEY)
    head, body = seen[0]
    assert head.startswith(b"POST /v1/batches HTTP/1.1\r\n")
    assert {b"Idempotency-Key: " + KEY.encode(), b"Authorization: Bearer s3cret"} <= set(head.split(b"\r\n"))
    assert body == BATCH


def test_one_connection_serves_many_batches() -> None:
    ports: set[int] = set()

    def script(connection: socket.socket) -> None:
        for _ in range(2):
            request_of(connection)
            ports.add(connection.getpeername()[1])
            connection.sendall(response(200, TAKEN).replace(b"Connection: close\r\n", b""))

    with a_server(script) as url:
        api = CsorApi(url, timeouts=QUICK)
        for _ in range(2):
            api.deliver(BATCH, idempotency_key=KEY)
    assert len(ports) == 1


# Surely not taken


def test_a_refused_connection_is_try_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(TryLater):
        deliver(f"http://127.0.0.1:{port}")


def test_a_name_that_does_not_resolve_is_try_later() -> None:
    with pytest.raises(TryLater):
        deliver("https://csor.invalid")


def test_a_certificate_of_an_unknown_authority_is_try_later(tmp_path: Path) -> None:
    server, _ = tls_contexts(tmp_path)
    with a_server(answering(response(200, TAKEN)), tls=server) as url, pytest.raises(TryLater, match="SSLError"):
        deliver(url)


def test_a_server_that_does_not_speak_tls_is_try_later() -> None:
    with a_server(lambda connection: connection.sendall(b"no tls here\r\n" * 10)) as url, pytest.raises(TryLater):
        deliver(url.replace("http:", "https:"))


def test_a_handshake_that_never_ends_is_try_later() -> None:
    with a_server(lambda _: time.sleep(1)) as url, pytest.raises(TryLater):
        deliver(url.replace("http:", "https:"))


def test_a_proxy_that_refuses_the_tunnel_is_try_later() -> None:
    def script(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(response(407))

    with a_server(script) as proxy, pytest.raises(TryLater, match="ProxyError"):
        CsorApi("https://csor.invalid", proxy=proxy, timeouts=QUICK).deliver(BATCH, idempotency_key=KEY)


@pytest.mark.parametrize("status", [408, 425, 429])
def test_statuses_that_say_not_now_are_try_later(status: int) -> None:
    error = outcome(answering(response(status)))
    assert isinstance(error, TryLater)
    assert error.retry_after_s is None


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds_is_kept(status: int) -> None:
    error = outcome(answering(response(status, b"", "Retry-After: 17")))
    assert isinstance(error, TryLater)
    assert error.retry_after_s == 17


def test_retry_after_as_a_date_becomes_seconds_from_now() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    error = outcome(answering(response(429, b"", f"Retry-After: {moment}")))
    assert isinstance(error, TryLater)
    assert error.retry_after_s is not None
    assert 80 < error.retry_after_s <= 90


# Perhaps taken


def dropping(connection: socket.socket) -> None:
    request_of(connection)


def resetting(connection: socket.socket) -> None:
    request_of(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


def dripping(connection: socket.socket) -> None:
    for _ in range(20):
        connection.sendall(b" ")
        time.sleep(0.1)


BROKEN_ANSWERS: dict[str, Script] = {
    "dropped after the request": dropping,
    "reset after the request": resetting,
    "dropped in the headers": answering(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "truncated": answering(response(200, TAKEN)[:-5]),
    "truncated chunk": answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{"),
    "no http": answering(b"220 mail.example ESMTP\r\n"),
    "silent": answering(b"", then=lambda _: time.sleep(0.8)),
    "dripping": answering(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", then=dripping),
    "endless": answering(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 2_000_000),
    "garbage": answering(response(200, b"<html>Please log in</html>")),
    "empty": answering(response(200)),
    "counts missing": answering(response(200, b'{"idempotency_key": "%b"}' % KEY.encode())),
    "receipt of another batch": answering(response(200, TAKEN.replace(b"key-", b"abc-"))),
}


@pytest.mark.parametrize("script", BROKEN_ANSWERS.values(), ids=BROKEN_ANSWERS.keys())
def test_a_request_sent_without_a_whole_receipt_is_unsure(script: Script) -> None:
    assert isinstance(outcome(script), Unsure)


@pytest.mark.parametrize("status", [202, 204, 500, 502, 503, 504, 507, 520])
def test_statuses_that_promise_nothing_are_unsure(status: int) -> None:
    assert isinstance(outcome(answering(response(status))), Unsure)


def test_a_connection_dropped_in_the_middle_of_the_body_is_unsure() -> None:
    error = outcome(lambda connection: time.sleep(0) if connection.recv(1000) else None, batch=b" " * 20_000_000)
    assert isinstance(error, Unsure)


def test_a_client_certificate_wanted_but_not_given_is_never_called_refused(tmp_path: Path) -> None:
    server, ca = tls_contexts(tmp_path)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(ca)
    with a_server(answering(response(200, TAKEN)), tls=server) as url, pytest.raises((TryLater, Unsure)):
        CsorApi(url, ca=ca, timeouts=QUICK).deliver(BATCH, idempotency_key=KEY)


# Refused


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 415, 422, 501, 505])
def test_statuses_that_say_no_are_refused(status: int) -> None:
    assert isinstance(outcome(answering(response(status))), Refused)


def test_a_refusal_in_the_middle_of_a_long_body_is_still_heard() -> None:
    def script(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(response(413))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    assert isinstance(outcome(script, batch=b" " * 5_000_000), Refused)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused_and_not_followed(status: int) -> None:
    visited: list[bool] = []
    with a_server(lambda _: visited.append(True)) as elsewhere:
        error = outcome(answering(response(status, b"", f"Location: {elsewhere}/v1/batches")))
    assert isinstance(error, Refused)
    assert not visited


def test_a_broken_redirect_is_refused_all_the_same() -> None:
    assert isinstance(outcome(answering(response(302, b"", "Location: http://["))), Refused)


@pytest.mark.behaviour(151)
def test_a_refusal_tells_code_and_places_but_no_free_text_of_the_answer() -> None:
    faults = [{"at": "/rows/3/fields/sex", "rule": "enum"}, {"at": "Quillfeather", "rule": "enum"}]
    body = json.dumps({"code": "not-as-published", "faults": faults, "detail": "Quillfeather"}).encode()
    error = outcome(answering(response(422, body)))
    assert str(error) == "CSOR answered 422: not-as-published, at /rows/3/fields/sex"


@pytest.mark.parametrize("body", [b"[1]", b'{"faults": 3, "code": {}}', b"[" * 100_000, b"\xff"])
def test_a_refusal_with_a_strange_body_is_still_a_refusal(body: bytes) -> None:
    assert str(outcome(answering(response(422, body)))) == "CSOR answered 422"


# TLS, proxies and surroundings


def test_the_given_authority_replaces_the_public_ones(tmp_path: Path) -> None:
    server, ca = tls_contexts(tmp_path)
    with a_server(answering(response(200, TAKEN)), tls=server) as url:
        assert CsorApi(url, ca=ca).deliver(BATCH, idempotency_key=KEY) == Receipt(applied=1, unchanged=0)


def test_the_environment_decides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login stray password stray\n")
    for name, value in {
        "HOME": str(tmp_path),
        "NETRC": str(tmp_path / ".netrc"),
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    heads: list[bytes] = []

    def script(connection: socket.socket) -> None:
        heads.append(request_of(connection)[0])
        connection.sendall(response(200, TAKEN))

    with a_server(script) as url:
        deliver(url)
    assert b"authorization" not in heads[0].lower()


def test_a_configured_proxy_is_used_even_for_loopback() -> None:
    with a_server(answering(response(200, TAKEN))) as proxy:
        api = CsorApi("http://127.0.0.1:9", proxy=proxy, timeouts=QUICK)
        assert api.deliver(BATCH, idempotency_key=KEY).applied == 1


def test_the_credentials_of_a_proxy_stay_out_of_the_error_text() -> None:
    api = CsorApi("https://csor.invalid", proxy="http://user:hunter2@127.0.0.1:9", timeouts=QUICK)
    with pytest.raises(TryLater) as raised:
        api.deliver(BATCH, idempotency_key=KEY)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: CsorApi("csor.example"),
        lambda: CsorApi("ftp://csor.example"),
        lambda: CsorApi("https://"),
        lambda: CsorApi("https://user:hunter2@csor.example"),
        lambda: CsorApi("http://csor.example"),
        lambda: CsorApi("https://csor.example/?x=1"),
        lambda: CsorApi("https://csor.example", ca=Path("nowhere.pem")),
        lambda: CsorApi("https://csor.example", ca=Path(__file__)),
    ],
)
def test_an_address_that_cannot_be_right_stops_the_start(make: Callable[[], CsorApi]) -> None:
    with pytest.raises(SetupError) as raised:
        make()
    assert "hunter2" not in str(raised.value)
