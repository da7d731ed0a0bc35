"""Cursors, counters, attempts, folder files, and the counts that status prints."""

from adapter.store import attempts, counters, cursors, dirty, facts, folder_files, messages, outbox, persons, rows
from adapter.store.database import Connection, Database
from adapter.store.states import MessageState
from tests.unit.store.build import a_message, a_row


def test_a_cursor_is_what_was_last_written(conn: Connection) -> None:
    assert cursors.get(conn, "inbox") is None
    for value in ("5", "7"):
        cursors.set(conn, "inbox", value)
    assert cursors.get(conn, "inbox") == "7"


def test_counters_add_up(conn: Connection) -> None:
    counters.bump(conn, "received")
    counters.bump_many(conn, {"received": 4, "parked": 1})
    counters.bump_many(conn, {})
    assert counters.all_counts(conn) == {"parked": 1, "received": 5}


def test_attempts_are_on_disk_before_the_work_begins(database: Database) -> None:
    assert [attempts.note(database, 7) for _ in range(3)] == [1, 2, 3]
    with database.write() as conn:
        assert attempts.of(conn, 7) == 3
        attempts.clear(conn, 7)
        assert attempts.of(conn, 7) == 0


def test_a_file_is_taken_once(conn: Connection) -> None:
    assert not folder_files.is_taken(conn, feed="drop", blind=b"f" * 16)
    assert not folder_files.taken(conn, feed="drop", blind=b"f" * 16)
    assert folder_files.taken(conn, feed="drop", blind=b"f" * 16)
    assert not folder_files.taken(conn, feed="other", blind=b"f" * 16)
    assert folder_files.is_taken(conn, feed="drop", blind=b"f" * 16)


def test_status_counts_by_state_and_names_what_waits_longest(conn: Connection) -> None:
    parked = [a_message(number, state=MessageState.PARKED) for number in (3, 4)]
    messages.insert_many(conn, [a_message(1), a_message(2), *parked])
    person = persons.create(conn)
    persons.update(conn, [person._replace(blocked="P205")])
    dirty.mark(conn, [(person.id, 1), (person.id, 2)], at_us=1)
    rows.upsert_many(conn, [a_row("a", person.id), a_row("b", person.id, sent_version=1)._replace(deleted=1)])
    outbox.create(
        conn, person_id=person.id, idempotency_key=b"i" * 16, row_count=1, at_us=44, sealing=(b"k" * 16, b"s")
    )
    told = facts.facts(conn)
    assert told.messages == {"processed": 2, "parked": 2}
    assert told.oldest_parked_us == 1003
    assert (told.persons, told.blocked_persons, told.dirty_persons) == ({"held": 1}, 1, 1)
    assert (told.rows, told.unsent_rows) == ({"lab_result": 1}, 1)
    assert (told.deliveries, told.oldest_open_delivery_us) == ({"pending": 1}, 44)
    assert facts.size_bytes(conn) > 0
