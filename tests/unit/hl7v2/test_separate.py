"""A message about several patients, taken apart: each piece is one patient's, and of the sender's own bytes."""

from time import process_time

import pytest

from adapter.errors import IdentityConflict
from adapter.hl7v2.message import Message
from adapter.hl7v2.separate import may_be_several, separate

HEAD = b"MSH|^~\\&|EPR|RXX|A|RXX|20260103||ADT^A17|M1|P|2.4\rEVN|A17|20260103\r"
ONE = b"PID|1||1^^^RXX^MR\rPV1|1|I|NICU\r"
OTHER = "PID|2||2^^^RXX^MR||TESTÉR^BÀBY\rPV1|1|I|PSW\rZZZ|x\r".encode()


def test_each_piece_has_what_stands_before_all_patients_and_one_of_them() -> None:
    assert separate(Message.parse(HEAD + ONE + OTHER)) == [HEAD + ONE, HEAD + OTHER]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r"])
def test_whatever_ends_the_segments(end: bytes) -> None:
    raw = (HEAD + ONE + OTHER).replace(b"\r", end)
    assert separate(Message.parse(raw)) == [piece.replace(b"\r", end) for piece in (HEAD + ONE, HEAD + OTHER)]


@pytest.mark.parametrize("more", [b"", b"NTE|1||PID is a word\r", b"OBX|1|TX|PID||PID\r"])
def test_a_message_of_one_patient_is_left_whole(more: bytes) -> None:
    assert separate(Message.parse(HEAD + ONE + more)) == []


def test_a_body_of_several_messages_is_taken_apart_at_each_header() -> None:
    other = HEAD.replace(b"A17", b"A08").replace(b"M1", b"M2") + OTHER
    assert separate(Message.parse(HEAD + ONE + other)) == [HEAD + ONE, other]


def test_a_second_message_without_a_patient_is_not_read_under_the_first() -> None:
    other = HEAD.replace(b"ADT^A17", b"ORU^R01") + b"OBX|1|NM|A||2\r"
    assert may_be_several(HEAD + ONE + other)
    assert separate(Message.parse(HEAD + ONE + other)) == [HEAD + ONE, other]


@pytest.mark.parametrize("more", [b"", b"NTE|1||a word\r"])
def test_nearly_every_message_is_known_at_once_to_be_of_one(more: bytes) -> None:
    assert not may_be_several(HEAD + ONE + more)


@pytest.mark.parametrize("end", ["", " ", "\t", "\n ", "\x0b", "\x0c", "\x00", "\x85", "\u2028", "\ufeff"])
@pytest.mark.parametrize(
    "write",
    [
        str,
        lambda text: text.replace("PID|", "pid|"),
        lambda text: text.replace("PID|", "Pid|"),
        lambda text: text.replace("PID|", "PID^"),
    ],
)
def test_a_patient_whose_segment_is_not_read_as_one_is_not_given_to_the_one_before(end: str, write: type[str]) -> None:
    other = end + write(OTHER.decode())
    assert may_be_several(HEAD + ONE + other.encode())
    if other != OTHER.decode():
        with pytest.raises(IdentityConflict):
            separate(Message.parse(HEAD + ONE + other.encode()))


def test_a_million_line_ends_are_looked_through_at_once() -> None:
    began = process_time()
    assert separate(Message.parse(HEAD + ONE + b"NTE|1||" + b"\n" * 1_000_000 + b"PID\r")) == []
    assert process_time() - began < 2
