import pytest
from hl7apy.parser import parse_message

from adapter.hl7v2.ack import (
    NO_HEADER,
    NOT_STORED,
    Ack,
    AckCode,
    AckError,
    acknowledge,
    codes_asked_for,
    parse_ack,
    too_large,
)
from adapter.hl7v2.header import Header, read_header

AT = b"20261122101500+0000"


def a_header(
    *, msh2: str = "^~\\&", sep: str = "|", version: str = "2.4", kind: str = "ADT^A01", extra: str = ""
) -> Header:
    fields = ["MSH", msh2, "EPR", "RXX", "CSOR", "ADAPTER", "20260301", "", kind, "MSG7", "T", version]
    header = read_header((sep.join(fields) + extra + "\rPID|1\r").encode())
    assert header is not None
    return header


def answer(header: Header | None, code: AckCode = AckCode.ACCEPT, *, error: AckError | None = None) -> bytes:
    return acknowledge(header, code, control_id=b"C1", at=AT, error=error)


@pytest.mark.behaviour(85)
def test_the_ack_swaps_sender_and_receiver_and_copies_what_it_must() -> None:
    assert answer(a_header()) == (
        b"MSH|^~\\&|CSOR|ADAPTER|EPR|RXX|20261122101500+0000||ACK^A01^ACK|C1|T|2.4\rMSA|AA|MSG7\r"
    )


@pytest.mark.behaviour(85)
def test_the_ack_uses_the_senders_delimiters() -> None:
    header = a_header(msh2="$!?%", sep="#", kind="ORU$R01")
    assert answer(header, AckCode.ERROR, error=AckError("207", "Bad # thing", "a $ b")) == (
        b"MSH#$!?%#CSOR#ADAPTER#EPR#RXX#20261122101500+0000##ACK$R01$ACK#C1#T#2.4\r"
        b"MSA#AE#MSG7#a ?S? b\rERR#$$$207%Bad ?F? thing%HL70357\r"
    )


def test_the_fifth_delimiter_and_short_ones_are_sent_back_as_they_came() -> None:
    assert answer(a_header(msh2="^~\\&#")).startswith(b"MSH|^~\\&#|")


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("2.1", b"ACK^A01"),
        ("2.3", b"ACK^A01"),
        ("2.3.1", b"ACK^A01^ACK"),
        ("2.5.1", b"ACK^A01^ACK"),
        ("", b"ACK^A01^ACK"),
    ],
)
def test_the_structure_in_msh_9_is_given_from_version_2_3_1(version: str, kind: bytes) -> None:
    assert answer(a_header(version=version)).split(b"|")[8] == kind


def test_from_version_2_5_the_error_stands_in_err_3_4_and_8() -> None:
    ack = answer(a_header(version="2.5.1"), AckCode.ERROR, error=NOT_STORED)
    assert ack.endswith(
        b"MSA|AE|MSG7|not stored: send the message again\r"
        b"ERR|||207^Application internal error^HL70357|E||||not stored: send the message again\r"
    )


def test_without_a_readable_msh_the_answer_names_no_message() -> None:
    assert answer(None, AckCode.REJECT, error=NO_HEADER) == (
        b"MSH|^~\\&|||||20261122101500+0000||ACK|C1|P|2.4\r"
        b"MSA|AR||no readable MSH segment: not an HL7 v2 message\r"
        b"ERR|^^^100&Segment sequence error&HL70357\r"
    )


def test_the_refusal_of_a_large_message_says_both_sizes() -> None:
    assert too_large(70_000_000, limit=67_108_864).text == "message of 70000000 bytes is over the limit of 67108864"


