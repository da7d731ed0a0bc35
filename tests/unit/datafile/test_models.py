"""Validation of a file against a model, with places and hints."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import ConfigDict, Field

from adapter.datafile import Duration, Positioned, hyphenated, load_model, positions_of
from adapter.errors import ExitCode, SetupError


class Circle(Positioned):
    kind: Literal["circle"]
    radius: int


class Square(Positioned):
    kind: Literal["square"]
    side: int
    filled: bool = False


class Rule(Positioned):
    model_config = ConfigDict(alias_generator=hyphenated)

    name: str
    include_if: list[str] = []
    from_: str | list[str] = ""


class Drawing(Positioned):
    title: str
    shapes: list[Annotated[Circle | Square, Field(discriminator="kind")]] = []
    rules: list[Rule] = []
    by_name: dict[str, Rule] = {}
    wait: Duration = timedelta(0)


def loaded(folder: Path, text: str) -> Drawing:
    path = folder / "d.yaml"
    path.write_text(text, encoding="utf-8")
    return load_model(path, Drawing, exit_code=ExitCode.MAPPING)


def refusal(folder: Path, text: str) -> SetupError:
    with pytest.raises(SetupError) as caught:
        loaded(folder, text)
    return caught.value


def test_the_schema_makes_the_types(tmp_path: Path) -> None:
    drawing = loaded(tmp_path, "title: NO\nwait: P3DT6H\nshapes:\n  - {kind: square, side: 012, filled: yes}\n")

    assert drawing.title == "NO"
    assert drawing.wait == timedelta(days=3, hours=6)
    assert drawing.shapes == [Square(kind="square", side=12, filled=True)]


def test_each_nested_model_knows_its_line(tmp_path: Path) -> None:
    drawing = loaded(
        tmp_path, "title: x\nrules:\n  - name: a\n    from: [p, q]\n  - name: b\nby_name:\n  k: {name: c}\n"
    )

    assert [rule._line for rule in drawing.rules] == [3, 5]
    assert drawing.by_name["k"]._line == 7
    assert drawing.rules[0]._file.endswith("d.yaml")


def test_positions_give_the_place_of_every_key(tmp_path: Path) -> None:
    drawing = loaded(tmp_path, "title: x\nrules:\n  - name: a\n    include-if: [b]\n")

    assert positions_of(drawing)["rules", 0, "include-if"] == (4, 5)


def test_an_unknown_key_is_shown_with_caret_and_a_suggestion(tmp_path: Path) -> None:
    error = refusal(tmp_path, "title: x\nrules:\n  - name: a\n    include_if: [b]\n")

    assert str(error).splitlines()[1:] == [
        f'{tmp_path}/d.yaml:4:5: unknown key "include_if"',
        "        include_if: [b]",
        "        ^",
        '    did you mean "include-if"?',
    ]
    assert error.exit_code is ExitCode.MAPPING


def test_a_suggestion_comes_from_the_chosen_branch_of_a_union(tmp_path: Path) -> None:
    error = refusal(tmp_path, "title: x\nshapes:\n  - kind: circle\n    radius: 1\n    raduis: 2\n    colour: red\n")

    assert 'did you mean "radius"?' in str(error)
    assert "known here: kind, radius" in str(error)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("shapes: []\n", '1:1: "title" is missing here'),
        ("title: x\nshapes:\n  - {kind: sqare, side: 1}\n", '3:12: "sqare" is not one of: circle, square'),
        ("title: x\nshapes:\n  - {kind: sqare, side: 1}\n", 'did you mean "square"?'),
        ("title: x\nshapes:\n  - {side: 1}\n", '3:5: "kind" is missing here'),
        ("title: x\nwait: 3\n", "2:7: should be an ISO 8601 duration such as P3D or PT6H"),
        ("title: x\nshapes:\n  - {kind: circle, radius: ten}\n", "3:28: should be a valid integer"),
        ("title: [x]\n", "1:8: should be a valid string"),
        ("title: x\nby_name:\n  k: {nmae: c}\n", '3:7: unknown key "nmae"'),
    ],
)
def test_a_wrong_value_is_told_where_it_stands(tmp_path: Path, text: str, told: str) -> None:
    assert told in str(refusal(tmp_path, text))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    error = refusal(tmp_path, "titel: x\nwait: soon\nrules: [{}]\n")

    assert len(error.findings) == 4
