"""A child of the register who is known by HL7 v2 and read over FHIR: pages of one invented server, by hand."""

import json
from typing import Any

from tests.integration.conftest import Make
from tests.integration.messages import CLOSURE, GASTROSCHISIS, Baby, a_baby, an_adt
from tests.integration.trust import Trust

MRN = "https://rxx.example/mrn"
SETTINGS = {
    "sources": (
        "[{name: epr, kind: mllp, port: 2575},"
        " {name: ehr, kind: fhir-search, base_url: 'http://127.0.0.1:9/r4', from: 2026-01-01}]"
    ),
    "identity": f"{{hospital_numbers: [{{authority: RXX, fhir_system: '{MRN}'}}]}}",
}
BABY = a_baby(1)
Resource = dict[str, Any]


def at(minute: int, hour: int = 10) -> str:
    return f"2026-09-02T{hour:02}:{minute:02}:00Z"


def a_patient(identity: str = "p1", *, minute: int = 0, number: str = BABY.number, **more: Any) -> Resource:
    return {
        "resourceType": "Patient",
        "id": identity,
        "meta": {"lastUpdated": at(minute)},
        "identifier": [{"system": MRN, "value": number}],
        "birthDate": "2026-09-01",
        **more,
    }


def a_result(value: Any = 12, *, minute: int = 1, identity: str = "o1", patient: str = "p1", **more: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": identity,
        "meta": {"lastUpdated": at(minute)},
        "status": "final",
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "1988-5"}], "text": "C-reactive protein"},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-09-02T09:00:00+01:00",
        "valueQuantity": {"value": value, "unit": "mg/L"},
        "specimen": {"reference": "Specimen/s1"},
        **more,
    }


def a_sample(identity: str = "s1", *, minute: int = 1, patient: str = "p1") -> Resource:
    return {
        "resourceType": "Specimen",
        "id": identity,
        "meta": {"lastUpdated": at(minute)},
        "type": {"text": "Venous blood"},
        "subject": {"reference": f"Patient/{patient}"},
    }


def a_page(*resources: Resource, **bundle: Any) -> bytes:
    entries = [{"resource": each} for each in resources]
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries, **bundle}).encode()


def deleted(*names: str, minute: int = 30, **bundle: Any) -> bytes:
    entries = [{"request": {"method": "DELETE", "url": name}} for name in names]
    said = {"resourceType": "Bundle", "type": "transaction", "timestamp": at(minute), "entry": entries, **bundle}
    return json.dumps({name: each for name, each in said.items() if each is not None}).encode()


def by_v2(trust: Trust, baby: Baby = BABY) -> None:
    trust.receive(an_adt("A01", baby, at="202609010300", codes=[GASTROSCHISIS], operations=[(CLOSURE, "202609011000")]))


def a_known_child(a_trust: Make, **settings: str) -> Trust:
    trust = a_trust(**{**SETTINGS, **settings})
    by_v2(trust)
    trust.take(a_page(a_patient()), is_fhir=True)
    return trust
