"""Nothing that tells who somebody is comes through scrubbing; the shape of the messages does."""

import re
from collections.abc import Iterator
from itertools import count, product

import pytest

from adapter.hl7v2 import Message
from adapter.hl7v2.scrub import Scrubber
from adapter.hl7v2.scrub_fields import FIELDS
from adapter.hl7v2.scrub_numbers import check_digit

KEY = b"k" * 32
LISTED = frozenset({"CRP", "C-reactive protein", "mg/L", "NICU", "MR", "NHS", "NH", "EPR", "RXX", "M", "H", "I10"})
DELIMITERS = re.compile(r"[|^~\\&\r\n]")


def scrubbed(*raw: bytes, key: bytes = KEY) -> list[str]:
    scrubber = Scrubber(key, is_listed=LISTED.__contains__)
    messages = [Message.parse(each) for each in raw]
    for message in messages:
        scrubber.learn(message)
    return [scrubber.scrub(message).decode(message.encoding) for message in messages]


def a_message(*segments: str, control_id: str = "MSG00001", kind: str = "ORU^R01") -> bytes:
    return "\r".join([f"MSH|^~\\&|EPR|RXX|CSOR|RXX|20260301120000||{kind}|{control_id}|P|2.4", *segments, ""]).encode()


def a_patient(number: int, *more: str) -> bytes:
    nine = f"999{number:06d}"
    digit = check_digit(nine)
    identifiers = f"X{number:05d}^^^RXX^MR~{nine}{digit}^^^NHS^NH"
    return a_message(f"PID|1||{identifiers}||ARKWRIGHT{'ABCDEFGHJK'[number % 10]}^Baby||20260301|M", *more)


def field(text: str, segment: str, number: int, *, which: int = 1) -> str:
    line = [each for each in text.split("\r") if each.startswith(segment)][which - 1]
    return line.split("|")[number - (segment == "MSH")]


# --- the auditor


def words() -> Iterator[str]:
    """Invented names, each once: Quabaab, Quabaac …"""
    for letters in product("abcdefghij", repeat=4):
        yield "Qua" + "".join(letters) + "th"


def numbers() -> Iterator[str]:
    return (str(number) for number in count(7_310_000_001, 37))


SEGMENTS = [*sorted(set(FIELDS) - {"MSH", "FHS", "BHS", "BTS", "FTS"}), "ZPI", "ZZ9", "GT1", "PRT", "ABC", "STF"]


@pytest.mark.parametrize("form", ["word", "number", "words", "in capitals"])
def test_no_canary_comes_through_whatever_field_it_sits_in(form: str) -> None:
    name, number = words(), numbers()
    sown: list[str] = []

    def canary() -> str:
        sown.append(next(number) if form == "number" else next(name))
        return {"words": f"seen by {sown[-1]} today", "in capitals": sown[-1].upper()}.get(form, sown[-1])

    head = "MSH|^~\\&" + "".join(f"|{canary()}^{canary()}&{canary()}" for _ in range(3, 26))
    lines = [
        f"{segment}" + "".join(f"|{canary()}^{canary()}&{canary()}^{canary()}~{canary()}" for _ in range(45))
        for segment in SEGMENTS[:: 1 if form == "word" else 3]
    ]
    values = [
        f"OBX|1|{kind}|CRP||{canary()}^{canary()}^{canary()}^{canary()}^{canary()}^{canary()}||||||F"
        for kind in (
            "ST",
            "TX",
            "FT",
            "NM",
            "SN",
            "CE",
            "CWE",
            "DT",
            "TS",
            "TM",
            "ED",
            "RP",
            "XPN",
            "XCN",
            "CX",
            "??",
            "",
        )
    ]
    (done,) = scrubbed("\r".join([head, *lines, *values]).encode())
    plain = done.casefold()
    assert [each for each in sown if each.casefold() in plain] == []
    assert len(sown) > 1000


