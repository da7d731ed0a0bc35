"""One result that HL7 v2 and FHIR both tell is one row; where they disagree, the row says so."""

import json
from typing import Any

import pytest

from adapter.cli.kept_rows import reading
from tests.integration.conftest import Make
from tests.integration.messages import CLOSURE, GASTROSCHISIS, a_baby, an_adt, an_oru
from tests.integration.trust import Trust

MRN = "https://rxx.example/mrn"
SETTINGS = {
    "sources": (
        "[{name: epr, kind: mllp, port: 2575},"
        " {name: ehr, kind: fhir-search, base_url: 'http://127.0.0.1:9/r4', from: 2026-01-01, order_numbers: epr}]"
    ),
    "identity": f"{{hospital_numbers: [{{authority: RXX, fhir_system: '{MRN}'}}]}}",
}
BABY = a_baby(1)


def a_bundle(value: float, *, at: str = "2026-09-02T10:00:00Z", **patient: Any) -> bytes:
    child = {
        "resourceType": "Patient",
        "id": "p1",
        "meta": {"lastUpdated": at},
        "identifier": [{"system": MRN, "value": BABY.number}],
        "birthDate": "2026-09-01",
        **patient,
    }
    result = {
        "resourceType": "Observation",
        "id": "o1",
        "meta": {"lastUpdated": at},
        "status": "final",
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": "urn:lab", "code": "CRPB", "display": "C-reactive protein"}]},
        "subject": {"reference": "Patient/p1"},
        "basedOn": [{"reference": "ServiceRequest/r1"}],
        "effectiveDateTime": "2026-09-02T09:00:00+01:00",
        "valueQuantity": {"value": value, "unit": "mg/L"},
        "specimen": {"reference": "Specimen/s1"},
    }
    order = {
        "resourceType": "ServiceRequest",
        "id": "r1",
        "status": "completed",
        "intent": "order",
        "identifier": [{"type": {"coding": [{"code": "FILL"}]}, "value": "L1"}],
        "code": {"coding": [{"system": "urn:lab", "code": "BIO"}]},
        "subject": {"reference": "Patient/p1"},
    }
    sample = {"resourceType": "Specimen", "id": "s1", "type": {"text": "Venous blood"}}
    entries = [{"resource": each} for each in (child, result, order, sample)]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


def without(body: bytes, *, basis: object = None) -> bytes:
    """The same without its order; `basis`: what the result says it is based on."""
    bundle = json.loads(body)
    bundle["entry"] = [each for each in bundle["entry"] if each["resource"]["resourceType"] != "ServiceRequest"]
    for each in bundle["entry"]:
        if each["resource"].pop("basedOn", None) and basis is not None:
            each["resource"]["basedOn"] = basis
    return json.dumps(bundle).encode()


def a_known_child(a_trust: Make) -> Trust:
    trust = a_trust(**SETTINGS)
    trust.receive(an_adt("A01", BABY, at="202609010300", codes=[GASTROSCHISIS], operations=[(CLOSURE, "202609011000")]))
    return trust


def problems(trust: Trust) -> list[str]:
    with reading(trust.settings) as reader:
        kept = [each for chart in reader.charts() for each in chart.rows if each.row.kind == "lab_result"]
        return [code for each in kept for code, _, _ in each.content.problems]


def test_one_result_over_two_languages_is_one_row(a_trust: Make) -> None:
    trust = a_known_child(a_trust)
    trust.receive(an_oru(BABY, order="L1", value="12"))
    trust.take(a_bundle(12.0), is_fhir=True)
    (row,) = trust.rows("lab_result")
    assert (row["analyte"], float(row["value_canonical"])) == ("crp", 12)
    assert problems(trust) == []


def test_a_disagreement_is_reported_whichever_came_first(a_trust: Make) -> None:
    found = []
    for is_fhir_first in (True, False):
        trust = a_known_child(a_trust)
        tell = [lambda t: t.receive(an_oru(BABY, order="L1", value="12")), lambda t: t.take(a_bundle(21), is_fhir=True)]
        for each in reversed(tell) if is_fhir_first else tell:
            each(trust)
        (row,) = trust.rows("lab_result")
        found.append((row["row"], float(row["value_canonical"])))
        assert problems(trust) == ["P123"]
    assert found[0][1] == found[1][1] == 21


def test_without_the_setting_the_numbers_of_two_sources_are_two(a_trust: Make) -> None:
    trust = a_trust(**{**SETTINGS, "sources": SETTINGS["sources"].replace(", order_numbers: epr", "")})
    trust.receive(an_adt("A01", BABY, at="202609010300", codes=[GASTROSCHISIS], operations=[(CLOSURE, "202609011000")]))
    trust.receive(an_oru(BABY, order="L1", value="12"))
    trust.take(a_bundle(12.0), is_fhir=True)
    assert len(trust.rows("lab_result")) == 2


FILLER = {"type": {"coding": [{"code": "FILL"}]}, "value": "L1"}


@pytest.mark.parametrize(
    "basis",
    [None, [{"identifier": FILLER}]],
    ids=["no-order", "order-number-alone"],
)
def test_a_result_that_cannot_be_told_from_one_of_version_2_is_reported(a_trust: Make, basis: Any) -> None:
    trust = a_known_child(a_trust)
    trust.receive(an_oru(BABY, order="L1", value="12"))
    trust.take(without(a_bundle(12.0), basis=basis), is_fhir=True)

    assert len(trust.rows("lab_result")) == 2  # joined by no guess
    assert trust.counts()["problem.P126"] == 1
    assert trust.status()["counters"]["problem.P126"] == 1


def test_a_result_of_a_source_with_numbers_of_its_own_is_not_reported(a_trust: Make) -> None:
    trust = a_trust(**{**SETTINGS, "sources": SETTINGS["sources"].replace(", order_numbers: epr", "")})
    trust.receive(an_adt("A01", BABY, at="202609010300", codes=[GASTROSCHISIS], operations=[(CLOSURE, "202609011000")]))
    trust.take(without(a_bundle(12.0)), is_fhir=True)
    assert "problem.P126" not in trust.counts()
