"""The assertion log: equal content is one assertion, with the least clock."""

import pytest

from adapter.store import assertions
from adapter.store.database import Connection
from adapter.store.states import AssertionKind
from tests.unit.store.build import an_assertion, an_identifier


def test_equal_content_is_one_assertion_whichever_message_brings_it(conn: Connection) -> None:
    identifier = an_identifier(conn).id
    first = an_assertion(identifier, 1, stampless=b"s" * 16)
    again = an_assertion(identifier, 2, stampless=b"s" * 16)
    other = an_assertion(identifier, 2, ordinal=1)
    assert assertions.insert_many(conn, [first]) == [first.id]
    assert assertions.insert_many(conn, [again, other]) == [first.id, other.id]
    assert assertions.ids_of(conn, [b"s" * 16, b"?" * 16]) == {b"s" * 16: first.id}
    assert sorted(assertions.by_ids(conn, [first.id, again.id, other.id])) == [first, other]


def test_equal_content_twice_in_one_batch_is_stored_once(conn: Connection) -> None:
    identifier = an_identifier(conn).id
    rows = [an_assertion(identifier, number, stampless=b"s" * 16) for number in (1, 2)]
    assert assertions.insert_many(conn, rows) == [rows[0].id, rows[0].id]


def test_the_clock_is_only_ever_lowered(conn: Connection) -> None:
    row = an_assertion(an_identifier(conn).id, 1, clock_us=500)
    assertions.insert_many(conn, [row])
    assert not assertions.lower_clock(conn, row.id, clock_us=500)
    assert assertions.lower_clock(conn, row.id, clock_us=400)
    assert not assertions.lower_clock(conn, row.id, clock_us=450)
    assert assertions.by_ids(conn, [row.id]) == [row._replace(clock_us=400)]


def test_settling_can_read_adt_without_a_long_history_of_results(conn: Connection) -> None:
    one, two = an_identifier(conn, "one").id, an_identifier(conn, "two").id
    adt = an_assertion(one, 1)
    results = [an_assertion(two, number, kind=AssertionKind.RESULT) for number in range(2, 6)]
    assertions.insert_many(conn, [adt, *results])
    assert assertions.of_identifiers(conn, [one, two], kind=AssertionKind.ADT) == [adt]
    assert len(assertions.of_identifiers(conn, [one, two])) == 5
    assert assertions.ids_of_identifiers(conn, [two]) == [row.id for row in results]


def test_an_assertion_names_its_message(conn: Connection) -> None:
    identifier = an_identifier(conn).id
    rows = [an_assertion(identifier, 77, ordinal=n) for n in range(3)]
    assertions.insert_many(conn, rows)
    assert assertions.of_message(conn, 77) == rows
    assert {assertions.message_of(row.id) for row in rows} == {77}
    assert assertions.of_message(conn, 76) == assertions.of_message(conn, 78) == []


def test_more_assertions_than_ids_in_one_message_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 1048576 assertions"):
        assertions.new_id(1, 1 << 20)


@pytest.mark.parametrize("count", [1, 512, 513, 1300])
def test_lists_of_any_length_are_read_in_full(conn: Connection, count: int) -> None:
    identifier = an_identifier(conn).id
    rows = [an_assertion(identifier, number) for number in range(1, count + 1)]
    assertions.insert_many(conn, rows)
    assert sorted(assertions.by_ids(conn, [row.id for row in rows])) == rows
    assert assertions.by_ids(conn, []) == []
