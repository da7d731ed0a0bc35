"""The simulated hospital: who is in it, and that its truth obeys the dictionary and clinical sense."""

import ast
import csv
import io
import time
from collections import Counter, defaultdict
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from nhs_number.validate import is_valid

from adapter import simulator
from adapter.csor.fields import Analyte, CaseState, Condition
from adapter.csor.record import KINDS
from adapter.simulator import Course, drugs_csv, hospital, imaging_codes_csv, lab_codes_csv
from adapter.simulator.numbers import check_digit
from tests.unit.simulator.hospital_of_tests import rows, the_hospital

ROOM = Path(simulator.__file__).parent
UNITS = Path(__file__).parents[3] / "mappings" / "units"
CONDITIONS = set(Condition.__args__)  # type: ignore[attr-defined]


def confirmed() -> list[Course]:
    return [course for course in the_hospital().courses if course.confirmed]


def test_the_same_seed_gives_the_same_hospital_and_another_seed_another() -> None:
    assert hospital(seed=3, infants=8) == hospital(seed=3, infants=8)
    assert hospital(seed=3, infants=8).messages != hospital(seed=4, infants=8).messages


def test_two_hundred_infants_are_made_in_seconds() -> None:
    begun = time.process_time()
    hospital(seed=1, infants=200)
    assert time.process_time() - begun < 6


@pytest.mark.parametrize("infants", [1, 2, 3, 7])
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


def test_a_remainder_that_leaves_no_digit_makes_no_number() -> None:
    assert check_digit("999000001") == "8"
    assert any(check_digit(f"9990000{number:02d}") is None for number in range(60))


def test_all_six_conditions_are_there_and_one_child_has_two() -> None:
    cases = Counter(row.fields["condition"] for row in rows("condition_case"))
    assert set(cases) == CONDITIONS
    assert min(cases.values()) >= 8
    assert any(course.confirmed == ("gastroschisis", "nec") for course in confirmed())


def test_half_is_told_by_version_2_half_by_fhir_and_some_by_both() -> None:
    channels = Counter(course.channel for course in confirmed())
    assert channels["both"] >= 5
    assert 0.3 <= channels["fhir"] / len(confirmed()) <= 0.6
    assert 0.3 <= channels["v2"] / len(confirmed()) <= 0.6
    told = {course.person.hospital_number for course in the_hospital().courses if course.channel == "fhir"}
    assert not {message.subject for message in the_hospital().messages} & told


def test_the_truth_names_fields_and_words_of_the_data_dictionary_only() -> None:
    kinds = set()
    for row in the_hospital().truth:
        fields = {name: list(value) if isinstance(value, tuple) else value for name, value in row.fields.items()}
        KINDS[row.kind].model_validate(fields)
        kinds.add(row.kind)
    assert kinds == set(KINDS)


def test_the_rows_of_a_kind_have_the_same_fields() -> None:
    names: dict[str, set[frozenset[str]]] = defaultdict(set)
    for row in the_hospital().truth:
        names[row.kind].add(frozenset(row.fields))
    assert {kind for kind, sets in names.items() if len(sets) > 1} == set()


def test_every_analyte_that_uk_laboratories_send_is_measured() -> None:
    measured = {row.fields["analyte"] for row in rows("lab_result")}
    assert set(Analyte.__args__) - measured == {"urea_nitrogen"}  # type: ignore[attr-defined]


def test_every_value_is_plausible() -> None:
    bounds = {}
    for path in UNITS.glob("*.yaml"):
        table = yaml.safe_load(path.read_text())
        wide = table["plausible"]
        bounds[table.get("analyte") or table["measure"]] = (Decimal(str(wide["low"])), Decimal(str(wide["high"])))
    told = [(row.fields["analyte"], row.fields["value_canonical"]) for row in rows("lab_result")]
    told += [(row.fields["measure"], row.fields["value_canonical"]) for row in rows("vital_sign")]
    for name, value in told:
        if value is not None:
            low, high = bounds[str(name)]
            assert low <= Decimal(str(value)) <= high, (name, value)


