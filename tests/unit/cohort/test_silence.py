"""The zero-case alarm."""

from datetime import UTC, datetime, timedelta

import pytest

from adapter.cohort.silence import zero_case_alarm

NOW = datetime(2026, 11, 22, tzinfo=UTC)
WINDOW = timedelta(days=42)


@pytest.mark.parametrize(
    ("last", "since", "words"),
    [
        (NOW - timedelta(days=42), None, ""),
        (NOW - timedelta(days=43), None, "no newly confirmed child for 43 days"),
        (NOW - timedelta(days=2), NOW - timedelta(days=300), ""),
        (None, NOW - timedelta(days=50), "no confirmed child at all for 50 days"),
        (None, NOW - timedelta(days=3), ""),
        (None, None, ""),
    ],
)
def test_silence_beyond_the_window_is_told(last: datetime | None, since: datetime | None, words: str) -> None:
    told = zero_case_alarm(last_confirmed=last, watched_since=since, now=NOW, after=WINDOW)
    assert told.startswith(words) and bool(told) == bool(words)
