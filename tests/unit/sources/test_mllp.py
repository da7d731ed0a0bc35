import socket
import sqlite3
import struct
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from adapter.envelope import Received
from adapter.errors import ProblemCode
from adapter.hl7v2.ack import Ack
from adapter.hl7v2.framing import frame
from adapter.sources.intake import Framed
from adapter.sources.mllp import MllpLimits, Terms
from adapter.store.inbox import InboxRow, SqliteInbox
from adapter.store.sealing import KeyRing
from tests.unit.sources.wire import Disk, a_listener, a_message, eventually


def bodies(disk: Disk) -> list[bytes]:
    return [one.body for one in disk.messages]


@pytest.mark.behaviour(80)
def test_a_message_is_acknowledged_only_after_it_is_on_disk() -> None:
    disk = Disk()
    disk.gate.clear()
    with a_listener(disk.append) as running:
        client = running.client()
        client.send(frame(a_message("M7")))
        assert not client.has_answer_within(0.2)
        disk.gate.set()
        assert client.answer() == Ack("AA", "M7", "")
    assert bodies(disk) == [a_message("M7")]
    assert running.tally["mllp.accepted"] == 1


@pytest.mark.behaviour(80)
def test_what_is_acknowledged_is_in_the_real_inbox_for_another_reader(tmp_path: Path) -> None:
    ring = KeyRing.open(tmp_path / "keys", b"k" * 32, create=True)
    inbox, key_id = SqliteInbox(tmp_path / "inbox.db"), ring.day_key(date(2026, 3, 1))

    def append(batch: Sequence[Received]) -> None:
        inbox.append([
            InboxRow(one.feed, "hl7v2", "other", 0, b"c" * 16, b"d" * 16, key_id, ring.seal(key_id, one.body, b"inbox"))
            for one in batch
        ])  # fmt: skip

    with a_listener(append) as running:
        client = running.client()
        for number in range(5):
            client.send(frame(a_message(f"M{number}")))
            assert client.answer().code == "AA"
            with sqlite3.connect(f"file:{tmp_path / 'inbox.db'}?mode=ro", uri=True) as reader:
                assert reader.execute("SELECT count(*) FROM inbox").fetchone() == (number + 1,)


def test_the_intake_is_handed_the_header_that_was_read() -> None:
    disk = Disk()
    with a_listener(disk.append) as running:
        client = running.client()
        client.send(frame(a_message("M7")))
        client.answer()
    (received,) = disk.messages
    assert isinstance(received, Framed)
    assert (received.feed, received.header.control_id, received.header.type) == ("epr", b"M7", b"ADT^A01")


@pytest.mark.behaviour(71)
def test_frames_in_one_packet_are_answered_in_their_order_and_committed_together() -> None:
    disk = Disk()
    with a_listener(disk.append) as running:
        client = running.client()
        client.send(b"".join(frame(a_message(f"M{number}")) for number in range(20)))
        assert [client.answer().control_id for _ in range(20)] == [f"M{number}" for number in range(20)]
    assert len(disk.commits) < 20


@pytest.mark.behaviour(71)
def test_a_frame_byte_by_byte_is_one_message() -> None:
    disk = Disk()
    with a_listener(disk.append) as running:
        client = running.client()
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame(a_message()):
            client.send(bytes([byte]))
        assert client.answer().code == "AA"
    assert bodies(disk) == [a_message()]


@pytest.mark.behaviour(72)
def test_junk_between_frames_is_counted_and_told_once() -> None:
    disk = Disk()
    with capture_logs() as logs, a_listener(disk.append) as running:
        client = running.client()
        client.send(b"\n\0" + frame(a_message("A")) + b"\r\n \0junk" + frame(a_message("B")))
        assert [client.answer().control_id, client.answer().control_id] == ["A", "B"]
        client.socket.close()
        assert eventually(lambda: running.listener.connections == 0)
        assert running.tally["mllp.junk_bytes"] == 10
    told = [log for log in logs if log["event"] == "bytes outside any block were skipped"]
    assert told == [
        {"event": "bytes outside any block were skipped", "feed": "epr", "bytes": 10, "log_level": "warning"}
    ]


