"""MLLP over TLS with real certificates, and with peers that do not play by its rules."""

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from structlog.testing import capture_logs

from adapter.envelope import Received
from adapter.errors import SetupError
from adapter.hl7v2.ack import Ack, parse_ack
from adapter.hl7v2.framing import Deframer, Frame, frame
from adapter.sources.mllp import MllpLimits, Terms, TlsTerms
from adapter.sources.tls import Certificates, client_context, days_left, server_context
from tests.unit.sources.papers import Papers, papers
from tests.unit.sources.wire import Disk, a_listener, a_message, eventually


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return papers(tmp_path_factory.mktemp("papers"))


def terms(ours: Papers, *, mutual: bool = False, handshake_s: float = 5.0, allow: tuple[str, ...] = ()) -> Terms:
    return Terms(tls=TlsTerms(server_context(ours.port(mutual=mutual)), handshake_s), allow=allow)


def engine(ours: Papers) -> ssl.SSLContext:
    return client_context(ca=ours.ca, certificate=ours.sender_certificate, key=ours.sender_key)


def stranger(ours: Papers) -> ssl.SSLContext:
    return client_context(ca=ours.ca, certificate=None, key=None)


def refusals(logs: list[dict[str, object]]) -> list[object]:
    return [log["reason"] for log in logs if log["event"] == "connection refused: no TLS"]


def test_over_tls_messages_are_taken_and_answered_as_without(ours: Papers) -> None:
    disk = Disk()
    with a_listener(disk.append, terms=terms(ours)) as running:
        client = running.client(tls=stranger(ours))
        client.send(b"".join(frame(a_message(f"M{number}")) for number in range(20)))
        assert [client.answer().control_id for _ in range(20)] == [f"M{number}" for number in range(20)]
        large = a_message("BIG", more="OBX|" + "J" * 3_000_000)
        client.send(frame(large))
        assert client.answer() == Ack("AA", "BIG", "")
    assert disk.messages[-1].body == large


def test_a_message_sent_with_the_last_flight_of_the_handshake_is_not_lost(ours: Papers) -> None:
    disk = Disk()
    with a_listener(disk.append, terms=terms(ours, mutual=True)) as running:
        for number in range(25):
            client = running.client(tls=engine(ours))
            client.send(frame(a_message(f"M{number}")))
            assert client.answer() == Ack("AA", f"M{number}", "")
            client.socket.close()
        assert eventually(lambda: running.listener.connections == 0)
        assert running.tally["mllp.connections"] == 25


def test_a_sender_with_a_certificate_of_the_named_authority_is_taken(ours: Papers) -> None:
    with a_listener(Disk().append, terms=terms(ours, mutual=True)) as running:
        client = running.client(tls=engine(ours))
        client.send(frame(a_message()))
        assert client.answer().code == "AA"


def test_a_sender_without_a_certificate_is_refused_counted_and_told(ours: Papers) -> None:
    disk = Disk()
    with capture_logs() as logs, a_listener(disk.append, terms=terms(ours, mutual=True)) as running:
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            client = running.client(tls=stranger(ours))
            client.send(frame(a_message()))
            client.answer()
        assert eventually(lambda: running.tally["mllp.tls_refused"] == 1)
    assert refusals(logs) == ["it shows no certificate"]
    assert disk.commits == []


def test_a_certificate_of_another_authority_is_refused(ours: Papers, tmp_path: Path) -> None:
    other = papers(tmp_path)
    context = client_context(ca=ours.ca, certificate=other.sender_certificate, key=other.sender_key)
    with capture_logs() as logs, a_listener(Disk().append, terms=terms(ours, mutual=True)) as running:
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            client = running.client(tls=context)
            client.send(frame(a_message()))
            client.answer()
        assert eventually(lambda: running.tally["mllp.tls_refused"] == 1)
    (reason,) = refusals(logs)
    assert str(reason).startswith("its certificate is not accepted: ")


