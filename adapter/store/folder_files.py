"""Which files of a watched folder were taken, so that a restart does not take one twice."""

from sqlalchemy import Connection

from adapter.store.sql import run


def taken(conn: Connection, *, feed: str, blind: bytes) -> bool:
    """Note a file by the keyed hash of its name and content; True if it had been taken before."""
    statement = "INSERT INTO folder_file (feed, blind) VALUES (?, ?) ON CONFLICT (feed, blind) DO NOTHING"
    return run(conn, statement, (feed, blind)).rowcount == 0


def is_taken(conn: Connection, *, feed: str, blind: bytes) -> bool:
    """Whether it was taken, without noting it."""
    statement = "SELECT 1 FROM folder_file WHERE feed = ? AND blind = ?"
    return run(conn, statement, (feed, blind)).first() is not None
