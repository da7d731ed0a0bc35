"""Whole reports: what a feed says by leaving a result out, and which status holds; through the whole pipeline."""

from collections.abc import Callable, Iterable
from itertools import permutations

import pytest

from tests.integration.messages import GASTROSCHISIS, a_baby, a_message, an_adt
from tests.integration.trust import Trust

Feed = Callable[[str], Trust]
ONE, OTHER = a_baby(1), a_baby(2, sex="M")


SNAPSHOT = "{lists: {OBX: snapshot}}"


def a_case(trust: Trust, number: int = 1) -> None:
    baby = ONE if number == 1 else OTHER
    trust.receive(an_adt("A01", baby, at="202609010310", codes=[GASTROSCHISIS]))


def a_report(minute: int, *results: tuple[str, str], order: str = "L1", baby: int = 1, status: str = "F") -> bytes:
    """Results as (test or test/sub-id, value), reported at 10:`minute`."""
    at = f"2026090210{minute:02d}"
    obr = f"OBR|1||{order}^WINPATH|BIO^Biochemistry^WINPATH|||202609020900||||||||BLDV&Venous blood&HL70070"
    lines = [f"{obr}|||||||{at}00|||{status}"]
    for n, (test, value) in enumerate(results, start=1):
        code, _, sub = test.partition("/")
        lines.append(f"OBX|{n}|NM|{code}^C-reactive protein^WINPATH|{sub}|{value}|mg/L|||||F")
    return a_message("ORU^R01", ONE if baby == 1 else OTHER, *lines, at=at)


def sent(trust: Trust) -> Iterable[str]:
    trust.dispatch()
    trust.assert_csor_agrees()
    return trust.values()


FIRST = a_report(1, ("CRPB", "11"), ("CRPB/2", "12"), ("CRPB/3", "13"))
SECOND = a_report(2, ("CRPB", "11"), ("CRPB/3", "14"))
THIRD = a_report(3, ("CRPB/2", "15"))


@pytest.mark.behaviour(128)
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_in_a_snapshot_feed_a_later_report_withdraws_what_it_leaves_out(a_feed: Feed, order: tuple[int, ...]) -> None:
    trust = a_feed(SNAPSHOT)
    a_case(trust)
    told = [FIRST, SECOND, THIRD]
    for done, number in enumerate(order, start=1):
        trust.receive(told[number])
        newest = max(order[:done])
        assert sent(trust) == [["11", "12", "13"], ["11", "14"], ["15"]][newest]


@pytest.mark.behaviour(128)
def test_in_an_action_feed_what_a_later_report_leaves_out_stays(trust: Trust) -> None:
    a_case(trust)
    trust.each(FIRST, SECOND)
    assert sent(trust) == ["11", "12", "14"]


@pytest.mark.behaviour(128)
def test_a_report_with_none_of_the_results_before_it_withdraws_them_all(a_feed: Feed) -> None:
    trust = a_feed(SNAPSHOT)
    a_case(trust)
    trust.each(a_report(1, ("CRPB/wrong", "11")), a_report(2, ("CRPB", "11")))
    assert sent(trust) == ["11"] and len(trust.rows("lab_result")) == 1


def test_a_report_speaks_of_its_own_order_alone(a_feed: Feed) -> None:
    trust = a_feed(SNAPSHOT)
    a_case(trust)
    trust.each(FIRST, a_report(2, ("CRPB", "99"), order="L2"))
    assert sent(trust) == ["11", "12", "13", "99"]


def test_reports_from_before_the_diagnosis_are_held_against_each_other_too(a_feed: Feed) -> None:
    for told in (FIRST, SECOND), (SECOND, FIRST):
        trust = a_feed(SNAPSHOT)
        trust.receive(an_adt("A01", ONE, at="202609010310"))
        trust.receive(*told)
        a_case(trust)
        assert sent(trust) == ["11", "14"]


def test_one_order_number_of_two_children_withdraws_nothing_of_the_other(a_feed: Feed) -> None:
    trust = a_feed(SNAPSHOT)
    a_case(trust)
    a_case(trust, 2)
    trust.each(FIRST, a_report(4, ("CRPB/7", "70"), baby=2))
    assert sent(trust) == ["11", "12", "13", "70"]
    trust.receive(SECOND)
    assert sent(trust) == ["11", "14", "70"]


@pytest.mark.behaviour(127)
@pytest.mark.parametrize(("rule", "values"), [("obx", ["11"]), ("obr", [])])
def test_the_status_that_the_feed_prefers_decides_and_the_contradiction_is_counted(
    a_feed: Feed, rule: str, values: list[str]
) -> None:
    trust = a_feed(f"{{status_precedence: {rule}}}")
    a_case(trust)
    trust.receive(a_report(1, ("CRPB", "11"), status="X"))
    assert sent(trust) == values
    assert trust.counts()["problem.P124"] == 1
