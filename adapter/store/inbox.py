"""The inbox: what was acknowledged and not yet processed. A queue; everything kept longer is in the database.

On SQLite it is a file of its own (inbox_sqlite.py), on PostgreSQL a table of the one database (inbox_postgres.py).
Work takes a message in three steps, the same on both:

    claim(conn)      in the work transaction: the next messages, in order
    done(conn, ids)  in the same transaction: they need not be claimed again
    sweep(conn)      after its commit, now and then: remove what is done
"""

from pathlib import Path

from adapter.store.database import Database
from adapter.store.inbox_postgres import PostgresInbox
from adapter.store.inbox_records import Inbox, InboxFacts, InboxRow, QueuedMessage
from adapter.store.inbox_sqlite import SqliteInbox

__all__ = ["Inbox", "InboxFacts", "InboxRow", "PostgresInbox", "QueuedMessage", "SqliteInbox", "open_inbox"]


def open_inbox(database: Database, *, folder: Path) -> Inbox:
    """The inbox that belongs to this database."""
    return SqliteInbox(folder / "inbox.db") if database.is_sqlite else PostgresInbox(database)
