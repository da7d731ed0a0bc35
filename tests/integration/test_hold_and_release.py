"""Held until it is known whose they are; released whole, or erased."""

import pytest

from adapter.store.sealing import KeyDestroyed
from tests.integration.messages import (
    CLOSURE,
    EXOMPHALOS,
    GASTROSCHISIS,
    NEC,
    NICU,
    POSTNATAL,
    RADIOLOGY,
    RESECTION,
    a_baby,
    an_adt,
    an_oru,
)
from tests.integration.trust import Trust

BABY = a_baby(1)
BORN = an_adt("A01", BABY, at="202609010310")
CODED = an_adt("A08", BABY, at="202609050900", codes=[GASTROSCHISIS])


def test_a_result_before_the_diagnosis_is_in_the_rows_after_it(trust_on_each_store: Trust) -> None:
    trust = trust_on_each_store
    trust.each(BORN, an_oru(BABY, order="L1", value="11"))
    trust.dispatch()
    assert trust.rows() == [] and trust.csor.batches == []
    trust.receive(CODED)
    trust.dispatch()
    assert trust.values() == ["11"]
    kinds = {"infant", "admission", "ward_stay", "diagnosis", "condition_case", "lab_result"}
    assert {row["kind"] for row in trust.rows()} == kinds
    trust.assert_csor_agrees()


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_results_of_other_wards_are_released_when_the_infant_becomes_held(trust: Trust, is_one_batch: bool) -> None:
    elsewhere = an_oru(BABY, order="L1", value="11", ward=RADIOLOGY)
    send = trust.receive if is_one_batch else trust.each
    send(elsewhere, BORN)
    trust.receive(CODED)
    assert trust.values() == ["11"]


def test_what_is_not_ours_is_erased_after_its_hold_and_its_key_destroyed(trust_on_each_store: Trust) -> None:
    trust = trust_on_each_store
    key = trust.works.ring.day_key(trust.now.date())
    sealed = trust.works.ring.seal(key, b"x", b"message")
    trust.receive(an_adt("A01", BABY, at="202609010310", ward=POSTNATAL))
    trust.later(days=2.5)
    trust.works.expiry.run(now=trust.now)
    assert trust.works.ring.unseal(key, sealed, b"message") == b"x"
    trust.later(days=1)
    trust.works.expiry.run(now=trust.now)
    assert trust.status()["messages"] == {"erased": 1}
    with pytest.raises(KeyDestroyed):
        trust.works.ring.unseal(key, sealed, b"message")
    trust.receive(an_adt("A01", BABY, at="202609010310", ward=POSTNATAL))
    trust.receive(CODED)
    assert len(trust.rows("infant")) == 1


@pytest.mark.parametrize("is_suspected", [True, False])
def test_a_held_infant_is_erased_90_days_after_discharge_unless_suspected(trust: Trust, is_suspected: bool) -> None:
    codes = [NEC] if is_suspected else ["P22.0^Respiratory distress^I10"]
    left = an_adt("A03", BABY, at="202609100900", discharged="202609100850", codes=codes)
    trust.each(BORN, an_oru(BABY, order="L1", value="11"), left)
    trust.later(days=75)
    trust.works.expiry.run(now=trust.now)
    assert len(trust.persons()) == 1
    trust.later(days=10)
    trust.works.expiry.run(now=trust.now)
    assert len(trust.persons()) == (1 if is_suspected else 0)
    assert trust.status()["messages"] == ({"processed": 3} if is_suspected else {"erased": 3})


def test_an_erased_infant_who_comes_again_is_a_new_one(trust: Trust) -> None:
    trust.each(BORN, an_adt("A03", BABY, at="202609100900", discharged="202609100850"))
    trust.later(days=100)
    trust.works.expiry.run(now=trust.now)
    trust.receive(an_adt("A01", BABY, at="202612200900", visit="V2", codes=[GASTROSCHISIS], admitted="202612200800"))
    assert len(trust.persons()) == 1


def test_an_infant_known_by_results_alone_is_held(trust: Trust) -> None:
    trust.receive(an_oru(BABY, order="L1", value="11"))
    trust.later(hours=1)
    trust.works.expiry.run(now=trust.now)
    trust.each(BORN, CODED)
    assert trust.values() == ["11"]


def test_news_that_waits_to_be_settled_keeps_an_infant_from_being_erased(trust: Trust) -> None:
    trust.each(BORN, an_adt("A03", BABY, at="202609100900", discharged="202609100850"))
    trust.later(days=100)
    trust.works.settler.settle, settle = (lambda **_: 0), trust.works.settler.settle  # type: ignore[method-assign]
    trust.receive(CODED)
    trust.works.expiry.run(now=trust.now)
    trust.works.settler.settle = settle  # type: ignore[method-assign]
    trust.works.drain()
    assert trust.cases() == {"gastroschisis": "confirmed"}