@pytest.mark.behaviour(84)
@pytest.mark.parametrize(
    ("accept", "application", "taken", "refused"),
    [
        ("", "", "AA", "AR"),
        ("AL", "NE", "CA", "CR"),
        ("AL", "", "CA", "CR"),
        ("ER", "NE", "", "CR"),
        ("SU", "NE", "CA", ""),
        ("NE", "NE", "", ""),
        ("NE", "AL", "AA", "AR"),
        ("", "AL", "AA", "AR"),
        ("NE", "ER", "", "AR"),
        ("NE", "SU", "AA", ""),
        ("AL", "AL", "CA AA", "CR"),
        ("AL", "ER", "CA", "CR"),
        ("AL", "SU", "CA AA", "CR"),
        ("ER", "AL", "AA", "CR"),
        ("SU", "AL", "CA AA", "AR"),
        ("SU", "ER", "CA", "AR"),
    ],
)
def test_msh_15_and_16_say_which_answers_are_wanted(accept: str, application: str, taken: str, refused: str) -> None:
    asked = (accept.encode(), application.encode())
    assert codes_asked_for(*asked, AckCode.ACCEPT) == tuple(taken.split())
    assert codes_asked_for(*asked, AckCode.REJECT) == tuple(refused.split())
    assert codes_asked_for(*asked, AckCode.ERROR) == tuple(refused.replace("R", "E").split())


@pytest.mark.behaviour(84)
def test_what_table_0155_does_not_know_is_original_mode() -> None:
    assert codes_asked_for(b"Y", b'""', AckCode.ACCEPT) == (AckCode.ACCEPT,)
    assert codes_asked_for(b" AL ", b"?", AckCode.ACCEPT) == (AckCode.COMMIT_ACCEPT,)


@pytest.mark.behaviour(85)
def test_a_commit_accept_swaps_and_echoes_as_any_other() -> None:
    assert answer(a_header(extra="|||AL|NE"), AckCode.COMMIT_ACCEPT) == (
        b"MSH|^~\\&|CSOR|ADAPTER|EPR|RXX|20261122101500+0000||ACK^A01^ACK|C1|T|2.4\rMSA|CA|MSG7\r"
    )


@pytest.mark.behaviour(82)
def test_where_a_field_is_to_blame_the_error_says_which() -> None:
    error = AckError("200", "Unsupported message type", "no", 9)
    old, new = (answer(a_header(version=version), AckCode.REJECT, error=error) for version in ("2.4", "2.5.1"))
    assert old.endswith(b"\rERR|MSH^1^9^200&Unsupported message type&HL70357\r")
    assert new.endswith(b"\rERR||MSH^1^9|200^Unsupported message type^HL70357|E||||no\r")


@pytest.mark.parametrize("version", ["2.3", "2.4", "2.5.1"])
def test_hl7apy_reads_our_acks(version: str) -> None:
    ack = answer(a_header(version=version), AckCode.ERROR, error=NOT_STORED)
    read = parse_message(ack.decode(), find_groups=False)
    assert (read.msa.msa_1.value, read.msa.msa_2.value) == ("AE", "MSG7")
    assert read.msh.msh_5.value == "EPR"


def test_our_own_acks_read_back() -> None:
    ack = answer(a_header(msh2="$!?%", sep="#"), AckCode.REJECT, error=AckError("207", "x", "a $ b"))
    assert parse_ack(ack) == Ack("AR", "MSG7", "a $ b")


def test_the_text_of_err_8_is_read_where_msa_3_is_empty() -> None:
    raw = b"MSH|^~\\&|A|B|C|D|2026||ACK|9|P|2.5.1\nMSA|CE|M1\nERR|||207|E||||full\n"
    assert parse_ack(raw) == Ack("CE", "M1", "full")


@pytest.mark.parametrize(
    "raw", [b"", b"ACK", b"MSH", b"MSH|^~\\&|A", b"MSH|^~\\&|A\rMSA", b"MSH|^~\\&|A\rMSA|\r", b"\xff\x00"]
)
def test_what_is_no_ack_is_said_to_be_none(raw: bytes) -> None:
    assert parse_ack(raw) is None


@pytest.mark.parametrize(("code", "accepted"), [("AA", True), ("CA", True), ("AE", False), ("CR", False), ("", False)])
def test_only_accepting_codes_count_as_accepted(code: str, accepted: bool) -> None:
    assert Ack(code, "1", "").is_accepted is accepted
