"""What the loops ask all the time is answered by an index: a table that grows for years must not be read through."""

from typing import Any

import pytest
from sqlalchemy import event

from adapter.store import dirty, messages, outbox, rows
from adapter.store.database import Connection, Database

GROWING = ("message", "assertion", "csor_row", "delivery", "identifier")


def plans_of(conn: Connection, asked: list[tuple[str, Any]]) -> list[str]:
    found = []
    for statement, parameters in asked:
        for row in conn.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters):  # type: ignore[attr-defined]
            found.append(str(row[3]))
    return found


def test_no_loop_reads_through_a_growing_table(database: Database) -> None:
    if not database.is_sqlite:
        pytest.skip("PostgreSQL chooses by its statistics")
    asked: list[tuple[str, Any]] = []
    event.listen(
        database.engine, "before_cursor_execute", lambda _c, _cur, text, given, *_: asked.append((text, given))
    )
    with database.write() as conn:
        messages.waiting(conn, limit=10)
        messages.parked(conn)
        messages.not_ours_of(conn, [b"0" * 16])
        messages.seen(conn, [b"0" * 16])
        messages.expire(conn, now_us=1)
        outbox.claim(conn, now_us=1)
        outbox.recover(conn, now_us=1)
        outbox.next_due_us(conn)
        outbox.open_of(conn, 1)
        outbox.open_ids(conn)
        rows.unsent_of(conn, 1, limit=10)
        rows.get_many(conn, [b"0" * 16])
        dirty.take(conn, limit=10)
        plans = plans_of(conn, [(text, given) for text, given in asked if not text.startswith("BEGIN")])
    assert len(plans) >= 13
    # A search by "every id above 0" reads as much as a scan does.
    through = [
        form for table in GROWING for form in (f"SCAN {table}", f"SEARCH {table} USING INTEGER PRIMARY KEY (rowid>?)")
    ]
    scans = [plan for plan in plans if plan in through]
    assert scans == []
