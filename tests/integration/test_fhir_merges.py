"""A patient record that a FHIR server gives up for another: the records go over, the old id stays as an alias."""

from typing import Any

import pytest

from adapter.assertion import SourceIdentifier
from adapter.fhir.replaced import WRITTEN_HERE
from adapter.store import registry
from tests.integration.conftest import Make
from tests.integration.fhir_child import BABY, SETTINGS, a_known_child, a_page, a_patient, a_result, a_sample, at, by_v2
from tests.integration.messages import a_baby
from tests.integration.trust import Trust

OTHER = a_baby(2).number


def replaced_by(survivor: str, identity: str = "old", *, minute: int = 20, **more: Any) -> dict[str, Any]:
    """As Oracle Millennium answers a read of a patient who was merged away."""
    link = [{"other": {"reference": f"Patient/{survivor}"}, "type": "replaced-by"}]
    patient = {"resourceType": "Patient", "id": identity, "meta": {"lastUpdated": at(minute)}, "active": False}
    return {**patient, "link": link, **more}


def told_by_us(survivor: str, *, minute: int = 20) -> dict[str, Any]:
    """As the adapter tells itself what Epic says by error 4107."""
    meta = {"lastUpdated": at(minute), "tag": [{"system": WRITTEN_HERE, "code": "merge"}]}
    return replaced_by(survivor, meta=meta)


OF_OLD = a_page(
    a_patient("old", number=OTHER, minute=2), a_result(7, patient="old", identity="o7"), a_sample("s1", patient="old")
)
"""A second record of the same child, under another hospital number."""


def people(trust: Trust) -> dict[str, int]:
    """By FHIR id: which person."""
    ring = trust.works.ring
    with trust.works.database.read() as conn:
        blinds = {
            name: ring.blind("identifier", *SourceIdentifier("fhir:ehr", f"Patient/{name}")) for name in ("p1", "old")
        }
        found = registry.by_blinds(conn, list(blinds.values()))
    return {name: found[blind].person_id for name, blind in blinds.items() if blind in found}


@pytest.mark.behaviour(66)
@pytest.mark.behaviour(67)
@pytest.mark.parametrize("merge", [replaced_by("p1"), told_by_us("p1")], ids=["by the server", "by us"])
def test_the_records_of_a_replaced_patient_are_the_survivors(a_trust: Make, merge: dict[str, Any]) -> None:
    trust = a_known_child(a_trust)
    trust.take(OF_OLD, is_fhir=True)
    before = trust.values(), people(trust)
    trust.take(a_page(merge), is_fhir=True)

    assert before[0] == []
    assert trust.values() == ["7"]
    assert len(set(people(trust).values())) == 1
    assert trust.counts().get("problem.P201", 0) == 0


@pytest.mark.behaviour(66)
def test_what_still_comes_under_the_old_id_is_the_survivors_too(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(a_page(replaced_by("p1")), is_fhir=True)
    trust.take(a_page(a_result(9, patient="old", identity="o9"), a_sample("s1", patient="old")), is_fhir=True)
    assert trust.values() == ["9"]


@pytest.mark.behaviour(66)
def test_every_order_of_arrival_gives_the_same_rows(a_trust: Make) -> None:
    pages = [OF_OLD, a_page(replaced_by("p1")), a_page(a_patient(minute=5))]
    for order in (pages, pages[::-1], [*pages[1:], pages[0]]):
        trust = a_trust(**SETTINGS)
        by_v2(trust)
        for page in order:
            trust.take(page, is_fhir=True)
        assert trust.values() == ["7"], [pages.index(page) for page in order]


@pytest.mark.behaviour(67)
def test_what_we_wrote_ourselves_clears_nothing_of_the_old_record(a_trust: Make) -> None:
    trust = a_trust(**SETTINGS)
    by_v2(trust)
    trust.take(a_page(a_patient("old", minute=2)), is_fhir=True)  # the child under this id alone
    trust.take(a_page(told_by_us("p1")), is_fhir=True)
    trust.take(a_page(a_result(9, patient="old", identity="o9"), a_sample("s1", patient="old")), is_fhir=True)

    assert trust.values() == ["9"]
    assert str(trust.rows("infant")[0]["birth_datetime"]).startswith("2026-09-01")


@pytest.mark.behaviour(70)
def test_an_unmerge_puts_the_records_back(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(a_page(a_result(), a_sample()), is_fhir=True)
    trust.take(OF_OLD, is_fhir=True)
    trust.take(a_page(replaced_by("p1")), is_fhir=True)
    trust.dispatch()
    merged = trust.values()
    trust.take(a_page(a_patient("old", number=OTHER, minute=40)), is_fhir=True)
    trust.dispatch()

    assert merged == ["12", "7"]
    assert trust.values() == ["12"]
    assert len(set(people(trust).values())) == 2
    trust.assert_csor_agrees()


@pytest.mark.behaviour(70)
def test_the_order_of_merge_and_unmerge_does_not_matter(a_trust: Make) -> None:
    pages = [OF_OLD, a_page(replaced_by("p1", minute=20)), a_page(a_patient("old", number=OTHER, minute=40))]
    for order in (pages, pages[::-1], [*pages[1:], pages[0]]):
        trust = a_known_child(a_trust)
        for page in order:
            trust.take(page, is_fhir=True)
        assert trust.values() == [], [pages.index(page) for page in order]


@pytest.mark.behaviour(70)
def test_records_that_still_share_an_nhs_number_wait_for_a_person(a_trust: Make) -> None:
    nhs = {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": BABY.nhs, "extension": [
        {"url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
         "valueCodeableConcept": {"coding": [{"code": "01"}]}}]}  # fmt: skip
    trust = a_known_child(a_trust)
    old = a_patient("old", minute=40, identifier=[{"system": "https://rxx.example/mrn", "value": OTHER}, nhs])
    trust.take(a_page(replaced_by("p1")), is_fhir=True)
    trust.take(a_page(old), is_fhir=True)

    assert [person.blocked for person in trust.persons() if person.state == "confirmed"] == ["P212"]


@pytest.mark.behaviour(66)
def test_a_record_may_be_replaced_twice_and_the_last_word_counts(a_trust: Make) -> None:
    pages = [a_page(replaced_by("p2", minute=20)), a_page(replaced_by("p1", minute=30))]
    for order in (pages, pages[::-1], [*pages[1:], pages[0]]):
        trust = a_known_child(a_trust)
        trust.take(OF_OLD, is_fhir=True)
        for page in order:
            trust.take(page, is_fhir=True)
        assert trust.values() == ["7"]


def test_a_stranger_who_is_not_replaced_leaves_nothing_in_the_registry(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(OF_OLD, is_fhir=True)
    assert "old" not in people(trust)
