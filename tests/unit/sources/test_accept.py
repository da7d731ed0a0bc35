"""What a feed takes and how it answers, on a real socket."""

import pytest
from structlog.testing import capture_logs

from adapter.errors import ProblemCode
from adapter.hl7v2.ack import Ack
from adapter.hl7v2.framing import frame
from adapter.hl7v2.header import read_header
from adapter.sources.accept import Accepted, Door
from adapter.sources.mllp import MllpLimits, Terms
from tests.unit.sources.wire import Client, Disk, a_listener, a_message, eventually


def an_msh(
    *,
    application: str = "EPR",
    facility: str = "RXX",
    kind: str = "ADT^A01",
    control_id: str = "M1",
    processing: str = "P",
    version: str = "2.4",
    asked: str = "",
) -> bytes:
    head = f"MSH|^~\\&|{application}|{facility}|CSOR|RXX|20260301120000||{kind}|{control_id}|{processing}|{version}"
    return f"{head}{asked}\rPID|1||X1^^^RXX^MR\r".encode()


def verdict(accepted: Accepted, message: bytes) -> str:
    header = read_header(message)
    assert header is not None
    refusal = Door(accepted).refusal(header)
    return refusal.counted if refusal else ""


RULES = Accepted(
    applications=("EPR", "LAB^1.2.3^ISO"),
    facilities=("RXX",),
    types=("ADT^*", "ORU^R01", "MDM"),
    versions=("2.3", "2.5*"),
    processing=("P",),
    needs_control_id=True,
)


@pytest.mark.behaviour(79)
@pytest.mark.behaviour(82)
@pytest.mark.parametrize(
    ("fields", "counted"),
    [
        ({}, ""),
        ({"application": "EPR^1.2.3^ISO"}, ""),
        ({"application": "LAB^1.2.3^ISO"}, ""),
        ({"application": "LAB"}, "refused_application"),
        ({"application": ""}, "refused_application"),
        ({"facility": "RYY"}, "refused_facility"),
        ({"kind": "ADT^A28^ADT_A05"}, ""),
        ({"kind": "ADT"}, ""),
        ({"kind": "MDM^T02"}, ""),
        ({"kind": "ORU^R30"}, "refused_type"),
        ({"kind": "SIU^S12"}, "refused_type"),
        ({"kind": ""}, "refused_type"),
        ({"version": "2.5.1"}, ""),
        ({"version": "2.5^GBR"}, ""),
        ({"version": "2.3.1"}, "refused_version"),
        ({"processing": "P^T"}, ""),
        ({"processing": "T"}, "refused_processing"),
        ({"control_id": ""}, "refused_control_id"),
    ],
)
def test_each_list_of_a_feed_is_held_to(fields: dict[str, str], counted: str) -> None:
    assert verdict(RULES, an_msh(**{"version": "2.3", **fields})) == counted


def test_rules_hold_under_any_delimiters() -> None:
    odd = b"MSH#$!?%#EPR$1.2#RXX#CSOR#RXX#2026##ORU$R01#X9#P#2.3#\rPID#1\r"
    assert verdict(RULES, odd) == ""
    assert verdict(RULES, odd.replace(b"ORU$R01", b"ORU$R03")) == "refused_type"


def test_an_unknown_type_is_refused_only_where_that_is_asked_for() -> None:
    assert verdict(Accepted(), an_msh(kind="ZZZ^Z99")) == ""
    assert verdict(Accepted(refuses_unknown_types=True), an_msh(kind="ZZZ^Z99")) == "refused_type"
    assert verdict(Accepted(refuses_unknown_types=True), an_msh(kind="ADT^Z99")) == ""


@pytest.mark.behaviour(79)
def test_another_application_gets_ar_once_its_bytes_are_kept_and_the_next_is_taken() -> None:
    disk, stranger = Disk(), an_msh(application="STRANGER")
    with capture_logs() as logs, a_listener(disk.append, terms=Terms(accepted=RULES)) as running:
        client = running.client()
        client.send(frame(stranger) + frame(an_msh(control_id="NEXT", version="2.3")))
        text = "not taken here: the sending application (MSH-3)"
        assert client.answer() == Ack("AR", "M1", text)
        assert client.answer() == Ack("AA", "NEXT", "")
        assert (running.tally["mllp.refused_application"], running.tally["mllp.accepted"]) == (1, 1)
    (kept,) = disk.unaccepted
    assert (kept.body, kept.problem.code, kept.problem.at) == (stranger, ProblemCode.NOT_TAKEN, "MSH-3")
    assert [log["reason"] for log in logs if log["event"] == "message rejected"] == [text]
    assert "STRANGER" not in repr(logs)