@pytest.mark.parametrize(
    "segment",
    [
        "NTE|1||Seen with Quabaabth at 12 Larchmere Row, tel 07911123456",
        "OBX|1|TX|CRP||line one\nQuabaabth is a line of its own\nend||||||F",
        "OBX|1|FT|CRP||Quab\\.br\\aabth \\X51756162616162746820\\\\ZQuabaabth\\||||||F",
        "OBX|1|ST|CRP||\\X5175616261616274 68\\||||||F",
        "OBX|1|NM|CRP||\\X51\\\\X75\\||||||F",
        "QUA",
        "QUABAABTH",
        "ZOE",
        "PIDQuabaabth|x",
        "PID|1||X00001^^^RXX^MR~Quabaabth||Quabaabth^Mary||20260301",
        "NK1|1|Quabaabth^^^^MRS|MTH^Mother Quabaabth|12 Larchmere Row^^^^AB1 2CD|07911123456^^^quabaabth@example.org",
        "PV1|1|I|NICU^^BED1^Quabaabth||||C123^Quabaabth^John^^^DR|||||||||||V1",
        "OBR|1|||CRP^Quabaabth: please ring||||||||Quabaabth",
        "SPM|1|||BLD^blood of Quabaabth",
    ],
)
def test_no_name_in_prose_in_escapes_or_in_odd_lines_comes_through(segment: str) -> None:
    (done,) = scrubbed(a_message("PID|1||X00002^^^RXX^MR||Quabaabth^Mary", segment))
    plain = done.casefold()
    for told in ("quabaabth", "larchmere", "07911123456", "5175616261", "ab1 2cd", "mary", "\rqua\r", "\rzoe\r"):
        assert told not in plain


def test_what_stands_behind_the_delimiters_in_msh_2_is_masked() -> None:
    (done,) = scrubbed(b"MSH|^~\\&#Quabaabth|EPR\rPID|1||1\r")
    assert done.startswith("MSH|^~\\&#xxxxxxxxx|EPR\r")


def test_a_name_that_the_sample_tells_is_taken_out_of_codes_that_are_common() -> None:
    messages = [
        a_patient(number, "OBX|1|NM|LOCAL1^Ring ARKWRIGHTB||5|mg/L|||||F", "OBX|2|NM|LOCAL2^Lactate||5|||||F")
        for number in range(1, 6)
    ]
    done = "".join(scrubbed(*messages))
    assert "ARKWRIGHT" not in done
    assert done.count("LOCAL2^Lactate") == 5
    assert done.count("LOCAL1^") == 5


def test_a_code_of_too_few_patients_is_replaced_and_one_of_a_table_is_kept() -> None:
    messages = [a_patient(number, "OBX|1|NM|LOCAL1^Lactate||5|mg/L|||||F") for number in (1, 1, 1, 2)]
    done = scrubbed(*messages, a_patient(3, "OBX|1|NM|CRP^C-reactive protein||5|mg/L|||||F"))
    assert not any("LOCAL1" in each or "Lactate" in each for each in done)
    assert "OBX|1|NM|CRP^C-reactive protein||5|mg/L" in done[-1]
    codes = {field(each, "OBX", 3) for each in done[:4]}
    assert len(codes) == 1  # the same code is still the same code


# --- shape


def test_delimiters_lengths_line_ends_and_empty_parts_stay() -> None:
    raw = a_patient(
        1,
        "NTE|1||first~second\\.br\\third \\T\\ last||",
        'OBX|1|TX|CRP&x^^|""|a^^b~~c| |||||F|||\r\nZZ1|^^^&|~',
        "DG1|1||Q79.3^Gastroschisis^I10",
    )
    (done,) = scrubbed(raw)
    before, after = raw.decode(), done
    assert DELIMITERS.findall(before) == DELIMITERS.findall(after)
    assert [len(piece) for piece in DELIMITERS.split(before)] == [len(piece) for piece in DELIMITERS.split(after)]
    assert "OBX|1|TX|" in after
    assert "Q79.3^" in after


