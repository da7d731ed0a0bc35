"""A visit that a FHIR server has made part of another one (Oracle Millennium: status unknown, with partOf)."""

from typing import Any

import pytest

from tests.integration.conftest import Make
from tests.integration.fhir_child import BABY, a_known_child, a_page, at
from tests.integration.messages import GASTROSCHISIS, an_adt
from tests.integration.trust import Trust


def a_visit(
    identity: str, number: str = "", *, minute: int = 1, start: str = "2026-09-03", **more: Any
) -> dict[str, Any]:
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "VN"}]}
    numbers = {"identifier": [{"type": kind, "system": "https://rxx.example/visit", "value": number}]} if number else {}
    return {
        "resourceType": "Encounter", "id": identity, "meta": {"lastUpdated": at(minute)}, "status": "finished",
        "class": {"code": "IMP"}, "subject": {"reference": "Patient/p1"},
        "period": {"start": f"{start}T03:00:00+01:00", "end": f"{start}T13:00:00+01:00"}, **numbers, **more,
    }  # fmt: skip


def combined(identity: str, whole: str, number: str = "", *, minute: int = 20) -> dict[str, Any]:
    return a_visit(identity, number, minute=minute) | {
        "status": "unknown",
        "partOf": {"reference": f"Encounter/{whole}"},
    }


def admitted(trust: Trust) -> list[str]:
    return sorted(str(row["admit_dt"])[:10] for row in trust.rows("admission"))


@pytest.mark.behaviour(69)
def test_a_visit_that_is_part_of_another_is_none_of_its_own(a_trust: Make) -> None:
    pages = [a_page(a_visit("e1")), a_page(a_visit("e2", start="2026-09-05")), a_page(combined("e2", "e1"))]
    for order in (pages, pages[::-1], [*pages[1:], pages[0]]):
        trust = a_known_child(a_trust)
        for page in order:
            trust.take(page, is_fhir=True)
        assert admitted(trust) == ["2026-09-01", "2026-09-03"], [pages.index(page) for page in order]


@pytest.mark.behaviour(69)
def test_what_hl7_v2_says_of_it_is_the_wholes(a_trust: Make) -> None:
    """The child's visit of HL7 v2 is the one that is part of another now: its diagnoses stay."""
    trust = a_known_child(a_trust)
    trust.take(a_page(a_visit("e1", "V9", start="2026-08-31")), is_fhir=True)
    trust.take(a_page(combined("e2", "e1", f"V{BABY.number}")), is_fhir=True)
    trust.receive(an_adt("A08", BABY, at="202609031000", codes=[GASTROSCHISIS]))

    assert len(admitted(trust)) == 1
    assert {row["code"] for row in trust.rows("diagnosis")} == {"Q79.3"}
    assert trust.cases() == {"gastroschisis": "confirmed"}


@pytest.mark.behaviour(69)
def test_a_visit_that_is_taken_out_of_the_other_again_counts(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    pages = [a_page(a_visit("e1")), a_page(combined("e2", "e1")), a_page(a_visit("e2", minute=40, start="2026-09-05"))]
    for page in pages:
        trust.take(page, is_fhir=True)
    assert admitted(trust) == ["2026-09-01", "2026-09-03", "2026-09-05"]


def test_an_unknown_visit_that_is_part_of_none_hides_no_other(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(a_page(a_visit("e1"), a_visit("e2") | {"status": "unknown"}), is_fhir=True)
    assert admitted(trust) == ["2026-09-01", "2026-09-03"]
