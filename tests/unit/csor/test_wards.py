"""Moves become stays."""

from random import Random

from hypothesis import given
from hypothesis import strategies as some

from adapter.csor.derive import Derived, ward_stays
from tests.unit.csor.rows import a_move, at


def times(stays: list[Derived]) -> list[tuple[object, object, object]]:
    return [(each.fields["ward_code"], each.fields["start_dt"], each.fields["end_dt"]) for each in stays]


def test_a_stay_ends_with_the_next_move_and_the_last_with_the_visit() -> None:
    moves = [a_move("b", "SURG", at(5)), a_move("a", "NICU", at(1))]
    assert times(ward_stays(moves, discharged=at(9))) == [("NICU", at(1), at(5)), ("SURG", at(5), at(9))]
    assert times(ward_stays(moves))[-1] == ("SURG", at(5), None)


def test_a_move_between_beds_is_no_new_stay_and_a_return_is_one() -> None:
    moves = [
        a_move(key, ward, at(day)) for key, ward, day in [("a", "N", 1), ("b", "N", 2), ("c", "S", 3), ("d", "N", 4)]
    ]
    stays = ward_stays(moves)
    assert times(stays) == [("N", at(1), at(3)), ("S", at(3), at(4)), ("N", at(4), None)]
    assert stays[0].made_from == ("a", "b")


def test_an_end_that_the_source_states_counts() -> None:
    moves = [a_move("a", "NICU", at(1), at(3)), a_move("b", "NICU", at(6))]
    assert times(ward_stays(moves, discharged=at(9))) == [("NICU", at(1), at(3)), ("NICU", at(6), at(9))]


def test_locations_without_a_time_give_a_stay_only_where_one_ward_alone_is_named() -> None:
    assert times(ward_stays([a_move("a", "NICU", None), a_move("b", "NICU", None)], discharged=at(4))) == [
        ("NICU", None, at(4))
    ]
    assert ward_stays([a_move("a", "NICU", None), a_move("b", "SURG", None)]) == []
    assert times(ward_stays([a_move("a", "NICU", at(1)), a_move("b", "SURG", None)])) == [("NICU", at(1), None)]


def test_two_feeds_that_tell_of_one_move_give_one_stay_of_one_key() -> None:
    alone = ward_stays([a_move("v2", "NICU", at(1))])
    both = ward_stays([a_move("v2", "NICU", at(1)), a_move("fhir", "NICU", at(1))])
    assert [each.key for each in alone] == [each.key for each in both]


@given(
    some.lists(some.tuples(some.integers(1, 9), some.sampled_from("NSP")), max_size=8),
    some.randoms(use_true_random=False),
)
def test_the_order_of_arrival_changes_nothing_and_stays_never_overlap(
    moved: list[tuple[int, str]], chance: Random
) -> None:
    moves = [a_move(f"k{number}", ward, at(day)) for number, (day, ward) in enumerate(moved)]
    shuffled = list(moves)
    chance.shuffle(shuffled)
    stays = ward_stays(moves, discharged=at(20))
    assert ward_stays(shuffled, discharged=at(20)) == stays
    ends = [each.fields["end_dt"] for each in stays]
    starts = [each.fields["start_dt"] for each in stays]
    assert ends[:-1] == starts[1:]