@pytest.mark.behaviour(73)
def test_a_block_without_an_end_times_out_is_kept_and_gets_no_answer_and_the_next_is_read() -> None:
    disk = Disk()
    with capture_logs() as logs, a_listener(disk.append, limits=MllpLimits(frame_s=0.1)) as running:
        client = running.client()
        client.send(b"\x0bMSH|^~\\&|half")
        assert eventually(lambda: running.tally["mllp.stalled"] == 1)
        assert not client.has_answer_within(0.05)
        client.send(frame(a_message("NEXT")))
        assert client.answer() == Ack("AA", "NEXT", "")
    (kept,) = disk.unaccepted
    assert (kept.body, kept.problem.code) == (b"MSH|^~\\&|half", ProblemCode.TRUNCATED_FRAME)
    assert kept.problem.text == "truncated message: no end block came in time"
    assert {"event": "truncated message", "feed": "epr", "reason": "no end block came in time", "bytes": 13,
            "log_level": "warning"} in logs  # fmt: skip


def test_a_slow_frame_that_keeps_coming_is_not_given_up() -> None:
    disk = Disk()
    with a_listener(disk.append, limits=MllpLimits(frame_s=0.4)) as running:
        client = running.client()
        stream = frame(a_message())
        for at in range(0, len(stream), 12):
            client.send(stream[at : at + 12])
            time.sleep(0.1)
        assert client.answer().code == "AA"


@pytest.mark.behaviour(73)
def test_a_connection_that_ends_inside_a_block_leaves_its_part_behind() -> None:
    disk = Disk()
    with a_listener(disk.append) as running:
        client = running.client()
        client.send(b"\x0bMSH|^~\\&|cut")
        client.socket.close()
        assert eventually(lambda: bool(disk.unaccepted))
        assert running.tally["mllp.truncated"] == 1
    assert disk.unaccepted[0].problem.text == "truncated message: the connection ended before the end block"


@pytest.mark.behaviour(74)
def test_a_second_start_block_keeps_the_first_part_and_answers_only_the_second() -> None:
    disk = Disk()
    with a_listener(disk.append) as running:
        client = running.client()
        client.send(b"\x0bMSH|^~\\&|first" + frame(a_message("SECOND")))
        assert client.answer() == Ack("AA", "SECOND", "")
        assert not client.has_answer_within(0.05)
    assert [one.body for one in disk.unaccepted] == [b"MSH|^~\\&|first"]
    assert disk.unaccepted[0].problem.text == "truncated message: a second start block came before the end block"


@pytest.mark.behaviour(75)
def test_a_message_over_the_limit_is_rejected_with_both_sizes_and_the_next_is_taken() -> None:
    disk = Disk()
    with a_listener(disk.append, limits=MllpLimits(max_bytes=10_000)) as running:
        client = running.client()
        large = a_message("BIG", more="OBX|" + "J" * 50_000)
        client.send(frame(large) + frame(a_message("NEXT")))
        assert client.answer() == Ack("AR", "BIG", f"message of {len(large)} bytes is over the limit of 10000")
        assert client.answer() == Ack("AA", "NEXT", "")
    (kept,) = disk.unaccepted
    assert (kept.body, kept.length, len(kept.sha256)) == (large[:4096], len(large), 32)
    assert kept.problem.code is ProblemCode.TOO_LARGE


@pytest.mark.behaviour(75)
def test_a_field_of_fifty_megabytes_is_taken_whole() -> None:
    disk = Disk()
    with a_listener(disk.append) as running:
        client = running.client()
        message = a_message("PDF", more="OBX|1|ED|DOC^Report||" + "J" * (50 * 1024 * 1024))
        client.send(frame(message))
        client.socket.settimeout(20)
        assert client.answer() == Ack("AA", "PDF", "")
    assert disk.messages[0].body == message


