"""Ids for messages that never were in the queue, and how far files of history are in."""

import threading

from adapter.store import history
from adapter.store.database import Connection, Database
from adapter.store.inbox import Inbox
from tests.unit.store.build import an_inbox_row


def test_reserved_ids_are_nobody_elses(inbox: Inbox) -> None:
    first = inbox.reserve(1_000)
    before = inbox.append([an_inbox_row("a")])
    second = inbox.reserve(10)
    after = inbox.append([an_inbox_row("b")])
    assert first + 1_000 <= before[0] < second
    assert second + 10 <= after[0]


def test_reserved_ids_are_not_waited_for(database: Database, inbox: Inbox) -> None:
    inbox.append([an_inbox_row("a")])
    inbox.reserve(100)
    inbox.append([an_inbox_row("b")])
    with database.write() as conn:
        claimed = inbox.claim(conn, limit=10)
        assert [each.sealed for each in claimed] == [b"sealed a", b"sealed b"]
        inbox.done(conn, [each.id for each in claimed])
    with database.write() as conn:
        assert inbox.claim(conn, limit=10) == []


def test_several_reserve_at_once(inbox: Inbox) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(inbox.reserve(5))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({first + number for first in found for number in range(5)}) == 30


def test_a_file_is_in_up_to_where_it_was_noted_last(conn: Connection) -> None:
    one, other = b"1" * 16, b"2" * 16
    history.note(conn, [(one, 10)])
    history.note(conn, [(one, 25), (other, 7)])
    assert history.done(conn, [one, other, b"3" * 16]) == {one: 25, other: 7}
