"""The simulated hospital: who is in it, its numbers and clocks, and that its truth and its wire tell the same."""

import ast
import time
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from nhs_number.validate import is_valid

from adapter import simulator
from adapter.csor.record import KINDS, field_leaves
from adapter.simulator import hospital, lab_codes_csv
from adapter.simulator.moments import LONDON, clear
from adapter.simulator.numbers import check_digit
from tests.unit.simulator.wards_of_tests import a_hospital, field, segments

ROOM = Path(simulator.__file__).parent


def test_the_same_seed_gives_the_same_hospital_and_another_seed_another() -> None:
    assert hospital(seed=3, infants=4) == hospital(seed=3, infants=4)
    assert hospital(seed=3, infants=4).messages != hospital(seed=4, infants=4).messages


def test_two_hundred_infants_are_made_in_under_three_seconds() -> None:
    begun = time.process_time()
    hospital(seed=1, infants=200)
    assert time.process_time() - begun < 3


@pytest.mark.parametrize("infants", [1, 2, 3, 5])
def test_a_small_hospital_has_a_case_all_the_same(infants: int) -> None:
    assert any(row.kind == "condition_case" for row in hospital(seed=1, infants=infants).truth)


def test_a_hospital_without_infants_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="at least one"):
        hospital(seed=1, infants=0)


def test_the_room_imports_nothing_else_of_the_adapter() -> None:
    for path in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert all(not name.startswith("adapter") or name.startswith("adapter.simulator") for name in names), path


def test_every_kind_of_message_is_sent() -> None:
    events = Counter(message.event for message in a_hospital().messages)
    assert set(events) == {"A01", "A02", "A03", "A04", "A08", "A11", "A13", "A28", "A31", "A40", "R01"}


def test_every_nhs_number_is_of_the_test_range_and_has_its_check_digit() -> None:
    sent = set()
    for message in a_hospital().messages:
        for pid in segments(message.raw, "PID"):
            repeats = f"{pid[3]}~{field(pid, 21)}".split("~")
            sent |= {repeat.split("^")[0] for repeat in repeats if repeat.endswith("^^^NHS^NH")}
    assert len(sent) > 30
    assert all(number.startswith("999") and is_valid(number) for number in sent)


def test_a_remainder_that_leaves_no_digit_makes_no_number() -> None:
    assert check_digit("999000001") == "8"
    assert check_digit("999000010") is None or is_valid("999000010" + str(check_digit("999000010")))
    assert any(check_digit(f"9990000{number:02d}") is None for number in range(60))


def test_a_number_arrives_later_and_its_trace_goes_from_postponed_to_verified() -> None:
    kinds = set()
    for child in {row.child for row in a_hospital().truth}:
        pids = [segments(message.raw, "PID")[0] for message in a_hospital().messages if message.subject == child]
        statuses = [("NHS" in pid[3], field(pid, 32)) for pid in pids]
        assert statuses[-1] == (True, "01")
        kinds |= set(statuses)
    assert kinds == {(False, "08"), (True, "01")}


def test_no_two_clocks_of_the_hospital_are_equal_or_ambiguous() -> None:
    clocks: list[str] = []
    for message in a_hospital().messages:
        clocks += [field(msh, 7) for msh in segments(message.raw, "MSH")]
        clocks += [field(evn, 2) for evn in segments(message.raw, "EVN")]
        clocks += [field(obr, 22) for obr in segments(message.raw, "OBR")]
    assert len(clocks) == len(set(clocks))
    assert not [clock for clock in clocks if clock.startswith("2026102501")]


def test_a_moment_in_the_hour_that_comes_twice_is_moved_out_of_it() -> None:
    for hour in (0, 1):
        moved = clear(datetime(2026, 10, 25, hour, 30, tzinfo=UTC)).astimezone(LONDON)
        assert moved.replace(fold=0).utcoffset() == moved.replace(fold=1).utcoffset()


def test_control_ids_are_unique_and_messages_are_in_order_of_sending() -> None:
    messages = a_hospital().messages
    assert len({message.control_id for message in messages}) == len(messages)
    assert [message.at for message in messages] == sorted(message.at for message in messages)


def test_the_truth_names_fields_of_the_data_dictionary_only() -> None:
    for row in a_hospital().truth:
        assert set(row.fields) <= set(field_leaves(row.kind))
        KINDS[row.kind].model_validate(dict(row.fields))


def test_look_alikes_have_no_row() -> None:
    simulation = a_hospital()
    assert not {one.hospital_number for one in simulation.lookalikes} & {row.child for row in simulation.truth}
    assert len({one.why for one in simulation.lookalikes}) >= 7


def test_a_third_has_gastroschisis_a_third_nec_and_one_child_both() -> None:
    cases = Counter(row.fields["condition"] for row in a_hospital().truth if row.kind == "condition_case")
    children = Counter(row.child for row in a_hospital().truth if row.kind == "condition_case")
    assert cases == {"gastroschisis": 5, "nec": 5}
    assert max(children.values()) == 2


