"""Who is to be read of which FHIR server, and when."""

from typing import Any

import pytest
from sqlalchemy import event

from adapter.store import crawls, registry
from adapter.store.crawls import CrawlState, PatientRow, SearchRow, Urgency
from adapter.store.database import Connection, Database
from adapter.store.states import IdentifierState
from tests.unit.store.build import an_identifier
from tests.unit.store.test_plans import plans_of


def a_patient(conn: Connection, name: str, *, due_us: int | None = 10) -> PatientRow:
    identifier = an_identifier(conn, name)
    crawls.enlist(conn, "epr", [identifier.id], at_us=0)
    row = next(each for each in crawls.due(conn, "epr", now_us=0, limit=100) if each.identifier_id == identifier.id)
    row = row._replace(state=CrawlState.COMPLETE, urgency=Urgency.ROUTINE, due_us=due_us)
    crawls.stand(conn, row)
    return row


def ids(rows: list[PatientRow]) -> list[int]:
    return [row.id for row in rows]


def test_who_is_called_comes_before_who_is_new_and_both_before_the_rest(conn: Connection) -> None:
    routine, called = a_patient(conn, "routine", due_us=1), a_patient(conn, "called", due_us=99)
    new = an_identifier(conn, "new")
    crawls.enlist(conn, "epr", [new.id], at_us=5)
    crawls.hasten(conn, "epr", [called.identifier_id], at_us=7)

    found = crawls.due(conn, "epr", now_us=10, limit=10)

    assert [row.identifier_id for row in found] == [called.identifier_id, new.id, routine.identifier_id]
    assert crawls.due(conn, "epr", now_us=10, limit=1) == found[:1]
    assert crawls.due(conn, "other", now_us=10, limit=10) == []
    assert crawls.next_due_us(conn, "epr") == 1


def test_of_whom_nothing_is_to_be_asked_no_message_makes_due(conn: Connection) -> None:
    silent = a_patient(conn, "silent", due_us=None)
    crawls.hasten(conn, "epr", [silent.identifier_id], at_us=7)
    crawls.hasten_everybody(conn, "epr", at_us=7)
    assert crawls.due(conn, "epr", now_us=10, limit=10) == []

    facts = crawls.facts_of(conn, silent.identifier_id)
    assert facts is not None
    assert crawls.ask_again(conn, facts.person_id, at_us=8) == 1
    assert ids(crawls.due(conn, "epr", now_us=10, limit=10)) == [silent.id]


def test_a_call_waits_until_it_is_quiet_but_not_for_ever(conn: Connection) -> None:
    loud, quiet, new = (an_identifier(conn, name).id for name in ("loud", "quiet", "new"))
    crawls.call(conn, [("epr", loud, False), ("epr", quiet, False), ("epr", new, True)], at_us=10)
    crawls.call(conn, [("epr", loud, False)], at_us=50)

    def heard(*, quiet_since_us: int, waiting_since_us: int) -> list[int]:
        found = crawls.calls(conn, "epr", quiet_since_us=quiet_since_us, waiting_since_us=waiting_since_us, limit=10)
        return [each.identifier_id for each in found]

    assert heard(quiet_since_us=5, waiting_since_us=0) == [new]
    assert heard(quiet_since_us=20, waiting_since_us=0) == [quiet, new]
    assert heard(quiet_since_us=20, waiting_since_us=10) == [loud, quiet, new]


def test_who_is_called_again_while_the_call_is_answered_stays_called(conn: Connection) -> None:
    one = an_identifier(conn, "one").id
    crawls.call(conn, [("epr", one, False)], at_us=10)
    (before,) = crawls.calls(conn, "epr", quiet_since_us=99, waiting_since_us=99, limit=10)
    crawls.call(conn, [("epr", one, False)], at_us=11)
    crawls.answered(conn, "epr", [before])
    (after,) = crawls.calls(conn, "epr", quiet_since_us=99, waiting_since_us=99, limit=10)
    assert (after.first_us, after.last_us) == (10, 11)
    crawls.answered(conn, "epr", [after])
    assert crawls.calls(conn, "epr", quiet_since_us=99, waiting_since_us=99, limit=10) == []


