"""The audit chain shows every later change."""

import pytest
from sqlalchemy import text

from adapter.store import audit
from adapter.store.database import Connection

KEY = b"a" * 32


def three_entries(conn: Connection) -> None:
    for number in (1, 2, 3):
        audit.append(conn, key=KEY, at_us=number * 100, kind="reveal", detail={"message": number, "reason": "test"})


def test_an_untouched_trail_holds(conn: Connection) -> None:
    assert audit.verify(conn, key=KEY) == (0, None)
    three_entries(conn)
    assert audit.verify(conn, key=KEY) == (3, None)
    assert audit.entries(conn, after_id=2) == [(3, 300, "reveal", {"message": 3, "reason": "test"})]


@pytest.mark.parametrize(
    ("edit", "broken"),
    [
        ("UPDATE audit SET detail = '{}' WHERE id = 2", 2),
        ("UPDATE audit SET at_us = 1 WHERE id = 1", 1),
        ("UPDATE audit SET kind = 'send' WHERE id = 3", 3),
        ("DELETE FROM audit WHERE id = 2", 2),
        ("DELETE FROM audit WHERE id = 3", 3),
        ("DELETE FROM audit", 1),
        ("UPDATE audit SET id = 4 WHERE id = 3", 3),
    ],
)
def test_an_edited_trail_names_the_first_broken_entry(conn: Connection, edit: str, broken: int) -> None:
    three_entries(conn)
    conn.execute(text(edit))
    assert audit.verify(conn, key=KEY).first_broken == broken


def test_whoever_lacks_the_key_cannot_write_a_chain_that_holds(conn: Connection) -> None:
    three_entries(conn)
    conn.execute(text("DELETE FROM audit WHERE id > 1"))
    audit.append(conn, key=b"b" * 32, at_us=200, kind="reveal", detail={})
    assert audit.verify(conn, key=KEY).first_broken == 2
