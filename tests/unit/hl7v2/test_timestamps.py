"""Times keep their precision and offset; local times get the site's, doubtful hours are marked."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.hl7v2.timestamps import TimeFault, read_time

LONDON = ZoneInfo("Europe/London")


@pytest.mark.behaviour(98)
@pytest.mark.parametrize(
    ("sent", "text", "precision"),
    [
        ("2026", "2026", "year"),
        ("202601", "2026-01", "month"),
        ("20260103", "2026-01-03", "day"),
        ("2026010312", "2026-01-03T12:00:00+00:00", "hour"),
        ("202601031230", "2026-01-03T12:30:00+00:00", "minute"),
        ("20260703123059", "2026-07-03T12:30:59+01:00", "second"),
        ("20260703123059.2500", "2026-07-03T12:30:59.2500+01:00", "fraction"),
        ("20260703123059+0200", "2026-07-03T12:30:59+02:00", "second"),
        ("202607031230-0330", "2026-07-03T12:30:00-03:30", "minute"),
        ("2026-01-03 12:30:01", "2026-01-03T12:30:01+00:00", "second"),
        ("2026-01-03", "2026-01-03", "day"),
    ],
)
def test_precision_and_offset_are_kept(sent: str, text: str, precision: str) -> None:
    moment = read_time(sent, LONDON)
    assert moment is not None
    assert (moment.text, moment.precision, moment.fault) == (text, precision, TimeFault.NONE)


@pytest.mark.behaviour(99)
def test_the_doubled_october_hour_is_the_first_of_the_two_and_marked() -> None:
    moment = read_time("20261025013000", LONDON)
    assert moment is not None
    assert (moment.text, moment.fault) == ("2026-10-25T01:30:00+01:00", TimeFault.AMBIGUOUS_HOUR)


@pytest.mark.behaviour(99)
def test_the_missing_march_hour_is_marked() -> None:
    moment = read_time("20260329013000", LONDON)
    assert moment is not None
    assert moment.fault is TimeFault.MISSING_HOUR


@pytest.mark.behaviour(99)
def test_an_offset_that_was_sent_leaves_no_doubt() -> None:
    moment = read_time("20261025013000+0000", LONDON)
    assert moment is not None
    assert (moment.text, moment.fault) == ("2026-10-25T01:30:00+00:00", TimeFault.NONE)


@pytest.mark.parametrize(
    "sent", ["", "abc", "20261301", "20260230", "202601036", "20260103250000", "2026010312607", "0000"]
)
def test_what_is_no_time_is_not_guessed_at(sent: str) -> None:
    assert read_time(sent, LONDON) is None


@given(st.text(alphabet="0123456789.+-: TZ", max_size=24))
def test_reading_a_time_never_fails(sent: str) -> None:
    read_time(sent, LONDON)
