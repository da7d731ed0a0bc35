"""Lists of codes (DG1, PR1): a snapshot feed replaces the visit's list, a feed of action codes names what changes."""

from collections.abc import Callable

import pytest

from adapter.cli.explain import explainer
from adapter.dispatch import record_bytes
from tests.integration.adt import dg1, in_every_order, message, pid, pr1, pv1
from tests.integration.messages import GASTROSCHISIS, Baby, a_baby
from tests.integration.trust import Trust

Feed = Callable[[str], Trust]

OBSTRUCTION, HERNIA = "K56.6^Obstruction^I10", "K40.9^Hernia^I10"
CLOSURE, RESECTION = "T28.1^Closure^OPCS4", "G69.3^Resection^OPCS4"
CODES = {"diagnosis": ("code",), "operation": ("procedure_code", "knife_to_skin")}


def case(baby: Baby) -> list[bytes]:
    first = message("A01", pid(baby), pv1(f"V{baby.number}", admitted="202609010300"), at="202609010305")
    return [message("A31", pid(baby), dg1(GASTROSCHISIS), at="202609010300"), first]


def coded(baby: Baby, *segments: str, at: str, visit: str = "") -> bytes:
    return message("A08", pid(baby), pv1(visit or f"V{baby.number}"), *segments, at=at)


def codes(rows: dict[str, list[tuple[object, ...]]]) -> tuple[list[str], list[str]]:
    return sorted(str(row[0]) for row in rows["diagnosis"]), sorted(str(row[0]) for row in rows["operation"])


@pytest.mark.behaviour(97)
def test_a_snapshot_replaces_the_list_of_that_visit_and_no_other(trust: Trust) -> None:
    def told(baby: Baby) -> list[bytes]:
        return [
            coded(baby, dg1(OBSTRUCTION), dg1(HERNIA, nth=2), pr1(CLOSURE), pr1(RESECTION, nth=2), at="202609020900"),
            coded(baby, dg1(HERNIA), pr1(CLOSURE), at="202609030900"),
            coded(baby, dg1("K59.0^Constipation^I10"), at="202609020930", visit=f"W{baby.number}"),
        ]

    found = codes(in_every_order(trust, told, case, **CODES))
    assert found == (["K40.9", "K59.0", "Q79.3"], ["T28.1"])


@pytest.mark.behaviour(97)
def test_an_action_code_changes_what_it_names_alone(a_feed: Feed) -> None:
    trust = a_feed("{lists: {DG1: action, PR1: action}}")

    def told(baby: Baby) -> list[bytes]:
        return [
            coded(baby, dg1(OBSTRUCTION, action="A"), dg1(HERNIA, action="A", nth=2), at="202609020900"),
            coded(baby, dg1(OBSTRUCTION, action="D"), at="202609030900"),
            coded(
                baby, pr1(CLOSURE, action="A", number="P1"), pr1(RESECTION, action="A", number="P2"), at="202609030901"
            ),
            coded(baby, pr1(CLOSURE, action="U", number="P1", done="202609031000"), at="202609040900"),
        ]

    found = in_every_order(trust, told, case, **CODES)
    assert codes(found) == (["K40.9", "Q79.3"], ["G69.3", "T28.1"])
    assert sorted(str(row[1])[:16] for row in found["operation"]) == ["2026-09-03T09:00", "2026-09-03T10:00"]


@pytest.mark.behaviour(97)
def test_an_entry_is_taken_out_by_its_number_and_a_deletion_may_come_first(a_feed: Feed) -> None:
    trust = a_feed("{lists: {DG1: action, PR1: action}}")

    def told(baby: Baby) -> list[bytes]:
        return [
            coded(
                baby,
                dg1(OBSTRUCTION, action="A", number="D1"),
                dg1(OBSTRUCTION, action="A", number="D2"),
                at="202609020900",
            ),
            coded(baby, dg1("", action="D", number="D1"), at="202609030900"),
            coded(baby, dg1(HERNIA, action="U", number="D2"), at="202609040900"),
        ]

    assert codes(in_every_order(trust, told, case, **CODES))[0] == ["K40.9", "Q79.3"]


def test_what_a_feed_of_actions_left_is_explained_by_the_message_that_said_it(a_feed: Feed) -> None:
    trust = a_feed("{lists: {DG1: action}}")
    baby = a_baby(1)
    trust.each(*case(baby), coded(baby, dg1(OBSTRUCTION, action="A"), at="202609020900"))
    trust.receive(coded(baby, dg1(HERNIA, action="A"), dg1(OBSTRUCTION, action="D", nth=2), at="202609030900"))
    (row,) = [row for row in trust.rows("diagnosis") if row["code"] == "K40.9"]
    with explainer(trust.settings) as asked:
        found = asked.explain(record_bytes(row["row"]))
    assert found is not None
    (code,) = [each for each in found.fields if each.field == "code"]
    assert code.values[0].cuts[0].position == "DG1[1]-3.1"
