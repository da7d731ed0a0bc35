"""`csor-adapter convert`: each file an output or one line; nothing stored, nothing traced back."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ADT = (
    "MSH|^~\\&|EPR|RXX|ADAPTER|RXX|20260103121500||ADT^A01|M{n}|P|2.4\r"
    "EVN|A01|20260103121500\r"
    "PID|1||10020{n}^^^RXX^MR~9990000042^^^NHS^NH||TESTER^BABY||20260101|F\r"
    "PV1|1|I|NICU^BAY1^BED3^RXX|||||||422|||||||||V700{n}^^^RXX^VN|||||||||||||||||||||||||20260101103000\r"
    "DG1|1||Q79.3^Gastroschisis^I10|||F\r"
    "PR1|1||T28.1^Closure^OPCS4||20260102093000\r"
)


def convert(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "adapter", "convert", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def a_file(folder: Path, name: str, body: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    return path


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_a_message_becomes_a_collection_bundle(tmp_path: Path) -> None:
    done = convert("--out", tmp_path / "out", a_file(tmp_path, "a.hl7", ADT.format(n=1)))
    assert (done.returncode, done.stderr) == (0, "")
    bundle = read(tmp_path / "out" / "a.json")
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
    assert {"Patient", "Encounter", "Condition", "Procedure"} <= {
        entry["resource"]["resourceType"] for entry in bundle["entry"]
    }


def test_a_bad_file_gets_one_line_and_the_others_are_still_converted(tmp_path: Path) -> None:
    files = [
        a_file(tmp_path, "good.hl7", ADT.format(n=1)),
        a_file(tmp_path, "bad.hl7", b"\x00\xffno message"),
        a_file(tmp_path, "broken.json", '{"resourceType": "Pat'),
        tmp_path / "absent.hl7",
    ]
    done = convert("--out", tmp_path / "out", *files)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert [line.split(": ")[0] for line in lines[:-1]] == [str(file) for file in files[1:]]
    assert lines[-1] == "convert: 1 of 4 files converted"
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / "good.json").exists()


def test_rows_are_grouped_by_kind_and_the_skipped_gates_are_named(tmp_path: Path) -> None:
    done = convert("--to", "csor", "--out", tmp_path, a_file(tmp_path, "a.hl7", ADT.format(n=1)))
    assert "hold and disclosure are skipped" in done.stderr
    assert done.returncode == 0
    rows = read(tmp_path / "a.json")
    assert {"infant", "admission", "diagnosis", "operation", "condition_case"} <= rows.keys()
    assert rows["condition_case"][0]["condition"] == "gastroschisis"
    assert {row["child"] for kind in rows if kind != "problems" for row in rows[kind]} == {rows["infant"][0]["child"]}


def test_the_ids_of_rows_are_the_same_each_time(tmp_path: Path) -> None:
    file = a_file(tmp_path, "a.hl7", ADT.format(n=1))
    assert convert("--to", "csor", file).stdout == convert("--to", "csor", file).stdout


def test_a_batch_holds_several_children(tmp_path: Path) -> None:
    batch = "FHS|^~\\&\rBHS|^~\\&\r" + ADT.format(n=1) + ADT.format(n=2) + "BTS|2\rFTS|1\r"
    assert convert("--to", "csor", "--out", tmp_path, a_file(tmp_path, "a.hl7", batch)).returncode == 0
    assert len(read(tmp_path / "a.json")["infant"]) == 2


def test_fhir_goes_the_same_way(tmp_path: Path) -> None:
    patient = {"resourceType": "Patient", "id": "1", "birthDate": "2026-01-01", "gender": "male"}
    file = a_file(tmp_path, "p.json", json.dumps(patient))
    assert convert("--to", "csor", "--out", tmp_path / "out", file).returncode == 0
    assert read(tmp_path / "out" / "p.json")["infant"][0]["sex"] == "male"


def test_two_files_of_one_name_are_not_written_over_each_other(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    files = [a_file(tmp_path, "a.hl7", ADT.format(n=1)), a_file(tmp_path / "other", "a.hl7", ADT.format(n=2))]
    done = convert("--out", tmp_path / "out", *files)
    assert done.returncode == 1
    assert "already became a.json" in done.stderr


def test_an_unknown_vendor_is_refused_in_one_line(tmp_path: Path) -> None:
    done = convert("--vendor", "meadow", a_file(tmp_path, "a.hl7", ADT.format(n=1)))
    assert done.returncode >= 10
    assert "there is no vendor meadow" in done.stderr
    assert "Traceback" not in done.stderr


def test_validation_tells_and_still_converts(tmp_path: Path) -> None:
    done = convert("--validate", "--out", tmp_path / "out", a_file(tmp_path, "a.hl7", ADT.format(n=1)))
    assert done.returncode == 0
    assert (tmp_path / "out" / "a.json").exists()
    assert done.stderr == ""
