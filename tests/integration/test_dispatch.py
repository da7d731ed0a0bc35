"""Out: what CSOR answers, what waits, what may not leave at all."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from adapter.disclosure import Peer, PeerKind
from adapter.errors import Refused, TryLater, Unsure
from adapter.receiver import Settings, running
from adapter.sinks import CsorApi
from tests.integration.conftest import Make
from tests.integration.messages import GASTROSCHISIS, Baby, a_baby, an_adt, an_oru
from tests.integration.trust import Trust, load, trust_file

ONE, OTHER = a_baby(1), a_baby(2, sex="M")


def a_case(trust: Trust, baby: Baby, *values: str) -> None:
    trust.receive(an_adt("A01", baby, at="202609010310"))
    trust.receive(an_adt("A08", baby, at="202609050900", codes=[GASTROSCHISIS]))
    trust.receive(*(an_oru(baby, order=f"L{value}", value=value) for value in values))


def test_an_unsure_batch_is_sent_again_byte_for_byte_before_newer_changes(trust_on_each_store: Trust) -> None:
    trust = trust_on_each_store
    a_case(trust, ONE, "11")
    trust.csor.answers = [lambda: Unsure("no answer")]
    trust.dispatch()
    trust.receive(an_oru(ONE, order="L12", value="12"))
    trust.dispatch()
    assert len(trust.csor.batches) == 1
    trust.restart()
    trust.later(minutes=1)
    trust.dispatch()
    assert len(trust.csor.batches) == 3
    assert trust.csor.batches[0] == trust.csor.batches[1] != trust.csor.batches[2]
    trust.assert_csor_agrees()
    assert set(trust.csor.applied.values()) == {1}


def test_what_was_being_sent_at_a_crash_is_sent_again_under_its_key(trust: Trust) -> None:
    a_case(trust, ONE, "11")

    def crash() -> Unsure:
        raise KeyboardInterrupt

    trust.csor.answers = [crash]
    with pytest.raises(KeyboardInterrupt):
        trust.dispatch()
    assert trust.status()["deliveries"] == {"sending": 1}
    trust.restart()
    assert trust.status()["deliveries"] == {"unsure": 1}
    trust.dispatch()
    assert trust.csor.batches[0] == trust.csor.batches[1]
    trust.assert_csor_agrees()


def test_a_fault_of_the_sink_counts_as_unsure(trust: Trust) -> None:
    a_case(trust, ONE, "11")
    trust.csor.answers = [lambda: RuntimeError("not of ours")]  # type: ignore[list-item,return-value]
    trust.dispatch()
    assert trust.status()["deliveries"] == {"unsure": 1}
    trust.later(minutes=1)
    trust.dispatch()
    trust.assert_csor_agrees()


def test_attempts_are_put_off_longer_each_time_and_survive_a_restart(trust: Trust) -> None:
    a_case(trust, ONE, "11")
    trust.csor.answers = [lambda: TryLater("closed")] * 6
    trust.dispatch()
    waits = []
    for _ in range(5):
        trust.restart()
        seconds, attempts = 0, len(trust.csor.batches)
        while len(trust.csor.batches) == attempts and seconds < 400:
            trust.later(seconds=1)
            seconds += 1
            trust.dispatch()
        waits.append(seconds)
    assert waits == sorted(waits) and waits[0] <= 2 and 15 <= waits[-1] <= 33
    assert len({key for key, _ in trust.csor.batches}) == 1


def test_retry_after_is_obeyed(trust: Trust) -> None:
    a_case(trust, ONE, "11")
    trust.csor.answers = [lambda: TryLater("busy", retry_after_s=120)]
    trust.dispatch()
    trust.later(seconds=110)
    trust.dispatch()
    assert len(trust.csor.batches) == 1
    trust.later(seconds=20)
    trust.dispatch()
    trust.assert_csor_agrees()


@pytest.mark.behaviour(143)
def test_a_refused_batch_holds_that_child_alone(trust: Trust) -> None:
    a_case(trust, ONE, "11")
    trust.csor.answers = [lambda: Refused("row 1: not as published")]
    trust.dispatch()
    a_case(trust, OTHER, "22")
    trust.receive(an_oru(ONE, order="L12", value="12"))
    trust.later(days=1)
    trust.dispatch()
    assert trust.status()["deliveries"] == {"accepted": 1, "refused": 1}
    assert [row["fields"]["value_num"] for row in trust.csor.live("lab_result")] == [22]


def test_a_hundred_children_who_may_not_leave_do_not_hold_the_next(trust: Trust) -> None:
    for number in range(10, 112):
        baby = a_baby(number).but(nhs="")
        trust.receive(an_adt("A01", baby, at="202609010310", codes=[GASTROSCHISIS]))
    a_case(trust, ONE, "11")
    trust.dispatch()
    assert len(trust.csor.live("infant")) == 1


def test_a_release_in_steps_leaves_only_when_it_is_whole(trust: Trust) -> None:
    a_case(trust, ONE)
    trust.dispatch()
    values = [str(number) for number in range(100, 230)]
    trust.receive(*(an_oru(ONE, order=f"L{value}", value=value) for value in values))
    trust.dispatch()
    trust.receive(an_adt("A08", ONE, at="202609060900", codes=[]))
    trust.dispatch()
    assert trust.csor.live() == []
    trust.receive(an_adt("A08", ONE, at="202609070900", codes=[GASTROSCHISIS]))
    batches = len(trust.csor.batches)
    trust.dispatch()
    assert len(trust.csor.batches) == batches + 1
    trust.assert_csor_agrees()


def withheld(trust: Trust) -> list[object]:
    return [detail["reason"] for detail in trust.audited("withheld")]


def test_a_child_without_a_number_waits_told_once_and_leaves_when_it_has_one(trust: Trust) -> None:
    a_case(trust, ONE.but(nhs=""), "11")
    for _ in range(3):
        trust.dispatch()
        trust.later(minutes=5)
    trust.restart()
    trust.dispatch()
    assert trust.csor.batches == [] and withheld(trust) == ["no-number"]
    assert trust.status()["counters"]["withheld.no-number"] == 1
    assert trust.status()["withheld"] == {"no-number": 1}
    trust.receive(an_adt("A31", ONE, at="202609100900"))
    trust.dispatch()
    trust.assert_csor_agrees()
    assert trust.csor.live() and trust.status()["withheld"] == {}


# Outside test mode only the issued range is taken; this is the least number of it, which nobody was given.
LEAST = "4000000004"


def test_a_real_number_leaves_nothing_once_test_mode_is_on(a_trust: Make, mappings: Path) -> None:
    trust = a_trust(test_mode="no")
    a_case(trust, ONE.but(nhs=LEAST), "11")
    trust.settings = load(trust_file(trust.settings.data_folder.parent, mappings=mappings))
    trust.restart()
    trust.dispatch()
    assert trust.csor.batches == [] and withheld(trust) == ["real-number-in-test-mode"]


def test_a_real_number_is_none_in_test_mode(trust: Trust) -> None:
    a_case(trust, ONE.but(nhs=LEAST), "11")
    trust.dispatch()
    assert trust.csor.batches == [] and withheld(trust) == ["no-number"]


def test_nothing_leaves_for_another_host(a_trust: Make) -> None:
    trust = a_trust(sink="{kind: csor-api, url: 'https://192.0.2.1/v1'}")
    a_case(trust, ONE, "11")
    trust.dispatch()
    assert trust.csor.batches == [] and withheld(trust) == ["not-loopback"]


def test_nothing_of_real_children_leaves_without_a_legal_basis(a_trust: Make) -> None:
    trust = a_trust(test_mode="no")
    a_case(trust, ONE.but(nhs=LEAST), "11")
    trust.dispatch()
    assert trust.csor.batches == [] and withheld(trust) == ["no-legal-basis"]


def test_bytes_frozen_before_the_peer_moved_stay(trust: Trust) -> None:
    a_case(trust, ONE, "11")
    trust.csor.answers = [lambda: TryLater("closed")]
    trust.dispatch()
    elsewhere = Peer(kind=PeerKind.HOST, addresses=("192.0.2.1",))
    trust.dispatcher._terms = trust.dispatcher._terms._replace(peer=lambda: elsewhere)
    trust.later(hours=1)
    trust.dispatch()
    assert len(trust.csor.batches) == 1 and withheld(trust) == ["not-loopback"]


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[str]:
    with running(Settings(data_folder=tmp_path / "receiver", port=0)) as url:
        yield url


class LosesAnswers:
    """Delivers, and then tells that it does not know."""

    def __init__(self, url: str, *, lost: int) -> None:
        self._real, self._lost = CsorApi(url), lost

    def deliver(self, batch: bytes, *, idempotency_key: str) -> object:
        answer = self._real.deliver(batch, idempotency_key=idempotency_key)
        if self._lost:
            self._lost -= 1
            raise Unsure("the answer was lost")
        return answer


def at(url: str, what: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = requests.get(f"{url}/v1/{what}", timeout=10).json()[what]
    return found


def test_the_receiver_has_what_the_trust_has_and_applied_nothing_twice(
    trust_on_each_store: Trust, receiver: str
) -> None:
    trust = trust_on_each_store
    trust.dispatcher._sink = LosesAnswers(receiver, lost=2)
    a_case(trust, ONE, "11")
    trust.dispatch()
    trust.receive(an_oru(ONE, order="L11", value="13", status="C", reported="202609030900"))
    for _ in range(5):
        trust.later(minutes=1)
        trust.dispatch()
    trust.receive(an_adt("A08", ONE, at="202609100900", codes=["Q79.2^Exomphalos^I10"]))
    trust.dispatch()
    trust.receive(an_adt("A08", ONE, at="202609110900", codes=[GASTROSCHISIS]))
    trust.dispatch()
    ours = {row["row"]: row["kind"] for row in trust.rows()}
    assert {row["record_id"]: row["kind"] for row in at(receiver, "rows") if not row["deleted"]} == ours
    applied = [(row["record_id"], row["version"]) for row in at(receiver, "applied")]
    assert len(applied) == len(set(applied))
    last: dict[object, object] = {}
    for row in at(receiver, "applied"):
        assert last.get(row["record_id"]) != row["content"]
        last[row["record_id"]] = row["content"]


def test_a_row_that_came_back_to_what_csor_has_is_not_sent_again(trust: Trust) -> None:
    a_case(trust, ONE)
    trust.dispatch()
    batches = len(trust.csor.batches)
    trust.receive(an_adt("A03", ONE, at="202609060900", codes=None))
    trust.receive(an_adt("A13", ONE, at="202609060930", codes=None))
    trust.dispatch()
    assert len(trust.csor.batches) == batches
    trust.assert_csor_agrees()
    assert trust.status()["unsent_rows"] == 0
