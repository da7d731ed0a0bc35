"""Derived rows, the marks that ask for them, and the deliveries that carry them away."""

import pytest

from adapter.store import dirty, outbox, persons, rows
from adapter.store.database import Connection
from adapter.store.faults import StateConflict
from adapter.store.states import DeliveryState
from tests.unit.store.build import a_row, sixteen

PENDING, SENDING, ACCEPTED = DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.ACCEPTED
RETRY, UNSURE, REFUSED = DeliveryState.RETRY, DeliveryState.UNSURE, DeliveryState.REFUSED


def a_published_person(conn: Connection) -> int:
    person = persons.create(conn)
    persons.update(conn, [person._replace(published=True)])
    return person.id


def a_delivery(conn: Connection, person_id: int, name: str = "d", *, at_us: int = 10) -> int:
    sealing = (b"k" * 16, b"frozen " + name.encode())
    return outbox.create(
        conn, person_id=person_id, idempotency_key=sixteen(name), row_count=1, at_us=at_us, sealing=sealing
    )


def state_of(conn: Connection, delivery_id: int) -> str:
    delivery = outbox.by_id(conn, delivery_id)
    assert delivery is not None
    return delivery.state


def test_an_upsert_keeps_what_csor_has_accepted_and_when_the_row_was_first_seen(conn: Connection) -> None:
    person = persons.create(conn).id
    rows.upsert_many(conn, [a_row("a", person, changed_us=5)])
    rows.mark_sent(conn, [(sixteen("a"), 1)])
    rows.upsert_many(conn, [a_row("a", person, version=2, changed_us=9), a_row("b", person, changed_us=9)])
    stored = rows.get_many(conn, [sixteen("a"), sixteen("b"), sixteen("c")])
    assert stored[sixteen("a")] == a_row("a", person, version=2, sent_version=1, changed_us=9)._replace(first_seen_us=5)
    assert set(stored) == {sixteen("a"), sixteen("b")}


def test_an_older_receipt_never_lowers_a_newer_one(conn: Connection) -> None:
    person = persons.create(conn).id
    rows.upsert_many(conn, [a_row("a", person, version=3)])
    rows.mark_sent(conn, [(sixteen("a"), 3)])
    rows.mark_sent(conn, [(sixteen("a"), 2)])
    assert rows.unsent_of(conn, person, limit=9) == []


def test_only_published_children_without_an_open_delivery_are_offered(conn: Connection) -> None:
    ready, hidden, busy = a_published_person(conn), persons.create(conn).id, a_published_person(conn)
    rows.upsert_many(conn, [a_row(str(number), person) for number, person in enumerate((ready, hidden, busy))])
    delivery = a_delivery(conn, busy)
    assert rows.unsent(conn, limit=9) == [ready]
    assert rows.unsent(conn, limit=9, after_person=ready) == []
    assert outbox.claim(conn, now_us=10) is not None
    outbox.transition(conn, delivery, before=SENDING, after=ACCEPTED)
    assert rows.unsent(conn, limit=9) == [ready, busy]
    assert [row.record_id for row in rows.unsent_of(conn, ready, limit=9)] == [sixteen("0")]


def test_rows_of_a_merged_person_move(conn: Connection) -> None:
    one, two = persons.create(conn).id, persons.create(conn).id
    rows.upsert_many(conn, [a_row("a", one), a_row("b", two, kind="infant")])
    rows.move_person(conn, before=one, after=two)
    assert rows.of_person(conn, one) == []
    assert [row.record_id for row in rows.of_person(conn, two, kind="infant")] == [sixteen("b")]
    assert rows.persons_with_rows(conn) == [two]
    assert rows.delete_of(conn, [two]) == 2


def test_marks_are_taken_child_by_child_longest_waiting_first(conn: Connection) -> None:
    one, two = persons.create(conn).id, persons.create(conn).id
    dirty.mark(conn, [(two, 20), (two, 21)], at_us=5)
    dirty.mark(conn, [(one, 10), (two, 20), (one, dirty.WHOLE)], at_us=6)
    assert dirty.take(conn, limit=1) == {two: [20, 21]}
    assert list(dirty.take(conn, limit=9).items()) == [(two, [20, 21]), (one, [dirty.WHOLE, 10])]
    dirty.clear(conn, {two: [20]})
    assert dirty.take(conn, limit=1) == {two: [21]}
    assert dirty.depth(conn) == 2


