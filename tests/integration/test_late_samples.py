"""A FHIR Specimen that comes after its result, before it, alone or changed: the row is the same, whatever the order."""

import itertools
import json
from typing import Any

import pytest

from adapter.cli.explain import explainer
from adapter.cli.kept_rows import reading
from adapter.dispatch import record_bytes
from tests.integration.conftest import Make
from tests.integration.messages import CLOSURE, GASTROSCHISIS, a_baby, an_adt
from tests.integration.trust import Trust

MRN = "https://rxx.example/mrn"
BASE = "https://fhir.rxx.example/r4"
SETTINGS = {
    "sources": (
        "[{name: epr, kind: mllp, port: 2575},"
        " {name: ehr, kind: fhir-search, base_url: 'http://127.0.0.1:9/r4', from: 2026-01-01}]"
    ),
    "identity": f"{{hospital_numbers: [{{authority: RXX, fhir_system: '{MRN}'}}]}}",
}
BABY = a_baby(1)
BLOOD, URINE = "Venous blood", "Urine"

CHILD = {
    "resourceType": "Patient",
    "id": "p1",
    "meta": {"lastUpdated": "2026-09-02T10:00:00Z"},
    "identifier": [{"system": MRN, "value": BABY.number}],
    "birthDate": "2026-09-01",
}


def a_result(value: float = 12, *, version: int = 1, sample: str = "Specimen/s1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "o1",
        "meta": {"versionId": str(version), "lastUpdated": f"2026-09-02T10:0{version}:00Z"},
        "status": "final",
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "1988-5"}], "text": "C-reactive protein"},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2026-09-02T09:00:00+01:00",
        "valueQuantity": {"value": value, "unit": "mg/L"},
        "specimen": {"reference": sample},
        **more,
    }


def a_sample(text: str = BLOOD, *, version: int = 1) -> dict[str, Any]:
    return {
        "resourceType": "Specimen",
        "id": "s1",
        "meta": {"versionId": str(version), "lastUpdated": f"2026-09-02T11:0{version}:00Z"},
        "type": {"text": text},
        "subject": {"reference": "Patient/p1"},
    }


def a_page(*resources: dict[str, Any], named: bool = False) -> bytes:
    entries = [
        {"resource": each} | ({"fullUrl": f"{BASE}/{each['resourceType']}/{each['id']}"} if named else {})
        for each in resources
    ]
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}).encode()


def a_known_child(a_trust: Make) -> Trust:
    trust = a_trust(**SETTINGS)
    trust.receive(an_adt("A01", BABY, at="202609010300", codes=[GASTROSCHISIS], operations=[(CLOSURE, "202609011000")]))
    trust.take(a_page(CHILD), is_fhir=True)
    return trust


def told(trust: Trust) -> list[tuple[Any, ...]]:
    with reading(trust.settings) as reader:
        kept = [each for chart in reader.charts() for each in chart.rows if each.row.kind == "lab_result"]
        return [
            (
                each.row.deleted,
                each.content.fields["analyte"],
                each.content.fields["specimen_type"],
                str(each.content.fields["value_canonical"]),
                [code for code, _, _ in each.content.problems],
            )
            for each in kept
        ]


IN_BLOOD: list[tuple[Any, ...]] = [(0, "crp", "venous", "12", [])]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_sample_that_comes_after_its_result_is_joined(a_trust: Make, is_restarted: bool) -> None:
    trust = a_known_child(a_trust)
    trust.take(a_page(a_result()), is_fhir=True)
    before = told(trust)
    if is_restarted:
        trust.restart()
    trust.take(a_page(a_sample()), is_fhir=True)

    assert before[0][1] == "unmapped"
    assert told(trust) == IN_BLOOD


def test_every_order_of_arrival_gives_the_same_row(a_trust: Make) -> None:
    pages = [a_page(a_result()), a_page(a_sample(URINE)), a_page(a_sample(version=2)), a_page(a_result(version=2))]
    for order in itertools.permutations(pages):
        trust = a_known_child(a_trust)
        for page in order:
            trust.take(page, is_fhir=True)
        assert told(trust) == IN_BLOOD


def test_a_sample_that_changes_changes_the_row_though_the_result_has_the_older_one_on_its_page(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(a_page(a_result(), a_sample(URINE)), is_fhir=True)
    before = told(trust)
    trust.take(a_page(a_sample(version=2)), is_fhir=True)

    assert before[0][1] != "crp"
    assert told(trust) == IN_BLOOD


def test_a_sample_on_a_page_of_other_results_is_joined(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(a_page(a_result()), is_fhir=True)
    other = a_result(version=2, sample="Specimen/s2") | {"id": "o2"}
    trust.take(a_page(other, a_sample()), is_fhir=True)

    assert IN_BLOOD[0] in told(trust)


def test_a_reference_with_the_address_of_the_server_is_joined_too(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(a_page(a_result(sample=f"{BASE}/Specimen/s1"), named=True), is_fhir=True)
    trust.take(a_page(a_sample(), named=True), is_fhir=True)

    assert told(trust) == IN_BLOOD


def test_a_sample_of_the_same_number_at_another_server_is_not_joined(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(a_page(a_result(sample="https://elsewhere.example/r4/Specimen/s1")), is_fhir=True)
    trust.take(a_page(a_sample(), named=True), is_fhir=True)

    assert told(trust)[0][1] == "unmapped"


def test_a_sample_of_a_child_that_is_ours_only_later_is_joined(a_trust: Make) -> None:
    trust = a_trust(**SETTINGS)
    trust.take(a_page(CHILD, a_result()), is_fhir=True)
    trust.take(a_page(a_sample()), is_fhir=True)
    trust.receive(an_adt("A01", BABY, at="202609010300", codes=[GASTROSCHISIS], operations=[(CLOSURE, "202609011000")]))

    assert told(trust) == IN_BLOOD


def test_a_sample_of_somebody_who_is_not_ours_is_put_aside_and_gone_when_the_hold_ends(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    stranger = a_sample() | {"subject": {"reference": "Patient/somebody"}}
    trust.take(a_page(stranger), is_fhir=True)
    with trust.works.database.read() as conn:
        found = conn.exec_driver_sql("SELECT count(*) FROM message WHERE state = 'not_ours'").scalar_one()
        kept = conn.exec_driver_sql("SELECT count(*) FROM assertion WHERE kind = 'context'").scalar_one()
    assert (found, kept) == (1, 0)
    trust.later(days=4)
    trust.works.expiry.run(now=trust.now)
    assert trust.status()["messages"]["erased"] == 1


def test_explain_leads_to_the_message_that_the_sample_came_in(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.take(a_page(a_result()), is_fhir=True)
    trust.take(a_page(a_sample()), is_fhir=True)
    (row,) = trust.rows("lab_result")
    with explainer(trust.settings) as asked:
        found = asked.explain(record_bytes(row["row"]))
    assert found is not None
    cuts = {each.field: [cut for value in each.values for cut in value.cuts] for each in found.fields}
    (sampled,) = {cut.message for cut in cuts["specimen_type"] if cut.element.startswith("specimen>")}
    (measured,) = {cut.message for cut in cuts["value_num"]}
    assert sampled == measured + 1
    assert [cut.position for cut in cuts["specimen_type"] if cut.element.startswith("specimen>")] != [""]
