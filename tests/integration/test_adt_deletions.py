"""Deleted records (A23, A29): withdrawn, never erased; of a child of the register only by a person's word."""

from itertools import permutations

import pytest

from adapter.cli.replay import all_but_decisions
from adapter.store import attempts, messages
from adapter.store.states import MessageState
from tests.integration.adt import message, mrg, pid, pv1
from tests.integration.messages import GASTROSCHISIS, Baby, a_baby, an_adt, an_oru
from tests.integration.trust import Trust

ONE = a_baby(1)


def told(baby: Baby, visit: str = "V1") -> list[bytes]:
    return [
        an_adt("A01", baby, at="202609010310", visit=visit),
        an_adt("A08", baby, at="202609050900", visit=visit, codes=[GASTROSCHISIS]),
        an_oru(baby, order=f"L{visit}", value="11"),
    ]


def deletes(event: str, baby: Baby, *, visit: str = "V1", at: str = "202609060900") -> bytes:
    return message(event, pid(baby), *([pv1(visit)] if event == "A23" else []), at=at)


def replayed(trust: Trust) -> None:
    """As `csor-adapter replay ID` does, for every message that is parked."""
    with trust.works.database.write() as conn:
        for each in messages.parked(conn):
            messages.set_state(conn, each.id, before=MessageState.PARKED, after=MessageState.RECEIVED)
            attempts.clear(conn, each.id)
    trust.works.drain()


@pytest.mark.behaviour(120)
@pytest.mark.parametrize("event", ["A23", "A29"])
def test_the_record_of_a_child_of_the_register_is_deleted_by_a_person_alone(
    trust_on_each_store: Trust, event: str
) -> None:
    trust = trust_on_each_store
    trust.each(*told(ONE))
    trust.dispatch()
    rows = trust.versions()
    trust.receive(deletes(event, ONE))
    assert trust.parked() == ["P214"] and trust.versions() == rows and trust.status()["messages"]["parked"] == 1
    replayed(trust)
    trust.dispatch()
    assert trust.parked() == [] and trust.rows("admission") == trust.rows("diagnosis") == []
    assert trust.rows("lab_result") == [] and trust.csor.live() == []
    assert trust.counts()["deletion.accepted"] == 1
    trust.assert_csor_agrees()
    assert len(trust.bodies("ADT^A01")) == len(trust.bodies("ORU^R01")) == 1


@pytest.mark.behaviour(120)
@pytest.mark.parametrize("event", ["A23", "A29"])
def test_a_record_that_lives_again_has_all_it_had(trust: Trust, event: str) -> None:
    trust.each(*told(ONE), deletes(event, ONE))
    replayed(trust)
    assert trust.rows() == []
    again = [an_adt("A01", ONE, at="202609070900", visit="V1", codes=[GASTROSCHISIS])]
    trust.each(*again)
    assert trust.values() == ["11"] and len(trust.rows("admission")) == len(trust.rows("diagnosis")) == 1


@pytest.mark.behaviour(120)
@pytest.mark.parametrize("event", ["A23", "A29"])
def test_a_record_outside_the_register_is_withdrawn_at_once_in_any_order(trust: Trust, event: str) -> None:
    """Before the codes come nobody knows the child; what was said before the deletion makes no case of it after."""
    for nth, order in enumerate(permutations(range(2))):
        baby = a_baby(30 + nth)
        first, *_ = told(baby, f"V{nth}")
        late = an_adt("A08", baby, at="202609050900", visit=f"V{nth}", codes=[GASTROSCHISIS])
        both = [first, deletes(event, baby, visit=f"V{nth}")]
        trust.each(*(both[place] for place in order), late)
    assert trust.parked() == [] and trust.rows() == [] and len(trust.persons()) >= 1


@pytest.mark.behaviour(120)
def test_a_deleted_visit_takes_along_its_own_and_no_other(trust: Trust) -> None:
    trust.each(*told(ONE), an_adt("A01", ONE, at="202609030310", visit="V2", codes=["K56.6^Obstruction^I10"]))
    trust.receive(deletes("A23", ONE, visit="V2"))
    replayed(trust)
    assert [row["spell_id"] for row in trust.rows("admission")] == ["V1"]
    assert [row["code"] for row in trust.rows("diagnosis")] == ["Q79.3"] and trust.values() == ["11"]


def test_to_delete_what_is_left_of_a_merged_number_means_nothing(trust: Trust) -> None:
    old = ONE.but(number="T55501", nhs="")
    trust.each(*told(ONE), *told(old, "V2"), message("A40", pid(ONE), mrg(old.number), at="202609060900"))
    versions = trust.versions()
    trust.receive(deletes("A29", old, at="202609070900"))
    assert trust.parked() == [] and trust.versions() == versions and len(trust.persons()) == 1


def test_the_deletion_of_one_of_two_numbers_takes_its_own_rows_alone(trust: Trust) -> None:
    second = ONE.but(number="T55501")
    trust.each(*told(ONE), *told(second, "V2"))
    assert len(trust.persons()) == 1 and len(trust.rows("lab_result")) == 2
    trust.receive(deletes("A29", second))
    replayed(trust)
    assert [row["spell_id"] for row in trust.rows("admission")] == ["V1"] and len(trust.rows("lab_result")) == 1
    trust.receive(an_oru(second, order="L9", value="19", at="202609080900"))
    assert trust.values() == ["11"]


def test_replaying_everything_agrees_to_no_deletion(trust: Trust) -> None:
    trust.each(*told(ONE), deletes("A29", ONE), message("A40", pid(ONE), at="202609060900"))
    with trust.works.database.read() as conn:
        named = all_but_decisions(conn)
        assert [messages.by_id(conn, number).reason for number in named] == ["P203"]  # type: ignore[union-attr]
    assert sorted(trust.parked()) == ["P203", "P214"]
