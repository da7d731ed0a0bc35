"""Mapping files with faults: every one named with file, line and what to write instead."""

import shutil
from pathlib import Path

import pytest

from adapter.errors import ExitCode, SetupError
from adapter.mapping.fhir_to_csor import load_csor_maps
from tests.unit.mapping_csor.builders import MAPPINGS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, copy)
    return copy


def with_change(folder: Path, file: str, old: str, new: str) -> str:
    path = folder / "fhir-to-csor" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SetupError) as caught:
        load_csor_maps(folder)
    assert caught.value.findings
    assert "mappings/fhir-to-csor/" in caught.value.findings[0].file
    return str(caught.value)


def test_a_wrong_key_is_answered_with_the_one_that_was_meant(folder: Path) -> None:
    text = with_change(folder, "operation.yaml", "prefer-system:", "prefered-system:")
    assert "operation.yaml:13:5" in text
    assert 'did you mean "prefer-system"' in text


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("as: instant", "as: instnat", 'did you mean "instant"'),
        ("path: status\n", "path: status..x\n", "cannot be read"),
        ("name: knife_end", "name: knife_ends", 'operation has no field "knife_ends"'),
        ("name: knife_end", "name: status", '"status" has a rule already'),
        ("[opcs-4, snomed-ct]", "[opcs-5, snomed-ct]", 'no code system "opcs-5"'),
        ("is-one-of: [completed]", "is-one-of: [completed], is-none-of: [x]", "one of is-one-of, is-none-of"),
        ("as: codes", "as: analyte", "is not for operation"),
        ("means: Always completed.", "means: Yes", "at least 10 characters"),
        ("table: {completed: completed}", "prefer-system: [opcs-4]", "needs `table`"),
    ],
)
def test_a_fault_is_named(folder: Path, old: str, new: str, expected: str) -> None:
    assert expected in with_change(folder, "operation.yaml", old, new)


def test_a_list_that_does_not_exist_is_named(folder: Path) -> None:
    assert 'no code list "REF.sex"' in with_change(folder, "infant.yaml", "REF.nhs_number_status", "REF.sex")


def test_a_broken_mapping_has_the_exit_code_of_mappings(folder: Path) -> None:
    (folder / "fhir-to-csor" / "infant.yaml").write_text("kind: [", encoding="utf-8")
    with pytest.raises(SetupError) as caught:
        load_csor_maps(folder)
    assert all(finding.file.endswith("infant.yaml") for finding in caught.value.findings)
    assert caught.value.exit_code is ExitCode.MAPPING