def test_every_result_of_the_truth_is_the_last_one_sent_for_its_order_and_test() -> None:
    sent: dict[tuple[str, str], tuple[str, str]] = {}
    for message in a_hospital().messages:
        order = ""
        for line in message.raw.decode().split("\r"):
            fields = line.split("|")
            if fields[0] == "OBR":
                order = fields[3].split("^")[0]
            if fields[0] == "OBX":
                sent[order, fields[3].split("^")[0]] = (fields[5].replace("^", "").lstrip("<"), fields[11])
    results = [row for row in a_hospital().truth if row.kind == "lab_result"]
    status = {"preliminary": "P", "final": "F", "corrected": "C"}
    told = [(str(row.fields["value_num"]), status[str(row.fields["status"])]) for row in results]
    assert told == [sent[row.key[0], row.key[1]] for row in results]
    assert {row.fields["comparator"] for row in results} == {None, "<"}
    assert {row.fields["status"] for row in results} == {"final", "corrected"}


def test_a_sample_that_is_not_the_infants_blood_is_never_a_blood_result() -> None:
    results = [row.fields for row in a_hospital().truth if row.kind == "lab_result"]
    others = [fields for fields in results if fields["specimen_type"] in {"urine", "cord"}]
    assert others
    assert {(fields["analyte"], fields["value_canonical"]) for fields in others} == {("unmapped", None)}


def test_haemoglobin_in_grams_per_decilitre_is_ten_times_as_much_in_grams_per_litre() -> None:
    row = next(row for row in a_hospital().truth if row.kind == "lab_result" and row.key[1] == "BHHB")
    assert row.fields["value_canonical"] == Decimal(str(row.fields["value_num"])) * 10


def test_some_children_are_coded_only_after_they_went_home() -> None:
    late = [child for child in {row.child for row in a_hospital().truth} if _first_proof(child) > _first_end(child)]
    assert 2 <= len(late) < len({row.child for row in a_hospital().truth})


def _first_proof(child: str) -> datetime:
    """When a message first holds a core code."""
    core = (b"|Q79.3^", b"|Q793^", b"|P77X^")
    sent = [message for message in a_hospital().messages if message.subject == child]
    return min(message.at for message in sent if any(code in message.raw for code in core))


def _first_end(child: str) -> datetime:
    return min(message.at for message in a_hospital().messages if (message.subject, message.event) == (child, "A03"))


def test_nec_is_operated_on_or_after_its_onset() -> None:
    for child in {row.child for row in a_hospital().truth if row.key == ("nec",)}:
        sent = b"".join(message.raw for message in a_hospital().messages if message.subject == child).decode()
        onset = min(line.split("|")[5] for line in sent.split("\r") if "|P77X^" in line)
        operated = [
            line.split("|")[5] for line in sent.split("\r") if line.startswith("PR1") and "Laparotomy" not in line
        ]
        assert max(operated) >= onset


def test_the_merged_child_is_told_under_its_old_number_before_and_shortly_after() -> None:
    messages = a_hospital().messages
    merge = next(message for message in messages if message.event == "A40")
    prior = segments(merge.raw, "MRG")[0][1].split("^")[0]
    under_prior = [message for message in messages if message.subject == prior]
    assert prior.startswith("T")
    assert merge.subject in {row.child for row in a_hospital().truth}
    assert min(message.at for message in under_prior) < merge.at
    assert not [row for row in a_hospital().truth if row.child == prior]


def test_a_cancelled_admission_makes_no_row_and_an_undone_discharge_counts_by_its_end() -> None:
    messages = a_hospital().messages
    admissions = {row.key[0]: row.fields for row in a_hospital().truth if row.kind == "admission"}
    cancelled = [segments(message.raw, "PV1")[0][19] for message in messages if message.event == "A11"]
    undone = next(segments(message.raw, "PV1")[0][19] for message in messages if message.event == "A13")
    ends = [
        field(segments(message.raw, "PV1")[0], 45)
        for message in messages
        if message.event == "A03" and segments(message.raw, "PV1")[0][19] == undone
    ]
    assert not set(cancelled) & set(admissions)
    assert len(ends) == 2
    assert str(admissions[undone]["discharge_dt"]).replace("-", "").replace("T", "").replace(":", "")[:12] == ends[1]


def test_the_mother_sends_her_childs_code_and_stays_out() -> None:
    mother = next(one for one in a_hospital().lookalikes if one.why.startswith("mother"))
    sent = b"".join(message.raw for message in a_hospital().messages if message.subject == mother.hospital_number)
    assert b"Gastroschisis^I10" in sent


def test_the_table_of_local_codes_is_a_concept_table() -> None:
    lines = lab_codes_csv(a_hospital().lab_codes).splitlines()
    header = (Path(__file__).parents[3] / "mappings" / "concepts" / "loinc.csv").read_text().splitlines()[0]
    assert lines[0] == header
    assert "WINPATH,,BHHY,Hydrogen ion,hydrogen_ion,nmol/L,,,,simulated" in lines


def test_local_times_have_no_offset_and_micro_is_sent_in_utf_8() -> None:
    raw = b"".join(message.raw for message in a_hospital().messages)
    assert "µmol/L".encode() in raw
    assert b"UNICODE UTF-8" in raw
    assert b"+0100" not in raw
    assert b"10\\S\\9/L" in raw
