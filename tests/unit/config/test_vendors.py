"""Vendor files: each fact with source and date, each question with the setting that its answer fills."""

from pathlib import Path

import pytest

from adapter.config import Vendor, load_vendor, packaged, vendor_paths
from adapter.config.vendor_pages import PAGE, page
from adapter.errors import SetupError

PATHS = vendor_paths(packaged("config/vendors"))
PROFILES = {"uk-generic", "epic", "oracle-millennium", "careflow", "cris", "winpath"}
QUESTIONNAIRES = {"meditech", "nervecentre", "altera-sunrise", "trakcare"}


def a_vendor(folder: Path, body: str, *, name: str = "ours") -> Path:
    path = folder / "ours.yaml"
    path.write_text(f"vendor: {name}\nmeans: an invented one\n{body}")
    return path


def findings(path: Path) -> list[tuple[int, int, str, str]]:
    with pytest.raises(SetupError) as caught:
        load_vendor(path)
    assert {each.file for each in caught.value.findings} == {str(path)}
    return [(each.line, each.column, each.text, each.hint) for each in caught.value.findings]


@pytest.mark.parametrize("name", sorted(PATHS))
def test_every_vendor_file_is_sound(name: str) -> None:
    vendor = load_vendor(PATHS[name])
    assert vendor.is_questionnaire is (name in QUESTIONNAIRES)


def test_the_systems_of_uk_trusts_have_a_profile_or_a_questionnaire() -> None:
    assert PATHS.keys() >= PROFILES | QUESTIONNAIRES


@pytest.mark.parametrize("name", sorted(QUESTIONNAIRES))
def test_a_questionnaire_asks_for_all_that_a_feed_may_differ_in(name: str) -> None:
    asked = {question.fills for question in load_vendor(PATHS[name]).file.questions}
    assert asked >= {
        "identity.types",
        "identity.hospital_numbers",
        "identity.absent_status_is_verified",
        "v2.reading.visit_number",
        "v2.reading.null",
        "v2.reading.empty",
        "v2.reading.lists",
        "v2.reading.encoding",
        "v2.reading.time_formats",
        "wards",
    }


def test_the_page_of_vendors_is_what_the_files_say() -> None:
    vendors: list[Vendor] = [load_vendor(path) for path in PATHS.values()]
    assert PAGE.read_text(encoding="utf-8") == page(vendors), "run: python -m adapter.config.vendor_pages"


def test_a_fact_needs_a_source_a_date_and_a_value(tmp_path: Path) -> None:
    body = (
        "facts:\n  - {about: v2.reading.null}\n"
        "  - {about: site.timezone, is: Europe/London, source: seen, dated: soon}\n"
    )
    texts = {text for _, _, text, _ in findings(a_vendor(tmp_path, body))}
    assert {'"is" is missing here', '"source" is missing here', '"dated" is missing here'} <= texts
    assert any("date" in text or "unconfirmed" in text for text in texts - {'"dated" is missing here'})


def test_a_setting_that_does_not_exist_is_shown_with_what_was_meant(tmp_path: Path) -> None:
    body = (
        "facts:\n  - {about: v2.reading.nul, is: clear, source: seen, dated: unconfirmed}\n"
        "questions:\n  - {ask: Which one?, why: Because., fills: identty.types, until: [MR]}\n"
    )
    assert findings(a_vendor(tmp_path, body)) == [
        (4, 13, 'no setting "v2.reading.nul": "nul" is unknown', 'did you mean "null"?'),
        (6, 45, 'no setting "identty.types": "identty" is unknown', 'did you mean "identity"?'),
    ]


def test_a_wrong_value_is_shown_in_the_vendors_file(tmp_path: Path) -> None:
    body = "questions:\n  - {ask: Which one?, why: Because., fills: v2.reading.null, until: ignored}\n"
    assert findings(a_vendor(tmp_path, body)) == [
        (4, 69, '"ignored" is not one of: clear, ignore', 'did you mean "ignore"?')
    ]


def test_a_question_says_what_holds_until_it_is_answered(tmp_path: Path) -> None:
    body = "questions:\n  - {ask: Which one?, why: Because., fills: v2.reading.null}\n"
    assert findings(a_vendor(tmp_path, body)) == [(4, 5, '"until" is missing here', "")]


def test_what_a_question_says_holds_under_any_fact(tmp_path: Path) -> None:
    asked = "questions:\n  - {ask: Which one?, why: Because., fills: v2.reading.null, until: ignore}\n"
    assert load_vendor(a_vendor(tmp_path, asked)).reading.null == "ignore"
    known = asked + "facts:\n  - {about: v2.reading.null, is: clear, source: seen, dated: 2026-01-01}\n"
    assert load_vendor(a_vendor(tmp_path, known)).reading.null == "clear"


def test_a_file_tells_of_the_vendor_it_is_named_after(tmp_path: Path) -> None:
    assert findings(a_vendor(tmp_path, "", name="theirs")) == [
        (1, 9, "the file is named ours.yaml but tells of theirs", "")
    ]
