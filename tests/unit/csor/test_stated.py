"""Dates that stand for none."""

import pytest

from adapter.csor.derive.stated import span


@pytest.mark.parametrize("text", ["9999-12-31", "9999", "9999-12", "9999-12-31T23:59:59-12:00", "0001-01-01", "", None])
def test_without_end_and_since_ever_are_no_dates(text: str | None) -> None:
    assert span(text) is None


def test_the_last_year_that_a_calendar_reaches_is_one() -> None:
    found = span("9998-12-31")
    assert found is not None
    assert found.last.isoformat() == "9998-12-31T23:59:59+00:00"