@pytest.mark.parametrize("delimiters", ["|^~\\&", "#$!?%", "|^~\\&#"])
def test_with_any_delimiters(delimiters: str) -> None:
    mark, component = delimiters[:2]
    number = component.join(["X1", "", "", "RXX"])
    raw = f"MSH{delimiters}{mark}EPR\rPID{mark}1{mark}{mark}{number}\rNTE{mark}1{mark}{mark}Quabaabth\r"
    (done,) = scrubbed(raw.encode())
    assert done.endswith(f"NTE{mark}1{mark}{mark}Xxxxxxxxx\r")
    assert done.startswith(f"MSH{delimiters}{mark}EPR\rPID{mark}1{mark}{mark}")


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "latin-1"])
def test_letters_of_other_alphabets_become_plain_ones_and_the_encoding_stays(encoding: str) -> None:
    raw = "MSH|^~\\&|EPR|RXX|||20260301||ORU^R01|1|P|2.4||||||8859/1\rPID|1||1||Müller^Zoë\rOBX|1|NM|CRP||5|µmol/L\r"
    (done,) = scrubbed(raw.replace("8859/1", {"utf-8": "UNICODE UTF-8"}.get(encoding, "8859/1")).encode(encoding))
    assert re.fullmatch(r"[A-Z][a-z]{5}\^[A-Z][a-z]{2}", field(done, "PID", 5))


def test_bytes_that_are_no_text_do_not_stop_it() -> None:
    (done,) = scrubbed(
        b"MSH|^~\\&|EPR|RXX|||20260301||ORU^R01|1|P|2.4||||||UNICODE UTF-8\rPID|1||1||M\xfcller^\xff\rNTE|1||\xfe\xff\r"
    )
    assert "ller" not in done


# --- joins


def test_numbers_and_names_are_the_same_everywhere_in_the_sample_and_different_ones_stay_different() -> None:
    done = scrubbed(
        *(
            a_patient(number, f"ORC|RE|PL{number}|FI{number}", f"OBR|1|PL{number}|FI{number}|CRP")
            for number in (1, 2, 1)
        )
    )
    assert field(done[0], "PID", 3) == field(done[2], "PID", 3) != field(done[1], "PID", 3)
    assert field(done[0], "ORC", 3) == field(done[0], "OBR", 3) == field(done[2], "OBR", 3)
    assert len({field(each, "OBR", 3) for each in done}) == 2
    assert field(done[0], "PID", 5).split("^")[1] == "Baby"


def test_many_short_numbers_stay_different() -> None:
    raw = [a_message(f"PID|1||{number}^^^RXX^MR") for number in range(10, 100)]
    assert len({field(each, "PID", 3) for each in scrubbed(*raw)}) == 90


def test_an_nhs_number_becomes_one_of_999_with_a_right_check_digit_in_the_same_form() -> None:
    valid = f"943476591{check_digit('943476591')}"
    spaced = f"{valid[:3]} {valid[3:6]} {valid[6:]}"
    wrong = valid[:9] + str((int(valid[9]) + 1) % 10)
    done = scrubbed(a_message(f"PID|1|N3{valid}|{valid}^^^NHS^NH~{spaced}^^^NHS^NH~{wrong}^^^NHS^NH"))[0]
    first, second, third = (each.split("^")[0] for each in field(done, "PID", 3).split("~"))
    assert first.startswith("999") and check_digit(first[:9]) == int(first[9])
    assert second == f"{first[:3]} {first[3:6]} {first[6:]}"
    assert field(done, "PID", 2) == f"N3{first}"
    assert check_digit(third[:9]) != int(third[9])  # what was no NHS number is none now
    assert valid not in done.replace(" ", "")


