"""How often a server is asked: never above what was agreed, by the wall clock, for all threads, over restarts."""

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from datetime import time as TimeOfDay
from itertools import pairwise

import pytest

from adapter.errors import NotNow, SourceFault
from adapter.sources.fhir_http import FhirServer
from adapter.sources.pace import Hours
from adapter.sources.smart_auth import NoCredentials
from tests.fakes.paces import Clock, PaperBook, a_pace
from tests.unit.sinks.servers import a_server, response
from tests.unit.sources.test_fhir_http import QUICK, Wire

DAYTIME = Hours(TimeOfDay(7), TimeOfDay(19))
MONDAY = datetime(2026, 11, 23, 3, tzinfo=UTC)
SUNDAY = frozenset({6})


def requests(clock: Clock, count: int, book: PaperBook | None = None, **allowed: object) -> list[datetime]:
    """When so many requests were made."""
    pace, made = clock.pace(book, **allowed), []
    for _ in range(count):
        pace.take(clock)
        made.append(clock.now())
    return made


def gaps_s(moments: Sequence[datetime]) -> list[float]:
    return [round((after - before).total_seconds(), 3) for before, after in pairwise(moments)]


def why(clock: Clock, book: PaperBook | None = None, **allowed: object) -> NotNow:
    with pytest.raises(NotNow) as caught:
        clock.pace(book, **allowed).take(clock)
    return caught.value


@pytest.mark.behaviour(40)
def test_requests_keep_their_distance() -> None:
    assert gaps_s(requests(Clock(MONDAY), 5, per_second=2)) == [0.5] * 4


@pytest.mark.behaviour(40)
def test_a_request_that_took_long_buys_no_burst() -> None:
    clock = Clock(MONDAY)
    pace = clock.pace(per_second=2)
    pace.take(clock)
    clock.pass_by(60)
    made = []
    for _ in range(3):
        pace.take(clock)
        made.append(clock.now())
    assert gaps_s(made) == [0.5, 0.5]


@pytest.mark.behaviour(40)
@pytest.mark.parametrize(
    ("day", "from_utc", "until_utc"),
    [
        ("2026-01-15", "07:00", "19:00"),
        ("2026-07-15", "06:00", "18:00"),
        # The clocks change at 01:00 UTC of these Sundays.
        ("2026-03-28", "07:00", "19:00"),
        ("2026-03-29", "06:00", "18:00"),
        ("2026-10-24", "06:00", "18:00"),
        ("2026-10-25", "07:00", "19:00"),
    ],
)
def test_peak_hours_are_those_of_the_clock_on_the_wall(day: str, from_utc: str, until_utc: str) -> None:
    for edge, before, after in ((from_utc, 0.5, 2.0), (until_utc, 2.0, 0.5)):
        begins = datetime.fromisoformat(f"{day}T{edge}:00+00:00")
        for moment, gap in ((begins - timedelta(minutes=1), before), (begins, after)):
            made = requests(Clock(moment), 4, per_second=2, peak=DAYTIME, peak_per_second=0.5)
            assert gaps_s(made) == [gap] * 3, moment


@pytest.mark.behaviour(40)
def test_who_waits_when_the_peak_begins_waits_as_long_as_the_peak_wants() -> None:
    made = requests(Clock(MONDAY + timedelta(hours=3, minutes=59, seconds=58)), 8, per_second=2, peak=DAYTIME,
                    peak_per_second=0.5)  # fmt: skip
    in_peak = [each for each in made if each.hour >= 7]
    assert len(in_peak) >= 4
    assert gaps_s(in_peak) == [2.0] * (len(in_peak) - 1)


@pytest.mark.behaviour(40)
def test_a_restart_with_a_backlog_does_not_burst() -> None:
    clock, book = Clock(MONDAY), PaperBook()
    made = [moment for _ in range(20) for moment in requests(clock, 1, book, per_second=0.5)]
    assert gaps_s(made) == [2.0] * 19


@pytest.mark.behaviour(40)
def test_a_clock_that_was_put_back_stops_nobody_for_long() -> None:
    clock, book = Clock(MONDAY), PaperBook()
    requests(clock, 1, book, per_second=2)
    clock.moment -= timedelta(hours=6)
    before = clock.ran_s
    requests(clock, 1, book, per_second=2)
    assert clock.ran_s - before <= 6


@pytest.mark.behaviour(40)
@pytest.mark.parametrize(
    ("now", "until_midnight_h"),
    [
        ("2026-11-23T12:00:00+00:00", 12),
        ("2026-10-24T22:30:00+00:00", 0.5),  # already an hour later in London
        ("2026-10-25T00:30:00+01:00", 24.5),  # the day of 25 hours
        ("2026-03-29T00:30:00+00:00", 22.5),  # the day of 23 hours
    ],
)
def test_no_more_requests_are_made_on_a_day_than_may_be(now: str, until_midnight_h: float) -> None:
    clock, book = Clock(datetime.fromisoformat(now)), PaperBook()
    requests(clock, 2, book, per_day=2)
    refused = why(clock, book, per_day=2)
    assert refused.fault is SourceFault.DAILY_LIMIT
    assert str(refused) == "the 2 requests of today are used up"
    assert refused.retry_after_s == pytest.approx(until_midnight_h * 3600, abs=1)
    why(clock, book, per_day=2)
    assert book.requests == 2  # what was refused is not counted
    clock.pass_by(refused.retry_after_s or 0)
    assert len(requests(clock, 2, book, per_day=2)) == 2


