"""The v2 text of the simulated hospital, read by python-hl7 and hl7apy, and held to the truth."""

from collections import Counter, defaultdict
from datetime import UTC, datetime

import hl7
import pytest
from hl7apy.parser import parse_message

from adapter.simulator import SentMessage
from adapter.simulator.moments import LONDON, clear
from tests.unit.simulator.hospital_of_tests import ENCODINGS, parsed, rows, text, the_hospital

EPIC = ("A01", "A02", "A03", "A04", "A08", "A11", "A28", "A31", "A40", "R01", "O01", "O11", "O17")


def segments(message: hl7.Message, name: str) -> list[hl7.Segment]:
    return list(message.segments(name)) if name in {str(each[0]) for each in message} else []


def v2_children() -> set[str]:
    return {c.person.hospital_number for c in the_hospital().courses if c.confirmed and c.channel != "fhir"}


def test_every_message_is_read_and_says_who_it_is_about() -> None:
    for sent, message in parsed():
        assert str(message["MSH.F10"]) == sent.control_id
        assert str(message["MSH.F12"]) == {"epic": "2.5.1", "careflow": "2.4"}[sent.feed]
        pid = segments(message, "PID")[0]
        assert sent.subject in str(pid[3])
        assert text(pid, 7).startswith(("19", "20"))


@pytest.mark.parametrize("event", EPIC)
def test_hl7apy_finds_every_segment_where_the_standard_puts_it(event: str) -> None:
    raw = max((each.raw for each in the_hospital().messages if (each.feed, each.event) == ("epic", event)), key=len)
    message = parse_message(raw.decode(), find_groups=True)
    assert message.name == message.msh.msh_9.msh_9_3.value
    assert sorted(_names(message)) == sorted(line[:3] for line in raw.decode().split("\r") if line)


def _names(element: object) -> list[str]:
    names: list[str] = []
    for child in element.children:  # type: ignore[attr-defined]
        names += [child.name] if child.classname == "Segment" else _names(child)
    return names


def test_both_dialects_send_every_kind_of_message() -> None:
    events = defaultdict(set)
    for each in the_hospital().messages:
        events[each.feed].add(each.event)
    common = {"A01", "A02", "A03", "A04", "A08", "A31", "A28", "A40", "R01", "O11", "O17"}
    assert common | {"O01"} <= events["epic"]
    assert common | {"O19"} <= events["careflow"]
    assert {"A11", "A13"} <= events["epic"] & events["careflow"]


def test_the_dialects_differ_where_hospitals_do() -> None:
    raw = {
        feed: b"".join(each.raw for each in the_hospital().messages if each.feed == feed).decode(encoding)
        for feed, encoding in ENCODINGS.items()
    }
    assert "^ICD-10" in raw["epic"]
    assert "^I10" in raw["epic"]
    assert "|P77X^Necrotizing" in raw["careflow"]
    assert "|q79" in raw["careflow"]
    assert "^I10" not in raw["careflow"]
    assert "+0100" in raw["careflow"]
    assert "+0100" not in raw["epic"]
    assert "\\.br\\" in raw["careflow"]
    assert "\\.br\\" not in raw["epic"]
    assert "µmol/L" in raw["epic"]
    assert "|H332|Proctectomy" in raw["careflow"]


def test_most_messages_come_in_order_and_some_twice() -> None:
    messages = the_hospital().messages
    assert sum(one.at > other.at for one, other in zip(messages, messages[1:], strict=False)) > 5
    ids = Counter(each.control_id for each in messages)
    assert sum(count - 1 for count in ids.values()) > 5
    assert any("R" in each.control_id[6:] and each.control_id[-1].isdigit() for each in messages)


