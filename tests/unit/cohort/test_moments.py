"""Dates that stand for none."""

import pytest

from adapter.cohort.moments import Age, age_at, earliest, span


@pytest.mark.parametrize("text", ["9999-12-31", "9999", "9999-12-31T23:59:59-12:00", "0001-01-01", "", None, "soon"])
def test_without_end_and_since_ever_are_no_dates(text: str | None) -> None:
    assert span(text) is None
    assert earliest(text, "2026-01-03") == "2026-01-03"
    assert age_at(text, birth="2026-01-01", limit_days=90) is Age.UNKNOWN
