"""CSV files with a checked header."""

from datetime import date
from pathlib import Path

import pytest

from adapter.datafile import Positioned, read_csv
from adapter.errors import SetupError


class Code(Positioned):
    system: str
    code: str
    note: str = ""
    reviewed_on: date | None = None


def written(folder: Path, text: str) -> Path:
    path = folder / "codes.csv"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SetupError) as caught:
        read_csv(written(folder, text), Code)
    return str(caught.value)


def test_rows_keep_their_text_and_know_their_line(tmp_path: Path) -> None:
    path = written(tmp_path, 'system,code,note\nicd-10,012,"two\nlines, one cell"\n\nicd-10,P77,\n')
    rows = read_csv(path, Code)

    assert [(row.code, row.note, row._line) for row in rows] == [("012", "two\nlines, one cell", 2), ("P77", "", 5)]


def test_an_empty_cell_of_an_optional_column_is_not_given(tmp_path: Path) -> None:
    rows = read_csv(written(tmp_path, "system,code,reviewed_on\nicd-10,P77,\nicd-10,Q79.3,2026-03-01\n"), Code)

    assert [row.reviewed_on for row in rows] == [None, date(2026, 3, 1)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("system,cod\n", '1:8: unknown column "cod"\n    system,cod\n           ^\n    did you mean "code"?'),
        ("system,note\n", '1:1: column "code" is missing'),
        ("system,code,code\n", 'column "code" stands here twice'),
        ("system,code\nicd-10,P77,extra\n", "2:1: 3 cells where the header has 2"),
        ('system,code,reviewed_on\n"a,b",P77,soon\n', "2:11: reviewed_on: should be a valid date"),
        ('system,code\nicd-10,"P77\n', "not CSV"),
        ("", 'column "system" is missing'),
    ],
)
def test_a_wrong_file_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    assert told in refusal(tmp_path, text)


def test_all_wrong_rows_are_told_at_once(tmp_path: Path) -> None:
    told = refusal(tmp_path, "system,code,reviewed_on\na,b,x\na,b\na,b,y\n")

    assert told.count("codes.csv:") == 3
