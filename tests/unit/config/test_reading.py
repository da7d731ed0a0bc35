"""How sources say that they are read: their own words over the trust's, over their vendor's facts."""

from pathlib import Path

import pytest

from adapter.config import TrustSettings, V2Source, effective, load_trust
from adapter.errors import SetupError

TRUST = """\
vendor: here
site: {ods_code: RXX, name: Example Trust}
data_folder: data
sealing: {master_key: {env: KEY}}
identity: {hospital_numbers: [{authority: RXX}], types: [MR], verified_statuses: ["01"]}
"""
VENDOR = """\
vendor: NAME
means: an invented one
facts:
  - about: v2.reading
    is: READING
    source: "invented for this test"
    dated: unconfirmed
"""


def a_trust(folder: Path, more: str, **vendors: str) -> Path:
    """`vendors` are their `v2.reading` facts by name."""
    (folder / "vendors").mkdir(exist_ok=True)
    (folder / "trusts").mkdir(exist_ok=True)
    for name, reading in vendors.items():
        text = VENDOR.replace("NAME", name).replace("READING", reading)
        (folder / "vendors" / f"{name}.yaml").write_text(text)
    path = folder / "trusts" / "trust.yaml"
    path.write_text(TRUST + more)
    return path


def reading(settings: TrustSettings, name: str) -> dict[str, object]:
    """What the source says once all is put together, without what is as always."""
    source = next(each for each in settings.sources if each.name == name)
    assert isinstance(source, V2Source)
    return source.reading.model_dump(exclude_defaults=True)


def test_each_source_is_read_as_its_own_vendor_sends_and_its_own_words_win(tmp_path: Path) -> None:
    more = """\
sources:
  - {name: epr, kind: mllp, port: 2575}
  - {name: lab, kind: mllp, port: 2576, vendor: lab, reading: {status_precedence: obr}}
  - {name: box, kind: folder, path: in, reading: {lists: {OBX: snapshot}}}
"""
    path = a_trust(tmp_path, more, here="{null: ignore, lists: {DG1: action}}", lab="{encoding: cp1252}")
    settings = load_trust(path)
    assert reading(settings, "epr") == {"null": "ignore", "lists": {"DG1": "action"}}
    assert reading(settings, "lab") == {"encoding": "cp1252", "status_precedence": "obr"}
    assert reading(settings, "box") == {"null": "ignore", "lists": {"DG1": "action", "OBX": "snapshot"}}


def test_what_the_trust_says_for_all_its_feeds_is_over_every_vendor(tmp_path: Path) -> None:
    more = """\
v2: {reading: {null: clear}}
sources:
  - {name: epr, kind: mllp, port: 2575}
  - {name: lab, kind: mllp, port: 2576, vendor: lab}
"""
    settings = load_trust(a_trust(tmp_path, more, here="{null: ignore}", lab="{null: ignore, empty: clear}"))
    assert (reading(settings, "epr"), reading(settings, "lab")) == ({}, {"empty": "clear"})


def test_every_value_in_force_is_shown_with_the_file_and_line_it_came_from(tmp_path: Path) -> None:
    more = "sources: [{name: lab, kind: mllp, port: 2576, vendor: lab, reading: {empty: clear}}]\n"
    shown = {each.setting: each.at for each in effective(a_trust(tmp_path, more, here="{}", lab="{null: ignore}"))}
    assert shown["sources[0].reading.null"] == "lab.yaml:5"
    assert shown["sources[0].reading.empty"] == "trust.yaml:6"


def test_a_changed_fact_of_any_vendor_named_changes_the_digest_of_the_rows(tmp_path: Path) -> None:
    more = "sources: [{name: lab, kind: mllp, port: 2576, vendor: lab}]\n"
    before = load_trust(a_trust(tmp_path, more, here="{}", lab="{null: ignore}")).digest()
    assert load_trust(a_trust(tmp_path, more, here="{}", lab="{null: clear}")).digest() != before


def test_wrong_words_are_shown_where_they_stand_in_whichever_file(tmp_path: Path) -> None:
    more = "sources: [{name: lab, kind: mllp, port: 2576, vendor: lab, reading: {nul: clear}}]\n"
    with pytest.raises(SetupError) as caught:
        load_trust(a_trust(tmp_path, more, here="{}", lab="{null: ignored, encoding: cp1253a}"))
    found = [(Path(each.file).name, each.line, each.column, each.text, each.hint) for each in caught.value.findings]
    assert found == [
        ("lab.yaml", 5, 16, '"ignored" is not one of: clear, ignore', 'did you mean "ignore"?'),
        ("lab.yaml", 5, 35, "is no character set that is known here, such as cp1252, utf-8 or iso8859-1", ""),
        ("trust.yaml", 6, 70, 'unknown key "nul"', 'did you mean "null"?'),
    ]


def test_a_source_of_an_unknown_vendor_is_refused(tmp_path: Path) -> None:
    more = "sources: [{name: lab, kind: mllp, port: 2576, vendor: labs}]\n"
    with pytest.raises(SetupError) as caught:
        load_trust(a_trust(tmp_path, more, here="{}", lab="{}"))
    assert [(each.column, each.text, each.hint) for each in caught.value.findings] == [
        (55, 'unknown vendor "labs"', 'did you mean "lab"?')
    ]
