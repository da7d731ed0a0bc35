"""The port on which a FHIR server tells of changes: who is heard, and that it is on disk before the answer."""

import json
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from structlog.testing import capture_logs

from adapter.sources.fhir_notification import Kind, Notification, Reference
from adapter.sources.fhir_push import FhirPushListener, Notified, Place, Secret
from adapter.sources.http_port import HttpLimits
from adapter.sources.terms import TlsTerms
from adapter.sources.tls import server_context
from tests.unit.sources.papers import papers
from tests.unit.sources.wire import Disk, Running, a_listener

BASE = "https://epr.example/r4"
SHOWN = {"Authorization": "Bearer s3cret"}
RESULT = {"resourceType": "Observation", "id": "o-1", "valueString": "CANARY"}


def a_place(**how: Any) -> Place:
    said: dict[str, Any] = {"secret": Secret("Authorization", b"s3cret"), **how}
    return Place(path="/told", names=("results", "visits"), base_url=BASE, **said)


def send(
    running: Running,
    path: str = "/told/results",
    *,
    body: bytes = b"",
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
) -> requests.Response:
    url = f"http://127.0.0.1:{running.listener.port}{path}"
    return requests.request(method, url, data=body, headers={**SHOWN, **(headers or {})}, timeout=10)


def told(disk: Disk) -> list[Notification]:
    return [each.notification for each in disk.messages if isinstance(each, Notified)]


@pytest.mark.behaviour(50)
def test_a_hint_is_answered_200_only_after_it_is_on_disk() -> None:
    disk = Disk()
    disk.gate.clear()
    with a_listener(disk.append, FhirPushListener, place=a_place()) as running:
        answers: list[requests.Response] = []
        sender = threading.Thread(target=lambda: answers.append(send(running)))
        sender.start()
        time.sleep(0.3)
        assert answers == []
        disk.gate.set()
        sender.join(5)
        assert answers[0].status_code == 200
    assert told(disk) == [Notification(Kind.HINT)]


@pytest.mark.behaviour(50)
def test_while_storage_fails_the_server_is_told_to_send_again() -> None:
    disk = Disk()
    disk.failure = OSError("full")
    with capture_logs(), a_listener(disk.append, FhirPushListener, place=a_place()) as running:
        assert send(running).status_code == 503
        assert running.tally["poll.epr.push.not_stored"] == 1


@pytest.mark.behaviour(50)
def test_who_does_not_show_the_secret_is_not_heard_and_is_counted() -> None:
    disk = Disk()
    guesses = ["", "Bearer guess", "Bearer s3cretX", "Bearer s3cre", "Basic s3cret", "s3cret", "Bearer "]
    with capture_logs() as logs, a_listener(disk.append, FhirPushListener, place=a_place()) as running:
        for shown in guesses:
            answer = send(running, body=json.dumps(RESULT).encode(), headers={"Authorization": shown})
            assert answer.status_code == 401, shown
        assert running.tally["poll.epr.push.refused_secret"] == len(guesses)
    assert disk.messages == []
    assert "guess" not in repr(logs)


def test_the_secret_may_stand_in_a_header_of_its_own() -> None:
    disk = Disk()
    place = a_place(secret=Secret("X-Hook-Secret", b"s3cret"))
    with capture_logs(), a_listener(disk.append, FhirPushListener, place=place) as running:
        assert send(running).status_code == 401
        assert send(running, headers={"x-hook-secret": "s3cret"}).status_code == 200


@pytest.mark.behaviour(50)
def test_of_a_payload_nothing_is_kept_but_which_resource_it_is() -> None:
    disk = Disk()
    ways = [
        ("PUT", "/told/results/Observation/o-1", json.dumps(RESULT)),
        ("POST", "/told/results", json.dumps(RESULT)),
        ("PUT", "/told/results/Observation/o-1", '<Observation xmlns="http://hl7.org/fhir"/>'),
        ("DELETE", "/told/results/Observation/o-1", ""),
    ]
    with a_listener(disk.append, FhirPushListener, place=a_place()) as running:
        for method, path, body in ways:
            assert send(running, path, method=method, body=body.encode()).status_code == 200
    assert told(disk) == [Notification(Kind.HINT, frozenset([Reference("Observation", "o-1")]))] * len(ways)
    assert {each.body for each in disk.messages} == {b""}
    assert "CANARY" not in repr(disk.messages)


