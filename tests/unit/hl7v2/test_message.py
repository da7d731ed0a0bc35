"""The tokeniser: any delimiters, any segment ends, any version, and every piece's bytes."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapter.errors import ProblemCode, Unparsable
from adapter.hl7v2 import Message, content_without_stamp, read_header

MSH = "MSH|^~\\&|LAB|RXX|ADAPTER|RXX|20260103121500||ORU^R01|M1|P|2.4"


def a_message(*segments: str, ends: str = "\r", encoding: str = "utf-8") -> Message:
    return Message.parse((ends.join([MSH, *segments]) + ends).encode(encoding))


@pytest.mark.behaviour(89)
@pytest.mark.parametrize("marks", ["|^~\\&", "|^~\\&#", "$@!%*", "|^~\\", "|^"])
def test_the_senders_delimiters_are_used(marks: str) -> None:
    field, others = marks[0], marks[1:]
    line = field.join(["MSH", others, "LAB", "RXX", "", "", "", "", f"ORU{others[0]}R01", "M1"])
    message = Message.parse(f"{line}\rPID{field}1{field}{field}A{others[0]}B".encode())
    assert message.type == "ORU^R01"
    assert message.segments[1].component(3, 2) == "B"
    assert message.control_id == "M1"


@pytest.mark.behaviour(89)
@pytest.mark.parametrize("declared", ["^~\\\\&", "^~\\\\&#"])
def test_an_escape_that_a_sender_has_doubled_is_one(declared: str) -> None:
    message = Message.parse(f"MSH|{declared}|LAB\rPID|1||A^^^RXX&1.2&ISO~B||O\\T\\N".encode())
    pid = message.segments[1]
    assert (pid.component(3, 4, subcomponent=3), pid.text(5), len(pid.repetitions(3))) == ("ISO", "O&N", 2)
    assert message.delimiters.truncation == declared[5:]


@pytest.mark.behaviour(90)
@pytest.mark.parametrize("ends", ["\r", "\n", "\r\n", "\r\r"])
def test_every_segment_end_gives_the_same_parse(ends: str) -> None:
    message = a_message("PID|1||123", "NTE|1||two words", ends=ends)
    assert [segment.fields[:4] for segment in message.segments[1:]] == [
        ["PID", "1", "", "123"],
        ["NTE", "1", "", "two words"],
    ]


@pytest.mark.behaviour(90)
@pytest.mark.parametrize("ends", ["\r", "\n"])
def test_a_bare_line_feed_inside_a_text_stays_text(ends: str) -> None:
    message = a_message("OBX|1|TX|REP||line one\nline two\nOBX no segment|||||F", "NTE|1||more", ends=ends)
    assert message.segments[1].text(5) == "line one\nline two\nOBX no segment"
    assert message.segments[1].text(10) == "F"
    assert len(message.segments) == 3


@pytest.mark.behaviour(91)
@pytest.mark.parametrize(
    ("declared", "encoding", "override"),
    [
        ("", "utf-8", None),
        ("8859/1", "latin-1", None),
        ("UNICODE UTF-8", "utf-8", None),
        ("", "cp1252", "cp1252"),
        ("ASCII", "utf-8", None),
    ],
)
def test_characters_decode_as_declared_or_overridden(declared: str, encoding: str, override: str | None) -> None:
    raw = f"{MSH}||||||{declared}\rOBX|1|NM|X||1|µmol/L °é".encode(encoding)
    message = Message.parse(raw, encoding=override)
    assert message.segments[1].text(6) == "µmol/L °é"
    assert message.problems == ()
    start, end = message.segments[1].span(6)
    assert raw[start:end].decode(encoding) == "µmol/L °é"


@pytest.mark.behaviour(91)
def test_undecodable_bytes_are_kept_and_told_of() -> None:
    raw = f"{MSH}||||||UNICODE UTF-8\rOBX|1|ST|X||µ".encode() + b"\xb5\xff|mg/L"
    message = Message.parse(raw)
    assert message.raw == raw
    assert [(each.code, each.at) for each in message.problems] == [(ProblemCode.UNDECODABLE_TEXT, "OBX[1]-5")]
    assert message.segments[1].text(5) == "µ\ufffd\ufffd"
    start, end = message.segments[1].span(6)
    assert raw[start:end] == b"mg/L"


@pytest.mark.behaviour(91)
def test_bytes_that_are_not_utf8_and_undeclared_are_read_as_windows_1252_and_told_of() -> None:
    message = Message.parse(f"{MSH}\rOBX|1|NM|X||1|".encode() + b"\xb5mol/L")
    assert message.segments[1].text(6) == "µmol/L"
    assert message.problems[0].code is ProblemCode.UNDECODABLE_TEXT


@pytest.mark.behaviour(92)
@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", r"a|b^c&d~e\f"),
        (r"one\.br\two\X0D\three", "one\ntwo\rthree"),
        (r"\H\bold\N\ plain", "bold plain"),
        (r"\XC2B5\g", "µg"),
        (r"C:\temp\new", r"C:\temp\new"),
        (r"lone \ and \T\ known", r"lone \ and & known"),
        (r"\Zxx\ \C2842\ kept", r"\Zxx\ \C2842\ kept"),
        (r"\XFF\ no text", r"\XFF\ no text"),
        (r"\E\T\ once", r"\T\ once"),
    ],
)
def test_known_escapes_are_decoded_once_and_the_rest_is_kept(sent: str, read: str) -> None:
    assert a_message(f"OBX|1|TX|X||{sent}").segments[1].text(5) == read


@pytest.mark.behaviour(93)
def test_bare_delimiters_stay_in_a_text() -> None:
    assert a_message("OBX|1|TX|X||5 & 6 ^ 7").segments[1].text(5) == "5 & 6 ^ 7"


@pytest.mark.behaviour(94)
def test_unknown_segments_and_extra_fields_are_kept_and_harmless() -> None:
    message = a_message("ZU1|a|b", "PID|1||123" + "|x" * 90)
    assert message.segments[1].text(2) == "b"
    assert message.segments[2].component(3) == "123"
    assert message.segments[2].text(500) == ""


@pytest.mark.behaviour(95)
@pytest.mark.parametrize("version", ["2.1", "2.3.1", "2.5.1", "2.9", "", "cat"])
def test_any_version_is_read_by_position(version: str) -> None:
    raw = MSH.replace("2.4", version) + "\rPID|1||123"
    message = Message.parse(raw.encode())
    assert message.version == version
    assert message.segments[1].component(3) == "123"


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"hello", b"PID|1", b"MSH", b"MSHA^~", b"\xff\xfeM\x00S\x00H\x00"])
def test_what_has_no_readable_header_is_unparsable(raw: bytes) -> None:
    with pytest.raises(Unparsable):
        Message.parse(raw)
    assert read_header(raw) is None


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(lambda tail: MSH.encode() + b"\r" + tail)))
@example(b"MSH:\rFHS")
def test_parse_raises_nothing_but_unparsable(raw: bytes) -> None:
    try:
        message = Message.parse(raw)
    except Unparsable:
        return
    assert message.type is not None
    for segment in message.segments:
        for number in range(len(segment.fields)):
            start, end = segment.span(number)
            assert 0 <= start <= end <= len(raw)


@given(st.lists(st.text(alphabet="ab^&~\\éµ \n", max_size=12), min_size=1, max_size=6))
def test_the_bytes_of_a_field_are_its_text(fields: list[str]) -> None:
    raw = (MSH + "\rZZZ|" + "|".join(fields)).encode()
    message = Message.parse(raw)
    segment = message.segments[1]
    for number in range(1, len(segment.fields)):
        start, end = segment.span(number)
        assert raw[start:end].decode() == segment.raw(number)


def test_a_stamp_can_be_left_out() -> None:
    one = (MSH + "\rPID|1||123").encode()
    other = one.replace(b"20260103121500", b"20260104").replace(b"|M1|", b"|M2|")
    assert content_without_stamp(one) == content_without_stamp(other)
    assert content_without_stamp(one) != content_without_stamp(one.replace(b"123", b"124"))
    assert content_without_stamp(b"no header") == (b"no header",)


def test_the_header_is_read_alone() -> None:
    header = read_header(b"\x0b" + MSH.encode() + b"\rPID|1")
    assert header is not None
    assert (header.type, header.control_id, header.version) == (b"ORU^R01", b"M1", b"2.4")
    assert header.receiving_application == b"ADAPTER"


def test_a_million_line_ends_are_read_in_no_time() -> None:
    raw = (MSH + "\r" * 300_000 + "x" + "\n" * 300_000 + "NTE|1||end" + "\\" * 300_000).encode()
    start = time.perf_counter()
    message = Message.parse(raw)
    assert message.segments[-1].text(3).startswith("end")
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize("end", ["", "x", "\x1cx", "PID", "PID|1", "\r", "\x1c\r"])
def test_a_run_of_line_ends_costs_no_more_than_its_length(end: str) -> None:
    raw = (MSH + "\r" * 100_000 + end).encode()
    start = time.process_time()
    Message.parse(raw)
    assert time.process_time() - start < 0.2


@pytest.mark.parametrize("encoding", [None, "cp1252", "latin-1"])
def test_a_byte_order_mark_is_no_part_of_the_message(encoding: str | None) -> None:
    message = Message.parse(b"\xef\xbb\xbf" + MSH.encode() + b"\rPID|1||123", encoding=encoding)
    assert [segment.name for segment in message.segments] == ["MSH", "PID"]
    start, end = message.segments[1].span(3)
    assert message.raw[start:end] == b"123"
