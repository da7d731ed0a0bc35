"""A trust's tables are checked all at once: a fault in one does not hide the faults of another."""

from pathlib import Path

import pytest

from adapter import config, mapping
from adapter.errors import SetupError
from adapter.mapping.own_tables import OwnTables


def a_table(path: Path, header: str, row: str) -> Path:
    path.write_text(f"{header}\n{row}\n")
    return path


def test_the_faults_of_every_table_are_told_with_file_and_line(tmp_path: Path) -> None:
    header = "system,sender,code,display,analyte,unit,default_specimen,valid_from,valid_to,source"
    laboratory = a_table(tmp_path / "laboratory.csv", header, "WINPATH,,X,X,crpp,mg/L,,,,invented")
    imaging = a_table(tmp_path / "imaging.csv", "code,system,study,modality", "X,,abdominal_xry,")
    drugs = a_table(tmp_path / "drugs.csv", "code,words,class", "X,Something,antibiotics")
    own = OwnTables(imaging=[imaging], drugs=[drugs])
    with pytest.raises(SetupError) as refused:
        mapping.load_csor_maps(config.packaged("mappings"), own_concepts=[laboratory], own=own)
    found = {(Path(each.file).name, each.line) for each in refused.value.findings}
    assert {("laboratory.csv", 2), ("imaging.csv", 2)} <= found
    assert any(name == "drugs.csv" for name, _ in found)
