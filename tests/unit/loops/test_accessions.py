"""One accession number with several examinations: every voice that speaks of it, in every order of arrival."""

import json
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest

from adapter import fhir
from adapter.assertion import Assertion, Item, ItemKind, SourceIdentifier
from adapter.hl7v2 import Message
from adapter.settle.accessions import apart, group_of
from adapter.settle.projection import Said, Source
from tests.unit.mapping_csor.builders import maps as csor_maps
from tests.unit.mapping_v2.messages import PID, PV1, a_message, stated

ABDOMEN, CHEST = "XABDO^Abdomen X-ray^NICIP", "XCHES^Chest X-ray^NICIP"
HEAD = "UCRAN^Cranial ultrasound^NICIP"
ORDERED_ABDOMEN, ORDERED_CHEST = "IMG201^AXR^EPR", "IMG101^CXR^EPR"
LOCAL_ONE, LOCAL_TWO = "Q1^Portable film^EPR", "Q2^Other film^EPR"
Told = tuple[str, list[Item]]


def an_order(*codes: str, at: str = "0900", control: str = "NW", number: str = "A7", placer: str = "P{n}") -> Told:
    lines = []
    for n, code in enumerate(codes, start=1):
        own = placer.format(n=n)
        lines += [f"ORC|{control}|{own}|{number}", f"OBR|{n}|{own}|{number}|{code}" + "|" * 20 + "RAD"]
    return "epr", _items(a_message("ORM^O01", PID, PV1, *lines, time=f"20260103{at}00"))


def a_report(*codes: str, at: str = "1200", status: str = "F", number: str = "A7", feed: str = "ris") -> Told:
    lines = []
    for n, code in enumerate(codes, start=1):
        lines += [
            f"OBR|{n}||{number}|{code}|||20260103110000" + "|" * 15 + f"20260103{at}00||RAD|{status}",
            f"OBX|1|TX|REP||Film of {code.partition('^')[0]}.||||||{status}",
        ]
    return feed, _items(a_message("ORU^R01", PID, PV1, *lines, time=f"20260103{at}30"))


def in_fhir(kind: str, own: str, *codes: str, number: str = "A7", at: str = "1130", **more: Any) -> Told:
    concepts = [
        {"coding": [{"system": "urn:x", "code": each.split("^")[0], "display": each.split("^")[1]}]} for each in codes
    ]
    named = {"procedureCode": concepts} if kind == "ImagingStudy" else {"code": concepts[0]} if concepts else {}
    accession = {"type": {"coding": [{"code": "ACSN"}]}, "value": number}
    status = {"ImagingStudy": "available", "DiagnosticReport": "final", "ServiceRequest": "active"}[kind]
    resource = {"resourceType": kind, "id": own, "status": status, "identifier": [accession], "intent": "order",
                "subject": {"reference": "Patient/1"}, "category": [{"coding": [{"code": "RAD"}]}], **named,
                "meta": {"lastUpdated": f"2026-01-03T{at[:2]}:{at[2:]}:00Z"}, **more}  # fmt: skip
    if kind == "ServiceRequest" and not named:
        resource["code"] = {"text": "Imaging"}
    (statement,), problems = fhir.statements(json.dumps(resource).encode(), known=csor_maps().known)
    assert not problems
    return "ehr", [item for item in statement.items if item.kind is ItemKind.IMAGING]


def _items(message: Message) -> list[Item]:
    return [item for item in stated(message).items if item.kind is ItemKind.IMAGING]


def told(*messages: Told) -> list[Said]:
    """As they are stored when they arrive in this order."""
    said = []
    for number, (feed, items) in enumerate(messages, start=1):
        source = Source(number, number, 0, b"", Assertion(feed, SourceIdentifier("RXX", "1"), items, {}))
        said += [Said(item, source) for item in items]
    return said


def names(said: Sequence[Said]) -> set[str]:
    """`DR XABDO` and the like."""
    found = set()
    for each in said:
        resource = each.item.resources[0]
        concepts = [resource["code"]] if "code" in resource else resource.get("procedureCode") or []
        codes = "+".join(c["code"] for concept in concepts for c in concept.get("coding") or ())
        short = {"DiagnosticReport": "DR", "ServiceRequest": "SR", "ImagingStudy": "IS"}[resource["resourceType"]]
        found.add(f"{short} {codes}".strip())
    return found


def examinations(*messages: Told) -> dict[str, set[str]]:
    """By key, and the same in every order of arrival."""
    found = []
    for order in permutations(messages):
        said = told(*order)
        assert {group_of(each.item.key) for each in said} == {"imaging|A7"}
        found.append(
            {key: names(each) for key, each in apart("imaging|A7", said, study_of=csor_maps().study_of).items()}
        )
    assert all(each == found[0] for each in found)
    return found[0]


