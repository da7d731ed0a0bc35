"""Bookings (SIU): followed from message to message under their number, and no visit until somebody arrives."""

from itertools import permutations

import pytest

from adapter import mapping
from adapter.assertion import Assertion, Item, ItemKind, SourceIdentifier
from adapter.settle.projection import Said, Source, folded
from adapter.statement import Statement
from tests.unit.mapping_v2.messages import LONDON, PID, PV1, a_message, all_maps, items, stated

SCH = "SCH|B1^EPR|A1^RIS|||||FOLLOWUP^^HL70276|Normal^^HL70277|20|min|^^^{start}^{end}|||||||||||||{status}|{orders}"


def a_booking(
    event: str, *, at: str = "0900", start: str = "202601101000", end: str = "202601101020", status: str = ""
) -> Statement:
    sch = SCH.format(start=start, end=end, status=f"|{status}" if status else "|", orders="P1^EPR|A77^RIS")
    service = ["RGS|1", f"AIS|1||UABDO^US Abdomen^RIS|{start}", f"AIL|1||USROOM^^^RXX|||{start}"]
    return stated(a_message(f"SIU^{event}", sch, PID, PV1, *service, time=f"20260104{at}00"))


def the_booking(statement: Statement) -> Item:
    (found,) = items(statement, ItemKind.BOOKING)
    return found


@pytest.mark.behaviour(142)
@pytest.mark.parametrize(
    ("event", "sent", "status"),
    [("S12", "", "booked"), ("S12", "Booked", "booked"), ("S13", "", "booked"), ("S14", "Started", "checked-in"),
     ("S14", "", "booked"), ("S15", "Booked", "cancelled"), ("S16", "", "cancelled"), ("S17", "", "entered-in-error"),
     ("S18", "", "booked"), ("S20", "Pending", "pending"), ("S22", "", "booked"), ("S26", "Booked", "noshow"),
     ("S14", "Complete", "fulfilled"), ("S14", "Noshow", "noshow")],
)  # fmt: skip
def test_a_booking_has_the_state_that_its_event_says(event: str, sent: str, status: str) -> None:
    statement = a_booking(event, status=sent)
    item = the_booking(statement)
    assert item.key == "booking|A1"
    assert item.resources[0]["status"] == status
    assert item.resources[0]["start"] == "2026-01-10T10:00:00+00:00"
    assert items(statement, ItemKind.ENCOUNTER) == []
    assert statement.context["triage-encounter"]["location"]


@pytest.mark.behaviour(142)
def test_a_booking_is_followed_whatever_came_first() -> None:
    said = [
        a_booking("S12"),
        a_booking("S13", at="1000", start="202601121400", end="202601121420"),
        a_booking("S15", at="1000", start="202601121400", end="202601121420"),
    ]
    for order in permutations(said):
        sources = [
            Said(the_booking(each), Source(n, n, 0, b"", Assertion("ris", SourceIdentifier("RXX", "1"), [], {})))
            for n, each in enumerate(order)
        ]
        booking, _ = folded(sources)
        assert (booking["status"], booking["start"]) == ("cancelled", "2026-01-12T14:00:00+00:00")


@pytest.mark.behaviour(142)
def test_a_bundle_shows_the_booking_its_order_and_no_visit() -> None:
    sch = SCH.format(start="202601101000", end="202601101020", status="|Booked", orders="P1^EPR|A77^RIS")
    service = ["RGS|1", "AIS|1||UABDO^US Abdomen^RIS|202601101000", "AIL|1||USROOM^^^RXX|||202601101000"]
    expected = PV1.rpartition("|")[0]  # without PV1-44: nobody has come
    message = a_message("SIU^S12", sch, PID, expected, *service, "AIP|1||C99^ROE^ANN|D^Doctor")
    bundle = mapping.to_bundle(message, all_maps(), timezone=LONDON)
    found = {entry["resource"]["resourceType"]: entry for entry in bundle["entry"]}
    assert "Encounter" not in found
    booking, order = found["Appointment"]["resource"], found["ServiceRequest"]
    assert booking["basedOn"] == [{"reference": order["fullUrl"]}]
    assert [each["value"] for each in order["resource"]["identifier"]] == ["P1", "A77"]
    assert order["resource"]["code"]["coding"][0]["code"] == "UABDO"
    assert order["resource"]["status"] == "active" and order["resource"]["intent"] == "order"
    assert booking["participant"][0] == {"status": "accepted", "actor": {"reference": found["Patient"]["fullUrl"]}}
    assert [each["actor"]["display"] for each in booking["participant"][1:]] == ["USROOM", "ANN ROE"]
    assert booking["participant"][2]["type"][0]["coding"][0]["code"] == "D"
    assert (booking["minutesDuration"], booking["end"]) == (20, "2026-01-10T10:20:00+00:00")
