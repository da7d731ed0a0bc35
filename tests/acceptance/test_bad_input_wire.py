"""Bad messages on a real socket: the answer, what a person is shown, the counter; and the next one goes through."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.bad_input_service import Service, a_trust, an_adt

LIMIT = 64 << 20


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(a_trust(tmp_path_factory.mktemp("wire"), max_bytes=LIMIT)) as running:
        yield running


def shown(service: Service, code: str) -> tuple[str, list[str]]:
    """Id and `parked show` of the one message parked for this code."""
    (number,) = (str(number) for number, reason in service.parked() if reason == code)
    return number, service.cli("parked", "show", number).stdout.splitlines()


def goes_on(service: Service, number: str) -> None:
    """The next message is accepted and processed."""
    before = service.status()["messages"].get("processed", 0)
    assert service.send(an_adt(number)).code == "AA"
    service.until(lambda: service.status()["messages"].get("processed", 0) == before + 1)


def revealed(service: Service, number: str) -> str:
    found = service.cli("parked", "show", number, "--reveal", "--reason", "a test asks")
    assert found.returncode == 0
    return found.stdout


def test_what_is_no_hl7_is_rejected_and_kept(service: Service) -> None:
    answer = service.send(b"GET / HTTP/1.1")
    assert (answer.code, answer.text) == ("AR", "no readable MSH segment: not an HL7 v2 message")
    service.until_counted("problem.P001")
    number, lines = shown(service, "P001")
    assert lines[0].endswith("14 bytes  P001 no msh")
    assert lines[1] == "P001: no readable MSH segment: not an HL7 v2 message"
    assert "GET / HTTP/1.1" in revealed(service, number)
    service.until_counted("mllp.no_msh")  # receive writes its counts every two seconds
    assert (service.counter("mllp.no_msh"), service.counter("refused.P001")) == (1, 1)
    goes_on(service, "71001")


def test_a_message_that_was_refused_can_be_replayed_and_is_parked_again_with_the_same_words(service: Service) -> None:
    number, before = shown(service, "P001")
    assert service.cli("replay", number).stdout == "1 messages and 0 deliveries put back\n"
    service.until_counted("problem.P001", at_least=2)
    assert shown(service, "P001")[1][0] == before[0]
    assert "GET / HTTP/1.1" in revealed(service, number)


def test_an_unknown_type_is_accepted_counted_and_kept(service: Service) -> None:
    raw = b"MSH|^~\\&|A|B|C|D|20260301||ZZZ^Z99|unknown|P|2.4\rZZZ|1|text\r"
    before = service.status()["messages"].get("not_ours", 0)
    assert service.send(raw).code == "AA"
    service.until_counted("received.ZZZ^Z99")
    messages = service.status()["messages"]
    assert messages.get("not_ours", 0) == before + 1  # sealed until the hold ends, then erased
    assert service.counter("not-ours.no-patient") == 1
    goes_on(service, "71002")


def test_an_unknown_event_of_a_patient_is_taken_for_what_it_says(service: Service) -> None:
    before = service.status()["messages"].get("processed", 0)
    assert service.send(an_adt("71011", event="Z99")).code == "AA"
    service.until(lambda: service.status()["messages"].get("processed", 0) == before + 1)
    assert service.counter("received.ADT^Z99") == 1


def test_a_truncated_frame_is_kept_and_never_processed_as_a_message(service: Service) -> None:
    cut = an_adt("71003")[:-40]
    with service.line() as line:
        line.write(b"\x0b" + cut)
    service.until_counted("problem.P002")
    number, lines = shown(service, "P002")
    assert lines[0].endswith(f"{len(cut)} bytes  P002 truncated frame")
    assert lines[1] == "P002: truncated message: the connection ended before the end block"
    assert service.cli("replay", number).returncode == 0
    service.until_counted("problem.P002", at_least=2)
    assert "71003^^^RXX" in revealed(service, number)
    service.until_counted("mllp.truncated")
    assert service.counter("mllp.truncated") == 1
    goes_on(service, "71003")


def test_a_block_that_stalls_is_given_up_and_says_so(service: Service) -> None:
    with service.line() as line:
        line.write(b"\x0bMSH|^~\\&|A|B")
        service.until_counted("mllp.stalled")
        service.until_counted("problem.P002", at_least=3)
        texts = [
            service.cli("parked", "show", str(number)).stdout.splitlines()[1]
            for number, reason in service.parked()
            if reason == "P002"
        ]
        assert "P002: truncated message: no end block came in time" in texts
        before = service.status()["messages"].get("processed", 0)
        assert line.ask(an_adt("71004")).code == "AA"
        service.until(lambda: service.status()["messages"].get("processed", 0) == before + 1)


def test_broken_utf8_is_accepted_and_processed(service: Service) -> None:
    raw = an_adt("71005").replace(b"TESTING", b"T\xff\xfeST").replace(b"|P|2.4", b"|P|2.4||||||UNICODE UTF-8")
    before = service.status()["messages"].get("processed", 0)
    assert service.send(raw).code == "AA"
    service.until(lambda: service.status()["messages"].get("processed", 0) == before + 1)
    service.until_counted("problem.P122")
    goes_on(service, "71006")


def peak_mb(pid: int) -> int:
    """Peak resident memory of the service's largest process."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    lines = [line for child in children for line in Path(f"/proc/{child}/status").read_text().splitlines()]
    return max(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def test_a_field_of_50_megabytes_is_accepted_and_processed_in_bounded_memory(service: Service) -> None:
    size = 50 << 20
    raw = an_adt("71007") + b"NTE|1||" + b"x" * size + b"\r"
    before = service.status()["messages"].get("processed", 0)
    started = time.monotonic()
    assert service.send(raw).code == "AA"
    service.until(lambda: service.status()["messages"].get("processed", 0) == before + 1, timeout_s=60)
    assert time.monotonic() - started < 60
    # Received, sealed, committed; unsealed, decoded, hashed, sealed again: a few copies of it, never a multiple more.
    assert peak_mb(service.pid) < 10 * (size >> 20)
    goes_on(service, "71008")


def test_of_a_message_over_the_limit_prefix_length_and_hash_are_kept(service: Service) -> None:
    raw = b"MSH|^~\\&|A|B|C|D|20260301||ADT^A01|large|P|2.4\rNTE|1||" + b"y" * LIMIT
    answer = service.send(raw)
    assert (answer.code, answer.control_id) == ("AR", "large")
    assert answer.text == f"message of {len(raw)} bytes is over the limit of {LIMIT}"
    service.until_counted("problem.P003")
    number, lines = shown(service, "P003")
    assert lines[1] == f"P003: message of {len(raw)} bytes is over the limit of {LIMIT}"
    digest = hashlib.sha256(raw).hexdigest()
    assert lines[2] == f"only the beginning is kept; the whole had {len(raw)} bytes, SHA-256 {digest}"
    assert raw[:4000].replace(b"\r", b"\n").decode() in revealed(service, number)
    service.until_counted("mllp.too_large")
    assert (service.counter("mllp.too_large"), service.counter("refused.P003")) == (1, 1)
    goes_on(service, "71009")


def test_no_reveal_without_a_reason_and_none_that_is_not_audited(service: Service) -> None:
    number, _ = shown(service, "P001")
    refused = service.cli("parked", "show", number, "--reveal")
    assert refused.returncode == 2
    assert "say why, it is written to the audit trail" in refused.stderr
    unknown = service.cli("parked", "show", "999999")
    assert (unknown.returncode, unknown.stderr) == (1, "there is no message 999999\n")