@pytest.mark.behaviour(40)
@pytest.mark.parametrize(
    ("now", "hours", "rest_min"),
    [
        ("2026-11-22T02:00:00+00:00", Hours(TimeOfDay(2), TimeOfDay(5), SUNDAY), 180),
        ("2026-11-22T04:59:30+00:00", Hours(TimeOfDay(2), TimeOfDay(5), SUNDAY), 0.5),
        ("2026-07-19T01:00:00+00:00", Hours(TimeOfDay(2), TimeOfDay(5), SUNDAY), 180),
        # The clock goes from 01:00 to 02:00 on the wall: the rest from 00:30 to 05:00 is an hour shorter.
        ("2026-03-29T00:30:00+00:00", Hours(TimeOfDay(0, 30), TimeOfDay(5), SUNDAY), 210),
        # It goes from 02:00 back to 01:00: an hour longer.
        ("2026-10-24T23:30:00+00:00", Hours(TimeOfDay(0, 30), TimeOfDay(5), SUNDAY), 330),
        ("2026-11-22T23:00:00+00:00", Hours(TimeOfDay(22), TimeOfDay(2), SUNDAY), 180),
        ("2026-11-23T01:00:00+00:00", Hours(TimeOfDay(22), TimeOfDay(2), SUNDAY), 60),
    ],
)
def test_nothing_is_asked_in_the_hours_of_rest(now: str, hours: Hours, rest_min: float) -> None:
    clock = Clock(datetime.fromisoformat(now))
    refused = why(clock, blackout=(hours,))
    assert refused.fault is SourceFault.BLACKOUT
    assert refused.retry_after_s == pytest.approx(rest_min * 60)
    clock.pass_by(refused.retry_after_s or 0)
    assert requests(clock, 1, blackout=(hours,)) == [clock.now()]


@pytest.mark.behaviour(40)
@pytest.mark.parametrize("now", ["2026-11-22T01:59:59+00:00", "2026-11-22T05:00:00+00:00", "2026-11-23T02:30:00+00:00"])
def test_outside_of_them_it_is(now: str) -> None:
    clock = Clock(datetime.fromisoformat(now))
    assert requests(clock, 1, blackout=(Hours(TimeOfDay(2), TimeOfDay(5), SUNDAY),)) == [clock.now()]


@pytest.mark.behaviour(40)
def test_several_threads_share_one_rate_and_its_places() -> None:
    book = PaperBook()
    pace = a_pace(book, per_second=50, parallel=2)
    under_way, most, lock = 0, 0, threading.Lock()
    begun: list[float] = []

    def ask() -> None:
        nonlocal under_way, most
        for _ in range(4):
            with pace.turn(threading.Event()):
                with lock:
                    begun.append(time.monotonic())
                    under_way += 1
                    most = max(most, under_way)
                time.sleep(0.06)
                with lock:
                    under_way -= 1

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(begun) == len(book.taken) == 16
    assert most == 2
    assert begun[-1] - begun[0] >= 15 / 50 - 0.01


@pytest.mark.behaviour(35)
def test_what_the_server_asks_of_one_thread_all_of_them_do_and_no_other_server() -> None:
    clock, book = Clock(MONDAY), PaperBook()
    pace, other = clock.pace(book), clock.pace()
    pace.leave_alone(30)
    other.take(clock)
    assert clock.now() == MONDAY
    pace.take(clock)
    assert clock.now() == MONDAY + timedelta(seconds=30)


@pytest.mark.behaviour(35)
def test_a_long_rest_is_left_to_a_later_turn_also_after_a_restart() -> None:
    clock, book = Clock(MONDAY), PaperBook()
    clock.pace(book).leave_alone(600)
    clock.pass_by(60)
    refused = why(clock, book, patience_s=60)
    assert refused.fault is SourceFault.BUSY
    assert refused.retry_after_s == 540


@pytest.mark.behaviour(35)
def test_a_server_that_is_busy_is_left_alone_by_whoever_shares_its_pace() -> None:
    book, wire = PaperBook(), Wire()
    stop = threading.Event()
    busy, fine = response(429, b"", "Retry-After: 1"), response(200, b"{}")
    with a_server(wire.answering(busy), wire.answering(fine), wire.answering(fine)) as url:
        one = FhirServer(url, credentials=NoCredentials(), pace=a_pace(book), limits=QUICK)
        with pytest.raises(NotNow):
            one.get(f"{url}/Patient", read=bytes, stop=stop)
        began = time.monotonic()
        other = FhirServer(url, credentials=NoCredentials(), pace=a_pace(book), limits=QUICK)
        assert other.get(f"{url}/Patient", read=bytes, stop=stop) == b"{}"
    assert 0.7 <= time.monotonic() - began < 5


def test_a_stop_ends_the_wait_for_a_turn_and_for_a_place() -> None:
    pace, stop = a_pace(per_second=0.01), threading.Event()
    pace.take(stop)
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    with pytest.raises(NotNow) as caught, pace.turn(stop):
        raise AssertionError("no turn was due")
    assert caught.value.fault is SourceFault.STOPPED
    assert time.monotonic() - began < 2