def test_no_invented_number_is_anybodys() -> None:
    raw = [a_message(f"PID|1||{number:04d}^^^RXX^MR") for number in range(1000, 3000)]
    originals = {f"{number:04d}" for number in range(1000, 3000)}
    invented = {field(each, "PID", 3).split("^")[0] for each in scrubbed(*raw)}
    assert invented & originals == set()
    assert len(invented) == 2000


def test_times_of_a_patient_move_together_and_another_patients_otherwise() -> None:
    def days(text: str) -> tuple[str, str]:
        return field(text, "PID", 7), field(text, "OBX", 14)[:8]

    obx = "OBX|1|NM|CRP||5|mg/L|||||F|||20260311083000+0000"
    first, again, other = scrubbed(a_patient(1, obx), a_patient(1, obx.replace("11083000", "12")), a_patient(2, obx))
    born, sampled = days(first)
    assert born != "20260301"
    assert _days_between(born, sampled) == 10
    assert _days_between(born, days(again)[1]) == 11
    assert days(other)[0] != born
    assert field(first, "OBX", 14)[8:] == "083000+0000"


def _days_between(first: str, second: str) -> int:
    from datetime import date

    return (date.fromisoformat(second) - date.fromisoformat(first)).days


def test_numbers_of_one_patient_are_known_to_be_one_persons() -> None:
    both = a_message("PID|1||X1^^^RXX^MR~Y2^^^LAB^MR||A||20260301")
    one, other = a_message("PID|1||X1^^^RXX^MR||A||20260301"), a_message("PID|1||Y2^^^LAB^MR||A||20260301")
    assert len({field(each, "PID", 7) for each in scrubbed(one, both, other)}) == 1


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2026", r"20\d\d"),
        ("202603", r"20\d{4}"),
        ("20260301", r"20\d{6}"),
        ("202603011230", r"20\d{6}1230"),
        ("20260301123000.25+0100", r"20\d{6}123000\.25\+0100"),
        ("2026-03-01 12:30:00", r"20\d\d-\d\d-\d\d 12:30:00"),
        ("20260230", "99999999"),
        ("19000101", "19000101"),
        ("soon", "xxxx"),
        ("RESURREC", "XXXXXXXX"),
    ],
)
def test_a_time_keeps_its_form_and_what_is_none_is_masked(written: str, kept: str) -> None:
    (done,) = scrubbed(a_message(f"PID|1||X1||A||{written}"))
    assert re.fullmatch(kept, field(done, "PID", 7))


@pytest.mark.parametrize("result", ["7.2", "<5", ">=500", "30+4", "10-20", "1,200", "7.0*", "5.1 H", "12 to 15"])
def test_plain_results_stay(result: str) -> None:
    (done,) = scrubbed(a_message("PID|1||X1", f"OBX|1|ST|CRP||{result}|mg/L|{result}||||F"))
    assert field(done, "OBX", 5) == result


@pytest.mark.parametrize("phone", ["01134-96000", "07700/90012", "01134 - 9600", "0113+49600"])
def test_a_telephone_number_is_no_range(phone: str) -> None:
    (text,) = scrubbed(a_patient(1, f"OBX|1|ST|CRP||{phone}"))
    assert not re.search(r"[0-8]", field(text, "OBX", 5))


def test_a_document_keeps_its_length_and_that_it_is_a_pdf() -> None:
    data = "JVBERi0xLjQK" + "UXVhYmFhYnRo" * 20 + "=="
    (done,) = scrubbed(a_message("PID|1||X1", f"OBX|1|ED|DOC||^AP^PDF^Base64^{data}||||||F"))
    found = field(done, "OBX", 5).split("^")[4]
    assert re.fullmatch(r"JVBERi0A+==", found)
    assert len(found) == len(data)


def test_another_key_gives_other_names() -> None:
    first, second = (scrubbed(a_patient(1), key=key * 32)[0] for key in (b"a", b"b"))
    assert field(first, "PID", 3) != field(second, "PID", 3)
    assert field(first, "PID", 7) != field(second, "PID", 7)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        Scrubber(b"short", is_listed=LISTED.__contains__)