def test_a_sample_that_is_not_the_infants_blood_is_never_a_blood_result() -> None:
    others = [row.fields for row in rows("lab_result") if row.fields["specimen_type"] in {"urine", "cord", "csf"}]
    assert {fields["specimen_type"] for fields in others} == {"urine", "cord", "csf"}
    assert {(fields["analyte"], fields["value_canonical"]) for fields in others} == {("unmapped", None)}


def test_look_alikes_have_no_row_and_a_stated_end() -> None:
    simulation = the_hospital()
    assert not {one.hospital_number for one in simulation.lookalikes} & {row.child for row in simulation.truth}
    assert len({one.why for one in simulation.lookalikes}) >= 36
    for one in simulation.lookalikes:
        for condition, state in one.expected:
            assert condition in CONDITIONS
            assert state in CaseState.__args__  # type: ignore[attr-defined]
            assert state != "confirmed" or "held" in one.why
    reached = {state for one in simulation.lookalikes for _, state in one.expected}
    assert reached == {"suspected", "probable", "refuted", "confirmed"}


def test_every_number_is_given_once() -> None:
    given: list[str] = []
    for course in the_hospital().courses:
        given += [course.person.hospital_number, *(visit.number for visit in course.visits)]
        given += [each.accession for each in course.examinations] + [each.study_uid for each in course.examinations]
        given += [each.placer for each in course.examinations] + [each.number for each in course.prescriptions]
        given += [each.number for each in course.measurements] + [each.number for each in course.records]
        given += list({part.order.number for report in course.reports for part in report.orders})
    assert [number for number, count in Counter(given).items() if count > 1] == []


def test_every_nhs_number_is_of_the_test_range_and_has_its_check_digit() -> None:
    people = [course.person for course in the_hospital().courses]
    numbers = [person.nhs_number for person in people]
    assert all(number.startswith("999") and is_valid(number) for number in numbers)
    assert len(set(numbers)) == len(numbers)


def test_twins_share_mother_and_day_but_no_number() -> None:
    seconds = [course.person for course in the_hospital().courses if course.person.birth_order == 2]
    firsts = [course.person for course in the_hospital().courses if course.person.birth_order == 1]
    assert len(seconds) == len(firsts) == 2
    for second in seconds:
        first = next(person for person in firsts if person.mother == second.mother)
        assert second.born - first.born == timedelta(minutes=11)
        assert second.hospital_number != first.hospital_number


def test_a_stay_has_its_wards_in_order_and_no_two_stays_overlap() -> None:
    for course in the_hospital().courses:
        visits = [visit for visit in course.visits if visit.cancelled_at is None]
        for visit in visits:
            moments = [*(stay.since for stay in visit.stays), visit.discharged_at]
            assert all(one < other for one, other in pairwise(moments))
            assert all(visit.admitted_at <= operation.at < visit.discharged_at for operation in visit.operations)
        assert all(one.discharged_at < other.admitted_at for one, other in pairwise(visits))


def test_nothing_is_done_to_the_dead() -> None:
    dead = [course for course in the_hospital().courses if course.person.died_at]
    assert len(dead) >= 3
    for course in dead:
        end = course.person.died_at
        assert end is not None
        assert course.visits[-1].discharged_at == end
        assert course.visits[-1].discharge_method == "4"
        assert all(dose.until <= end for each in course.prescriptions for dose in each.doses)
        assert all(part.order.collected_at < end for report in course.reports for part in report.orders)
        assert all(examination.performed_at < end for examination in course.examinations)


def test_each_condition_is_coded_and_has_at_most_one_index_operation() -> None:
    core = {
        "hirschsprung": {"Q43.1"}, "gastroschisis": {"Q79.3"}, "cdh": {"Q79.0"},
        "oesophageal_atresia": {"Q39.0", "Q39.1", "Q39.2"}, "nec": {"P77"}, "puv": {"Q64.2"},
    }  # fmt: skip
    operated = 0
    for course in confirmed():
        diagnoses = [each for visit in course.visits for each in visit.diagnoses]
        operations = [each for visit in course.visits for each in visit.operations]
        for condition in course.confirmed:
            onset = min(each.made_at for each in diagnoses if each.code in core[condition])
            index = [each for each in operations if condition in each.index_for]
            assert len(index) <= 1
            assert all(each.at >= onset for each in index)
            operated += len(index)
    assert operated >= 0.9 * len(confirmed())


