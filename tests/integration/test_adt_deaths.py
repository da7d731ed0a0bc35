"""Death in any message, as exactly as it is told, and taken back."""

from collections.abc import Callable

import pytest

from tests.integration.adt import in_every_order, message, pid, pv1
from tests.integration.messages import GASTROSCHISIS, Baby, a_baby, an_adt, an_oru
from tests.integration.trust import Trust

Feed = Callable[[str], Trust]

ONE = a_baby(1)
INFANT = {"infant": ("deceased", "death_datetime")}


def case(baby: Baby) -> list[bytes]:
    return [an_adt("A01", baby, at="202609010310", codes=[GASTROSCHISIS])]


def says(baby: Baby, death: str = "", dead: str = "", *, at: str, event: str = "A31") -> bytes:
    return message(
        event, pid(baby, death=death, dead=dead), *([] if event == "A31" else [pv1(f"V{baby.number}")]), at=at
    )


def infant(trust: Trust) -> tuple[object, str]:
    (row,) = trust.rows("infant")
    return row.get("deceased"), str(row.get("death_datetime") or "")[:16]


@pytest.mark.behaviour(122)
@pytest.mark.parametrize(
    ("death", "dead", "told"),
    [
        ("202609110420", "Y", (True, "2026-09-11T04:20")),
        ("20260911", "Y", (True, "2026-09-11")),
        ("202609", "", (True, "2026-09")),
        ("", "Y", (True, "")),
        ('""', "Y", (True, "")),
        ("", "N", (False, "")),
        ("202609110420", "N", (False, "")),
    ],
)
@pytest.mark.parametrize("event", ["A31", "A08", "A03"])
def test_a_death_is_told_by_any_event_with_its_precision(
    trust: Trust, event: str, death: str, dead: str, told: tuple[bool, str]
) -> None:
    trust.each(*case(ONE), says(ONE, death, dead, at="202609120900", event=event))
    assert infant(trust) == told


@pytest.mark.behaviour(122)
def test_a_laboratory_tells_of_a_death_too(trust: Trust) -> None:
    trust.receive(*case(ONE))
    raw = an_oru(ONE, order="L1", value="11", at="202609120900")
    trust.receive(raw.replace(ONE.pid().encode(), pid(ONE, death="202609110420", dead="Y").encode()))
    assert infant(trust) == (True, "2026-09-11T04:20")


@pytest.mark.behaviour(122)
@pytest.mark.parametrize(("death", "dead"), [("", "N"), ('""', ""), ('""', '""'), ('""', "N")])
def test_a_death_is_taken_back_in_whatever_order_it_is_told(trust: Trust, death: str, dead: str) -> None:
    def told(baby: Baby) -> list[bytes]:
        return [
            says(baby, "202609110420", "Y", at="202609120900"),
            says(baby, death, dead, at="202609130900"),
        ]

    ((deceased, moment),) = in_every_order(trust, told, case, **INFANT)["infant"]
    assert not deceased and moment is None


@pytest.mark.behaviour(122)
def test_a_word_of_the_feed_takes_a_death_back(a_feed: Feed) -> None:
    trust = a_feed("{death_undone: [RESURREC]}")

    def told(baby: Baby) -> list[bytes]:
        return [says(baby, "202609110420", "Y", at="202609120900"), says(baby, "RESURREC", "Y", at="202609130900")]

    ((deceased, moment),) = in_every_order(trust, told, case, **INFANT)["infant"]
    assert not deceased and moment is None


@pytest.mark.behaviour(122)
def test_a_discharge_by_death_is_an_outcome_that_its_cancel_takes_back(trust: Trust) -> None:
    def told(baby: Baby) -> list[bytes]:
        visit = pv1(f"V{baby.number}", discharged="202609111000", method="4")
        return [
            message("A03", pid(baby), visit, at="202609111005"),
            message("A13", pid(baby), pv1(f"V{baby.number}"), at="202609111105"),
        ]

    trust.receive(*case(ONE))
    trust.receive(told(ONE)[0])
    (event,) = [row for row in trust.rows("outcome_event") if row["event_type"] == "death"]
    assert str(event["event_dt"]).startswith("2026-09-11T10:00") and event["rule"] == "discharge-method"
    kinds = {"outcome_event": ("event_type",)}
    assert in_every_order(trust, told, case, **kinds) == {"outcome_event": []}
