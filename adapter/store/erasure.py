"""Erasing: which keys nothing depends on, and everything of an infant whose hold has ended.

The order is always: delete and commit, then destroy the keys (`KeyRing.destroy`). A crash in between leaves keys that
nothing uses; `idle_keys` finds day keys again, and an identifier's key is destroyed again when `pending_keys` is read.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from adapter.store import assertions, bulk, crawls, deletions, dirty, outbox, packs, persons, registry, rows, verdicts
from adapter.store.sql import run, run_many, select_in


def idle_keys(conn: Connection, key_ids: Sequence[bytes], *, queued: frozenset[bytes]) -> list[bytes]:
    """Of these day keys, those on which no message, queued (`Inbox.facts`) or kept, nor an export depends any more."""
    statement = "SELECT DISTINCT key_id FROM message WHERE key_id IN ({})"
    needed = {key_id for (key_id,) in select_in(conn, statement, key_ids)} | packs.keys(conn, key_ids)
    needed |= queued | bulk.keys(conn, key_ids)
    return [key_id for key_id in key_ids if key_id not in needed]


def erase_persons(conn: Connection, person_ids: Sequence[int]) -> list[bytes]:
    """Delete persons with all that is kept of them and erase their bodies; the keys to destroy after the commit.

    The keys are noted in `pending_keys` in the same transaction. Dedupe hashes of the messages stay.
    """
    identifiers = registry.by_person(conn, person_ids)
    identifier_ids = [row.id for row in identifiers]
    key_ids = [row.key_id for row in identifiers]
    dirty.forget(conn, person_ids)
    outbox.delete_of(conn, person_ids)
    rows.delete_of(conn, person_ids)
    assertion_ids = assertions.ids_of_identifiers(conn, identifier_ids)
    deletions.forget(conn, assertion_ids)
    verdicts.forget(conn, assertion_ids)
    assertions.delete_of(conn, identifier_ids)
    crawls.forget(conn, identifier_ids)
    bulk.forget_patients(conn, identifier_ids)
    run_many(
        conn,
        "UPDATE message SET state = 'erased', key_id = NULL, sealed = NULL, note = NULL, subject = NULL,"
        " expires_us = NULL WHERE key_id = ?",
        [(key_id,) for key_id in key_ids],
    )
    registry.delete(conn, identifier_ids)
    persons.delete(conn, person_ids)
    run_many(
        conn, "INSERT INTO pending_key (key_id) VALUES (?) ON CONFLICT (key_id) DO NOTHING", [(k,) for k in key_ids]
    )
    return key_ids


def pending_keys(conn: Connection) -> list[bytes]:
    """Keys whose data are deleted but which may still be in the key file: destroy them, then `keys_destroyed`."""
    return [key_id for (key_id,) in run(conn, "SELECT key_id FROM pending_key ORDER BY key_id")]


def keys_destroyed(conn: Connection, key_ids: Sequence[bytes]) -> None:
    """The key file no longer has these."""
    run_many(conn, "DELETE FROM pending_key WHERE key_id = ?", [(key_id,) for key_id in key_ids])