@pytest.mark.behaviour(76)
def test_a_half_closed_connection_still_gets_its_answer() -> None:
    disk = Disk()
    disk.gate.clear()
    with a_listener(disk.append) as running:
        client = running.client()
        client.send(frame(a_message("LAST")) + b"\x0bMSH|part")
        client.socket.shutdown(socket.SHUT_WR)
        time.sleep(0.05)
        disk.gate.set()
        assert client.answer() == Ack("AA", "LAST", "")
        assert client.is_closed()
    assert [one.body for one in disk.unaccepted] == [b"MSH|part"]


@pytest.mark.behaviour(77)
def test_an_idle_connection_is_kept_for_its_time_and_then_closed_without_an_error() -> None:
    disk = Disk()
    with capture_logs() as logs, a_listener(disk.append, limits=MllpLimits(idle_s=0.3)) as running:
        client = running.client()
        time.sleep(0.15)
        client.send(frame(a_message()))
        assert client.answer().code == "AA"
        assert client.is_closed()
        assert running.tally["mllp.idle_closed"] == 1
    assert not [log for log in logs if log["log_level"] != "info"]


@pytest.mark.behaviour(77)
def test_without_an_idle_time_a_silent_connection_stays() -> None:
    with a_listener(Disk().append, limits=MllpLimits(frame_s=0.05)) as running:
        client = running.client()
        time.sleep(0.3)
        client.send(frame(a_message()))
        assert client.answer().code == "AA"


@pytest.mark.behaviour(79)
def test_an_address_that_is_not_allowed_is_refused_and_counted() -> None:
    disk = Disk()
    with a_listener(disk.append, terms=Terms(allow=("10.1.0.0/16", "192.0.2.7"))) as running:
        assert running.client().is_closed()
        assert eventually(lambda: running.tally["mllp.refused_address"] == 1)
    assert disk.commits == []


def test_an_allowed_address_is_served() -> None:
    with a_listener(Disk().append, terms=Terms(allow=("127.0.0.0/8",))) as running:
        client = running.client()
        client.send(frame(a_message()))
        assert client.answer().code == "AA"


@pytest.mark.behaviour(81)
def test_while_storage_fails_the_answer_is_ae_and_when_it_works_again_aa() -> None:
    disk = Disk()
    disk.failure = OSError(28, "No space left on device")
    with capture_logs() as logs, a_listener(disk.append) as running:
        client = running.client()
        for _ in range(3):
            client.send(frame(a_message("M1")))
            assert client.answer() == Ack("AE", "M1", "not stored: send the message again")
        disk.failure = None
        client.send(frame(a_message("M1")))
        assert client.answer() == Ack("AA", "M1", "")
        assert (running.tally["mllp.not_stored"], running.tally["mllp.accepted"]) == (3, 1)
    assert bodies(disk) == [a_message("M1")]
    failures = [log["event"] for log in logs if log["log_level"] in ("error", "warning")]
    assert failures == ["storing failed; senders are told to send again", "storing works again"]


@pytest.mark.behaviour(82)
@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "no readable MSH segment: not an HL7 v2 message"),
        (b"\xff\xfe\x00garbage", "no readable MSH segment: not an HL7 v2 message"),
        (b"", "empty message"),
    ],
)
def test_what_is_no_hl7_is_rejected_and_kept_all_the_same(body: bytes, text: str) -> None:
    disk = Disk()
    with a_listener(disk.append) as running:
        client = running.client()
        client.send(frame(body) + frame(a_message("NEXT")))
        assert client.answer() == Ack("AR", "", text)
        assert client.answer().code == "AA"
        assert running.tally["mllp.no_msh"] == 1
    assert [(one.body, one.problem.text) for one in disk.unaccepted] == [(body, text)]


