"""Where a child lies since when: only messages of a move say it."""

import pytest

from adapter.assertion import ItemKind
from tests.unit.mapping_v2.messages import PV1, adt, items


def since(event: str, pv1: str = PV1, occurred: str = "") -> str | None:
    encounter = items(adt(event, pv1, occurred=occurred), ItemKind.ENCOUNTER)[0].resources[0]
    place = encounter["location"][0]
    assert place["location"]["identifier"]["value"] == "NICU"
    return place.get("period", {}).get("start")  # type: ignore[no-any-return]


NO_ADMISSION_TIME = PV1.replace("20260101103000", "")


@pytest.mark.behaviour(115)
@pytest.mark.parametrize("event", ["A01", "A04"])
def test_an_admission_says_since_when_the_child_lies_there(event: str) -> None:
    assert since(event, occurred="20260101101500") == "2026-01-01T10:15:00+00:00"
    assert since(event) == "2026-01-01T10:30:00+00:00"
    assert since(event, NO_ADMISSION_TIME) == "2026-01-03T12:00:00+00:00"


@pytest.mark.behaviour(115)
def test_a_transfer_says_it_by_the_time_it_happened_else_was_recorded() -> None:
    assert since("A02", occurred="20260103111500") == "2026-01-03T11:15:00+00:00"
    assert since("A02") == "2026-01-03T12:00:00+00:00"


@pytest.mark.parametrize("event", ["A03", "A08", "A12", "A13"])
def test_no_other_message_says_it(event: str) -> None:
    assert since(event, occurred="20260103111500") is None


@pytest.mark.parametrize("pv1", [PV1.replace("|I|", "|P|"), PV1.replace("NICU^BAY1^BED3^RXX|||", "|||SCBU")])
def test_a_planned_or_a_former_place_is_none_where_the_child_lies(pv1: str) -> None:
    encounter = items(adt("A01", pv1), ItemKind.ENCOUNTER)[0].resources[0]
    assert not [place for place in encounter["location"] if "period" in place]


@pytest.mark.behaviour(115)
def test_a_cancelled_transfer_wins_over_the_transfer_on_equal_clocks() -> None:
    cancel, move = (items(adt(event, PV1), ItemKind.ENCOUNTER)[0] for event in ("A12", "A02"))
    assert cancel.clock_us == move.clock_us
    assert cancel.rank > move.rank
