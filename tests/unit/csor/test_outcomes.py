"""Index operations, visits to theatre, and what came of the child."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from adapter.csor.derive import Course, Derived, Stated, index_operations, outcomes
from adapter.csor.derive.theatre import visits
from tests.unit.csor.rows import RULES, an_admission, an_operation, at


def events(*operations: Stated, infant: dict[str, Any] | None = None, admissions: tuple[Stated, ...] = ()) -> list[Any]:
    child = Course(Stated("infant", infant) if infant else None, admissions, operations)
    return [(each.fields["event_type"], each.fields["event_dt"]) for each in outcomes(child, rules=RULES)]


def marked(operations: list[Stated], *conditions: str) -> list[Derived]:
    index = index_operations(operations, conditions, rules=RULES)
    filled = [each._replace(fields={**each.fields, "index_for": index.get(each.key)}) for each in operations]
    return outcomes(Course(None, (), filled, conditions), rules=RULES)


class TestIndexOperation:
    def test_is_the_first_definitive_one_of_the_condition(self) -> None:
        operations = [
            an_operation("b", at(3), "T28.1"),
            an_operation("a", at(1), "T28.1"),
            an_operation("c", at(1, 1)),
        ]
        assert index_operations(operations, ["gastroschisis"], rules=RULES) == {"a": ["gastroschisis"]}

    def test_is_none_for_a_condition_the_child_does_not_have(self) -> None:
        assert index_operations([an_operation("a", at(1), "T28.1")], ["nec"], rules=RULES) == {}

    def test_without_a_time_counts_only_where_it_is_alone(self) -> None:
        alone = [an_operation("a", None, "T28.1")]
        assert index_operations(alone, ["gastroschisis"], rules=RULES) == {"a": ["gastroschisis"]}
        both = [*alone, an_operation("b", None, "T28.1")]
        assert index_operations(both, ["gastroschisis"], rules=RULES) == {}


class TestVisit:
    def test_holds_the_procedures_of_the_same_hours(self) -> None:
        operations = [
            an_operation("a", at(1, 9), "T28.1", knife_end=at(1, 13)),
            an_operation("b", at(1, 16), "G74.2"),
            an_operation("c", at(2, 9), "G69.3"),
        ]
        found = visits(operations, rules=RULES)
        assert [[each.key for each in visit.operations] for visit in found] == [["a", "b"], ["c"]]

    def test_takes_a_procedure_of_which_only_the_day_is_known_into_the_first_visit_of_that_day(self) -> None:
        operations = [an_operation("b", "2026-03-01", "G74.2"), an_operation("a", at(1), "T28.1")]
        (visit,) = visits(operations, rules=RULES)
        assert [each.key for each in visit.operations] == ["a", "b"]

    def test_is_not_a_ventilation_or_an_x_ray(self) -> None:
        assert visits([an_operation("a", at(1), "E85.1"), an_operation("b", at(1), "U08.3")], rules=RULES) == []

    def test_may_have_a_code_that_nobody_knows(self) -> None:
        assert len(visits([an_operation("a", at(1))], rules=RULES)) == 1


class TestReoperation:
    def test_is_every_later_visit_to_theatre(self) -> None:
        operations = [
            an_operation("a", at(1), "T28.1"),
            an_operation("b", at(5), "G69.3"),
            an_operation("v", at(6), "E85.1"),
        ]
        (event,) = [each for each in marked(operations, "gastroschisis") if each.fields["event_type"] == "reoperation"]
        assert (event.key, event.fields["event_dt"]) == ("reoperation|b", at(5))
        assert (event.fields["condition"], event.made_from) == ("gastroschisis", ("a", "b"))

    def test_is_not_the_index_operation_of_another_condition(self) -> None:
        operations = [an_operation("a", at(1), "T28.1"), an_operation("b", at(9), "G69.3")]
        assert marked(operations, "gastroschisis", "nec") == []

    def test_after_two_index_operations_belongs_to_neither(self) -> None:
        operations = [an_operation(key, at(day), code) for key, day, code in
                      [("a", 1, "T28.1"), ("b", 9, "G69.3"), ("c", 12, "X99.9")]]  # fmt: skip
        (event,) = marked(operations, "gastroschisis", "nec")
        assert (event.key, event.fields["condition"], event.made_from) == ("reoperation|c", None, ("a", "b", "c"))

    def test_before_the_index_operation_is_none(self) -> None:
        assert marked([an_operation("a", at(1), "X99.9"), an_operation("b", at(2), "T28.1")], "gastroschisis") == []


class TestStoma:
    def test_is_one_event_of_its_sort_in_a_visit(self) -> None:
        operations = [an_operation("a", at(1), "G74.2"), an_operation("b", at(1), "H15.1")]
        assert events(*operations) == [("stoma_formation", at(1))]

    def test_made_closed_and_refashioned(self) -> None:
        operations = [an_operation(key, at(day), code) for key, day, code in
                      [("a", 1, "G74.2"), ("b", 5, "G75.1"), ("c", 20, "G75.3")]]  # fmt: skip
        assert events(*operations) == [("stoma_closure", at(20)), ("stoma_formation", at(1)), ("stoma_revision", at(5))]


class TestDeath:
    def test_is_told_once_with_the_time_of_the_patients_record(self) -> None:
        died = an_admission("v", discharge_method="4", discharge_destination="79")
        assert events(infant={"deceased": True, "death_datetime": at(19)}, admissions=(died,)) == [("death", at(19))]

    def test_takes_the_end_of_the_stay_where_the_record_has_no_time(self) -> None:
        died = an_admission("v", discharge_method="4")
        assert events(infant={"deceased": True, "death_datetime": None}, admissions=(died,)) == [("death", at(20))]

    def test_without_any_time_is_still_told(self) -> None:
        assert events(infant={"deceased": True, "death_datetime": None}) == [("death", None)]

    def test_is_not_told_of_the_living(self) -> None:
        assert events(infant={"deceased": False, "death_datetime": None}) == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"discharge_destination": "19", "discharge_method": "1"}, [("discharge_home", at(20))]),
        ({"discharge_destination": "51"}, [("transfer_out", at(20))]),
        ({"source_of_admission": "52"}, [("transfer_in", at(1))]),
        ({"discharge_destination": "98"}, []),
        ({"discharge_destination": "19", "discharge_dt": None}, []),
        ({"discharge_destination": "19", "class": "outpatient"}, []),
    ],
)
def test_an_admission_states_discharge_and_transfer_by_its_codes(
    fields: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert events(admissions=(an_admission("v", **fields),)) == expected


@given(
    some.lists(
        some.tuples(some.integers(1, 9), some.sampled_from(["T28.1", "G69.3", "G74.2", "E85.1", "X99.9"])), max_size=8
    ),
    some.randoms(use_true_random=False),
)
def test_the_order_of_arrival_changes_nothing(done: list[tuple[int, str]], chance: Random) -> None:
    operations = [an_operation(f"k{number}", at(day), code) for number, (day, code) in enumerate(done)]
    shuffled = list(operations)
    chance.shuffle(shuffled)
    found = marked(operations, "gastroschisis", "nec")
    assert marked(shuffled, "nec", "gastroschisis") == found
    assert len({event.key for event in found}) == len(found)
