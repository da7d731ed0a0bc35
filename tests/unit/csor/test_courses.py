"""Single doses and orders become courses."""

from datetime import timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as some

from adapter.csor.derive import courses
from tests.unit.csor.rows import a_dose, an_order, at


def test_doses_without_a_gap_are_one_course_from_the_first_to_the_end_of_the_last() -> None:
    (course,) = courses([a_dose("b", at(2)), a_dose("a", at(1)), a_dose("c", at(3), end_dt=at(3, 10))])
    assert (course.key, course.made_from) == ("a", ("a", "b", "c"))
    assert (course.fields["start_dt"], course.fields["end_dt"]) == (at(1), at(3, 10))
    assert (course.fields["administrations"], course.fields["basis"]) == (3, "administered")


def test_forty_eight_hours_still_belong_and_a_minute_more_ends_the_course() -> None:
    assert len(courses([a_dose("a", at(1)), a_dose("b", at(3))])) == 1
    assert [each.key for each in courses([a_dose("a", at(1)), a_dose("b", at(3, 9, 1))])] == ["a", "b"]
    assert len(courses([a_dose("a", at(1)), a_dose("b", at(3))], gap=timedelta(hours=47))) == 2


def test_a_long_infusion_is_counted_to_its_end_not_from_its_start() -> None:
    nutrition = {"drug_class": "parenteral_nutrition"}
    long = a_dose("a", at(1), end_dt=at(4), **nutrition)
    (course,) = courses([long, a_dose("b", at(2), end_dt=at(2, 12), **nutrition), a_dose("c", at(5), **nutrition)])
    assert course.made_from == ("a", "b", "c")


def test_drugs_of_one_class_are_courses_of_their_own_but_nutrition_is_one_whatever_bag_hangs() -> None:
    assert len(courses([a_dose("a", at(1)), a_dose("b", at(1), drug_name="Cefotaxime")])) == 2
    bags = [
        a_dose(key, at(day), drug_class="parenteral_nutrition", drug_code=key) for day, key in enumerate("abc", start=1)
    ]
    assert len(courses(bags)) == 1


def test_an_order_is_about_the_doses_that_were_given() -> None:
    (course,) = courses([an_order("o", at(1, 8), at(5)), a_dose("a", at(1)), a_dose("b", at(2))])
    assert (course.key, course.fields["end_dt"], course.made_from) == ("a", at(2), ("a", "b", "o"))


def test_an_order_alone_is_an_ordered_course_that_is_open_without_an_end() -> None:
    (course,) = courses([an_order("o", at(1))])
    assert (course.fields["basis"], course.fields["end_dt"], course.fields["administrations"]) == (
        "ordered",
        None,
        None,
    )
    (course,) = courses([an_order("o", at(1), at(5)), an_order("p", at(5), at(8))])
    assert (course.key, course.fields["end_dt"]) == ("o", at(8))


def test_a_dose_that_two_feeds_tell_of_is_counted_once() -> None:
    (course,) = courses([a_dose("v2", at(1)), a_dose("fhir", "2026-03-01T10:00:00+01:00")])
    assert (course.fields["administrations"], course.made_from) == (1, ("fhir", "v2"))


def test_a_dose_without_a_time_makes_no_course_beside_others() -> None:
    assert [each.made_from for each in courses([a_dose("a", None), a_dose("b", at(1))])] == [("b",)]
    (alone,) = courses([a_dose("a", None)])
    assert alone.fields["start_dt"] is None


@given(
    some.lists(some.tuples(some.integers(1, 28), some.sampled_from(["A", "B"]), some.booleans()), max_size=12),
    some.randoms(use_true_random=False),
)
def test_the_order_of_arrival_changes_nothing(doses: list[tuple[int, str, bool]], chance: Random) -> None:
    stated = [
        a_dose(f"k{number}", at(day), drug_name=name, basis="administered" if is_given else "ordered")
        for number, (day, name, is_given) in enumerate(doses)
    ]
    shuffled = list(stated)
    chance.shuffle(shuffled)
    found = courses(stated)
    assert courses(shuffled) == found
    used = [key for course in found for key in course.made_from]
    assert sorted(used) == sorted(each.key for each in stated)
