"""What is erased when a hold ends, and which keys may then be destroyed."""

from adapter.store import assertions, dirty, erasure, messages, outbox, persons, registry, rows
from adapter.store.database import Connection
from adapter.store.states import MessageState
from tests.unit.store.build import a_message, a_row, an_assertion, an_identifier, sixteen


def test_an_ended_hold_leaves_nothing_but_dedupe_hashes(conn: Connection) -> None:
    held, other = an_identifier(conn, "held"), an_identifier(conn, "other")
    messages.insert_many(conn, [a_message(1, key_id=held.key_id), a_message(2, key_id=other.key_id)])
    assertions.insert_many(conn, [an_assertion(held.id, 1), an_assertion(other.id, 2)])
    dirty.mark(conn, [(held.person_id, 1), (other.person_id, 2)], at_us=1)
    rows.upsert_many(conn, [a_row("a", held.person_id), a_row("b", other.person_id)])
    registry.add_merge(conn, survivor_id=other.id, prior_id=held.id, clock_us=1, live=False, message_id=1)
    outbox.create(
        conn, person_id=held.person_id, idempotency_key=b"i" * 16, row_count=1, at_us=1, sealing=(b"k" * 16, b"s")
    )

    assert erasure.erase_persons(conn, [held.person_id]) == [held.key_id]

    assert persons.by_id(conn, held.person_id) is None
    assert registry.by_blinds(conn, [held.blind]) == {}
    assert assertions.of_identifiers(conn, [held.id]) == []
    assert rows.get_many(conn, [sixteen("a")]) == {}
    assert messages.bodies(conn, [1]) == {}
    erased = messages.by_id(conn, 1)
    assert erased is not None
    assert erased.state == MessageState.ERASED
    assert messages.find_duplicate(conn, control=erased.control, content=erased.content) == 1
    assert persons.by_id(conn, other.person_id) is not None
    assert len(assertions.of_identifiers(conn, [other.id])) == 1
    assert list(messages.bodies(conn, [2])) == [2]


def test_keys_to_destroy_are_remembered_until_they_are(conn: Connection) -> None:
    held = an_identifier(conn, "held")
    erasure.erase_persons(conn, [held.person_id])
    assert erasure.pending_keys(conn) == [held.key_id]
    erasure.keys_destroyed(conn, [held.key_id])
    assert erasure.pending_keys(conn) == []


def test_a_day_key_is_idle_only_when_nothing_queued_or_kept_depends_on_it(conn: Connection) -> None:
    queued, put_aside, parked, idle = (name.encode() * 16 for name in "qapi")
    messages.insert_many(
        conn,
        [
            a_message(1, state=MessageState.NOT_OURS, key_id=put_aside, expires_us=5),
            a_message(2, state=MessageState.PARKED, key_id=parked),
        ],
    )
    keys = [queued, put_aside, parked, idle]
    assert erasure.idle_keys(conn, keys, queued=frozenset({queued})) == [idle]
    messages.expire(conn, now_us=5)
    assert erasure.idle_keys(conn, keys, queued=frozenset()) == [queued, put_aside, idle]
