"""Results through their life: statuses, corrections, numbers used twice, reused control ids, clocks."""

import pytest

from tests.integration.messages import GASTROSCHISIS, Baby, a_baby, an_adt, an_oru
from tests.integration.trust import Trust

ONE, OTHER = a_baby(1), a_baby(2, sex="M")


def a_case(trust: Trust, baby: Baby, *, visit: str = "") -> None:
    trust.receive(an_adt("A01", baby, at="202609010310", visit=visit))
    trust.receive(an_adt("A08", baby, at="202609050900", codes=[GASTROSCHISIS], visit=visit))


def reported(status: str, value: str, minute: int, baby: Baby = ONE) -> bytes:
    return an_oru(baby, order="L1", value=value, status=status, reported=f"2026090210{minute:02d}")


@pytest.mark.behaviour(125)
@pytest.mark.behaviour(126)
def test_preliminary_final_corrected_deleted_is_one_row_and_then_a_tombstone(trust_on_each_store: Trust) -> None:
    trust = trust_on_each_store
    a_case(trust, ONE)
    for minute, (status, value, expected) in enumerate(
        [("P", "10", ["10"]), ("F", "11", ["11"]), ("C", "12", ["12"]), ("D", "12", [])]
    ):
        trust.receive(reported(status, value, minute))
        trust.dispatch()
        assert trust.values() == expected
        trust.assert_csor_agrees()
    assert [row["state"] for row in trust.rows("lab_result", every=True)] == ["deleted"]


@pytest.mark.parametrize("is_confirmed_first", [True, False])
def test_a_deletion_before_the_final_result_stands(trust: Trust, is_confirmed_first: bool) -> None:
    if is_confirmed_first:
        a_case(trust, ONE)
    trust.each(reported("D", "11", 30), reported("F", "11", 10))
    if not is_confirmed_first:
        a_case(trust, ONE)
    assert trust.values() == []
    trust.dispatch()
    assert trust.csor.live("lab_result") == []


def test_a_result_number_of_two_children_is_kept_back_from_both(trust_on_each_store: Trust) -> None:
    trust = trust_on_each_store
    a_case(trust, ONE)
    a_case(trust, OTHER)
    trust.receive(an_oru(ONE, order="L1", value="11"))
    trust.dispatch()
    assert len(trust.csor.live("lab_result")) == 1
    trust.receive(an_oru(OTHER, order="L1", value="22", at="202609021000"))
    trust.receive(an_oru(OTHER, order="L2", value="23"))
    trust.dispatch()
    assert trust.values() == ["23"]
    trust.assert_csor_agrees()
    assert trust.counts()["problem.P209"] == 1
    assert trust.status()["held_rows"] == {"lab_result": 1}
    held = next(row for row in trust.rows("lab_result", every=True) if row["state"] == "held")
    assert "value_original" not in held


@pytest.mark.parametrize("order", ["first", "second"])
def test_a_shared_result_is_the_others_once_one_is_taken_back(trust: Trust, order: str) -> None:
    a_case(trust, ONE)
    a_case(trust, OTHER)
    trust.each(an_oru(ONE, order="L1", value="11"), an_oru(OTHER, order="L1", value="22"))
    assert trust.values() == []
    loser, value = (ONE, "22") if order == "first" else (OTHER, "11")
    trust.receive(an_oru(loser, order="L1", value="0", status="D", reported="202609030900"))
    assert trust.values() == [value]
    trust.dispatch()
    trust.assert_csor_agrees()


@pytest.mark.parametrize("order", ["first", "second"])
def test_a_shared_result_is_the_others_once_one_child_is_no_case(trust: Trust, order: str) -> None:
    a_case(trust, ONE)
    a_case(trust, OTHER)
    trust.each(an_oru(ONE, order="L1", value="11"), an_oru(OTHER, order="L1", value="22"))
    gone, value = (ONE, "22") if order == "first" else (OTHER, "11")
    trust.receive(an_adt("A08", gone, at="202609100900", codes=[]))
    assert trust.values() == [value]


def test_a_visit_number_of_two_children_is_kept_back_from_both(trust_on_each_store: Trust) -> None:
    trust = trust_on_each_store
    a_case(trust, ONE, visit="V1")
    trust.dispatch()
    a_case(trust, OTHER, visit="V1")
    trust.dispatch()
    assert trust.rows("admission") == [] and trust.rows("diagnosis") == []
    assert len(trust.rows("infant")) == 2
    trust.assert_csor_agrees()
    versions = trust.versions()
    trust.each(an_adt("A31", ONE, at="202609110900"), an_adt("A31", OTHER, at="202609110900"))
    assert trust.versions() == versions
    trust.receive(an_adt("A11", OTHER, at="202609120900", visit="V1"))
    trust.dispatch()
    assert len(trust.rows("admission")) == 1
    trust.assert_csor_agrees()


@pytest.mark.behaviour(86)
def test_the_same_control_id_with_other_content_is_another_message(trust: Trust) -> None:
    a_case(trust, ONE)
    first = an_oru(ONE, order="L1", value="11", control="SAME1")
    trust.each(first, first, an_oru(ONE, order="L2", value="12", control="SAME1"))
    assert trust.values() == ["11", "12"]
    assert trust.counts()["duplicate"] == 1 and trust.counts()["control-id-reused"] == 1


@pytest.mark.behaviour(114)
def test_a_visit_without_a_number_makes_no_admission_but_its_diagnosis_counts(trust: Trust) -> None:
    trust.receive(an_adt("A01", ONE, at="202609010310", visit="-", codes=[GASTROSCHISIS]))
    assert trust.cases() == {"gastroschisis": "confirmed"}
    assert trust.rows("admission") == [] and len(trust.rows("diagnosis")) == 1
    assert trust.counts()["problem.P024"] == 1


@pytest.mark.behaviour(99)
def test_results_in_the_hours_of_the_clock_change_keep_their_minutes(trust: Trust) -> None:
    baby = ONE.but(born="202610250030")
    trust.receive(an_adt("A01", baby, at="202610250045", admitted="202610250040", codes=[GASTROSCHISIS]))
    trust.receive(an_oru(baby, order="L1", value="11", at="202610250130"))
    trust.receive(an_oru(baby, order="L2", value="12", at="202610250330"))
    trust.dispatch()
    minutes = {
        str(row["fields"]["value_num"]): row["fields"]["collected_minutes"] for row in trust.csor.live("lab_result")
    }
    assert minutes == {"11": 60, "12": 240}
    assert trust.counts()["problem.P102"] >= 1


def test_a_time_in_the_missing_hour_of_march_is_flagged_and_kept(trust: Trust) -> None:
    baby = ONE.but(born="202603280030")
    trust.receive(an_adt("A01", baby, at="202603280045", admitted="202603280040", codes=[GASTROSCHISIS]))
    trust.receive(an_oru(baby, order="L1", value="11", at="202603290130", reported="202603290900"))
    assert trust.values() == ["11"] and trust.counts()["problem.P103"] >= 1


def test_a_result_on_a_ward_that_is_not_kept_is_the_childs_once_confirmed(trust: Trust) -> None:
    a_case(trust, ONE)
    trust.receive(an_oru(ONE, order="L1", value="11", ward="XRAY^"))
    assert trust.values() == ["11"]
