"""The same facts in STU3 and in R4 give the same rows, and every value leads back to the bytes that came."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from typer.testing import CliRunner

from adapter import config
from adapter.cli.app import app
from adapter.cli.convert_rows import Rows
from adapter.cli.explain import explainer
from adapter.cli.kept_rows import reading
from adapter.dispatch import record_bytes
from adapter.fhir import Version
from adapter.simulator.fhir_versions import encode
from tests.fakes.polled_hospital import changes
from tests.fakes.stu3_writer import as_stu3
from tests.integration.conftest import Make
from tests.integration.messages import CLOSURE, GASTROSCHISIS, a_baby, an_adt
from tests.integration.trust import Trust

SETTINGS = {
    "sources": (
        "[{name: epr, kind: mllp, port: 2575},"
        " {name: ehr, kind: fhir-search, base_url: 'http://127.0.0.1:9/stu3', version: STU3, from: 2026-01-01,"
        " types: {Observation: {}}}]"
    ),
    "identity": "{hospital_numbers: [{authority: RXX, fhir_system: 'https://rxx.example/mrn'}]}",
}
BABY = a_baby(1)
CARE_CONNECT = Path(__file__).parents[1] / "unit" / "fhir" / "careconnect"


def hospital(children: int) -> list[dict[str, Any]]:
    """Every version of every resource that the simulated hospital ever shows of them."""
    found = []
    for number, change in enumerate(changes(children), start=1):
        meta = {"versionId": str(number), "lastUpdated": change.visible_at.isoformat()}
        found.append({**msgspec.json.decode(encode(change.resource)), "meta": meta})
    return found


def a_body(resources: Sequence[dict[str, Any]]) -> bytes:
    entries = [{"resource": each} for each in resources]
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}).encode()


@pytest.mark.behaviour(34)
def test_the_same_facts_in_stu3_and_in_r4_give_the_same_rows(mappings: Path) -> None:
    rows = Rows.load(mappings, vendor=None, said=config.Reading(), timezone=ZoneInfo("Europe/London"))
    resources = hospital(2)

    in_r4 = rows.of_fhir(a_body(resources))
    in_stu3 = rows.of_fhir(a_body([as_stu3(each) for each in resources]), version=Version.STU3)

    assert {kind: len(each) for kind, each in in_r4.items()}.keys() >= {
        "admission", "diagnosis", "imaging_report", "imaging_study", "infant", "lab_result", "medication_course",
        "operation", "operation_note", "vital_sign", "ward_stay",
    }  # fmt: skip
    assert in_stu3 == in_r4


def test_as_r4_the_resources_of_stu3_give_other_rows(mappings: Path) -> None:
    """Else the test above would prove nothing."""
    rows = Rows.load(mappings, vendor=None, said=config.Reading(), timezone=ZoneInfo("Europe/London"))
    resources = [as_stu3(each) for each in hospital(1)]
    assert rows.of_fhir(a_body(resources)) != rows.of_fhir(a_body(resources), version=Version.STU3)


def a_child_with(a_trust: Make, *names: str) -> Trust:
    trust = a_trust(**SETTINGS)
    trust.receive(an_adt("A01", BABY, at="202609010300", codes=[GASTROSCHISIS], operations=[(CLOSURE, "202609011000")]))
    patient = json.loads((CARE_CONNECT / "patient.json").read_bytes())
    patient["identifier"] = [{"system": "https://rxx.example/mrn", "value": BABY.number}]
    others = [json.loads((CARE_CONNECT / f"{name}.json").read_bytes()) for name in names]
    trust.take(a_body([patient, *others]), is_fhir=True)
    return trust


@pytest.mark.behaviour(34)
def test_a_source_that_speaks_stu3_gives_rows_whose_values_lead_to_the_bytes(a_trust: Make) -> None:
    sample = {"specimen": {"reference": "Specimen/s1"}}
    trust = a_child_with(a_trust, "specimen", "condition")
    result = json.loads((CARE_CONNECT / "observation.json").read_bytes()) | sample
    specimen = json.loads((CARE_CONNECT / "specimen.json").read_bytes())
    trust.take(a_body([result, specimen]), is_fhir=True)

    (row,) = trust.rows("lab_result")
    with explainer(trust.settings) as explain:
        found = explain.explain(record_bytes(row["row"]))
    assert found is not None
    fields = {each.field: each for each in found.fields}
    flag, interference = fields["abnormal_flag"].values[0].cuts[0], fields["interference"].values[0].cuts[0]

    assert (row["value_original"], row["abnormal_flag"], row["interference"]) == ("12.5", "H", "haemolysed")
    assert flag.position == "/entry/0/resource/interpretation/coding/0/code"
    assert [step.name for step in flag.steps] == ["json", "stu3-to-r4"]
    assert interference.position == "/entry/0/resource/comment"
    assert interference.steps[0].result == "haemolysed"


@pytest.mark.behaviour(34)
def test_a_word_that_stu3_writes_otherwise_is_told_as_it_came(a_trust: Make) -> None:
    trust = a_child_with(a_trust, "condition")
    with reading(trust.settings) as reader:
        kept = [each for chart in reader.charts() for each in chart.rows if each.row.kind == "diagnosis"]
        ids = [each.row.record_id for each in kept if each.content.fields["code"] == "72951007"]
    with explainer(trust.settings) as explain:
        found = explain.explain(ids[0])
    assert found is not None
    cuts = {each.field: each.values[0].cuts[0] for each in found.fields}

    assert cuts["verification"].position.endswith("/verificationStatus")
    assert cuts["verification"].steps[0].result == "confirmed"
    assert cuts["recorded_dt"].position.endswith("/assertedDate")


@pytest.mark.behaviour(34)
def test_convert_reads_a_file_in_the_version_that_is_said_or_shown(tmp_path: Path) -> None:
    runner = CliRunner()
    file = CARE_CONNECT / "condition.json"
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps({name: each for name, each in json.loads(file.read_bytes()).items() if name != "meta"}))

    shown = runner.invoke(app, ["convert", str(file)])
    said = runner.invoke(app, ["convert", "--fhir-version", "STU3", str(bare)])
    refused = runner.invoke(app, ["convert", "--fhir-version", "DSTU2", str(bare)])

    for made in (shown, said):
        resource = json.loads(made.stdout)["entry"][0]["resource"]
        assert resource["verificationStatus"]["coding"][0]["code"] == "confirmed"
    assert refused.exit_code != 0
    assert "DSTU2 is not read" in refused.output
