"""The page of coverage is the one that the maps, the guide's tables and the reasons give."""

from collections import Counter

from tests.mappings.official_tables import segment_rows
from tests.mappings.v2_coverage import PAGE, idle_reasons, page, read_reasons, rows, without_reason


def test_every_field_that_the_guide_maps_has_a_rule_or_a_reason() -> None:
    assert [(row.map, row.field) for row in without_reason(rows())] == []


def test_no_reason_stands_for_what_is_mapped() -> None:
    assert idle_reasons(rows()) == []


def test_no_field_has_two_reasons() -> None:
    counts = Counter((each.map, each.field) for each in read_reasons())
    assert [key for key, count in counts.items() if count > 1] == []


def test_every_segment_map_of_the_guide_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in {row.map for row in segment_rows() if row.target} if f"| {name} |" not in text] == []


def test_the_page_is_up_to_date() -> None:
    told = "python -m tests.mappings.v2_coverage --write"
    assert PAGE.read_text(encoding="utf-8") == "\n".join(page()) + "\n", f"a map has changed: {told}"


def test_a_rule_counts_only_for_the_element_it_fills() -> None:
    found = {(row.map, row.field): row for row in rows()}
    assert {rule.to for rule in found["PID[Patient]", "PID-5"].rules} == {"name[]"}
    assert found["PID[Patient]", "PID-26"].rules == []
    assert found["OBX[Observation]", "OBX-5"].rules[0].to == "value[x]"
