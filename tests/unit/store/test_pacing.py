"""What was asked of each polled server, decided and written by one statement; on both databases."""

import threading

import pytest

from adapter.store import pacing, polls
from adapter.store.database import Connection, Database
from adapter.store.pacing import OneMore

STEP_US = 500_000


def more(now_us: int, *, day: str = "d1", per_day: int | None = None) -> OneMore:
    return OneMore(day, per_day, now_us, now_us + STEP_US, now_us + 10 * STEP_US)


@pytest.mark.behaviour(40)
def test_no_request_is_made_before_the_next_one_may_be(conn: Connection) -> None:
    taken = [pacing.take(conn, "epr", more(now_us)) for now_us in (1_000_000, 1_499_999, 1_500_000, 1_500_001)]
    assert taken == [True, False, True, False]
    assert pacing.standing(conn, "epr") == ("d1", 2, 2_000_000, None)
    assert pacing.take(conn, "other", more(1_000_000))


@pytest.mark.behaviour(40)
def test_requests_are_counted_by_the_day_and_what_is_refused_is_not(conn: Connection) -> None:
    at = [number * STEP_US for number in range(1, 6)]
    days = ["d1", "d1", "d1", "d2", "d2"]
    taken = [pacing.take(conn, "epr", more(now_us, day=day, per_day=2)) for now_us, day in zip(at, days, strict=True)]
    assert taken == [True, True, False, True, True]
    assert polls.source(conn, "epr").requests == 2


@pytest.mark.behaviour(40)
def test_a_next_time_of_a_clock_that_was_put_back_does_not_count(conn: Connection) -> None:
    assert pacing.take(conn, "epr", more(3_600_000_000))
    assert pacing.take(conn, "epr", more(1_000_000))
    assert not pacing.take(conn, "epr", more(1_000_001))


@pytest.mark.behaviour(35)
def test_a_server_is_left_alone_until_the_latest_time_it_asked_for(conn: Connection) -> None:
    for until_us in (7_000_000, 5_000_000):
        pacing.leave_alone(conn, "epr", until_us=until_us)
    assert [pacing.take(conn, "epr", more(now_us)) for now_us in (6_999_999, 7_000_000)] == [False, True]
    assert polls.source(conn, "epr").not_before_us == 7_000_000
    assert pacing.take(conn, "other", more(6_000_000))


@pytest.mark.behaviour(40)
def test_of_several_that_ask_at_once_one_may(database: Database) -> None:
    taken: list[bool] = []

    def ask() -> None:
        with database.write() as conn:
            taken.append(pacing.take(conn, "epr", more(1_000_000)))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False] * 5 + [True]
