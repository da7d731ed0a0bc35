"""Retry-After in every form that servers send."""

from datetime import UTC, datetime

import pytest

from adapter.outbound import retry_after_s

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Sun, 22 Nov 2026 12:01:30 GMT", 90.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 12:01:30 -0000", None),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_from_now_or_nothing(text: str | None, seconds: float | None) -> None:
    assert retry_after_s(text, now=NOW) == seconds
