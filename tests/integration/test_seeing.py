"""The commands that look at what is there: completeness, codes, export, doctor; through the real command line."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from adapter.cli.completeness import Why, read_completeness
from tests.integration.conftest import Make
from tests.integration.messages import CLOSURE, GASTROSCHISIS, a_baby, an_adt, an_oru
from tests.integration.trust import Trust


@pytest.fixture
def trust(a_trust: Make) -> Trust:
    made = a_trust(sources="[{name: epr, kind: mllp, port: 2575}]")
    first, second = a_baby(1), a_baby(2)
    for baby, number in ((first, "1"), (second, "2")):
        made.receive(
            an_adt("A01", baby, at="202609010300", codes=[GASTROSCHISIS], operations=[(CLOSURE, "202609011000")]),
            an_oru(baby, order=f"L{number}1", value="12"),
            an_oru(baby, order=f"L{number}2", value="7", test="XYZ^Unheard of^WINPATH"),
        )
    made.receive(an_oru(first, order="L13", value="3", unit="grains"))
    made.dispatch()
    return made


def run(trust: Trust, *arguments: str) -> subprocess.CompletedProcess[str]:
    verb, *rest = arguments
    command = [sys.executable, "-m", "adapter", verb, "--config", str(config_file(trust)), *rest]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def config_file(trust: Trust) -> Path:
    return Path(trust.settings.data_folder).parent / "trust.yaml"


def test_a_field_is_filled_unmapped_or_not_sent(trust: Trust) -> None:
    lines = {(line.kind, line.field): line.counts for line in read_completeness(trust.settings)}
    assert lines["lab_result", "analyte"] == {Why.FILLED: 3, Why.UNMAPPED: 2}
    assert lines["lab_result", "value_canonical"][Why.UNMAPPED] == 1
    assert lines["admission", "discharge_dt"] == {Why.NOT_SENT: 2}
    assert lines["infant", "birth_datetime"] == {Why.FILLED: 2}


def test_what_no_connected_source_can_carry_is_not_counted(trust: Trust) -> None:
    lines = {(line.kind, line.field) for line in read_completeness(trust.settings)}
    assert ("operation_note", "technique") not in lines
    assert ("lab_result", "analyte") in lines


def test_completeness_is_a_table_or_json(trust: Trust) -> None:
    assert "lab_result" in run(trust, "completeness").stdout
    lines = [json.loads(line) for line in run(trust, "completeness", "--json").stdout.splitlines()]
    analyte = next(line for line in lines if (line["kind"], line["field"]) == ("lab_result", "analyte"))
    assert (analyte["rows"], analyte["filled"], analyte["unmapped"]) == (5, 3, 2)


def test_codes_come_by_children_affected_with_a_row_to_explain(trust: Trust) -> None:
    found = [json.loads(line) for line in run(trust, "codes", "--json").stdout.splitlines()]
    assert [(each["what"], each["code"], each["children"], each["rows"]) for each in found] == [
        ("code", "XYZ", 2, 2),
        ("unit", "CRPB", 1, 1),
    ]
    assert found[1]["unit"] == "grains"
    assert run(trust, "explain", found[0]["example"]).returncode == 0
    assert "Unheard of" in run(trust, "codes").stdout


@pytest.mark.parametrize("form", ["ndjson", "csv", "parquet"])
def test_an_export_holds_what_csor_has_and_nothing_that_names_a_child(trust: Trust, tmp_path: Path, form: str) -> None:
    out = tmp_path / "out"
    done = run(trust, "export", "--out", str(out), "--format", form)
    assert done.returncode == 0, done.stderr
    rows = {path.stem: _read(path) for path in out.glob(f"*.{form}") if path.stem != "dictionary"}
    at_csor = {kind: {row["record_id"] for row in trust.csor.live(kind)} for kind in rows}
    assert {kind: {row["record_id"] for row in each} for kind, each in rows.items()} == at_csor
    assert {row["csor_id"] for row in rows["infant"]} == {row["csor_id"] for row in trust.csor.live("infant")}
    assert [float(row["value_canonical"]) for row in rows["lab_result"]] == [12.0, 12.0]
    whole = b"".join(path.read_bytes() for path in out.iterdir())
    for secret in (b"MARROWSIDE", b"700001", a_baby(1).nhs.encode(), b"V700001", b"2026-09-01"):
        assert secret not in whole
    assert [entry["rows"] for entry in trust.audited("export")] == [{kind: len(each) for kind, each in rows.items()}]
    assert "means" in (out / "dictionary.csv").read_text().splitlines()[0]


def test_an_export_never_mixes_with_what_is_there(trust: Trust, tmp_path: Path) -> None:
    (tmp_path / "infant.csv").write_text("an older export")
    done = run(trust, "export", "--out", str(tmp_path), "--format", "csv")
    assert (done.returncode, done.stderr) == (2, f"{tmp_path} is not empty: name a new folder\n")


def test_without_a_legal_basis_real_children_are_not_exported(a_trust: Make, tmp_path: Path) -> None:
    trust = a_trust(test_mode="no")
    trust.receive(an_adt("A01", a_baby(1).but(nhs="4010232137"), at="202609010300", codes=[GASTROSCHISIS]))
    done = run(trust, "export", "--out", str(tmp_path / "out"))
    assert done.returncode == 0
    assert "children: 0 written" in done.stdout
    assert "withheld: 1 children (no-legal-basis)" in done.stdout


def test_the_doctor_names_what_is_wrong_and_what_to_do(trust: Trust) -> None:
    done = run(trust, "doctor")
    lines = {line[7:21].strip(): line[:6].strip() for line in done.stdout.splitlines()}
    assert lines["trust file"] == "ok"
    assert lines["disk sync"] in ("ok", "look")
    assert lines["store"] == "ok"
    assert lines["CSOR"] == "wrong"
    assert done.returncode == 1
    assert "127.0.0.1:9 does not answer: Connection refused" in done.stdout


def test_the_doctor_says_so_when_the_trust_file_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "trust.yaml").write_text("vendor: uk-generic\nsite: {ods_code: 7}\n")
    done = subprocess.run(
        [sys.executable, "-m", "adapter", "doctor", "--config", str(tmp_path / "trust.yaml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.startswith("wrong  trust file")


def _read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".ndjson":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    return rows
