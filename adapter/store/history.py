"""How far files of history were taken, by the keyed hash of what tells one file from another."""

from collections.abc import Sequence

from sqlalchemy import Connection

from adapter.store.sql import run_many, select_in


def done(conn: Connection, blinds: Sequence[bytes]) -> dict[bytes, int]:
    """Up to which byte, of those of which anything is in."""
    return dict(select_in(conn, "SELECT blind, done_bytes FROM history_file WHERE blind IN ({})", blinds))


def note(conn: Connection, parts: Sequence[tuple[bytes, int]]) -> None:
    """`(blind, byte)`: up to there all is in; in the transaction in which it is."""
    statement = (
        "INSERT INTO history_file (blind, done_bytes) VALUES (?, ?)"
        " ON CONFLICT (blind) DO UPDATE SET done_bytes = excluded.done_bytes"
    )
    run_many(conn, statement, parts)
