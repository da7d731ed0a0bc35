"""Every worked story runs through the real adapter: the state after each step, and exactly the rows it ends with."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from adapter.service.assembly import Mappings
from tests.integration.stories import PAGE, TABLES, Expected, Story, files, in_words, page, story
from tests.integration.trust import Trust, load, trust_file

_SETTINGS = {
    "laboratory_tables": f"[{TABLES / 'laboratory.csv'}]",
    "imaging_tables": f"[{TABLES / 'imaging.csv'}]",
    "drug_tables": f"[{TABLES / 'drugs.csv'}]",
    "identity": (
        "{hospital_numbers: [{authority: RXX, fhir_system: 'https://example-trust.nhs.uk/id/hospital-number'}]}"
    ),
}


@pytest.mark.parametrize("path", files(), ids=lambda path: path.stem)
def test_a_story_comes_out_as_it_is_told(path: Path, tmp_path: Path, mappings: Path) -> None:
    told = story(path)
    settings = load(trust_file(tmp_path, mappings=mappings, **_SETTINGS))
    trust = Trust(settings, mappings=Mappings.load(settings))
    try:
        _tell(trust, told)
        _compare(trust.rows(every=False), trust, told.rows)
        trust.assert_csor_agrees()
    finally:
        trust.close()


def _tell(trust: Trust, told: Story) -> None:
    for number, step in enumerate(told.steps, start=1):
        trust.now = datetime.fromisoformat(step.at)
        trust.take(step.wire(), is_fhir=bool(step.resources))
        trust.dispatch()
        where = f"{told.condition}, step {number}"
        assert trust.parked() == [], where
        assert trust.states().get(told.condition, "none") == step.state, where
        assert bool(trust.csor.live()) is step.leaves, where


def _compare(rows: Sequence[dict[str, Any]], trust: Trust, expected: Sequence[Expected]) -> None:
    found = [*rows, *(row for row in trust.rows(every=True) if row["state"] == "held")]
    left = list(found)
    missing = []
    for each in expected:
        match = next((row for row in left if _agrees(row, each)), None)
        if match is None:
            missing.append(each)
        else:
            left.remove(match)
    assert not missing, f"missing {missing[0].kind} {missing[0].fields}; of that kind there is " + str(
        [{k: v for k, v in row.items() if v is not None} for row in left if row["kind"] == missing[0].kind]
    )
    assert [row["kind"] for row in left] == []


def _agrees(row: dict[str, Any], expected: Expected) -> bool:
    if row["kind"] != expected.kind:
        return False
    return all(in_words(row.get(name)) == said for name, said in expected.fields.items())


def test_the_page_of_stories_is_printed_from_the_stories() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.integration.stories > docs/stories.md"