@pytest.mark.parametrize("first", [frame(a_message()), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_plain_client_is_refused_counted_and_told(ours: Papers, first: bytes) -> None:
    disk = Disk()
    with capture_logs() as logs, a_listener(disk.append, terms=terms(ours)) as running:
        client = running.client()
        client.send(first)
        while client.socket.recv(100):
            pass
        assert eventually(lambda: running.tally["mllp.tls_refused"] == 1)
    assert refusals(logs) == ["it does not speak TLS"]
    assert {log["address"] for log in logs if log["event"] == "connection refused: no TLS"} == {"127.0.0.1"}
    assert disk.commits == []


@pytest.mark.behaviour(78)
def test_a_handshake_that_is_never_completed_holds_nobody_up_and_ends_in_time(ours: Papers) -> None:
    with capture_logs() as logs, a_listener(Disk().append, terms=terms(ours, handshake_s=0.4)) as running:
        silent = [running.client() for _ in range(5)]
        silent[0].send(b"\x16\x03\x01\x02\x00")
        client = running.client(tls=stranger(ours))
        client.send(frame(a_message()))
        assert client.answer().code == "AA"
        assert eventually(lambda: running.tally["mllp.tls_refused"] == 5)
        assert all(one.is_closed() for one in silent)
    assert refusals(logs) == ["no TLS handshake in time"] * 5


def test_who_goes_away_during_the_handshake_is_counted(ours: Papers) -> None:
    with capture_logs() as logs, a_listener(Disk().append, terms=terms(ours)) as running:
        running.client().socket.close()
        assert eventually(lambda: running.tally["mllp.tls_refused"] == 1)
    assert refusals(logs) == ["it went away during the handshake"]


@pytest.mark.behaviour(79)
def test_an_address_that_is_not_allowed_does_not_get_as_far_as_the_handshake(ours: Papers) -> None:
    with a_listener(Disk().append, terms=terms(ours, allow=("192.0.2.0/24",))) as running:
        assert running.client().is_closed()
        assert eventually(lambda: running.tally["mllp.refused_address"] == 1)
        assert running.tally["mllp.tls_refused"] == 0


def test_limits_hold_over_tls(ours: Papers) -> None:
    disk = Disk()
    with a_listener(disk.append, terms=terms(ours), limits=MllpLimits(frame_s=0.1, idle_s=0.4)) as running:
        client = running.client(tls=stranger(ours))
        client.send(b"\x0bMSH|^~\\&|half")
        assert eventually(lambda: running.tally["mllp.stalled"] == 1)
        client.send(frame(a_message("NEXT")))
        assert client.answer() == Ack("AA", "NEXT", "")
        assert client.is_closed()
        assert running.tally["mllp.idle_closed"] == 1


class HalfClosing:
    """A sender that says goodbye after its last message and goes on reading, as TLS 1.3 lets it."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._line = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self._until(self._tls.do_handshake)

    def send_last(self, data: bytes, *, ends_the_line: bool) -> None:
        self._tls.write(data)
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._line.sendall(self._outgoing.read())
        if ends_the_line:
            self._line.shutdown(socket.SHUT_WR)

    def read_all(self) -> bytes:
        found = b""
        while data := self._until(lambda: self._tls.read(65536)):
            found += data
        return found

    def _until(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                return step()
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLWantReadError:
                self._flush()
                data = self._line.recv(65536)
                if not data:
                    return b""
                self._incoming.write(data)
            finally:
                self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._line.sendall(self._outgoing.read())


@pytest.mark.behaviour(76)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("ends_the_line", [False, True])
def test_a_sender_that_closes_its_side_still_gets_its_answers(
    ours: Papers, version: ssl.TLSVersion, ends_the_line: bool
) -> None:
    disk = Disk()
    disk.gate.clear()
    context = engine(ours)
    context.minimum_version = context.maximum_version = version
    with a_listener(disk.append, terms=terms(ours, mutual=True)) as running:
        client = HalfClosing(running.listener.port, context)
        client.send_last(frame(a_message("M1")) + frame(a_message("M2")) + b"\x0bMSH|part", ends_the_line=ends_the_line)
        time.sleep(0.1)
        disk.gate.set()
        answers = [parse_ack(event.body) for event in Deframer().feed(client.read_all()) if isinstance(event, Frame)]
        assert answers == [Ack("AA", "M1", ""), Ack("AA", "M2", "")]
        assert eventually(lambda: running.listener.connections == 0)
        assert running.tally["mllp.undelivered_answers"] == 0
    assert [one.body for one in disk.unaccepted] == [b"MSH|part"]


def test_over_tls_reading_pauses_while_too_much_waits_for_the_disk_and_then_goes_on(ours: Papers) -> None:
    disk = Disk()
    disk.gate.clear()
    message = frame(a_message(more="OBX|" + "x" * 60_000))
    with a_listener(disk.append, terms=terms(ours), limits=MllpLimits(unanswered_bytes=100_000)) as running:
        client = running.client(tls=stranger(ours))
        client.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            for _ in range(2000):
                client.send(message)
        client.socket.settimeout(5)
        disk.gate.set()
        assert client.answer().code == "AA"
        assert eventually(lambda: running.tally["mllp.accepted"] >= 3)


def test_garbage_after_the_handshake_ends_the_connection_and_no_other(ours: Papers) -> None:
    disk = Disk()
    with a_listener(disk.append, terms=terms(ours)) as running:
        other = running.client(tls=stranger(ours))
        broken = running.client(tls=stranger(ours))
        raw = socket.socket(fileno=broken.socket.detach())
        raw.settimeout(5)
        raw.sendall(b"\x0bMSH|not encrypted")
        while raw.recv(65536):
            pass
        raw.close()
        other.send(frame(a_message()))
        assert other.answer().code == "AA"
        assert running.tally["mllp.tls_refused"] == 0
        assert eventually(lambda: running.listener.connections == 1)


def test_stopping_answers_what_was_read_and_ends_open_handshakes(ours: Papers) -> None:
    disk = Disk()
    disk.gate.clear()
    asked = threading.Event()

    def append(batch: Sequence[Received]) -> None:
        asked.set()
        disk.append(batch)

    with a_listener(append, terms=terms(ours, handshake_s=60)) as running:
        half, client = running.client(), running.client(tls=stranger(ours))
        client.send(frame(a_message("M1")))
        assert asked.wait(5)
        running.loop.call_soon_threadsafe(running._stop.set)
        time.sleep(0.05)
        disk.gate.set()
        assert client.answer() == Ack("AA", "M1", "")
        assert half.is_closed()


def test_old_versions_of_tls_are_refused(ours: Papers) -> None:
    old = stranger(ours)
    with pytest.warns(DeprecationWarning):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with a_listener(Disk().append, terms=terms(ours)) as running:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            running.client(tls=old)
        assert eventually(lambda: running.tally["mllp.tls_refused"] == 1)


def refusal(certificates: Certificates) -> str:
    with pytest.raises(SetupError) as caught:
        server_context(certificates)
    return str(caught.value)


def test_a_file_that_is_not_there_is_named(ours: Papers, tmp_path: Path) -> None:
    gone = tmp_path / "gone.pem"
    assert refusal(Certificates(certificate=gone, key=ours.key)) == (
        f"the certificate {gone} cannot be read: no such file or directory"
    )
    assert "the key" in refusal(Certificates(certificate=ours.certificate, key=gone))
    assert "the client_ca" in refusal(Certificates(certificate=ours.certificate, key=ours.key, client_ca=gone))


def test_a_file_that_holds_something_else_is_named(ours: Papers, tmp_path: Path) -> None:
    odd = tmp_path / "odd.pem"
    odd.write_text("hunter2")
    assert refusal(Certificates(certificate=odd, key=ours.key)).endswith("holds no certificate in PEM")
    assert "holds no private key in PEM" in refusal(Certificates(certificate=ours.certificate, key=odd))
    text = refusal(Certificates(certificate=ours.certificate, key=ours.key, client_ca=odd))
    assert (text.endswith("holds no certificate in PEM"), "hunter2" in text) == (True, False)


def test_a_key_of_another_certificate_is_told(ours: Papers) -> None:
    text = refusal(Certificates(certificate=ours.certificate, key=ours.sender_key))
    assert text == f"the key {ours.sender_key} does not belong to the certificate {ours.certificate}"


def test_a_key_with_a_pass_phrase_is_told_and_nobody_is_asked_for_it(ours: Papers, tmp_path: Path) -> None:
    locked = tmp_path / "locked.key"
    key = serialization.load_pem_private_key(ours.key.read_bytes(), None)
    form = serialization.PrivateFormat.PKCS8
    sealed = serialization.BestAvailableEncryption(b"hunter2")
    locked.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, sealed))
    text = refusal(Certificates(certificate=ours.certificate, key=locked))
    assert text == f"the key {locked} has a pass phrase: give a file without one"


def test_the_days_that_a_certificate_is_still_good_are_known(tmp_path: Path) -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    soon = papers(tmp_path, ends=now + timedelta(days=20, hours=1))
    assert days_left(soon.certificate, now=now) == 20
    assert days_left(soon.certificate, now=now + timedelta(days=21)) < 0


def test_a_context_of_ours_verifies_the_name_of_the_port(ours: Papers) -> None:
    with a_listener(Disk().append, terms=terms(ours)) as running:
        plain = socket.create_connection(("127.0.0.1", running.listener.port), timeout=5)
        with pytest.raises(ssl.SSLCertVerificationError):
            stranger(ours).wrap_socket(plain, server_hostname="another.example")


@pytest.mark.behaviour(73)
def test_over_tls_a_slow_block_and_a_busy_connection_are_not_taken_for_silent_ones(ours: Papers) -> None:
    limits = MllpLimits(frame_s=0.4, idle_s=0.6)
    with a_listener(Disk().append, limits=limits, terms=terms(ours)) as running:
        client = running.client(tls=stranger(ours))
        block = frame(a_message("SLOW"))
        for start in range(0, len(block), 12):
            client.send(block[start : start + 12])
            time.sleep(0.1)
        assert client.answer() == Ack("AA", "SLOW", "")
        for number in range(6):
            time.sleep(0.15)
            client.send(frame(a_message(f"M{number}")))
            assert client.answer() == Ack("AA", f"M{number}", "")
        assert (running.tally["mllp.stalled"], running.tally["mllp.idle_closed"]) == (0, 0)


def test_what_comes_after_a_senders_goodbye_is_not_kept(ours: Papers) -> None:
    disk = Disk()
    disk.gate.clear()
    with a_listener(disk.append, terms=terms(ours)) as running:
        client = running.client(tls=stranger(ours))
        client.send(frame(a_message("LAST")))
        time.sleep(0.1)
        client.socket.settimeout(0.2)
        assert isinstance(client.socket, ssl.SSLSocket)
        with contextlib.suppress(OSError):
            client.socket.unwrap()
        for _ in range(40):
            os.write(client.socket.fileno(), b"\x17\x03\x03\x40\x00" + b"x" * 60_000)
            time.sleep(0.005)
        (connection,) = running.listener._desk.connections
        kept = connection._stream._incoming.pending
        disk.gate.set()
        assert kept < 100_000
        assert eventually(lambda: running.listener.connections == 0)
    assert [one.body for one in disk.messages] == [a_message("LAST")]