ONE, CHEST_TOO = "imaging|A7", "imaging|A7|XCHES"


@pytest.mark.behaviour(138)
def test_order_report_and_fhir_of_one_examination_are_one() -> None:
    pictures = in_fhir("ImagingStudy", "s1", ABDOMEN)
    report = in_fhir("DiagnosticReport", "d1", ABDOMEN)
    assert examinations(an_order(ABDOMEN), a_report(ABDOMEN), pictures, report) == {
        ONE: {"SR XABDO", "DR XABDO", "IS XABDO"}
    }


@pytest.mark.behaviour(138)
def test_two_examinations_of_one_report_are_two() -> None:
    assert examinations(a_report(ABDOMEN, CHEST)) == {ONE: {"DR XABDO"}, CHEST_TOO: {"DR XCHES"}}


@pytest.mark.behaviour(138)
def test_two_examinations_reported_one_after_the_other_are_two() -> None:
    both = examinations(a_report(ABDOMEN), a_report(CHEST, at="1300"))
    assert both == {ONE: {"DR XABDO"}, CHEST_TOO: {"DR XCHES"}}


@pytest.mark.behaviour(138)
def test_each_order_goes_with_its_report() -> None:
    found = examinations(an_order(ABDOMEN, CHEST), a_report(ABDOMEN), a_report(CHEST, at="1300"))
    assert found == {ONE: {"SR XABDO", "DR XABDO"}, CHEST_TOO: {"SR XCHES", "DR XCHES"}}


@pytest.mark.behaviour(138)
def test_where_the_order_has_codes_of_its_own_the_study_they_name_decides() -> None:
    found = examinations(an_order(ORDERED_CHEST, ORDERED_ABDOMEN), a_report(ABDOMEN, CHEST))
    assert {frozenset(each) for each in found.values()} == {
        frozenset({"SR IMG101", "DR XCHES"}),
        frozenset({"SR IMG201", "DR XABDO"}),
    }


@pytest.mark.behaviour(138)
def test_one_order_and_one_report_are_one_whatever_their_codes() -> None:
    assert examinations(an_order(ORDERED_CHEST), a_report(ABDOMEN)) == {ONE: {"SR IMG101", "DR XABDO"}}
    assert examinations(an_order(LOCAL_ONE), a_report(ABDOMEN)) == {ONE: {"SR Q1", "DR XABDO"}}


def test_codes_that_no_table_knows_go_together_in_the_order_in_which_they_were_said() -> None:
    found = examinations(an_order(LOCAL_ONE, LOCAL_TWO), a_report(ABDOMEN, CHEST))
    assert {frozenset(each) for each in found.values()} == {
        frozenset({"SR Q1", "DR XABDO"}),
        frozenset({"SR Q2", "DR XCHES"}),
    }


def test_one_order_for_two_films_is_of_both() -> None:
    found = examinations(an_order(LOCAL_ONE), a_report(ABDOMEN, CHEST))
    assert {frozenset(each) for each in found.values()} == {
        frozenset({"SR Q1", "DR XABDO"}),
        frozenset({"SR Q1", "DR XCHES"}),
    }


def test_what_is_not_reported_yet_is_an_examination_of_its_own() -> None:
    found = examinations(an_order(ABDOMEN, CHEST), a_report(CHEST))
    assert found == {ONE: {"SR XABDO"}, CHEST_TOO: {"SR XCHES", "DR XCHES"}}
    found = examinations(an_order(LOCAL_ONE, LOCAL_TWO), a_report(CHEST))
    assert len(found) == 2


def test_films_that_the_tables_know_to_be_different_are_not_brought_together() -> None:
    found = examinations(an_order(HEAD, ABDOMEN), a_report(ABDOMEN, CHEST))
    assert {frozenset(each) for each in found.values()} == {
        frozenset({"SR UCRAN"}),
        frozenset({"DR XCHES"}),
        frozenset({"SR XABDO", "DR XABDO"}),
    }


def test_a_corrected_report_may_correct_the_code() -> None:
    found = examinations(an_order(ABDOMEN), a_report(ABDOMEN), a_report(CHEST, at="1500", status="C"))
    assert found == {ONE: {"SR XABDO", "DR XABDO", "DR XCHES"}}


def test_a_correction_of_one_of_two_reports_is_of_that_one() -> None:
    both = a_report(ABDOMEN, CHEST)
    found = examinations(both, a_report(CHEST, at="1500", status="C"))
    assert found == {ONE: {"DR XABDO"}, CHEST_TOO: {"DR XCHES"}}
    assert examinations(a_report(ABDOMEN, CHEST, status="C")) == found


