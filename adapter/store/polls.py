"""How far each FHIR server was read: cursors, the page that comes next, what of the overlap is in, requests of the day.

Names are those of the trust file; links and resources stand sealed or keyed. Times in microseconds since 1970 UTC.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from adapter.store.sql import run, run_many, select_in


class SearchRow(NamedTuple):
    """One search of one source, in column order."""

    id: int
    source: str
    search: str
    first_us: int
    """From when on it was asked for."""
    cursor_us: int | None
    """Up to where all is in; None before it has come to its end once."""
    complete_us: int | None
    """When the last one that came to its end began: all that was there then is in."""
    trouble: str
    key_id: bytes | None
    sealed: bytes | None
    """Of a search under way: where it stands."""
    told_key_id: bytes | None
    told: bytes | None
    """What the server wrote about the trouble, word for word."""


class SourceRow(NamedTuple):
    """One source, in column order."""

    source: str
    day: str
    requests: int
    """On that day."""
    not_before_us: int | None
    trouble: str


_SEARCH = ", ".join(SearchRow._fields)
_SOURCE = ", ".join(SourceRow._fields)


def open_search(conn: Connection, *, source: str, search: str, first_us: int) -> SearchRow:
    """Where it stands; enrolled if it is new. A first time earlier than before begins it anew, a later one does not."""
    run(
        conn,
        "INSERT INTO polled_search (source, search, first_us, trouble) VALUES (?, ?, ?, '')"
        " ON CONFLICT (source, search) DO UPDATE SET first_us = excluded.first_us, cursor_us = NULL, key_id = NULL,"
        " sealed = NULL WHERE polled_search.first_us > excluded.first_us",
        (source, search, first_us),
    )
    statement = f"SELECT {_SEARCH} FROM polled_search WHERE source = ? AND search = ?"
    return SearchRow._make(run(conn, statement, (source, search)).one())


def stand(conn: Connection, row: SearchRow) -> None:
    """Write where a search stands now; what was told of its trouble stays as long as there is one."""
    kept = "" if row.trouble else ", told_key_id = NULL, told = NULL"
    statement = (
        "UPDATE polled_search SET cursor_us = ?, complete_us = ?, trouble = ?, key_id = ?, sealed = ?"
        f"{kept} WHERE id = ?"
    )
    run(conn, statement, (row.cursor_us, row.complete_us, row.trouble, row.key_id, row.sealed, row.id))


def set_search_trouble(
    conn: Connection, search_id: int, trouble: str, *, key_id: bytes | None = None, told: bytes | None = None
) -> None:
    """Why it could not go on, and what the server wrote about it, sealed; its position stays."""
    statement = "UPDATE polled_search SET trouble = ?, told_key_id = ?, told = ? WHERE id = ?"
    run(conn, statement, (trouble, key_id, told, search_id))


def known(conn: Connection, search_id: int, blinds: Sequence[bytes]) -> set[bytes]:
    """Which of these resources, by keyed hash, are in already."""
    # The number stands in the text: lists are padded at the end, and it is ours.
    statement = f"SELECT blind FROM polled_resource WHERE search_id = {int(search_id)} AND blind IN ({{}})"
    return {blind for (blind,) in select_in(conn, statement, blinds)}


def remember(conn: Connection, search_id: int, resources: Sequence[tuple[bytes, int]]) -> None:
    """`(blind, updated_us)` of what is in now; of two times the later one stands."""
    statement = (
        "INSERT INTO polled_resource (search_id, blind, updated_us) VALUES (?, ?, ?) ON CONFLICT (search_id, blind)"
        " DO UPDATE SET updated_us = excluded.updated_us WHERE polled_resource.updated_us < excluded.updated_us"
    )
    run_many(conn, statement, [(search_id, blind, updated_us) for blind, updated_us in resources])


def forget(conn: Connection, search_id: int, *, before_us: int) -> int:
    """What was changed before this is not asked for again; the count."""
    return run(
        conn, "DELETE FROM polled_resource WHERE search_id = ? AND updated_us < ?", (search_id, before_us)
    ).rowcount


def source(conn: Connection, name: str) -> SourceRow:
    """One source; of an unknown one that nothing is known."""
    row = run(conn, f"SELECT {_SOURCE} FROM polled_source WHERE source = ?", (name,)).first()
    return SourceRow(name, "", 0, None, "") if row is None else SourceRow._make(row)


def set_source(conn: Connection, name: str, *, not_before_us: int | None, trouble: str) -> None:
    """What stands between a source and its next turn; nothing, where both are empty."""
    statement = (
        "INSERT INTO polled_source (source, day, requests, not_before_us, trouble) VALUES (?, '', 0, ?, ?)"
        " ON CONFLICT (source) DO UPDATE SET not_before_us = excluded.not_before_us, trouble = excluded.trouble"
    )
    run(conn, statement, (name, not_before_us, trouble))


def searches_of(conn: Connection, name: str) -> list[SearchRow]:
    """All searches ever made of a source, by name."""
    statement = f"SELECT {_SEARCH} FROM polled_search WHERE source = ? ORDER BY search"
    return [SearchRow._make(row) for row in run(conn, statement, (name,))]
