"""How far FHIR servers were read."""

from adapter.store import polls
from adapter.store.database import Connection


def a_search(conn: Connection, *, search: str = "Patient", first_us: int = 100) -> polls.SearchRow:
    return polls.open_search(conn, source="epr", search=search, first_us=first_us)


def test_a_search_stands_where_it_was_left(conn: Connection) -> None:
    row = a_search(conn)
    assert (row.first_us, row.cursor_us, row.sealed, row.trouble) == (100, None, None, "")

    polls.stand(conn, row._replace(cursor_us=500, complete_us=600, key_id=b"k" * 16, sealed=b"link"))

    again = a_search(conn)
    assert again == row._replace(cursor_us=500, complete_us=600, key_id=b"k" * 16, sealed=b"link")
    assert a_search(conn, search="Encounter").id != again.id


def test_an_earlier_first_time_begins_a_search_anew_and_a_later_one_does_not(conn: Connection) -> None:
    row = a_search(conn)
    polls.stand(conn, row._replace(cursor_us=500, key_id=b"k" * 16, sealed=b"link"))

    later = a_search(conn, first_us=300)
    assert (later.first_us, later.cursor_us, later.sealed) == (100, 500, b"link")

    earlier = a_search(conn, first_us=50)
    assert (earlier.first_us, earlier.cursor_us, earlier.sealed, earlier.key_id) == (50, None, None, None)


def test_resources_are_known_within_their_search_until_they_are_forgotten(conn: Connection) -> None:
    one, other = a_search(conn), a_search(conn, search="Encounter")
    blinds = [bytes([number]) * 16 for number in range(3)]
    polls.remember(conn, one.id, [(blinds[0], 10), (blinds[1], 20), (blinds[1], 20)])

    assert polls.known(conn, one.id, blinds) == {blinds[0], blinds[1]}
    assert polls.known(conn, other.id, blinds) == set()
    assert polls.known(conn, one.id, []) == set()
    assert polls.forget(conn, one.id, before_us=20) == 1
    assert polls.known(conn, one.id, blinds) == {blinds[1]}
    for updated_us in (30, 5):
        polls.remember(conn, one.id, [(blinds[1], updated_us)])
    assert polls.forget(conn, one.id, before_us=30) == 0


def test_what_stands_between_a_source_and_its_next_turn_is_kept(conn: Connection) -> None:
    polls.set_source(conn, "epr", not_before_us=7, trouble="busy")
    assert polls.source(conn, "epr") == ("epr", "", 0, 7, "busy")
    assert polls.source(conn, "other") == ("other", "", 0, None, "")

    polls.set_source(conn, "epr", not_before_us=None, trouble="")
    assert polls.source(conn, "epr") == ("epr", "", 0, None, "")


def test_trouble_of_a_search_leaves_its_position_alone(conn: Connection) -> None:
    row = a_search(conn)
    polls.stand(conn, row._replace(cursor_us=5))
    polls.set_search_trouble(conn, row.id, "refused")

    assert [(each.search, each.cursor_us, each.trouble) for each in polls.searches_of(conn, "epr")] == [
        ("Patient", 5, "refused")
    ]
