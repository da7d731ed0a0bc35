"""What a FHIR server says it has deleted goes from the rows, whatever the order in which that is heard."""

import itertools
import json
from typing import Any

import pytest

from adapter.cli.explain import explainer
from adapter.dispatch import record_bytes
from adapter.store import messages
from adapter.store.states import MessageState
from tests.integration.conftest import Make
from tests.integration.fhir_child import (
    BABY,
    SETTINGS,
    a_known_child,
    a_page,
    a_patient,
    a_result,
    a_sample,
    at,
    by_v2,
    deleted,
)
from tests.integration.trust import Trust

RESULT = a_page(a_result(), a_sample())


def a_diagnosis(identity: str = "c1", code: str = "Q43.1") -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": identity,
        "meta": {"lastUpdated": at(1)},
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": code}]},
    }


@pytest.mark.behaviour(48)
def test_a_deleted_result_is_withdrawn_and_the_audit_trail_says_so(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(a_page(a_result(), a_result(7, identity="o2"), a_sample()), is_fhir=True)
    trust.dispatch()
    trust.take(deleted("Observation/o1"), is_fhir=True)
    trust.dispatch()

    assert trust.values() == ["7"]
    assert len(trust.csor.live("lab_result")) == 1
    (entry,) = trust.audited("fhir-deletion")
    assert (entry["source"], entry["told"], entry["found"]) == ("ehr", 1, 1)
    assert "o1" not in json.dumps(entry)
    trust.assert_csor_agrees()


@pytest.mark.behaviour(48)
def test_every_order_of_arrival_gives_the_same_rows(a_trust: Make) -> None:
    pages = [RESULT, deleted("Observation/o1", minute=10), a_page(a_result(7, minute=20, identity="o2"), a_sample())]
    for order in itertools.permutations(pages):
        trust = a_known_child(a_trust)
        for page in order:
            trust.take(page, is_fhir=True)
        assert trust.values() == ["7"], [pages.index(page) for page in order]


def test_what_is_said_after_the_deletion_counts_again(a_trust: Make) -> None:
    pages = [RESULT, deleted("Observation/o1", minute=10), a_page(a_result(9, minute=20))]
    for order in (pages, pages[::-1]):
        trust = a_known_child(a_trust)
        for page in order:
            trust.take(page, is_fhir=True)
        assert trust.values() == ["9"], [pages.index(page) for page in order]


@pytest.mark.behaviour(48)
def test_a_deleted_diagnosis_goes_and_that_of_hl7_v2_stays(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(a_page(a_diagnosis()), is_fhir=True)
    before = {row["code"] for row in trust.rows("diagnosis")}
    trust.take(deleted("https://fhir.rxx.example/r4/Condition/c1/_history/2"), is_fhir=True)

    assert before == {"Q43.1", "Q79.3"}
    assert {row["code"] for row in trust.rows("diagnosis")} == {"Q79.3"}


def test_a_deleted_sample_is_no_sample_of_its_results(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(a_page(a_result()), is_fhir=True)
    trust.take(a_page(a_sample()), is_fhir=True)
    before = [row["analyte"] for row in trust.rows("lab_result")]
    trust.take(deleted("Specimen/s1"), is_fhir=True)

    assert before == ["crp"]
    assert trust.rows("lab_result") == []


def test_the_same_id_at_another_server_is_another_resource(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(RESULT, is_fhir=True)
    trust.take_from("other", deleted("Observation/o1"))
    assert trust.values() == ["12"]


def test_what_a_held_infant_had_deleted_is_not_published_when_it_is_confirmed(a_trust: Make) -> None:
    trust = a_trust(**SETTINGS)
    visit = {
        "resourceType": "Encounter", "id": "e1", "meta": {"lastUpdated": at(0)}, "status": "in-progress",
        "subject": {"reference": "Patient/p1"}, "serviceType": {"coding": [{"code": "422"}]},
        "period": {"start": "2026-09-01T03:00:00+01:00"},
    }  # fmt: skip
    trust.take(a_page(a_patient(), visit, a_result(), a_result(7, identity="o2"), a_sample()), is_fhir=True)
    held = trust.rows(every=True)
    trust.take(deleted("Observation/o1"), is_fhir=True)
    by_v2(trust)

    assert held == []
    assert trust.values() == ["7"]


@pytest.mark.behaviour(48)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_child_that_is_held_later_has_nothing_of_what_was_deleted(a_trust: Make, *, is_first: bool) -> None:
    trust = a_trust(**SETTINGS)
    pages = [a_page(a_patient(), a_result(), a_result(7, identity="o2"), a_sample()), deleted("Observation/o1")]
    for page in reversed(pages) if is_first else pages:
        trust.take(page, is_fhir=True)
    aside = trust.counts()["not-ours.other-ward"]
    by_v2(trust)

    assert aside == 1
    assert trust.values() == ["7"]


def test_a_deletion_without_its_time_is_parked(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(RESULT, is_fhir=True)
    trust.take(deleted("Observation/o1", timestamp=None), is_fhir=True)

    assert trust.values() == ["12"]
    assert trust.parked() == ["P020"]


def test_the_time_of_the_entry_and_that_of_the_bundle_are_taken_too(a_trust: Make) -> None:
    of_entry = json.loads(deleted("Observation/o1", timestamp=None))
    of_entry["entry"][0]["response"] = {"status": "204", "lastModified": at(30)}
    of_bundle = deleted("Observation/o1", timestamp=None, meta={"lastUpdated": at(30)})
    for body in (json.dumps(of_entry).encode(), of_bundle):
        trust = a_known_child(a_trust)
        trust.take(RESULT, is_fhir=True)
        trust.take(body, is_fhir=True)
        assert trust.values() == []


def test_deletions_beside_resources_are_taken_and_the_resources_too(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(RESULT, is_fhir=True)
    both = json.loads(deleted("Observation/o1"))
    both["entry"] += [{"resource": each} for each in (a_result(7, minute=20, identity="o2"), a_sample())]
    trust.take(json.dumps(both).encode(), is_fhir=True)

    assert trust.values() == ["7"]
    assert not any('"DELETE"' in body for body in trust.bodies("fhir"))


@pytest.mark.behaviour(48)
def test_the_deleted_record_of_a_child_of_the_register_waits_for_a_person(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(RESULT, is_fhir=True)
    trust.take(deleted("Patient/p1", "Observation/none"), is_fhir=True)
    before = trust.values(), trust.parked()
    replay(trust)

    assert before == (["12"], ["P214"])
    assert (trust.values(), trust.parked()) == ([], [])
    assert [entry.get("records") for entry in trust.audited("fhir-deletion")].count(1) == 1
    # What HL7 v2 says of the same child stands.
    assert trust.cases() == {"gastroschisis": "confirmed"}


def test_a_record_that_comes_back_counts_again(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(RESULT, is_fhir=True)
    trust.take(deleted("Patient/p1"), is_fhir=True)
    replay(trust)
    trust.take(a_page(a_patient(minute=40)), is_fhir=True)
    assert trust.values() == ["12"]


def test_the_record_of_a_stranger_is_put_aside(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(deleted("Patient/p9"), is_fhir=True)
    assert trust.counts()["not-ours.other-ward"] == 1


def test_of_what_is_left_the_lineage_still_leads_to_the_bytes(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(a_page(a_result(), a_result(7, identity="o2"), a_sample()), is_fhir=True)
    trust.take(deleted("Observation/o1"), is_fhir=True)
    (row,) = trust.rows("lab_result")
    with explainer(trust.settings) as explain:
        found = explain.explain(record_bytes(row["row"]))
    assert found is not None
    cuts = {each.field: each.values[0].cuts[0] for each in found.fields}
    assert cuts["value_original"].position == "/entry/1/resource/valueQuantity/value"


def test_a_deletion_that_is_heard_before_the_resource_is_placed_finds_it(a_trust: Make) -> None:
    """Both in one batch: where the resource stands is written after the rows were made."""
    trust = a_known_child(a_trust)
    trust.take_from("ehr", RESULT, deleted("Observation/o1"))
    assert trust.values() == []
    assert BABY.number not in json.dumps(trust.audited("fhir-deletion"))


@pytest.mark.behaviour(48)
def test_the_shared_database_forgets_and_remembers_the_same(a_trust: Make, postgres_url: object) -> None:
    trust = a_known_child(a_trust, url=str(postgres_url))
    trust.take_from(
        "ehr", deleted("Observation/o1", minute=10), RESULT, a_page(a_result(7, minute=20, identity="o2"), a_sample())
    )
    assert trust.values() == ["7"]
    assert trust.status()["fhir_verdicts"]["waiting"] == 0


def replay(trust: Trust) -> None:
    """As `csor-adapter replay` does with what a person has looked at."""
    with trust.works.database.write() as conn:
        for message in messages.parked(conn):
            messages.set_state(conn, message.id, before=MessageState.PARKED, after=MessageState.RECEIVED)
    trust.works.drain()
