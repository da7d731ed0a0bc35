"""`csor-adapter check`: everything that is wrong, with its place, before anything starts."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adapter import config

KEY = "00" * 32

TRUST = """\
vendor: uk-generic
test_mode: yes
site: {ods_code: RXX, name: Example}
data_folder: data
sealing: {master_key: {file: master.key}}
identity:
  hospital_numbers: [{authority: RXX}]
"""


def check(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "adapter", "check", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def a_trust(folder: Path, text: str = TRUST) -> Path:
    (folder / "master.key").write_text(KEY)
    path = folder / "trust.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def broken_mappings(folder: Path, file: str, old: str, new: str) -> Path:
    shutil.copytree(config.packaged("mappings"), folder / "mappings")
    path = folder / "mappings" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_the_mappings_that_travel_with_the_adapter_have_no_faults() -> None:
    done = check()

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("no faults\n")


def test_a_trust_file_is_checked_with_its_secrets(tmp_path: Path) -> None:
    path = a_trust(tmp_path)
    (tmp_path / "master.key").unlink()
    done = check("--config", path)

    assert done.returncode == 10
    assert "trust.yaml:5:23: the secret" in done.stderr


def test_every_value_in_force_is_shown_with_its_line(tmp_path: Path) -> None:
    done = check("--config", a_trust(tmp_path), "--show")

    assert done.returncode == 0
    assert "site.ods_code = RXX    (trust.yaml:3)" in done.stdout
    assert "(uk-generic.yaml:" in done.stdout


@pytest.mark.behaviour(154)
def test_a_literal_secret_stops_with_exit_code_10_and_is_not_shown(tmp_path: Path) -> None:
    done = check("--config", a_trust(tmp_path, TRUST.replace("{file: master.key}", "hunter2")))

    assert done.returncode == 10
    assert "a secret is never written here" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


def test_a_wrong_key_in_a_mapping_stops_with_exit_code_11_line_and_suggestion(tmp_path: Path) -> None:
    broken = broken_mappings(tmp_path, "cohort/conditions.yaml", "means:", "meens:")
    done = check("--config", a_trust(tmp_path, TRUST + "mappings: mappings\n"))

    assert done.returncode == 11
    assert f"{broken}:" in done.stderr
    assert 'unknown key "meens"' in done.stderr
    assert 'did you mean "means"?' in done.stderr


def test_a_fault_of_a_code_list_is_told_once(tmp_path: Path) -> None:
    shutil.copytree(config.packaged("mappings"), tmp_path / "mappings")
    (tmp_path / "mappings" / "codelists" / "index.yaml").write_text("kind: nothing-of-that-name\n", encoding="utf-8")
    done = check("--config", a_trust(tmp_path, TRUST + "mappings: mappings\n"))

    assert done.returncode == 11
    told = [line for line in done.stderr.splitlines() if "index.yaml" in line]
    assert told
    assert len(told) == len(set(told))


def test_a_closure_file_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    done = check("--config", a_trust(tmp_path, TRUST + "snomed_closure: nowhere.csv\n"))

    assert done.returncode in (10, 11)
    assert done.stderr.count("nowhere.csv cannot be read") == 1


def test_faults_of_mappings_and_settings_are_told_at_once(tmp_path: Path) -> None:
    broken_mappings(tmp_path, "cohort/conditions.yaml", "means:", "meens:")
    path = a_trust(tmp_path, TRUST + "mappings: mappings\n")
    (tmp_path / "master.key").write_text("short")
    done = check("--config", path)

    assert "is not 32 bytes" in done.stderr
    assert "meens" in done.stderr


def test_a_message_is_held_to_the_standard(tmp_path: Path) -> None:
    file = tmp_path / "m.hl7"
    file.write_bytes(b"MSH|^~\\&|A|RXX|B|RXX|20260101120000||ADT^A01|1|P|2.4\rPID|||1^^^RXX^MR||^||20260101|M\r")
    done = check("--messages", file)

    assert done.returncode == 0
    assert "  standard: error: " in done.stdout
    assert "ADT^A01      version 2.4" in done.stdout


def test_an_absent_message_file_is_told_and_the_others_are_checked(tmp_path: Path) -> None:
    done = check("--messages", tmp_path / "absent.hl7")

    assert done.returncode == 1
    assert "absent.hl7: No such file or directory" in done.stderr
