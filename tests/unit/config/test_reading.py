"""How sources say that they are read: their own words over the trust's, over their vendor's facts."""

from pathlib import Path

import pytest

from adapter.config import Reading, TrustSettings, V2Source, effective, load_trust
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
    assert shown["sources[0].reading.documents"] == "default"


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


def findings(folder: Path, reading: str) -> list[tuple[int, str, str]]:
    """Column, text and hint of what is wrong with a source's `reading`, which begins in column 1 of line 9."""
    more = f"sources:\n  - {{name: lab, kind: mllp, port: 2576}}\nv2: {{reading:\n{reading}\n }}\n"
    with pytest.raises(SetupError) as caught:
        load_trust(a_trust(folder, more, here="{}"))
    assert {(Path(each.file).name, each.line) for each in caught.value.findings} == {("trust.yaml", 9)}
    return [(each.column, each.text, each.hint) for each in caught.value.findings]


@pytest.mark.parametrize(
    ("written", "column", "text", "hint"),
    [
        (
            "{preprocess: [{do: strip-prefx, field: PID-3.1, prefix: N3}]}",
            20,
            '"strip-prefx" is not one of: strip-prefix, move, take-out, leave-out, '
            "drop-empty-repetitions, keep-repetitions, drop-repetitions",
            'did you mean "strip-prefix"?',
        ),
        (
            "{preprocess: [{do: strip-prefix, field: PID3, prefix: N3}]}",
            41,
            '"PID3" is no position in a message; write PID-13, or PID-3.1 for a component',
            "",
        ),
        (
            "{preprocess: [{do: strip-prefix, feild: PID-3, field: PID-3, prefix: N3}]}",
            34,
            'unknown key "feild"',
            'did you mean "field"?',
        ),
        ("{preprocess: [{do: strip-prefix, field: PID-3}]}", 15, '"prefix" is missing here', ""),
        (
            "{preprocess: [{do: move, from: PID-19, to: PID-3.1}]}",
            44,
            "should be a whole field, PID-3",
            "",
        ),
        (
            "{preprocess: [{do: move, from: ZPI-4, to: PID-3}]}",
            15,
            "this step stays in one segment; across segments use z_segments or visit_number",
            "",
        ),
        (
            '{preprocess: [{do: move, from: PID-2, to: PID-3, matching: "AH("}]}',
            60,
            "is no regular expression: missing ), unterminated subpattern at position 2",
            "",
        ),
        (
            "{preprocess: [{do: drop-repetitions, field: PID-3}]}",
            15,
            "`authority` or `type` says which repetitions",
            "",
        ),
        ("{z_segments: {PV1-3: PID-32}}", 1, "PV1-3 is no field of a Z segment", ""),
        ("{z_segments: {ZU1-27: MSH-2}}", 23, "MSH-2 tells how the message is written; it cannot be changed", ""),
        ('{time_formats: ["%d/%m"]}', 17, "should have a year, a month and a day, such as %d/%m/%Y %H:%M", ""),
        (
            '{time_formats: ["%d/%m/%Y %Q"]}',
            17,
            "%Q is no part of a time here; known are %Y %y %m %b %B %d %H %I %p %M %S %z",
            "",
        ),
        ("{exceptions: {PID-13: {nul: ignore}}}", 24, 'unknown key "nul"', 'did you mean "null"?'),
        ("{exceptions: {PID-13: {}}}", 23, "say `null`, `empty` or both", ""),
        ("{lists: {DG2: snapshot}}", 10, '"DG2" is not one of: DG1, PR1, OBX', 'did you mean "DG1"?'),
        (
            "{exceptions: {PID13: {null: ignore}}}",
            15,
            '"PID13" is no position in a message; write PID-13, or PID-3.1 for a component',
            "",
        ),
    ],
)
def test_a_wrong_word_is_named_where_it_stands_with_what_was_meant(
    tmp_path: Path, written: str, column: int, text: str, hint: str
) -> None:
    assert (column, text, hint) in findings(tmp_path, written)


def test_the_settings_of_the_manual_are_those_that_are_read(tmp_path: Path) -> None:
    manual = Path(__file__).parents[3] / "docs" / "hl7-source.md"
    shown = manual.read_text(encoding="utf-8").split("## How a feed is read")[1].split("```")[1]
    more = (
        shown.removeprefix("yaml\n").replace("vendor: epic ", "hold: {} ").replace("vendor: winpath ", "vendor: lab ")
    )
    (lab,) = load_trust(a_trust(tmp_path, more, here="{}", lab="{}")).sources
    assert isinstance(lab, V2Source)
    assert set(Reading.model_fields) - lab.reading.model_fields_set == set()
    assert [step.do for step in lab.reading.preprocess] == [
        "strip-prefix",
        "move",
        "move",
        "take-out",
        "drop-empty-repetitions",
        "keep-repetitions",
        "leave-out",
    ]


def test_a_source_that_is_no_hl7_v2_takes_no_reading(tmp_path: Path) -> None:
    more = (
        "sources: [{name: f, kind: fhir-search, base_url: 'https://f.example/r4', from: 2026-01-01,"
        " types: {Patient: {}}, reading: {null: clear}}]\n"
    )
    with pytest.raises(SetupError, match='unknown key "reading"'):
        load_trust(a_trust(tmp_path, more, here="{}"))