def test_the_last_value_sent_of_each_order_and_test_is_the_true_one() -> None:
    told: dict[tuple[str, str], tuple[str, str, str]] = {}
    for sent, message in parsed():
        order = reported = ""
        for segment in message:
            if str(segment[0]) == "OBR":
                order, reported = text(segment, 3), text(segment, 22)
            if str(segment[0]) == "OBX" and reported >= told.get((order, text(segment, 3)), ("",))[0]:
                told[order, text(segment, 3)] = (reported, _number(sent, segment), text(segment, 11))
    status = {"preliminary": "P", "final": "F", "corrected": "C"}
    results = [row for row in rows("lab_result") if row.child in v2_children()]
    assert len(results) > 5000
    for row in results:
        shown = f"{row.fields['comparator'] or ''}{row.fields['value_num']}"
        assert told[row.key[0], row.key[1]][1:] == (shown, status[str(row.fields["status"])])


def _number(sent: SentMessage, segment: hl7.Segment) -> str:
    value = str(segment[5]) if len(segment) > 5 else ""
    return value.replace("^", "") if text(segment, 2) == "SN" else value


def test_the_last_report_of_an_accession_number_is_the_true_one() -> None:
    told: dict[str, tuple[str, str, str]] = {}
    for sent, message in parsed():
        obr = segments(message, "OBR")
        if sent.event != "R01" or not obr or not text(obr[0], 3).startswith("RXX"):
            continue
        lines = [str(obx[5]) for obx in segments(message, "OBX")]
        whole = "\n".join(lines).replace("\\.br\\", "\n")
        if text(obr[0], 22) >= told.get(text(obr[0], 3), ("",))[0]:
            told[text(obr[0], 3)] = (text(obr[0], 22), whole, text(obr[0], 25))
    status = {"preliminary": "P", "final": "F", "corrected": "C"}
    reports = [row for row in rows("imaging_report") if row.child in v2_children()]
    assert len(reports) > 60
    for row in reports:
        assert told[str(row.fields["accession"])][1:] == (row.fields["text"], status[str(row.fields["status"])])


def test_an_accession_number_is_in_obr_3_and_where_the_dialect_has_it_as_well() -> None:
    for sent, message in parsed():
        if sent.event in {"O01", "O19"}:
            obr, orc = segments(message, "OBR")[0], segments(message, "ORC")[0]
            assert text(obr, 3) == text(orc, 3)
            assert text(obr, 18) == (text(obr, 3) if sent.feed == "careflow" else "")
            assert text(orc, 9)


def test_every_dose_of_the_truth_is_sent_once_as_given() -> None:
    given = Counter()
    seen = set()
    for _, message in parsed():
        orders = segments(message, "ORC")
        for rxa in segments(message, "RXA"):
            key = (text(orders[0], 2), text(rxa, 2), text(rxa, 3))
            if text(rxa, 20) == "CP" and key not in seen:
                seen.add(key)
                given[text(rxa, 5)] += 1
    expected = Counter()
    for course in the_hospital().courses:
        if course.channel != "fhir":
            for each in course.prescriptions:
                expected[each.drug.code] += sum(dose.was_given for dose in each.doses)
    assert given == expected


def test_every_ward_stay_of_the_truth_begins_with_a_message_of_a_move() -> None:
    moves = set()
    for sent, message in parsed():
        if sent.event in {"A01", "A02", "A04"}:
            evn, pv1 = segments(message, "EVN")[0], segments(message, "PV1")[0]
            moves.add((text(pv1, 19), text(pv1, 3), text(evn, 6)[:12]))
    for row in rows("ward_stay"):
        if row.child in v2_children():
            start = "".join(character for character in str(row.fields["start_dt"])[:16] if character.isdigit())
            assert (str(row.fields["spell_id"]), str(row.fields["ward_code"]), start) in moves


def test_what_is_measured_of_a_child_on_both_channels_is_not_sent_by_version_2() -> None:
    both = {c.person.hospital_number for c in the_hospital().courses if c.channel == "both"}
    for sent, message in parsed():
        if sent.subject in both:
            assert "OBS" not in {text(obr, 4) for obr in segments(message, "OBR")}


