"""HL7 v2 over HTTP: real requests, and senders that break off."""

import socket
import threading
import time
from pathlib import Path

import pytest
import requests
from structlog.testing import capture_logs

from adapter.errors import ProblemCode
from adapter.hl7v2.ack import Ack, parse_ack
from adapter.sources.accept import Accepted
from adapter.sources.http_listener import HttpLimits, HttpListener
from adapter.sources.intake import Framed
from adapter.sources.terms import Terms, TlsTerms
from adapter.sources.tls import server_context
from tests.unit.sources.papers import papers
from tests.unit.sources.wire import Disk, Running, a_listener, a_message, eventually

ER7 = "x-application/hl7-v2+er7; charset=utf-8"


def post(running: Running, body: bytes, *, kind: str = ER7, **headers: str) -> requests.Response:
    url = f"http://127.0.0.1:{running.listener.port}/hl7"
    return requests.post(url, data=body, headers={"Content-Type": kind, **headers}, timeout=10)


@pytest.mark.parametrize("kind", [ER7, "application/hl7-v2", "Application/HL7-v2;charset=ISO-8859-1"])
def test_a_message_is_taken_and_its_acknowledgement_is_the_answer(kind: str) -> None:
    disk = Disk()
    with a_listener(disk.append, HttpListener) as running:
        answer = post(running, a_message("M7"), kind=kind)
        assert running.tally["http.accepted"] == 1
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert parse_ack(answer.content) == Ack("AA", "M7", "")
    (received,) = disk.messages
    assert isinstance(received, Framed)
    assert (received.feed, received.body) == ("epr", a_message("M7"))


@pytest.mark.behaviour(80)
def test_the_answer_comes_only_after_the_message_is_on_disk() -> None:
    disk = Disk()
    disk.gate.clear()
    with a_listener(disk.append, HttpListener) as running:
        answers: list[requests.Response] = []
        sender = threading.Thread(target=lambda: answers.append(post(running, a_message())))
        sender.start()
        time.sleep(0.3)
        assert answers == []
        disk.gate.set()
        sender.join(5)
        assert answers[0].status_code == 200


def test_messages_follow_one_another_on_one_connection() -> None:
    disk = Disk()
    with a_listener(disk.append, HttpListener) as running, requests.Session() as session:
        url = f"http://127.0.0.1:{running.listener.port}/"
        for number in range(10):
            answer = session.post(url, data=a_message(f"M{number}"), headers={"Content-Type": ER7}, timeout=5)
            assert parse_ack(answer.content) == Ack("AA", f"M{number}", "")
    assert len(disk.messages) == 10


@pytest.mark.behaviour(81)
def test_while_storage_fails_the_answer_is_ae() -> None:
    disk = Disk()
    disk.failure = OSError("full")
    with capture_logs(), a_listener(disk.append, HttpListener) as running:
        answer = post(running, a_message("M1"))
        assert running.tally["http.not_stored"] == 1
    assert parse_ack(answer.content) == Ack("AE", "M1", "not stored: send the message again")


def test_a_wrong_token_is_refused_before_the_body_is_read_and_nothing_of_it_is_logged() -> None:
    disk = Disk()
    with capture_logs() as logs, a_listener(disk.append, HttpListener, token=b"s3cret") as running:
        assert post(running, a_message()).status_code == 401
        assert post(running, a_message(), Authorization="Bearer guess").status_code == 401
        assert post(running, a_message(), Authorization="Basic s3cret").status_code == 401
        assert post(running, a_message(), Authorization="Bearer s3cret").status_code == 200
        assert running.tally["http.refused_token"] == 3
    assert len(disk.messages) == 1
    assert "guess" not in repr(logs)


def test_over_mutual_tls_a_certificate_is_what_a_sender_shows(tmp_path: Path) -> None:
    ours = papers(tmp_path)
    terms = Terms(tls=TlsTerms(server_context(ours.port(mutual=True))))
    with a_listener(Disk().append, HttpListener, terms=terms) as running:
        url = f"https://localhost:{running.listener.port}/"
        how = {"data": a_message("M1"), "headers": {"Content-Type": ER7}, "verify": str(ours.ca), "timeout": 10}
        shown = (str(ours.sender_certificate), str(ours.sender_key))
        assert parse_ack(requests.post(url, cert=shown, **how).content) == Ack("AA", "M1", "")
        with pytest.raises(requests.ConnectionError):
            requests.post(url, **how)


