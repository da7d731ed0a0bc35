"""Whose they are: merges, corrections, swaps and doubts, to the rows and to CSOR."""

import pytest

from tests.integration.messages import (
    GASTROSCHISIS,
    Baby,
    a_baby,
    an_adt,
    an_oru,
    nhs,
)
from tests.integration.trust import Trust

ONE, OTHER = a_baby(1), a_baby(2, sex="M")
NAMELESS = ONE.but(number="T55501", nhs="")


def born(baby: Baby, *, visit: str = "") -> bytes:
    return an_adt("A01", baby, at="202609010310", visit=visit)


def coded(baby: Baby, *, at: str = "202609050900", codes: tuple[str, ...] = (GASTROSCHISIS,), visit: str = "") -> bytes:
    return an_adt("A08", baby, at=at, codes=list(codes), visit=visit)


def merged(survivor: Baby, prior: str, *, at: str = "202609060900") -> bytes:
    return an_adt("A40", survivor, at=at, prior=prior)


def a_case(trust: Trust, baby: Baby, value: str) -> None:
    trust.each(born(baby), coded(baby), an_oru(baby, order=f"L{value}", value=value))


def test_two_held_infants_merged_are_one_with_both_histories(trust_on_each_store: Trust) -> None:
    trust = trust_on_each_store
    trust.each(born(NAMELESS), an_oru(NAMELESS, order="L1", value="11"))
    trust.each(born(ONE), an_oru(ONE, order="L2", value="12"), merged(ONE, NAMELESS.number))
    assert len(trust.persons()) == 1 and trust.rows() == []
    trust.receive(coded(ONE))
    assert trust.values() == ["11", "12"]
    assert len(trust.rows("admission")) == 2


@pytest.mark.behaviour(107)
@pytest.mark.parametrize("is_survivor_confirmed", [True, False])
def test_held_and_confirmed_merged_have_one_history(trust_on_each_store: Trust, is_survivor_confirmed: bool) -> None:
    trust = trust_on_each_store
    confirmed, held = (ONE, NAMELESS) if is_survivor_confirmed else (NAMELESS, ONE)
    a_case(trust, confirmed, "11")
    trust.dispatch()
    trust.each(born(held), an_oru(held, order="L2", value="12"))
    trust.receive(merged(ONE, NAMELESS.number))
    trust.dispatch()
    assert trust.values() == ["11", "12"]
    assert len(trust.rows("infant")) == len(trust.rows("condition_case")) == 1
    trust.assert_csor_agrees()
    assert len({row["csor_id"] for row in trust.csor.live()}) == 1


def test_two_confirmed_merged_end_under_one_pseudonym_and_the_loser_is_deleted(trust_on_each_store: Trust) -> None:
    trust = trust_on_each_store
    a_case(trust, NAMELESS.but(nhs=ONE.nhs, born="202609010229"), "11")
    a_case(trust, ONE.but(nhs=""), "12")
    trust.dispatch()
    trust.receive(merged(ONE.but(nhs=""), NAMELESS.number))
    trust.dispatch()
    assert trust.values() == ["11", "12"]
    trust.assert_csor_agrees()
    assert len({row["csor_id"] for row in trust.csor.live()}) == 1
    assert len(trust.csor.live("infant")) == len(trust.csor.live("condition_case")) == 1
    gone = [row["kind"] for row in trust.csor.rows.values() if row["deleted"]]
    assert sorted(gone) in ([], ["condition_case", "infant"])


def test_of_two_confirmed_that_were_sent_the_losers_own_rows_are_sent_as_deleted(trust: Trust) -> None:
    first, second = NAMELESS.but(nhs=nhs(7)), ONE.but(nhs=nhs(7), trace="02")
    a_case(trust, first, "11")
    a_case(trust, second, "12")
    trust.dispatch()
    assert len(trust.csor.live("infant")) == 2
    trust.receive(merged(second, first.number))
    trust.dispatch()
    gone = sorted(row["kind"] for row in trust.csor.rows.values() if row["deleted"])
    assert gone == ["condition_case", "infant"]
    trust.assert_csor_agrees()


@pytest.mark.behaviour(109)
def test_a_merge_of_two_verified_numbers_is_blocked_until_one_is_corrected(trust: Trust) -> None:
    a_case(trust, ONE, "11")
    a_case(trust, OTHER, "12")
    trust.dispatch()
    sent = len(trust.csor.batches)
    trust.receive(merged(ONE, OTHER.number))
    trust.receive(an_oru(ONE, order="L3", value="13", at="202609070900"))
    trust.dispatch()
    assert trust.status()["children"]["blocked"] == 2
    assert len(trust.csor.batches) == sent and len(trust.persons()) == 2
    right = OTHER.but(nhs=ONE.nhs, sex="F")
    trust.receive(an_adt("A31", right, at="202609080900"))
    trust.dispatch()
    assert trust.status()["children"]["blocked"] == 0 and len(trust.persons()) == 1
    assert trust.values() == ["11", "12", "13"]
    trust.assert_csor_agrees()