def test_whom_no_call_told_of_is_found_by_looking_through_the_registry(conn: Connection) -> None:
    known, unknown = a_patient(conn, "known"), an_identifier(conn, "unknown")
    alias = an_identifier(conn, "alias")
    sealed = [row._replace(sealed=b"facts") for row in (unknown, alias)]
    registry.update(conn, [sealed[0], sealed[1]._replace(state=IdentifierState.ALIAS.value)])
    assert crawls.unlisted(conn, "epr", limit=10) == [unknown.id]
    assert known.identifier_id != unknown.id


def test_a_search_stands_where_it_was_left_and_contents_are_the_last_ones(conn: Connection) -> None:
    row = a_patient(conn, "one")
    search = SearchRow(row.id, "Observation", 1, 2, 3, "4119", b"link", b"told")
    crawls.search_stands(conn, search)
    crawls.search_stands(conn, search._replace(cursor_us=5, sealed=None))
    assert crawls.searches_of(conn, row.id) == {"Observation": search._replace(cursor_us=5, sealed=None)}

    name, before, after = (letter * 16 for letter in (b"n", b"b", b"a"))
    crawls.remember(conn, row.id, [(name, before)])
    crawls.remember(conn, row.id, [(name, after)])
    assert crawls.contents_of(conn, row.id, [name, b"x" * 16]) == {name: after}


def test_children_are_counted_by_how_they_stand(conn: Connection) -> None:
    one, other = a_patient(conn, "one"), a_patient(conn, "other")
    crawls.stand(conn, other._replace(state=CrawlState.DENIED, reason="4130"))
    assert crawls.counts(conn, "epr") == {("complete", ""): 1, ("denied", "4130"): 1}
    ((child, *told),) = crawls.to_look_at(conn)
    assert told == ["epr", "denied", "4130"]
    assert crawls.to_look_at(conn, person_id=child + 1_000_000) == []
    assert one.id != other.id


def test_an_erased_child_is_forgotten(conn: Connection) -> None:
    row = a_patient(conn, "one")
    crawls.search_stands(conn, SearchRow(row.id, "Observation", None, None, None, "", None, None))
    crawls.remember(conn, row.id, [(b"n" * 16, b"c" * 16)])
    crawls.call(conn, [("epr", row.identifier_id, False)], at_us=1)
    crawls.forget(conn, [row.identifier_id])
    assert not crawls.is_listed(conn, row.id)
    assert crawls.searches_of(conn, row.id) == {}
    assert crawls.contents_of(conn, row.id, [b"n" * 16]) == {}
    assert crawls.calls(conn, "epr", quiet_since_us=99, waiting_since_us=99, limit=10) == []


def test_choosing_who_is_next_reads_through_no_table(database: Database) -> None:
    """Two thousand children of eleven searches each: what is asked for each child must not grow with their number."""
    if not database.is_sqlite:
        pytest.skip("PostgreSQL chooses by its statistics")
    asked: list[tuple[str, Any]] = []
    event.listen(
        database.engine, "before_cursor_execute", lambda _c, _cur, text, given, *_: asked.append((text, given))
    )
    with database.write() as conn:
        crawls.due(conn, "epr", now_us=1, limit=5)
        crawls.next_due_us(conn, "epr")
        crawls.calls(conn, "epr", quiet_since_us=1, waiting_since_us=1, limit=5)
        crawls.family(conn, [1])
        crawls.facts_of(conn, 1)
        crawls.searches_of(conn, 1)
        crawls.contents_of(conn, 1, [b"n" * 16])
        crawls.is_listed(conn, 1)
        plans = plans_of(conn, [(text, given) for text, given in asked if not text.startswith("BEGIN")])
    assert len(plans) >= 11
    assert [plan for plan in plans if plan.startswith("SCAN")] == []
