"""The audit trail: who looked, released, erased, sent. Each entry is chained by a keyed hash to the one before.

The key derives from the master key, so that whoever can write the database still cannot rewrite the past unseen; the
keyed head tells when entries at the end are missing. Details hold ids and words of ours, never patient data.
"""

import hmac
import json
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from adapter.store.sql import run

_HEAD = "audit-head"
_START = bytes(32)


class AuditEntry(NamedTuple):
    """One entry as printed."""

    id: int
    at_us: int
    kind: str
    detail: dict[str, object]


class Verdict(NamedTuple):
    """Whether the chain holds."""

    entries: int
    first_broken: int | None
    """The first entry that is changed, missing or out of place; None if all is as it was written."""


def append(conn: Connection, *, key: bytes, at_us: int, kind: str, detail: Mapping[str, object]) -> int:
    """Add an entry in the transaction of what it tells; its id. `key` is `ring.derived("audit")`."""
    # Two workers on PostgreSQL must not chain to the same entry.
    if conn.dialect.name == "postgresql":
        run(conn, "LOCK TABLE audit IN EXCLUSIVE MODE")
    last = run(conn, "SELECT id, chain FROM audit ORDER BY id DESC LIMIT 1").first()
    number, before = (last[0] + 1, last[1]) if last else (1, _START)
    text = json.dumps(dict(detail), sort_keys=True, ensure_ascii=True)
    chain = _link(key, before, (number, at_us, kind, text))
    run(
        conn,
        "INSERT INTO audit (id, at_us, kind, detail, chain) VALUES (?, ?, ?, ?, ?)",
        (number, at_us, kind, text, chain),
    )
    statement = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    run(conn, statement, (_HEAD, _seal_of_head(key, chain)))
    return number


def verify(conn: Connection, *, key: bytes) -> Verdict:
    """Walk the whole chain."""
    before, expected = _START, 1
    for row in run(conn, "SELECT id, at_us, kind, detail, chain FROM audit ORDER BY id"):
        number, at_us, kind, text, chain = row
        if number != expected or not hmac.compare_digest(chain, _link(key, before, (number, at_us, kind, text))):
            return Verdict(expected - 1, expected)
        before, expected = chain, expected + 1
    head = run(conn, "SELECT value FROM meta WHERE name = ?", (_HEAD,)).scalar()
    written = _seal_of_head(key, before) if expected > 1 else None
    return Verdict(expected - 1, None if head == written else expected)


def entries(conn: Connection, *, after_id: int = 0, limit: int = 1000) -> list[AuditEntry]:
    """Entries by id, page by page."""
    statement = "SELECT id, at_us, kind, detail FROM audit WHERE id > ? ORDER BY id LIMIT ?"
    return [AuditEntry(row[0], row[1], row[2], json.loads(row[3])) for row in run(conn, statement, (after_id, limit))]


def _link(key: bytes, before: bytes, entry: tuple[int, int, str, str]) -> bytes:
    return hmac.digest(key, before + json.dumps(entry).encode(), "sha256")


def _seal_of_head(key: bytes, chain: bytes) -> bytes:
    return hmac.digest(key, b"head" + chain, "sha256")
