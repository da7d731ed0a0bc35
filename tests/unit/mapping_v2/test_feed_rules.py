"""What a feed's own rules do to its messages, seen in what the maps make of them."""

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from adapter import mapping
from adapter.assertion import ItemKind
from adapter.hl7v2 import Message
from adapter.mapping.feed_rules import (
    Blank,
    Choose,
    DeathUndone,
    DropEmpty,
    FeedRules,
    LeaveOut,
    Move,
    Put,
    Silence,
    StripPrefix,
    TakeOut,
)
from adapter.mapping.rules import place
from adapter.mapping.trace import trace
from adapter.statement import Statement
from tests.unit.mapping_v2.messages import LONDON, state_maps

MSH = "MSH|^~\\&|PAS|RXX|CSOR|RXX|20260901120000||ADT^A08|1|P|2.4"


def pid(**fields: str) -> str:
    """A PID with `p3="…"` and so on over those of an invented baby."""
    return segment("PID", {3: "700001^^^RXX^MR", 5: "MARROWSIDE^BABY", 7: "20260801", 8: "F"}, fields)


def pv1(**fields: str) -> str:
    """The same of a visit."""
    return segment("PV1", {2: "I", 3: "NICU^BAY1^B1", 10: "422", 19: "V1"}, fields)


def segment(name: str, numbered: dict[int, str], changes: dict[str, str]) -> str:
    numbered = numbered | {int(name[1:]): text for name, text in changes.items()}
    return f"{name}|" + "|".join(numbered.get(number, "") for number in range(1, max(numbered) + 1))


def stated(*lines: str, rules: FeedRules, timezone: ZoneInfo = LONDON) -> Statement:
    message = Message.parse("\r".join([MSH, *lines]).encode(), encoding=rules.encoding)
    return mapping.state(message, state_maps(), timezone=timezone, rules=rules)


def patient(*lines: str, rules: FeedRules) -> dict[str, Any]:
    found = stated(*lines, rules=rules).patient
    assert found is not None
    return found


def cleared(*lines: str, rules: FeedRules, kind: ItemKind = ItemKind.PATIENT) -> set[str]:
    items = stated(*lines, rules=rules).items
    return {path for item in items if item.kind is kind for path in item.cleared}