def test_an_address_that_is_not_ours_is_refused() -> None:
    paths = ["/", "/told", "/told/others", "/told/results/extra", "/told/results/Observation/a b", "/toldresults"]
    with capture_logs(), a_listener(Disk().append, FhirPushListener, place=a_place()) as running:
        for path in paths:
            assert send(running, path).status_code == 404, path
        assert running.tally["poll.epr.push.refused_path"] == len(paths)


def test_each_subscription_has_an_address_of_its_own() -> None:
    disk = Disk()
    with a_listener(disk.append, FhirPushListener, place=a_place()) as running:
        send(running, "/told/visits/")
        assert send(running, "/told/visits", method="GET").status_code == 405
    (received,) = disk.messages
    assert isinstance(received, Notified)
    assert (received.feed, received.subscription) == ("epr", "visits")


def test_what_the_server_says_unreadably_means_that_something_has_changed() -> None:
    disk = Disk()
    with capture_logs() as logs, a_listener(disk.append, FhirPushListener, place=a_place()) as running:
        assert send(running, body=b'{"CANARY": ').status_code == 200
        assert running.tally["poll.epr.push.unreadable"] == 1
    assert told(disk) == [Notification(Kind.HINT)]
    assert "CANARY" not in repr(logs)


@pytest.mark.parametrize("path", ["/told/results", "/told/results/Observation/o-1"])
def test_what_is_too_large_is_not_read_to_its_end_and_still_a_hint(path: str) -> None:
    disk = Disk()
    limits = HttpLimits(max_bytes=10_000)
    with a_listener(disk.append, FhirPushListener, place=a_place(), limits=limits) as running:
        with socket.create_connection(("127.0.0.1", running.listener.port), timeout=5) as sender:
            head = (
                f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s3cret\r\nContent-Length: 99999999\r\n\r\n"
            )
            sender.sendall(head.encode())
            assert sender.recv(100).startswith(b"HTTP/1.1 413")
        assert running.tally["poll.epr.push.too_large"] == 1
    (hint,) = told(disk)
    assert hint.kind is Kind.HINT
    assert len(hint.references) == path.count("o-1")


def test_a_notification_that_breaks_off_is_no_notification() -> None:
    disk = Disk()
    limits = HttpLimits(silence_s=0.2)
    with (
        a_listener(disk.append, FhirPushListener, place=a_place(), limits=limits) as running,
        socket.create_connection(("127.0.0.1", running.listener.port), timeout=5) as sender,
    ):
        head = b"POST /told/results HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s3cret\r\nContent-Length: 9\r\n\r\n"
        sender.sendall(head + b"{")
        assert sender.recv(100).startswith(b"HTTP/1.1 408")
    assert disk.messages == []


def test_an_address_that_is_not_allowed_is_refused_though_it_shows_the_secret() -> None:
    place = a_place(allow=("192.0.2.0/24",))
    with capture_logs(), a_listener(Disk().append, FhirPushListener, place=place) as running:
        assert send(running, headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 403


def test_over_mutual_tls_only_the_server_with_a_certificate_is_heard(tmp_path: Path) -> None:
    ours = papers(tmp_path)
    place = a_place(tls=TlsTerms(server_context(ours.port(mutual=True))))
    with a_listener(Disk().append, FhirPushListener, place=place) as running:
        url = f"https://localhost:{running.listener.port}/told/results"
        how: dict[str, Any] = {"headers": SHOWN, "verify": str(ours.ca), "timeout": 10}
        shown = (str(ours.sender_certificate), str(ours.sender_key))
        assert requests.post(url, cert=shown, **how).status_code == 200
        with pytest.raises(requests.ConnectionError):
            requests.post(url, **how)