def test_death_is_sent_with_its_time() -> None:
    dead = [c for c in the_hospital().courses if c.person.died_at and c.channel != "fhir"]
    assert dead
    for course in dead:
        ends = [m for s, m in parsed() if s.subject == course.person.hospital_number and s.event == "A03"]
        pid, pv1 = segments(ends[-1], "PID")[0], segments(ends[-1], "PV1")[0]
        assert text(pid, 30) == "Y"
        assert text(pid, 29)
        assert text(pv1, 36) == "4"


def test_no_two_messages_have_the_same_clock_and_none_an_ambiguous_one() -> None:
    first = {each.control_id: each for each in the_hospital().messages}
    stamps = [each.at for each in first.values() if not each.control_id.rpartition("R")[2].isdigit()]
    assert len(stamps) == len(set(stamps))
    clocks = [text(segments(message, "MSH")[0], 7) for _, message in parsed()]
    assert not [clock for clock in clocks if clock.startswith("2026102501")]


def test_a_moment_in_the_hour_that_comes_twice_is_moved_out_of_it() -> None:
    for hour in (0, 1):
        moved = clear(datetime(2026, 10, 25, hour, 30, tzinfo=UTC)).astimezone(LONDON)
        assert moved.replace(fold=0).utcoffset() == moved.replace(fold=1).utcoffset()


def test_a_number_arrives_later_and_its_trace_goes_from_postponed_to_verified() -> None:
    kinds = set()
    for child in v2_children():
        told = sorted((sent.at, segments(message, "PID")[0]) for sent, message in parsed() if sent.subject == child)
        statuses = [("NHS" in str(pid[3]), text(pid, 32).removeprefix("NSTS")) for _, pid in told if text(pid, 32)]
        assert statuses[-1] == (True, "01")
        kinds |= set(statuses)
    assert kinds == {(False, "08"), (True, "01")}


def test_the_merged_child_is_told_under_its_old_number_before_and_shortly_after() -> None:
    merges = [(sent, message) for sent, message in parsed() if sent.event == "A40"]
    assert merges
    for sent, message in merges:
        prior = text(segments(message, "MRG")[0], 1)
        under_prior = [each.at for each in the_hospital().messages if each.subject == prior]
        assert prior.startswith("T")
        assert min(under_prior) < sent.at
        assert not [row for row in the_hospital().truth if row.child == prior]


def test_a_cancelled_admission_makes_no_row_and_an_undone_discharge_counts_by_its_end() -> None:
    admissions = {row.key[0]: row.fields for row in rows("admission")}
    visit_of = {sent.control_id: text(segments(m, "PV1")[0], 19) for sent, m in parsed() if segments(m, "PV1")}
    cancelled = {visit_of[sent.control_id] for sent, _ in parsed() if sent.event == "A11"}
    undone = {visit_of[sent.control_id] for sent, _ in parsed() if sent.event == "A13"} & set(admissions)
    assert cancelled and undone
    assert not cancelled & set(admissions)
    for visit in undone:
        ends = [
            (sent.at, text(segments(message, "PV1")[0], 45))
            for sent, message in parsed()
            if sent.event == "A03" and visit_of[sent.control_id] == visit
        ]
        assert len({end for _, end in ends}) == 2
        digits = "".join(each for each in str(admissions[visit]["discharge_dt"])[:16] if each.isdigit())
        assert max(ends)[1].startswith(digits)


def test_a_mother_sends_her_childs_code_and_stays_out() -> None:
    mothers = {one.hospital_number for one in the_hospital().lookalikes if one.why.startswith("mother")}
    sent = b"".join(each.raw for each in the_hospital().messages if each.subject in mothers)
    assert b"Q79" in sent or b"O35" in sent
    assert not mothers & {row.child for row in the_hospital().truth}
