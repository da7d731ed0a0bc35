"""FHIR bodies through a drop folder: one invalid resource stops nothing, several patients part, each under a key."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter.chart import sealed
from adapter.cli.rows import read_rows
from adapter.cli.status import read_status
from adapter.config import load_trust
from adapter.service.assembly import open_ring, open_store
from adapter.store import messages
from tests.acceptance.bad_input_service import Service, a_trust, run_cli

GASTROSCHISIS = {"system": "http://hl7.org/fhir/sid/icd-10", "code": "Q79.3"}
SYSTEM = "https://rxx.example/hospital-number"
BAD = 7


def a_patient(number: str) -> dict[str, Any]:
    hospital_number = {"system": SYSTEM, "value": f"9000{number}"}
    born = {"birthDate": "2026-03-01", "gender": "male"}
    return {"resourceType": "Patient", "id": number, "identifier": [hospital_number], **born}


def a_condition(number: str) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "id": f"c{number}",
        "subject": {"reference": f"Patient/{number}"},
        "code": {"coding": [GASTROSCHISIS]},
        "recordedDate": "2026-03-01",
        "verificationStatus": {"coding": [{"code": "confirmed"}]},
    }


def a_bundle(*resources: Any) -> bytes:
    entries = [{"resource": resource} for resource in resources]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    yield a_trust(tmp_path, identity={"hospital_numbers": [{"authority": "RXX", "fhir_system": SYSTEM}]})


def ingest(config: Path, body: bytes, name: str = "body.json") -> None:
    path = config.parent / "in" / name
    path.write_bytes(body)
    found = run_cli("ingest", path, "--config", config)
    assert (found.returncode, found.stderr) == (0, "")


def diagnosed(config: Path) -> int:
    return sum(row["kind"] == "diagnosis" for row in read_rows(load_trust(config)))


def kept(config: Path) -> dict[str, list[tuple[bytes, bytes]]]:
    """Key and plain body of each kept message, by state."""
    settings = load_trust(config)
    database, ring = open_store(settings, migrate=False), open_ring(settings)
    found: dict[str, list[tuple[bytes, bytes]]] = {}
    with database.read() as conn:
        rows = [row for number in range(1, 30) if (row := messages.by_id(conn, number))]
    for row in rows:
        if row.key_id is not None and row.sealed is not None:
            plain = ring.unseal(row.key_id, row.sealed, sealed.MESSAGE)
            found.setdefault(row.state, []).append((row.key_id, plain))
    database.close()
    ring.close()
    return found


def test_one_invalid_resource_is_parked_with_its_pointer_and_the_others_become_rows(config: Path) -> None:
    with Service(config) as service:
        (config.parent / "in" / "one.json").write_bytes(a_bundle(a_patient("1"), BAD, a_condition("1")))
        service.until_counted("problem.P020")
        service.until(lambda: diagnosed(config) == 1)
        ((number, reason),) = service.parked()
        assert reason == "P020"
        shown = service.cli("parked", "show", str(number), "--reveal", "--reason", "a test").stdout.splitlines()
        assert shown[0].endswith("P020 bad resource")
        assert shown[1] == "P020: not a FHIR resource at /entry/1/resource"
        assert json.loads(shown[2])["entry"][1] == {"resource": BAD}
        assert "Patient" not in shown[2]


def test_each_patient_of_a_body_is_a_message_of_its_own_with_that_patients_bytes_only(config: Path) -> None:
    practitioner = {"resourceType": "Practitioner", "id": "dr"}
    other = {**a_condition("2"), "asserter": {"reference": "Practitioner/dr"}}
    ingest(config, a_bundle(a_patient("1"), a_patient("2"), a_condition("1"), other, practitioner))
    assert diagnosed(config) == 2
    (one, two) = kept(config)["processed"]
    assert one[0] != two[0]  # another key: erasing one child leaves the other
    assert [b"Patient/1" in body for _, body in (one, two)] == [True, False]
    assert [b"Patient/2" in body for _, body in (one, two)] == [False, True]
    assert [b"Practitioner" in body for _, body in (one, two)] == [False, True]
    assert json.dumps(other).encode() in two[1]  # the resource's own bytes


def test_the_same_patient_in_another_body_and_the_same_body_again_change_nothing(config: Path) -> None:
    ingest(config, a_bundle(a_patient("1"), a_condition("1"), a_patient("2")))
    before = kept(config), list(read_rows(load_trust(config)))
    ingest(config, a_bundle(a_patient("1"), a_condition("1"), a_patient("2")), name="again.json")
    ingest(config, a_bundle(a_patient("2"), a_patient("1"), a_condition("1")), name="turned.json")
    assert (kept(config), list(read_rows(load_trust(config)))) == before


@pytest.mark.parametrize(
    "strange",
    [
        {"resourceType": "Observation", "id": "s", "code": 5, "valueQuantity": [], "status": {}},
        {"resourceType": "Observation", "id": "s", "code": {"coding": [None, 7]}, "specimen": "x", "category": 1},
        {"resourceType": "Condition", "id": "s", "code": {"coding": "Q79.3"}, "verificationStatus": []},
        {"resourceType": "Encounter", "id": "s", "period": 3, "location": [None], "serviceType": "x"},
        {"resourceType": "Procedure", "id": "s", "code": [], "performedPeriod": "now", "meta": 1},
        {"resourceType": "Patient", "id": "3", "birthDate": {"a": 1}, "identifier": "x", "gender": 2},
    ],
)
def test_a_resource_of_wrong_forms_is_parked_alone_and_is_no_crash(config: Path, strange: dict[str, Any]) -> None:
    strange = {**strange, "subject": {"reference": "Patient/1"}} if strange["resourceType"] != "Patient" else strange
    ingest(config, a_bundle(a_patient("1"), a_condition("1"), strange))
    assert diagnosed(config) == 1
    ((_, remainder),) = kept(config)["parked"]
    assert json.loads(remainder)["entry"] == [{}, {}, {"resource": strange}]
    counters = read_status(load_trust(config))["counters"]
    assert counters["problem.P020"] == 1
    assert "problem.P009" not in counters
