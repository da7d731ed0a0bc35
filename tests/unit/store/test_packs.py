"""What is put aside lies together in packs, and each body of one is still found, released and erased by itself."""

from adapter.store import erasure, messages, packs
from adapter.store.database import Connection
from adapter.store.messages import MessageRow
from adapter.store.sql import run
from adapter.store.states import MessageState
from tests.unit.store.build import a_message, sixteen

NOT_OURS, RECEIVED = MessageState.NOT_OURS, MessageState.RECEIVED


def aside(number: int, *, expires_us: int = 100, key_id: bytes = b"k" * 16) -> MessageRow:
    return a_message(number, state=NOT_OURS, expires_us=expires_us, key_id=key_id, subject=sixteen("one"))


def packed(conn: Connection) -> list[bytes]:
    return [bytes(sealed) for (sealed,) in run(conn, "SELECT sealed FROM aside_pack ORDER BY id")]


def test_bodies_put_aside_together_lie_in_one_row_and_come_back_as_they_were(conn: Connection) -> None:
    rows = [aside(1), a_message(2), aside(3), aside(4, expires_us=101)]
    messages.insert_many(conn, rows)
    assert packed(conn) == [b"body 1body 3body 4"]
    assert [messages.by_id(conn, number) for number in (1, 2, 3, 4)] == rows
    assert messages.bodies(conn, [1, 2, 4]) == {number: (b"k" * 16, b"body %d" % number) for number in (1, 2, 4)}
    assert messages.not_ours_of(conn, [sixteen("one")]) == [1, 3, 4]


def test_each_day_key_has_packs_of_its_own(conn: Connection) -> None:
    rows = [aside(number, key_id=(b"a" if number % 2 else b"b") * 16) for number in range(1, 7)]
    messages.insert_many(conn, rows)
    assert packed(conn) == [b"body 1body 3body 5", b"body 2body 4body 6"]
    assert [messages.by_id(conn, number) for number in range(1, 7)] == rows


def test_a_pack_is_no_longer_than_what_may_be_written_again_for_one_body(conn: Connection) -> None:
    messages.insert_many(conn, [aside(number) for number in range(1, 2 * packs.MOST_BODIES + 2)])
    assert [pack.count(b"body") for pack in packed(conn)] == [packs.MOST_BODIES] * 2
    last = 2 * packs.MOST_BODIES + 1
    assert messages.by_id(conn, last) == aside(last)


def test_a_long_body_and_one_that_would_lie_alone_stay_in_their_rows(conn: Connection) -> None:
    long = aside(2)._replace(sealed=b"x" * 100_000)
    messages.insert_many(conn, [aside(1), long])
    assert packed(conn) == []
    assert [messages.by_id(conn, number) for number in (1, 2)] == [aside(1), long]


def test_what_is_released_leaves_its_pack_and_nothing_of_it_stays_there(conn: Connection) -> None:
    messages.insert_many(conn, [aside(1), aside(2), aside(3)])
    messages.set_state(conn, 2, before=NOT_OURS, after=RECEIVED)
    assert packed(conn) == [b"body 1" + bytes(6) + b"body 3"]
    assert [(row.id, row.key_id, row.sealed) for row in messages.waiting(conn, limit=9)] == [(2, b"k" * 16, b"body 2")]
    assert messages.by_id(conn, 3) == aside(3)


def test_what_expires_is_erased_from_its_pack_and_the_rest_stays(conn: Connection) -> None:
    messages.insert_many(conn, [aside(1, expires_us=100), aside(2, expires_us=102), aside(3, expires_us=100)])
    assert messages.expire(conn, now_us=99) == 0
    assert messages.expire(conn, now_us=100) == 2
    assert packed(conn) == [bytes(6) + b"body 2" + bytes(6)]
    erased = messages.by_id(conn, 1)
    assert erased is not None
    assert (erased.state, erased.sealed, erased.key_id, erased.subject) == ("erased", None, None, None)
    assert messages.expire(conn, now_us=101) == 0
    assert messages.by_id(conn, 2) == aside(2, expires_us=102)
    assert messages.expire(conn, now_us=102) == 1
    assert packed(conn) == []


def test_the_names_of_what_expires_go_with_it(conn: Connection) -> None:
    messages.insert_many(conn, [aside(1), aside(2, expires_us=101), aside(3)])
    messages.add_names(conn, [(sixteen("two"), number) for number in (1, 2, 3)])
    messages.expire(conn, now_us=100)
    assert [number for (number,) in run(conn, "SELECT message_id FROM aside_name ORDER BY 1")] == [2]
    assert messages.not_ours_of(conn, [sixteen("two")]) == [2]


def test_what_was_released_outlives_its_pack(conn: Connection) -> None:
    messages.insert_many(conn, [aside(1), aside(2)])
    messages.set_state(conn, 1, before=NOT_OURS, after=RECEIVED)
    assert messages.expire(conn, now_us=100) == 1
    assert packed(conn) == []
    assert messages.bodies(conn, [1, 2]) == {1: (b"k" * 16, b"body 1")}


def test_a_body_erased_by_itself_leaves_nothing_in_its_pack(conn: Connection) -> None:
    messages.insert_many(conn, [aside(1), aside(2)])
    assert messages.erase(conn, [1], before=NOT_OURS) == 1
    assert packed(conn) == [bytes(6) + b"body 2"]


def test_the_day_key_of_a_pack_is_needed_as_long_as_the_pack(conn: Connection) -> None:
    messages.insert_many(conn, [aside(1), aside(2)])
    assert erasure.idle_keys(conn, [b"k" * 16], queued=frozenset()) == []
    messages.expire(conn, now_us=100)
    assert erasure.idle_keys(conn, [b"k" * 16], queued=frozenset()) == [b"k" * 16]
