import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import ProblemCode
from adapter.hl7v2.batch import Batch, split

ONE = b"MSH|^~\\&|LAB|RXX|||20260301||ORU^R01|1|P|2.4\rOBX|1|NM|CRP||12"
TWO = ONE.replace(b"|1|P|", b"|2|P|")


def texts(batch: Batch) -> list[str]:
    assert all(problem.code is ProblemCode.BATCH_COUNT for problem in batch.problems)
    return [f"{problem.at}: {problem.text}" for problem in batch.problems]


@pytest.mark.behaviour(87)
def test_a_whole_batch_file_is_cut_into_its_messages() -> None:
    raw = b"\r".join(
        [b"FHS|^~\\&|LAB", b"BHS|^~\\&|LAB", ONE, TWO, b"BTS|2", b"BHS|^~\\&", ONE, b"BTS|1", b"FTS|2", b""]
    )
    assert split(raw) == Batch((ONE, TWO, ONE))


@pytest.mark.behaviour(87)
@pytest.mark.parametrize("ends", [b"\r", b"\n", b"\r\n", b"\n\n"])
def test_messages_in_a_row_need_no_envelope_whatever_the_line_ends(ends: bytes) -> None:
    one, two = ONE.replace(b"\r", ends), TWO.replace(b"\r", ends)
    assert split(b"\xef\xbb\xbf" + ends + one + ends + two + ends) == Batch((one, two))


def test_mllp_framing_left_in_a_file_is_taken_off() -> None:
    assert split(b"\x0b" + ONE + b"\r\x1c\r\n\x0b" + TWO + b"\x1c\r") == Batch((ONE, TWO))


@pytest.mark.behaviour(87)
def test_a_wrong_count_is_told_and_every_message_there_is_given() -> None:
    batch = split(b"\r".join([b"FHS|^~\\&", b"BHS|^~\\&", ONE, TWO, b"BTS|3", b"FTS|5"]))
    assert batch.messages == (ONE, TWO)
    assert texts(batch) == [
        "BTS-1: BTS-1 says 3 messages, the file holds 2",
        "FTS-1: FTS-1 says 5 batches, the file holds 1",
    ]


@pytest.mark.behaviour(87)
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"FHS|", b"BHS|", ONE], ["BTS: BHS without BTS: the batch may be cut short after message 1",
                                   "FTS: FHS without FTS: the file may be cut short"]),
        ([b"BHS|", ONE, b"BHS|", TWO, b"BTS|1"], ["BHS: BHS without BTS before the next BHS"]),
        ([b"BHS|", ONE, b"BTS|one"], ["BTS-1: BTS-1 is not a number; 1 messages read"]),
        ([b"BHS|", ONE, b"BTS|", b"FTS"], []),
        ([ONE, TWO, b"BTS|2"], []),
        ([ONE, b"BTS|1", TWO, b"BTS|1", b"FTS|2"], []),
    ],
)  # fmt: skip
def test_an_envelope_that_does_not_add_up_is_told(lines: list[bytes], expected: list[str]) -> None:
    assert texts(split(b"\r".join(lines))) == expected


def test_text_outside_messages_is_given_as_strays() -> None:
    batch = split(b"hello\rworld\r" + ONE + b"\rBTS|1\rtail\r")
    assert batch == Batch((ONE,), (), (b"hello\rworld", b"tail"))


@pytest.mark.parametrize("raw", [b"", b"\r\n\r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_holds_nothing(raw: bytes) -> None:
    assert split(raw) == Batch(())


def test_the_name_of_a_segment_inside_text_does_not_cut() -> None:
    raw = ONE + b" see MSH|1\rNTE|1||MSHX\rZSH|MSH|"
    assert split(raw).messages == (raw,)


@given(st.lists(st.sampled_from([ONE, TWO, b"BTS|1", b"FHS|", b"BHS|^~\\&", b"FTS|x", b"junk", b"", b"BTS|\xb2"])))
def test_no_file_breaks_the_reader(lines: list[bytes]) -> None:
    batch = split(b"\r".join(lines))
    assert len(batch.messages) == sum(line in (ONE, TWO) for line in lines)