def numbers(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Value, authority and type of each identifier."""
    return [
        (each["value"], each.get("assigner", {}).get("display", ""), each["type"]["coding"][0]["code"])
        for each in found["identifier"]
    ]


@pytest.mark.behaviour(96)
def test_the_standard_clears_by_two_quotes_and_leaves_what_is_empty() -> None:
    assert cleared(pid(p13='""', p14=""), rules=mapping.STANDARD) == {"telecom"}


@pytest.mark.behaviour(96)
def test_a_field_of_two_quotes_in_each_component_is_cleared_as_a_whole() -> None:
    assert cleared(pid(p11='""^""^^""'), rules=mapping.STANDARD) == {"address"}


@pytest.mark.behaviour(96)
def test_two_quotes_in_one_component_take_that_component_out_of_the_new_value() -> None:
    assert patient(pid(p5='MARROWSIDE^""^^^MISS'), rules=mapping.STANDARD)["name"] == [
        {"family": "MARROWSIDE", "prefix": ["MISS"]}
    ]


@pytest.mark.behaviour(96)
def test_where_a_feed_ignores_two_quotes_nothing_is_cleared() -> None:
    assert cleared(pid(p13='""', p8='""'), rules=FeedRules(null="ignore")) == set()


@pytest.mark.behaviour(96)
def test_a_field_may_be_excepted_from_what_two_quotes_do() -> None:
    rules = FeedRules(exceptions=(Silence(place("PID-13"), null="ignore"),))
    assert cleared(pid(p13='""', p8='""'), rules=rules) == {"gender"}
    other_way = FeedRules(null="ignore", exceptions=(Silence(place("PID-13"), null="clear"),))
    assert cleared(pid(p13='""', p8='""'), rules=other_way) == {"telecom"}


@pytest.mark.behaviour(96)
def test_where_blank_clears_an_empty_field_is_cleared_but_no_number_is_lost() -> None:
    rules = FeedRules(empty="clear")
    found = stated(pid(p13="", p2=""), pv1(), rules=rules)
    gone = {item.kind: set(item.cleared) for item in found.items}
    assert {"telecom", "address", "multipleBirthInteger"} <= gone[ItemKind.PATIENT]
    assert "identifier" not in gone[ItemKind.PATIENT]
    assert "period.end" in gone[ItemKind.ENCOUNTER]
    assert "identifier" not in gone[ItemKind.ENCOUNTER]


@pytest.mark.behaviour(96)
def test_one_field_alone_may_be_cleared_by_a_blank() -> None:
    rules = FeedRules(exceptions=(Silence(place("PID-13"), empty="clear"),))
    assert cleared(pid(p13="", p11=""), rules=rules) == {"telecom"}


@pytest.mark.behaviour(96)
def test_a_component_may_decide_for_its_field() -> None:
    kept = FeedRules(exceptions=(Silence(place("PV1-3.1"), null="ignore", empty="keep"),))
    for bed_only in ('""^BAY2^B7', "^BAY2^B7"):
        visit = stated(pid(), pv1(p3=bed_only), rules=kept).items[-1]
        assert "location" not in visit.resources[0]
        assert "location" not in visit.cleared
    gone = FeedRules(exceptions=(Silence(place("PV1-3.1"), empty="clear"),))
    # The location is one of several that the visit may have, so it is left out and not cleared.
    assert "location" not in stated(pid(), pv1(p3="^BAY2"), rules=gone).items[-1].resources[0]
    postcode = FeedRules(exceptions=(Silence(place("PID-11.5"), empty="clear"),))
    assert cleared(pid(p11="1 LANE^^TOWN"), rules=postcode) == {"address"}


@pytest.mark.behaviour(100)
def test_a_prefix_is_cut_off_every_repetition() -> None:
    rules = FeedRules(edits=(StripPrefix(place("PID-3.1"), ("N3", "N4")),))
    found = patient(pid(p3="N39990000018^^^NHS^NH~N700001^^^RXX^MR"), rules=rules)
    assert numbers(found) == [("9990000018", "NHS", "NH"), ("N700001", "RXX", "MR")]


@pytest.mark.behaviour(100)
def test_a_number_moves_to_the_field_where_it_belongs_unless_it_is_there() -> None:
    rules = FeedRules(edits=(Move(place("PID-19"), place("PID-3"), authority="NHS", type="NH"),))
    assert numbers(patient(pid(p19="9990000018"), rules=rules)) == [
        ("700001", "RXX", "MR"),
        ("9990000018", "NHS", "NH"),
    ]
    there = pid(p3="9990000018^^^NHS^NH", p19="9990000018")
    assert numbers(patient(there, rules=rules)) == [("9990000018", "NHS", "NH")]


def test_only_what_looks_like_the_number_is_moved() -> None:
    rules = FeedRules(edits=(Move(place("PID-2"), place("PID-3"), authority="RXX", type="MR", pattern=r"AH\d{7}"),))
    found = patient(pid(p2="AH0000256", p3=""), rules=rules)
    assert numbers(found) == [("AH0000256", "RXX", "MR")]
    other = patient(pid(p2="0000256^^^OLD^PI"), rules=rules)
    assert numbers(other) == [("700001", "RXX", "MR"), ("0000256", "OLD", "PI")]


@pytest.mark.behaviour(102)
def test_a_trace_status_in_the_type_of_a_number_is_taken_out_of_it() -> None:
    rules = FeedRules(edits=(TakeOut(place("PID-3.5"), "{status:", "}", place("PID-32")),))
    found = patient(pid(p3="9990000018^^^NHS^NH{status:01}~RR1^^^HOSP^PI"), rules=rules)
    assert numbers(found) == [("9990000018", "NHS", "NH"), ("RR1", "HOSP", "PI")]
    assert found["identifier"][0]["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "01"


@pytest.mark.behaviour(100)
def test_an_nhs_number_with_blanks_is_ten_digits() -> None:
    found = patient(pid(p3="999 000 0018^^^NHS^NH~70 00 01^^^RXX^MR"), rules=mapping.STANDARD)
    assert numbers(found) == [("9990000018", "NHS", "NH"), ("70 00 01", "RXX", "MR")]


def test_empty_repetitions_and_those_of_a_foreign_authority_are_left_out() -> None:
    sent = pid(p3="700001^^^RXX^MR~^^^^MR~88^^^OTHER&1.2&ISO^MR~")
    edits = (DropEmpty(place("PID-3")), Choose(place("PID-3"), keeps=False, authorities=("OTHER",)))
    assert numbers(patient(sent, rules=FeedRules(edits=edits))) == [("700001", "RXX", "MR")]


def test_of_several_visit_numbers_the_one_of_a_type_is_chosen() -> None:
    rules = FeedRules(edits=(Choose(place("PV1-19"), keeps=True, types=("VISITID",)),))
    found = stated(pid(), pv1(p19="A9^^^RXX^ACCT~V7^^^RXX^VISITID"), rules=rules)
    assert found.items[-1].key == "visit|V7"


def test_the_visit_number_may_stand_in_the_patients_segment_each_patient_his_own() -> None:
    rules = FeedRules(edits=(Put(place("PID-18"), place("PV1-19")),))
    found = stated(pid(p18="V55"), pv1(p19=""), rules=rules)
    assert found.items[-1].key == "visit|V55"


def test_a_field_of_known_errors_is_not_read() -> None:
    rules = FeedRules(edits=(LeaveOut(place("PID-4")),))
    assert numbers(patient(pid(p4="OLD1^^^RXX^MR"), rules=rules)) == [("700001", "RXX", "MR")]


def test_a_placeholder_says_nothing() -> None:
    rules = FeedRules(edits=(Blank(place("PID-13"), ("(000)000-0000",)), Blank(place("PID-7"), ("19000101",))))
    found = patient(pid(p13="(000)000-0000~01632 960001", p7="19000101"), rules=rules)
    assert [each["value"] for each in found["telecom"]] == ["01632 960001"]
    assert "birthDate" not in found


@pytest.mark.behaviour(94)
def test_a_field_of_a_z_segment_is_read_as_if_it_were_a_standard_one() -> None:
    rules = FeedRules(edits=(Put(place("ZU1-27"), place("PID-32")),))
    sent = pid(p3="9990000018^^^NHS^NH")
    found = patient(sent, pv1(), "ZU1|" + "|" * 26 + "01", rules=rules)
    status = found["identifier"][0]["extension"][0]["valueCodeableConcept"]["coding"][0]["code"]
    assert status == "01"
    assert "extension" not in patient(sent, pv1(), "ZU1|" + "|" * 26 + "01", rules=mapping.STANDARD)["identifier"][0]


def test_each_order_takes_the_accession_number_that_follows_it() -> None:
    rules = FeedRules(edits=(Put(place("IPC-1"), place("OBR-3")),))
    lines = [
        "ORC|NW|P1",
        "OBR|1|P1||XCHES^Chest^CRIS||||||||||||||||||||RAD",
        "IPC|RXX001",
        "ORC|NW|P2",
        "OBR|2|P2||XABDO^Abdomen^CRIS||||||||||||||||||||RAD",
        "ORC|NW|P3",
        "OBR|3|P3||XPELV^Pelvis^CRIS||||||||||||||||||||RAD",
        "IPC|RXX003",
    ]
    header = MSH.replace("ADT^A08", "OMI^O23")
    message = Message.parse("\r".join([header, pid(), *lines]).encode())
    found = mapping.state(message, state_maps(), timezone=LONDON, rules=rules)
    keys = [item.key.split("|")[:2] for item in found.items if item.kind is ItemKind.IMAGING]
    assert keys == [["imaging", "RXX001"], ["imaging-order", "P2"], ["imaging", "RXX003"]]


@pytest.mark.behaviour(122)
def test_a_word_of_the_sites_own_takes_a_death_back() -> None:
    rules = FeedRules(edits=(DeathUndone(("ALIVE", "RESURREC")),))
    found = stated(pid(p29="Alive", p30=""), rules=rules)
    assert found.patient is not None
    assert found.patient["deceasedBoolean"] is False
    assert "deceasedDateTime" in found.items[0].cleared


@pytest.mark.behaviour(98)
def test_a_feeds_own_way_of_writing_times_is_read_to_its_precision_in_its_zone() -> None:
    rules = FeedRules(time_formats=("%d/%m/%Y %H:%M", "%d/%m/%Y", "%d-%b-%y"))
    found = stated(pid(p7="31/08/2026"), pv1(p44="01/09/2026 10:15"), rules=rules, timezone=ZoneInfo("UTC"))
    assert found.patient is not None
    assert (found.patient["birthDate"], found.problems) == ("2026-08-31", [])
    assert found.items[-1].resources[0]["period"] == {"start": "2026-09-01T10:15:00+00:00"}
    assert patient(pid(p7="31-Aug-26"), rules=rules)["birthDate"] == "2026-08-31"
    # What HL7 itself can read is never read by a format.
    assert patient(pid(p7="20260831"), rules=rules)["birthDate"] == "2026-08-31"


@pytest.mark.behaviour(91)
def test_a_feed_that_declares_one_character_set_and_sends_another_is_read_by_its_setting() -> None:
    header = f"{MSH}||||||UNICODE UTF-8"
    raw = "\r".join([header, pid(p5="MÜLLER^BABY")]).encode("cp1252")
    message = Message.parse(raw, encoding=FeedRules(encoding="cp1252").encoding)
    found = mapping.state(message, state_maps(), timezone=LONDON).patient
    assert found is not None
    assert (found["name"][0]["family"], message.problems) == ("MÜLLER", ())


@pytest.mark.behaviour(91)
def test_what_windows_calls_iso_8859_1_is_read_as_windows_means_it() -> None:
    raw = f"{MSH}||||||8859/1\r{pid(p5='O’DELL^BABY')}".encode("cp1252")
    message = Message.parse(raw)
    assert (message.lines[1].count("O’DELL"), message.problems) == (1, ())


def test_every_value_of_a_message_put_right_leads_back_to_the_bytes_it_was_cut_from() -> None:
    edits = (
        StripPrefix(place("PID-3.1"), ("N3",)),
        TakeOut(place("PID-3.5"), "{s:", "}", place("PID-25")),
        Move(place("PID-19"), place("PID-3"), authority="NHS", type="NH"),
        DropEmpty(place("PID-3")),
        Put(place("ZU1-27"), place("PID-32")),
        Put(place("PID-18"), place("PV1-19")),
        Put(place("ZV1-2.1"), place("PV1-3")),
    )
    rules = FeedRules(null="ignore", edits=edits, time_formats=("%d/%m/%Y %H:%M",))
    lines = [
        MSH,
        pid(p3="N3700001^^^RXX^M{s:2}R~^^^^MR", p8='""', p18="V55", p19="9990000018"),
        pv1(p19="", p44="01/09/2026 10:15"),
        "ZV1||SURG^Surgical ward",
        "ZU1|" + "|" * 26 + "01",
    ]
    raw = "\r".join(lines).encode()
    message = Message.parse(raw)
    found = mapping.state(message, state_maps(), timezone=LONDON, rules=rules)
    origins = trace(message, state_maps(), timezone=LONDON, rules=rules)
    for origin in origins:
        value = at(found.items[origin.item_index].resources[origin.resource_index], origin.path)
        text = raw[origin.start : origin.end].decode()
        assert text == origin.steps[0].result or origin.steps[0].name == "constant"
        for before, step in zip(origin.steps, origin.steps[1:], strict=False):
            assert done(step.name, step.argument, before.result) in (step.result, None), origin
        assert origin.steps[-1].result == str(value).replace("True", "true")
    places = {(origin.path, origin.position) for origin in origins}
    assert {
        ("identifier[0].value", "PID[1]-3.1"),
        ("identifier[1].value", "PID[1]-19"),
        ("identifier[0].value", "PID[1]-18"),
        ("location[0].location.identifier.value", "ZV1[1]-2.1"),
        ("identifier[1].extension[0].valueCodeableConcept.coding[0].code", "ZU1[1]-27"),
        ("period.start", "PV1[1]-44"),
        ("multipleBirthInteger", "PID[1]-3.5"),
    } <= places


def done(step: str, argument: str, text: str) -> str | None:
    """The steps of rules, by hand from their description; None: another step, whose own tests prove it."""
    if step == "time-format":
        return datetime.strptime(text, argument).strftime("%Y%m%d%H%M")
    if step == "pieces":
        pieces = re.findall(r"(\d+):(\d+)|'([^']*)'", argument)
        return "".join(said or text[int(first) : int(last)] for first, last, said in pieces if said or first)
    return None


def at(resource: Any, path: str) -> Any:
    for name, index in re.findall(r"(\w+)|\[(\d+)\]", path):
        resource = resource[name] if name else resource[int(index)]
    return resource
