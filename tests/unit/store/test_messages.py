"""Where messages stand, what a resend meets, and what expiry leaves behind."""

import pytest

from adapter.store import messages
from adapter.store.database import Connection
from adapter.store.faults import StateConflict
from adapter.store.states import MessageState
from tests.unit.store.build import a_message, sixteen

RECEIVED, PROCESSED, NOT_OURS = MessageState.RECEIVED, MessageState.PROCESSED, MessageState.NOT_OURS
PARKED, ERASED = MessageState.PARKED, MessageState.ERASED


def test_a_message_comes_back_as_it_was_stored(conn: Connection) -> None:
    messages.insert_many(conn, [a_message(7)])
    assert messages.by_id(conn, 7) == a_message(7)
    assert messages.by_id(conn, 8) is None


def test_a_resend_is_told_from_a_control_id_used_twice(conn: Connection) -> None:
    messages.insert_many(conn, [a_message(1, control=b"c" * 16), a_message(2, control=b"c" * 16), a_message(3)])
    seen = messages.seen(conn, [b"c" * 16, b"x" * 16])
    assert {control: [each.id for each in found] for control, found in seen.items()} == {b"c" * 16: [1, 2]}
    assert messages.find_duplicate(conn, control=b"c" * 16, content=sixteen("content 2")) == 2
    assert messages.find_duplicate(conn, control=b"c" * 16, content=sixteen("content 9")) is None


def test_a_state_moves_only_from_the_state_it_is_in(conn: Connection) -> None:
    messages.insert_many(conn, [a_message(1, state=RECEIVED)])
    messages.set_state(conn, 1, before=RECEIVED, after=PARKED, reason="P005")
    with pytest.raises(StateConflict, match="^message 1 is not received$"):
        messages.set_state(conn, 1, before=RECEIVED, after=PROCESSED)
    with pytest.raises(StateConflict, match="^message 2 is not parked$"):
        messages.set_state(conn, 2, before=PARKED, after=RECEIVED)
    assert [(each.id, each.reason) for each in messages.parked(conn)] == [(1, "P005")]


def test_a_move_that_is_not_drawn_is_a_fault_of_ours(conn: Connection) -> None:
    with pytest.raises(ValueError, match="no message moves from processed to parked"):
        messages.set_state(conn, 1, before=PROCESSED, after=PARKED)
    with pytest.raises(ValueError, match="no message moves from not_ours to erased"):
        messages.set_state(conn, 1, before=NOT_OURS, after=ERASED)


def test_what_waits_again_is_taken_in_the_order_of_its_ids(conn: Connection) -> None:
    messages.insert_many(conn, [a_message(n, state=RECEIVED) for n in (5, 3, 9)] + [a_message(4)])
    assert [row.id for row in messages.waiting(conn, limit=2)] == [3, 5]
    assert [row.id for row in messages.waiting(conn, limit=9, after_id=3)] == [5, 9]


def test_a_late_diagnosis_finds_what_was_put_aside_for_the_child(conn: Connection) -> None:
    messages.insert_many(
        conn,
        [
            a_message(1, state=NOT_OURS, subject=b"a" * 16),
            a_message(2, state=NOT_OURS, subject=b"b" * 16),
            a_message(3, state=PROCESSED, subject=b"a" * 16),
            a_message(4, state=NOT_OURS, subject=b"a" * 16),
        ],
    )
    assert messages.not_ours_of(conn, [b"a" * 16]) == [1, 4]


def test_expiry_erases_the_body_and_keeps_the_dedupe_hashes(conn: Connection) -> None:
    messages.insert_many(
        conn,
        [a_message(1, state=NOT_OURS, expires_us=100, subject=b"a" * 16), a_message(2, state=NOT_OURS, expires_us=101)],
    )
    assert messages.expire(conn, now_us=100) == 1
    erased = messages.by_id(conn, 1)
    assert erased is not None
    assert (erased.state, erased.sealed, erased.key_id, erased.subject) == (ERASED, None, None, None)
    assert messages.find_duplicate(conn, control=erased.control, content=erased.content) == 1
    assert messages.bodies(conn, [1, 2]) == {2: (b"k" * 16, b"body 2")}


def test_reseal_replaces_key_and_body(conn: Connection) -> None:
    messages.insert_many(conn, [a_message(1), a_message(2)])
    messages.reseal(conn, 2, key_id=b"n" * 16, sealed=b"again")
    assert messages.bodies(conn, [1, 2]) == {1: (b"k" * 16, b"body 1"), 2: (b"n" * 16, b"again")}


def test_erasing_counts_only_what_was_in_that_state(conn: Connection) -> None:
    messages.insert_many(conn, [a_message(1, state=PARKED), a_message(2)])
    assert messages.erase(conn, [1, 2], before=PARKED) == 1
    with pytest.raises(ValueError, match="no message is erased from received"):
        messages.erase(conn, [2], before=RECEIVED)