def test_an_order_changed_to_another_film_is_one_order() -> None:
    changed = an_order(CHEST, at="0930", control="XO")
    assert examinations(an_order(ABDOMEN), changed) == {ONE: {"SR XABDO", "SR XCHES"}}
    assert examinations(an_order(ABDOMEN), changed, a_report(CHEST)) == {ONE: {"SR XABDO", "SR XCHES", "DR XCHES"}}


def test_a_placer_number_for_all_orders_of_a_request_tells_them_not_to_be_one() -> None:
    assert len(examinations(an_order(ABDOMEN, CHEST, placer="P1"))) == 2


def test_pictures_without_a_code_are_of_the_whole_number() -> None:
    pictures = in_fhir("ImagingStudy", "s1")
    found = examinations(pictures, a_report(ABDOMEN, CHEST))
    assert found == {ONE: {"IS", "DR XABDO"}, CHEST_TOO: {"IS", "DR XCHES"}}
    assert examinations(pictures, an_order(ABDOMEN)) == {ONE: {"IS", "SR XABDO"}}


def test_pictures_are_not_of_an_order_that_was_taken_back() -> None:
    cancelled = an_order(CHEST, control="CA", at="0930", placer="P2")
    found = examinations(in_fhir("ImagingStudy", "s1"), an_order(ABDOMEN, CHEST), cancelled)
    assert found == {ONE: {"IS", "SR XABDO"}, CHEST_TOO: {"SR XCHES"}}


def test_two_departments_that_report_different_films_have_two_examinations() -> None:
    found = examinations(a_report(ABDOMEN), a_report(CHEST, feed="hub", at="1300"))
    assert found == {ONE: {"DR XABDO"}, CHEST_TOO: {"DR XCHES"}}


def test_one_study_of_two_examinations_names_both_and_joins_neither() -> None:
    found = examinations(in_fhir("ImagingStudy", "s1", ABDOMEN, CHEST), a_report(ABDOMEN, CHEST))
    assert found == {ONE: {"IS XABDO+XCHES", "DR XABDO"}, CHEST_TOO: {"IS XABDO+XCHES", "DR XCHES"}}


def test_a_reference_tells_what_a_code_does_not() -> None:
    first = in_fhir("ImagingStudy", "s1", LOCAL_TWO)
    second = in_fhir("ImagingStudy", "s2", LOCAL_ONE, at="1140")
    one = in_fhir("DiagnosticReport", "d1", ABDOMEN, imagingStudy=[{"reference": "ImagingStudy/s2"}])
    two = in_fhir("DiagnosticReport", "d2", CHEST, imagingStudy=[{"reference": "ImagingStudy/s1"}], at="1150")
    found = examinations(first, second, one, two)
    assert {frozenset(each) for each in found.values()} == {
        frozenset({"IS Q1", "DR XABDO"}),
        frozenset({"IS Q2", "DR XCHES"}),
    }


def test_a_report_in_fhir_whose_code_was_changed_is_one_report() -> None:
    found = examinations(
        in_fhir("DiagnosticReport", "d1", ABDOMEN), in_fhir("DiagnosticReport", "d1", CHEST, at="1400")
    )
    assert found == {ONE: {"DR XABDO", "DR XCHES"}}


def test_the_report_of_a_second_feed_is_of_the_same_examinations() -> None:
    in_the_epr = in_fhir("DiagnosticReport", "d1", CHEST, at="1300")
    found = examinations(a_report(ABDOMEN, CHEST), in_the_epr, a_report(ABDOMEN, feed="hub"))
    assert found == {ONE: {"DR XABDO"}, CHEST_TOO: {"DR XCHES"}}
    two = [in_fhir("DiagnosticReport", f"d{n}", each, at=f"121{n}") for n, each in enumerate((ABDOMEN, CHEST))]
    assert examinations(a_report(ABDOMEN, CHEST), *two) == found


def test_an_order_without_an_accession_number_tells_its_films_apart_too() -> None:
    _, items = an_order(ABDOMEN, CHEST, number="", placer="P1")
    assert [each.key for each in items] == ["imaging-order|P1|XABDO", "imaging-order|P1|XCHES"]
    assert {group_of(each.key) for each in items} == {"imaging-order|P1"}
    assert len(apart("g", told(("epr", items)), study_of=csor_maps().study_of)) == 2


def test_other_keys_are_left_as_they_are() -> None:
    assert group_of("ImagingStudy/s1") == "ImagingStudy/s1"
    assert group_of("imaging-report|P7|XABDO|2026") == "imaging-report|P7|XABDO|2026"