@pytest.mark.behaviour(79)
def test_an_address_that_is_not_allowed_is_refused_whatever_it_says_it_is() -> None:
    with a_listener(Disk().append, HttpListener, terms=Terms(allow=("192.0.2.0/24",))) as running:
        assert post(running, a_message(), **{"X-Forwarded-For": "192.0.2.7"}).status_code == 403
        assert running.tally["http.refused_address"] == 1


def test_what_is_no_post_or_no_hl7_by_its_type_is_refused() -> None:
    disk = Disk()
    with a_listener(disk.append, HttpListener) as running:
        assert requests.get(f"http://127.0.0.1:{running.listener.port}/", timeout=5).status_code == 405
        assert post(running, a_message(), kind="application/json").status_code == 415
        assert post(running, a_message(), kind="application/hl7-v2+xml").status_code == 415
    assert disk.commits == []


@pytest.mark.behaviour(82)
def test_what_has_no_msh_or_breaks_a_rule_gets_ar_and_is_kept() -> None:
    disk = Disk()
    with a_listener(disk.append, HttpListener, terms=Terms(accepted=Accepted(types=("ORU^R01",)))) as running:
        answers = [parse_ack(post(running, body).content) for body in (b"hello", b"", a_message("M1"))]
        assert (running.tally["http.no_msh"], running.tally["http.refused_type"]) == (2, 1)
    assert [one.code for one in answers if one] == ["AR", "AR", "AR"]
    codes = [one.problem.code for one in disk.unaccepted]
    assert codes == [ProblemCode.NO_MSH, ProblemCode.EMPTY, ProblemCode.NOT_TAKEN]
    assert disk.unaccepted[2].body == a_message("M1")


@pytest.mark.behaviour(75)
def test_a_message_over_the_limit_is_refused_and_its_beginning_kept() -> None:
    disk = Disk()
    with a_listener(disk.append, HttpListener, limits=HttpLimits(max_bytes=10_000)) as running:
        declared = post(running, a_message("BIG", more="J" * 20_000))
        assert (declared.status_code, running.tally["http.too_large"]) == (413, 1)
        assert post(running, a_message("NEXT")).status_code == 200
    (kept,) = disk.unaccepted
    assert (kept.problem.code, kept.length > 20_000, len(kept.body) <= 4096) == (ProblemCode.TOO_LARGE, True, True)


@pytest.mark.behaviour(84)
def test_in_enhanced_mode_there_is_one_answer_or_none() -> None:
    def asked(how: str) -> bytes:
        return a_message().replace(b"|P|2.4", b"|P|2.4|||" + how.encode())

    with a_listener(Disk().append, HttpListener) as running:
        both, none = post(running, asked("AL|AL")), post(running, asked("NE|NE"))
    assert parse_ack(both.content) == Ack("CA", "M1", "")
    assert (none.status_code, none.content) == (204, b"")


@pytest.mark.behaviour(73)
def test_a_sender_that_breaks_off_or_stalls_leaves_its_part_behind() -> None:
    disk = Disk()
    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {ER7}\r\nContent-Length: 500\r\n\r\n".encode()
    with a_listener(disk.append, HttpListener, limits=HttpLimits(silence_s=0.3)) as running:
        for ends in (True, False):
            with socket.create_connection(("127.0.0.1", running.listener.port), timeout=5) as line:
                line.sendall(head + b"MSH|^~\\&|half")
                if not ends:
                    assert line.recv(100).startswith(b"HTTP/1.1 408")
        assert eventually(lambda: running.tally["http.truncated"] == 2)
        assert post(running, a_message("NEXT")).status_code == 200
    assert [one.body for one in disk.unaccepted] == [b"MSH|^~\\&|half"] * 2
    assert {one.problem.code for one in disk.unaccepted} == {ProblemCode.TRUNCATED_FRAME}