def test_a_burst_is_settled_once_but_not_put_off_for_ever(conn: Connection) -> None:
    person = persons.create(conn).id
    dirty.mark(conn, [(person, 1)], at_us=100)
    dirty.mark(conn, [(person, 2)], at_us=200)
    assert dirty.take(conn, limit=9, quiet_since_us=199) == {}
    assert dirty.take(conn, limit=9, quiet_since_us=200) == {person: [1, 2]}
    assert dirty.take(conn, limit=9, quiet_since_us=150, waiting_since_us=99) == {}
    assert dirty.take(conn, limit=9, quiet_since_us=150, waiting_since_us=100) == {person: [1, 2]}


def test_the_delivery_due_longest_is_claimed_once(conn: Connection) -> None:
    one, two = a_published_person(conn), a_published_person(conn)
    later, sooner = a_delivery(conn, one, "later", at_us=20), a_delivery(conn, two, "sooner", at_us=10)
    assert outbox.next_due_us(conn) == 10
    claimed = outbox.claim(conn, now_us=15)
    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.attempts, claimed.sealed) == (sooner, SENDING, 1, b"frozen sooner")
    assert outbox.claim(conn, now_us=15) is None
    again = outbox.claim(conn, now_us=20)
    assert again is not None
    assert again.id == later


def test_a_retry_waits_for_its_time_and_an_accepted_delivery_drops_its_bytes(conn: Connection) -> None:
    delivery = a_delivery(conn, a_published_person(conn))
    outbox.claim(conn, now_us=10)
    outbox.transition(conn, delivery, before=SENDING, after=RETRY, next_us=50, reason="503")
    assert outbox.claim(conn, now_us=49) is None
    assert outbox.claim(conn, now_us=50) is not None
    outbox.transition(conn, delivery, before=SENDING, after=ACCEPTED)
    accepted = outbox.by_id(conn, delivery)
    assert accepted is not None
    assert (accepted.key_id, accepted.sealed, accepted.attempts) == (None, None, 2)


def test_what_was_being_sent_at_a_crash_may_have_arrived(conn: Connection) -> None:
    person = a_published_person(conn)
    delivery = a_delivery(conn, person)
    outbox.claim(conn, now_us=10)
    assert outbox.recover(conn, now_us=30) == 1
    assert state_of(conn, delivery) == UNSURE
    claimed = outbox.claim(conn, now_us=30)
    assert claimed is not None
    assert (claimed.idempotency_key, claimed.sealed) == (sixteen("d"), b"frozen d")


def test_a_refused_delivery_holds_its_child_until_a_person_acts(conn: Connection) -> None:
    person = a_published_person(conn)
    delivery = a_delivery(conn, person)
    rows.upsert_many(conn, [a_row("a", person)])
    outbox.claim(conn, now_us=10)
    outbox.transition(conn, delivery, before=SENDING, after=REFUSED, reason="422")
    assert [each.id for each in outbox.refused(conn)] == [delivery]
    assert outbox.claim(conn, now_us=99) is None
    assert rows.unsent(conn, limit=9) == []
    assert outbox.next_due_us(conn) is None
    outbox.transition(conn, delivery, before=REFUSED, after=PENDING)
    assert outbox.claim(conn, now_us=99) is not None


def test_a_delivery_that_is_not_where_the_caller_took_it_for_stays(conn: Connection) -> None:
    delivery = a_delivery(conn, a_published_person(conn))
    with pytest.raises(StateConflict, match=f"^delivery {delivery} is not sending$"):
        outbox.transition(conn, delivery, before=SENDING, after=ACCEPTED)
    with pytest.raises(ValueError, match="no delivery moves from pending to accepted"):
        outbox.transition(conn, delivery, before=PENDING, after=ACCEPTED)
    assert state_of(conn, delivery) == PENDING