def test_boys_alone_have_valves() -> None:
    assert {course.person.sex for course in confirmed() if "puv" in course.confirmed} == {"M"}


def test_nobody_confirmed_carries_a_code_or_words_of_another_condition() -> None:
    suspect = {"P78.0", "P78.1", "K55.0", "K63.1", "K65.0", "K59.3", "P76.0", "P76.9", "Q79.1", "Q79.2", "Q64.3"}
    words = {
        "hirschsprung": "hirschsprung", "gastroschisis": "gastroschisis", "diaphragmatic hernia": "cdh",
        "oesophageal atresia": "oesophageal_atresia", "NEC": "nec", "enterocolitis": "nec", "valve": "puv",
    }  # fmt: skip
    for course in confirmed():
        assert not suspect & {each.code for visit in course.visits for each in visit.diagnoses}
        told = " ".join(reading.text for each in course.examinations for reading in each.readings)
        for word, condition in words.items():
            assert word not in told or condition in course.confirmed, (word, course.confirmed)


def test_doses_of_a_course_are_near_and_courses_far_apart() -> None:
    gaps = []
    for course in confirmed():
        doses = defaultdict(list)
        for prescription in course.prescriptions:
            doses[prescription.drug.code] += [dose for dose in prescription.doses if dose.was_given]
        for each in doses.values():
            ordered = sorted(each, key=lambda dose: dose.at)
            gaps += [later.at - earlier.until for earlier, later in pairwise(ordered)]
    assert all(gap <= timedelta(days=2) or gap >= timedelta(days=8) for gap in gaps)


def test_a_sign_is_said_in_one_way_and_corrections_add_to_it() -> None:
    corrected = 0
    for course in confirmed():
        for examination in course.examinations:
            assert examination.requested_at < examination.performed_at
            times = [examination.performed_at, *(reading.at for reading in examination.readings)]
            assert all(one < other for one, other in pairwise(times))
            last = examination.readings[-1]
            said = [*last.present, *last.absent, *last.uncertain]
            assert len(said) == len(set(said))
            corrected += last.status == "corrected"
    assert corrected >= 2


def test_operative_records_are_on_fhir_only_and_say_what_was_done() -> None:
    for course in the_hospital().courses:
        assert not course.records or course.channel != "v2"
    notes = rows("operation_note")
    assert {row.fields["condition"] for row in notes} == CONDITIONS
    assert all(row.fields["technique"] and row.fields["urgency"] for row in notes)


def test_every_outcome_happens() -> None:
    events = Counter(row.fields["event_type"] for row in rows("outcome_event"))
    assert {"death", "discharge_home", "transfer_in", "transfer_out"} <= set(events)
    assert {"stoma_formation", "stoma_closure", "reoperation"} <= set(events)


def test_some_children_are_coded_only_after_they_went_home() -> None:
    late = [
        course
        for course in confirmed()
        if min(each.coded_at for each in course.visits[0].diagnoses) > course.visits[0].discharged_at
    ]
    assert len(late) >= 8


def test_the_tables_name_every_code_that_is_sent() -> None:
    simulation = the_hospital()
    laboratory = {row["code"] for row in csv.DictReader(io.StringIO(lab_codes_csv(simulation.lab_codes)))}
    imaging = {row["code"] for row in csv.DictReader(io.StringIO(imaging_codes_csv(simulation.imaging_codes)))}
    pharmacy = {row["code"] for row in csv.DictReader(io.StringIO(drugs_csv(simulation.drugs)))}
    for course in simulation.courses:
        tests = [value.test for report in course.reports for part in report.orders for value in part.values]
        assert {test.code for test in tests if test.analyte} <= laboratory
        assert {examination.code.code for examination in course.examinations} <= imaging
        assert {each.drug.code for each in course.prescriptions if each.drug.drug_class} <= pharmacy


def test_the_table_of_local_codes_is_a_concept_table() -> None:
    header = (Path(__file__).parents[3] / "mappings" / "concepts" / "loinc.csv").read_text().splitlines()[0]
    assert lab_codes_csv(the_hospital().lab_codes).splitlines()[0] == header
