"""The strict reading of YAML."""

from pathlib import Path

import pytest

from adapter.datafile import read_yaml
from adapter.errors import SetupError


def written(folder: Path, text: str) -> Path:
    path = folder / "a.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SetupError) as caught:
        read_yaml(written(folder, text))
    return str(caught.value)


def test_every_scalar_is_text(tmp_path: Path) -> None:
    node = read_yaml(written(tmp_path, 'a: NO\nb: [012, 1.10, Q43, 2026-01-01, null]\nc: {d: ""}\n'))

    assert node.plain() == {"a": "NO", "b": ["012", "1.10", "Q43", "2026-01-01", "null"], "c": {"d": ""}}


def test_a_value_knows_its_line_and_column(tmp_path: Path) -> None:
    node = read_yaml(written(tmp_path, "rules:\n  - name: first\n  - name: second\n"))

    assert isinstance(node.value, dict)
    rules = node.value["rules"].value
    assert isinstance(rules, list)
    assert (rules[1].line, rules[1].column, rules[1].file) == (3, 5, str(tmp_path / "a.yaml"))


def test_a_byte_order_mark_is_forgiven(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: b\n")

    assert read_yaml(path).plain() == {"a": "b"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 3\n", 'a.yaml:3:1: "a" stands here twice, first in line 1\n    a: 3\n    ^'),
        ("a: &x 1\nb: *x\n", "anchor &x"),
        ("a: &x 1\nb: *x\n", "alias *x"),
        ("a: !!int 1\n", "tag tag:yaml.org,2002:int"),
        ("a: b\n---\nc: d\n", "a second document"),
        ("a:\nb: c\n", "nothing is written here"),
        ("", "the file is empty"),
        ("a: [b\n", "not YAML"),
        ("? [a]\n: b\n", "a key must be text"),
    ],
)
def test_what_could_be_misread_is_refused(tmp_path: Path, text: str, told: str) -> None:
    assert told in refusal(tmp_path, text)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    told = refusal(tmp_path, "a: &x 1\nb:\nc: !t 2\na: 4\n")

    assert [line.split(":")[1] for line in told.splitlines() if "a.yaml:" in line] == ["1", "2", "3", "4"]


def test_bytes_that_are_not_utf8_are_told_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("a: b\nunit: µmol\n".encode("latin-1"))

    with pytest.raises(SetupError, match=r"latin\.yaml:2:1: not UTF-8"):
        read_yaml(path)


def test_a_file_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"absent\.yaml cannot be read: No such file"):
        read_yaml(tmp_path / "absent.yaml")