@pytest.mark.behaviour(108)
def test_the_same_merge_twice_and_a_merge_with_itself_change_nothing(trust: Trust) -> None:
    a_case(trust, ONE, "11")
    trust.each(merged(ONE, NAMELESS.number), merged(ONE, NAMELESS.number, at="202609060901"))
    versions = trust.versions()
    trust.receive(merged(ONE, ONE.number, at="202609070900"))
    assert trust.versions() == versions and len(trust.persons()) == 1
    assert trust.status()["children"]["blocked"] == 0
    assert trust.counts()["problem.P207"] == 1


@pytest.mark.behaviour(108)
def test_a_reversed_merge_blocks_the_child(trust: Trust) -> None:
    a_case(trust, ONE, "11")
    trust.each(merged(ONE, NAMELESS.number), merged(NAMELESS, ONE.number, at="202609070900"))
    trust.dispatch()
    assert trust.status()["children"]["blocked"] == 1
    assert trust.csor.batches == []


@pytest.mark.behaviour(113)
def test_a_merge_of_numbers_never_seen_is_remembered(trust_on_each_store: Trust) -> None:
    trust = trust_on_each_store
    trust.receive(merged(ONE, NAMELESS.number))
    trust.later(hours=1)
    trust.works.expiry.run(now=trust.now)
    trust.each(born(NAMELESS), an_oru(NAMELESS, order="L1", value="11"), coded(ONE, at="202609080900"))
    assert len(trust.persons()) == 1 and trust.values() == ["11"]


@pytest.mark.behaviour(112)
def test_a_result_under_the_old_number_after_the_merge_goes_to_the_survivor(trust: Trust) -> None:
    a_case(trust, ONE, "11")
    trust.each(merged(ONE, NAMELESS.number), an_oru(NAMELESS, order="L2", value="12", at="202609100900"))
    assert trust.values(trust.persons()[0].id) == ["11", "12"]


def test_a_hospital_number_given_to_another_child_is_blocked(trust: Trust) -> None:
    a_case(trust, ONE, "11")
    trust.receive(born(ONE.but(nhs=nhs(9), born="202609150100"), visit="V9"))
    trust.dispatch()
    assert trust.status()["children"]["blocked"] == 1
    assert trust.csor.batches == []


@pytest.mark.behaviour(104)
def test_twins_whose_numbers_were_swapped_are_blocked_until_both_are_right(trust: Trust) -> None:
    twin = OTHER.but(sex="F", birth_order="2")
    first = ONE.but(birth_order="1")
    a_case(trust, first, "11")
    a_case(trust, twin, "12")
    trust.dispatch()
    sent = len(trust.csor.batches)
    trust.receive(an_adt("A31", first.but(nhs=twin.nhs), at="202609080900"))
    trust.receive(an_oru(first.but(nhs=twin.nhs), order="L3", value="13", at="202609081000"))
    trust.dispatch()
    assert trust.status()["children"]["blocked"] == 2 and len(trust.csor.batches) == sent
    trust.receive(an_adt("A31", twin.but(nhs=first.nhs), at="202609080905"))
    trust.dispatch()
    assert trust.status()["children"]["blocked"] == 0 and len(trust.persons()) == 2
    trust.assert_csor_agrees()


def test_a_baby_under_the_mothers_number_is_parked(trust: Trust) -> None:
    trust.receive(born(ONE.but(mother=f"{ONE.number}^^^RXX^MR")))
    trust.receive(born(OTHER.but(mother=f"800001^^^RXX^MR~{OTHER.nhs}^^^NHS^NH")))
    assert trust.parked() == ["P202", "P202"] and trust.persons() == []


@pytest.mark.behaviour(101)
def test_two_nhs_numbers_in_one_message_park_it(trust: Trust) -> None:
    trust.receive(born(ONE.but(nhs=f"{ONE.nhs} {OTHER.nhs}")))
    assert trust.parked() == ["P201"]


def test_a_message_without_a_patient_is_parked(trust: Trust) -> None:
    raw = born(ONE)
    trust.receive(b"\r".join(line for line in raw.split(b"\r") if not line.startswith(b"PID")))
    assert trust.parked() == ["P203"]