@pytest.mark.behaviour(81)
def test_what_is_refused_and_cannot_be_kept_is_asked_for_again() -> None:
    disk = Disk()
    disk.failure = OSError("disk")
    with a_listener(disk.append, terms=Terms(accepted=RULES)) as running:
        client = running.client()
        client.send(frame(an_msh(application="STRANGER")))
        assert client.answer() == Ack("AE", "M1", "not stored: send the message again")


@pytest.mark.behaviour(82)
@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"kind": "SIU^S12"}, b"ERR|MSH^1^9^200&Unsupported message type&HL70357"),
        ({"kind": "ORU^R30"}, b"ERR|MSH^1^9^201&Unsupported event code&HL70357"),
        ({"processing": "T"}, b"ERR|MSH^1^11^202&Unsupported processing id&HL70357"),
        ({"version": "2.2"}, b"ERR|MSH^1^12^203&Unsupported version id&HL70357"),
        ({"control_id": ""}, b"ERR|MSH^1^10^101&Required field missing&HL70357"),
        (
            {"version": "2.7"},
            b"ERR||MSH^1^12|203^Unsupported version id^HL70357|E||||not taken here: this version (MSH-12)",
        ),
    ],
)
def test_the_refusal_names_the_field_and_its_code(fields: dict[str, str], error: bytes) -> None:
    with a_listener(Disk().append, terms=Terms(accepted=RULES)) as running:
        client = running.client()
        client.send(frame(an_msh(**{"version": "2.3", **fields})))
        raw = client.raw_answer()
    assert raw is not None
    assert raw.split(b"\r")[2] == error


def codes(client: Client, number: int) -> list[tuple[str, str]]:
    found = [client.answer() for _ in range(number)]
    return [(one.code, one.control_id) for one in found]


@pytest.mark.behaviour(84)
def test_a_sender_in_enhanced_mode_gets_the_answers_it_asks_for_and_no_other() -> None:
    disk = Disk()
    with a_listener(disk.append) as running:
        client = running.client()
        for number, asked in enumerate(("|||AL|NE", "|||NE|NE", "|||AL|AL", "|||ER|NE", "|||NE|AL", "")):
            client.send(frame(an_msh(control_id=f"M{number}", asked=asked)))
        assert codes(client, 5) == [("CA", "M0"), ("CA", "M2"), ("AA", "M2"), ("AA", "M4"), ("AA", "M5")]
        assert not client.has_answer_within(0.1)
        assert (running.tally["mllp.unasked_answers"], running.tally["mllp.accepted"]) == (2, 6)
    assert len(disk.messages) == 6


@pytest.mark.behaviour(84)
def test_in_enhanced_mode_a_commit_accept_comes_only_after_the_disk_has_it() -> None:
    disk = Disk()
    disk.gate.clear()
    with a_listener(disk.append) as running:
        client = running.client()
        client.send(frame(an_msh(asked="|||AL|NE")))
        assert not client.has_answer_within(0.2)
        disk.gate.set()
        assert client.answer().code == "CA"


@pytest.mark.behaviour(84)
def test_in_enhanced_mode_failures_are_ce_and_refusals_cr() -> None:
    disk = Disk()
    with a_listener(disk.append, terms=Terms(accepted=RULES), limits=MllpLimits(max_bytes=2000)) as running:
        client = running.client()
        client.send(frame(an_msh(application="STRANGER", asked="|||ER|NE")))
        assert client.answer().code == "CR"
        client.send(frame(an_msh(version="2.3", asked="|||AL|NE") + b"X" * 3000))
        assert client.answer().code == "CR"
        disk.failure = OSError("disk")
        client.send(frame(an_msh(version="2.3", asked="|||AL|AL")))
        assert client.answer().code == "CE"
        assert not client.has_answer_within(0.1)


@pytest.mark.behaviour(84)
def test_a_half_closed_connection_that_wants_no_answer_is_closed() -> None:
    disk = Disk()
    with a_listener(disk.append) as running:
        client = running.client()
        client.send(frame(an_msh(asked="|||NE|NE")))
        client.socket.shutdown(1)
        assert client.is_closed()
        assert eventually(lambda: running.listener.connections == 0)
    assert len(disk.messages) == 1


def test_a_feed_may_be_told_that_msh_15_and_16_mean_nothing() -> None:
    with a_listener(Disk().append, terms=Terms(is_original_only=True)) as running:
        client = running.client()
        client.send(frame(an_msh(asked="|||AL|NE")) + frame(an_msh(asked="|||NE|NE")))
        assert codes(client, 2) == [("AA", "M1"), ("AA", "M1")]


@pytest.mark.behaviour(82)
def test_without_rules_whatever_has_an_msh_is_taken() -> None:
    disk = Disk()
    with a_listener(disk.append) as running:
        client = running.client()
        for odd in (an_msh(kind="ZZZ^Z99"), an_msh(version="9.9"), an_msh(processing=""), a_message("")):
            client.send(frame(odd))
            assert client.answer().code == "AA"
    assert len(disk.messages) == 4
