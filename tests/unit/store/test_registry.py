"""Identifiers, persons and merge events."""

import pytest
from sqlalchemy.exc import IntegrityError

from adapter.store import dirty, persons, registry, rows
from adapter.store.database import Connection
from adapter.store.faults import StateConflict
from adapter.store.states import IdentifierState, PersonState
from tests.unit.store.build import a_row, an_identifier, sixteen


def test_an_identifier_is_found_by_its_blind_and_by_the_nhs_number_under_it(conn: Connection) -> None:
    row = an_identifier(conn)
    told = row._replace(state=IdentifierState.CONFIRMED, nhs_blind=b"n" * 16, hold_until_us=9, sealed=b"facts")
    registry.update(conn, [told])
    assert registry.by_blinds(conn, [row.blind, b"?" * 16]) == {row.blind: told}
    assert registry.by_nhs_blind(conn, [b"n" * 16]) == [told]
    assert registry.by_ids(conn, [row.id]) == {row.id: told}


def test_one_identifier_is_registered_once(conn: Connection) -> None:
    an_identifier(conn)
    with pytest.raises(IntegrityError), conn.begin_nested():
        an_identifier(conn)


def test_a_merge_moves_identifiers_and_the_empty_person_goes(conn: Connection) -> None:
    kept, gone = an_identifier(conn, "kept"), an_identifier(conn, "gone")
    registry.move_identifiers(conn, [gone.id], person_id=kept.person_id)
    persons.delete(conn, [gone.person_id])
    assert [row.id for row in registry.by_person(conn, [kept.person_id])] == [kept.id, gone.id]
    assert persons.by_id(conn, gone.person_id) is None


def test_the_same_merge_event_is_stored_once(conn: Connection) -> None:
    one, two, three = (an_identifier(conn, name).id for name in ("one", "two", "three"))
    assert registry.add_merge(conn, survivor_id=one, prior_id=two, clock_us=5, live=True, message_id=1)
    assert not registry.add_merge(conn, survivor_id=one, prior_id=two, clock_us=5, live=True, message_id=2)
    assert registry.add_merge(conn, survivor_id=one, prior_id=two, clock_us=6, live=False, message_id=3)
    assert registry.add_merge(conn, survivor_id=two, prior_id=three, clock_us=7, live=True, message_id=4)
    assert [(m.survivor_id, m.prior_id, m.live) for m in registry.merges_touching(conn, [one])] == [
        (one, two, True),
        (one, two, False),
    ]
    assert len(registry.merges_touching(conn, [two])) == 3


def test_a_person_something_still_refers_to_is_not_deleted(conn: Connection) -> None:
    owner, marked, named = persons.create(conn).id, persons.create(conn).id, an_identifier(conn).person_id
    rows.upsert_many(conn, [a_row("a", owner)])
    dirty.mark(conn, [(marked, 1)], at_us=1)
    with pytest.raises(StateConflict, match=f"^person {owner} cannot be deleted: csor_row still refers to it$"):
        persons.delete(conn, [owner])
    with pytest.raises(StateConflict, match=f"^person {marked} cannot be deleted: dirty still refers to it$"):
        persons.delete(conn, [marked])
    with pytest.raises(IntegrityError), conn.begin_nested():
        persons.delete(conn, [named])


def test_a_person_is_written_and_read_whole(conn: Connection) -> None:
    person = persons.create(conn, hold_until_us=3)._replace(
        state=PersonState.CONFIRMED, blocked="P205", csor_id=b"c" * 16, published=True, sealed=b"s", key_id=b"k" * 16
    )
    persons.update(conn, [person])
    assert persons.by_id(conn, person.id) == person
    assert persons.all_of(conn, state=PersonState.CONFIRMED) == [person]
    assert persons.all_of(conn, state=PersonState.HELD) == []
    assert persons.all_of(conn, after_id=person.id) == []


def test_updating_who_does_not_exist_is_told(conn: Connection) -> None:
    person = persons.create(conn)
    with pytest.raises(StateConflict, match="^1 of 2 persons to update do not exist$"):
        persons.update(conn, [person, person._replace(id=person.id + 1)])
    row = an_identifier(conn)
    with pytest.raises(StateConflict, match="^1 of 1 identifiers to update do not exist$"):
        registry.update(conn, [row._replace(id=row.id + 1)])


def test_holds_end_for_held_persons_only_oldest_first(conn: Connection) -> None:
    late, early, confirmed = (an_identifier(conn, name) for name in ("late", "early", "confirmed"))
    for row, until, state in (
        (late, 90, PersonState.HELD),
        (early, 80, PersonState.HELD),
        (confirmed, 70, PersonState.CONFIRMED),
    ):
        person = persons.by_id(conn, row.person_id)
        assert person is not None
        persons.update(conn, [person._replace(state=state, hold_until_us=until)])
    assert [row.blind for row in registry.holds_ended(conn, now_us=90, limit=5)] == [sixteen("early"), sixteen("late")]
    assert [row.blind for row in registry.holds_ended(conn, now_us=89, limit=5)] == [sixteen("early")]