def test_a_late_diagnosis_after_discharge_releases_the_history(trust: Trust) -> None:
    trust.each(BORN, an_oru(BABY, order="L1", value="11"))
    trust.each(an_adt("A03", BABY, at="202609100900", discharged="202609100850"))
    trust.later(days=30)
    coded = an_adt("A08", BABY, at="202610100900", discharged="202609100850", codes=[GASTROSCHISIS])
    trust.receive(coded)
    assert trust.values() == ["11"]
    assert trust.rows("admission")[0]["discharge_dt"] == "2026-09-10T08:50:00+01:00"


@pytest.mark.behaviour(97)
@pytest.mark.behaviour(140)
def test_a_code_removed_at_recode_retracts_every_row_also_at_csor(trust_on_each_store: Trust) -> None:
    trust = trust_on_each_store
    trust.each(BORN, an_oru(BABY, order="L1", value="11"), CODED)
    trust.dispatch()
    before = dict(trust.csor.rows)
    trust.receive(an_adt("A08", BABY, at="202609200900", codes=[EXOMPHALOS]))
    assert trust.rows() == []
    trust.dispatch()
    assert trust.csor.live() == []
    assert all(trust.csor.rows[name]["version"] > before[name]["version"] for name in before)
    trust.receive(an_oru(BABY, order="L2", value="12"))
    trust.dispatch()
    assert trust.rows() == [] and trust.csor.live() == []


def test_rows_taken_back_come_again_when_the_code_does(trust: Trust) -> None:
    trust.each(BORN, an_oru(BABY, order="L1", value="11"), CODED)
    trust.dispatch()
    trust.receive(an_adt("A08", BABY, at="202609200900", codes=[EXOMPHALOS]))
    trust.dispatch()
    trust.receive(an_oru(BABY, order="L2", value="12"))
    trust.receive(an_adt("A08", BABY, at="202609210900", codes=[GASTROSCHISIS]))
    assert trust.values() == ["11", "12"]
    trust.dispatch()
    trust.assert_csor_agrees()


def test_csor_never_hears_of_rows_that_were_taken_back_before_they_left(trust: Trust) -> None:
    trust.each(BORN, an_oru(BABY, order="L1", value="11"), CODED)
    trust.receive(an_adt("A08", BABY, at="202609200900", codes=[EXOMPHALOS]))
    trust.dispatch()
    assert trust.csor.batches == []
    assert trust.status()["unsent_rows"] == 0


def test_coded_nec_alone_is_probable_and_sends_nothing_until_the_operation(trust: Trust) -> None:
    trust.each(BORN, an_oru(BABY, order="L1", value="11"))
    trust.receive(an_adt("A08", BABY, at="202609050900", codes=[NEC]))
    trust.dispatch()
    assert trust.rows() == [] and trust.csor.batches == []
    operated = an_adt("A08", BABY, at="202609070900", operations=[(RESECTION, "202609061400")])
    trust.receive(operated)
    trust.dispatch()
    assert trust.cases() == {"nec": "confirmed"}
    assert trust.values() == ["11"]
    trust.assert_csor_agrees()


def test_exomphalos_beside_gastroschisis_is_held_for_a_person(trust: Trust) -> None:
    trust.each(BORN, CODED, an_adt("A08", BABY, at="202609060900", codes=[GASTROSCHISIS, EXOMPHALOS]))
    trust.dispatch()
    assert trust.csor.live() == [] and trust.rows() == []


def test_the_case_held_for_a_person_says_why_and_does_not_leave_with_another(trust: Trust) -> None:
    codes = [GASTROSCHISIS, EXOMPHALOS, NEC]
    trust.each(BORN, an_adt("A08", BABY, at="202609060900", codes=codes, operations=[(RESECTION, "202609061000")]))
    trust.dispatch()
    held = next(row for row in trust.rows("condition_case", every=True) if row["condition"] == "gastroschisis")
    assert set(held["flags"]) == {"held_for_person", "exomphalos_and_gastroschisis"}
    assert [row["fields"]["condition"] for row in trust.csor.live("condition_case")] == ["nec"]


def test_a_closure_before_its_admission_message_counts(trust: Trust) -> None:
    trust.each(an_adt("A08", BABY, at="202609050900", ward=NICU, operations=[(CLOSURE, "202609020900")]), BORN)
    assert trust.cases() == {"gastroschisis": "confirmed"}