@pytest.mark.parametrize("is_wrong_one_confirmed", [True, False])
def test_a_corrected_nhs_number_takes_two_children_apart_again(
    trust_on_each_store: Trust, is_wrong_one_confirmed: bool
) -> None:
    """The second child's message bore the first one's number; a later PID corrects it."""
    trust = trust_on_each_store
    wrong = OTHER.but(nhs=ONE.nhs, sex="F")
    case, bystander = (wrong, ONE) if is_wrong_one_confirmed else (ONE, wrong)
    trust.each(born(case), coded(case), born(bystander), an_oru(bystander, order="L8", value="88"))
    trust.each(an_oru(case, order="L1", value="11"))
    trust.dispatch()
    assert len(trust.persons()) == 1 and trust.values() == ["11", "88"]
    trust.receive(an_adt("A31", OTHER.but(sex="F"), at="202609080900"))
    trust.dispatch()
    assert len(trust.persons()) == 2
    assert trust.values() == ["11"]
    assert len(trust.rows("infant")) == len(trust.rows("condition_case")) == len(trust.rows("admission")) == 1
    trust.assert_csor_agrees()
    assert len({row["csor_id"] for row in trust.csor.live()}) == 1
    trust.receive(an_oru(bystander.but(nhs=nhs(2) if bystander is wrong else ONE.nhs), order="L9", value="89"))
    trust.dispatch()
    assert trust.values() == ["11"]
    trust.assert_csor_agrees()


def test_rows_that_change_hands_wait_for_the_batch_they_are_in(trust: Trust) -> None:
    from adapter.errors import Unsure

    wrong = OTHER.but(nhs=ONE.nhs, sex="F")
    trust.each(born(ONE), coded(ONE), born(wrong), coded(wrong), an_oru(wrong, order="L8", value="88"))
    trust.csor.answers = [lambda: Unsure("no answer")]
    trust.dispatch()
    trust.receive(an_adt("A31", OTHER.but(sex="F"), at="202609080900"))
    trust.dispatch()
    trust.later(hours=1)
    trust.dispatch()
    trust.assert_csor_agrees()
    assert len(trust.csor.live("infant")) == 2
    assert "refused" not in trust.status()["deliveries"]


def test_a_corrected_birth_sends_every_row_again_once(trust_on_each_store: Trust) -> None:
    trust = trust_on_each_store
    a_case(trust, ONE, "11")
    trust.dispatch()
    before = {name: (row["version"], row["fields"]) for name, row in trust.csor.rows.items()}
    trust.receive(an_adt("A31", ONE.but(born="202608312330"), at="202609080900"))
    trust.dispatch()
    for name, row in trust.csor.rows.items():
        assert row["version"] == before[name][0] + 1
    result = trust.csor.live("lab_result")[0]
    moved = result["fields"]["collected_minutes"] - before[result["record_id"]][1]["collected_minutes"]
    assert moved == 180
    versions = trust.versions()
    trust.receive(an_adt("A31", ONE.but(born="202608312330"), at="202609090900"))
    assert trust.versions() == versions


def test_a_corrected_sex_changes_the_infant_alone(trust: Trust) -> None:
    a_case(trust, ONE, "11")
    before = trust.versions()
    trust.receive(an_adt("A31", ONE.but(sex="M"), at="202609080900"))
    assert trust.rows("infant")[0]["sex"] == "male"
    assert sum(trust.versions().values()) == sum(before.values()) + 1


@pytest.mark.behaviour(122)
def test_a_death_is_on_the_infant(trust: Trust) -> None:
    a_case(trust, ONE, "11")
    trust.receive(an_adt("A31", ONE.but(died="202609110420"), at="202609110900"))
    infant = trust.rows("infant")[0]
    assert infant["deceased"] is True and infant["death_datetime"].startswith("2026-09-11T04:20")


def test_one_childs_doubt_does_not_touch_another(trust: Trust) -> None:
    a_case(trust, ONE, "11")
    third = a_baby(3)
    a_case(trust, third, "13")
    trust.each(merged(ONE, NAMELESS.number), merged(NAMELESS, ONE.number, at="202609070900"))
    trust.dispatch()
    assert [row["fields"]["value_num"] for row in trust.csor.live("lab_result")] == [13]


def test_a_batch_frozen_before_the_doubt_waits_for_its_end(trust: Trust) -> None:
    from adapter.errors import TryLater

    a_case(trust, ONE, "11")
    trust.csor.answers = [lambda: TryLater("closed")]
    trust.dispatch()
    a_case(trust, OTHER, "12")
    trust.receive(merged(ONE, OTHER.number))
    trust.later(hours=1)
    trust.dispatch()
    assert trust.csor.rows == {}


def test_a_number_that_goes_to_another_child_takes_no_publication_along(trust: Trust) -> None:
    """The wrongly joined number leaves a published child, and in the same step bears a held one's number."""
    wrong = OTHER.but(nhs=ONE.nhs, sex="F")
    third = a_baby(3)
    trust.receive(born(third))
    trust.each(born(ONE), coded(ONE), born(wrong), an_oru(wrong, order="L8", value="88"))
    trust.dispatch()
    trust.receive(an_adt("A31", OTHER.but(sex="F", nhs=third.nhs), at="202609080900"))
    trust.dispatch()
    assert [person.state for person in trust.persons() if person.published] == ["confirmed"]
    assert trust.status()["children"]["blocked"] == 2  # the number has now stood beside two NHS numbers
    assert trust.values() == []
    trust.assert_csor_agrees()