@pytest.mark.behaviour(81)
def test_what_is_no_hl7_and_cannot_be_kept_either_is_asked_for_again() -> None:
    disk = Disk()
    disk.failure = OSError("disk")
    with a_listener(disk.append) as running:
        client = running.client()
        client.send(frame(b"no HL7"))
        assert client.answer() == Ack("AE", "", "not stored: send the message again")


@pytest.mark.behaviour(82)
def test_an_unknown_type_and_version_or_a_missing_control_id_is_accepted_and_kept() -> None:
    disk = Disk()
    odd = a_message("", event="ZZZ^Z99").replace(b"|2.4", b"|9.9")
    with a_listener(disk.append) as running:
        client = running.client()
        client.send(frame(odd))
        assert client.answer() == Ack("AA", "", "")
    assert bodies(disk) == [odd]


@pytest.mark.behaviour(85)
def test_the_answer_on_the_wire_follows_the_senders_msh() -> None:
    with a_listener(Disk().append) as running:
        client = running.client()
        client.send(frame(b"MSH#$!?%#LAB#RXX#CSOR#TRUST#2026##ORU$R01#X9#T#2.3#\rPID#1\r"))
        raw = client.raw_answer()
    assert raw is not None
    fields = raw.split(b"\r")[0].split(b"#")
    assert fields[1:6] == [b"$!?%", b"CSOR", b"TRUST", b"LAB", b"RXX"]
    assert (fields[8], fields[10:12]) == (b"ACK$R01", [b"T", b"2.3"])
    assert raw.split(b"\r")[1] == b"MSA#AA#X9"


def test_reading_pauses_while_too_much_waits_for_the_disk() -> None:
    disk = Disk()
    disk.gate.clear()
    with a_listener(disk.append, limits=MllpLimits(unanswered_bytes=100_000)) as running:
        client = running.client()
        message = frame(a_message(more="OBX|" + "x" * 60_000))
        client.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            for _ in range(2000):
                client.send(message)
        client.socket.settimeout(5)
        disk.gate.set()
        assert client.answer().code == "AA"
        assert eventually(lambda: running.tally["mllp.accepted"] >= 3)


def test_a_sender_that_reads_no_answers_is_not_read_for_ever() -> None:
    with a_listener(Disk().append) as running:
        client = running.client()
        client.socket.settimeout(0.5)
        packet = b"".join(frame(a_message(str(number))) for number in range(500))
        with pytest.raises(TimeoutError):
            for _ in range(2000):
                client.send(packet)


def test_a_connection_reset_before_its_answer_loses_nothing() -> None:
    disk = Disk()
    disk.gate.clear()
    with a_listener(disk.append) as running:
        client = running.client()
        client.send(frame(a_message("GONE")))
        time.sleep(0.1)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()
        time.sleep(0.1)
        disk.gate.set()
        assert eventually(lambda: running.tally["mllp.undelivered_answers"] == 1)
    assert bodies(disk) == [a_message("GONE")]


def test_stopping_answers_what_was_read() -> None:
    disk = Disk()
    disk.gate.clear()
    with a_listener(disk.append) as running:
        client = running.client()
        client.send(frame(a_message("M1")))
        time.sleep(0.1)
        running.loop.call_soon_threadsafe(running._stop.set)
        time.sleep(0.05)
        disk.gate.set()
        assert client.answer() == Ack("AA", "M1", "")
        assert client.is_closed()


def test_one_stuck_sender_does_not_hold_the_others() -> None:
    with a_listener(Disk().append) as running:
        stuck, other = running.client(), running.client()
        stuck.send(b"\x0bMSH|")
        other.send(frame(a_message()))
        assert other.answer().code == "AA"


def test_our_control_ids_are_short_and_never_repeat() -> None:
    with a_listener(Disk().append) as running:
        client = running.client()
        client.send(b"".join(frame(a_message(str(number))) for number in range(50)))
        raws = [client.raw_answer() or b"" for _ in range(50)]
    ids = [raw.split(b"|")[9] for raw in raws]
    assert len(set(ids)) == 50
    assert all(len(one) <= 20 for one in ids)
