"""The receiver's disk: rows as they stand, the log of what was applied, and the answers already given.

One batch is one transaction with synchronous=FULL: after a kill it is there wholly or not at all. The apply log is
append-only, so that a test or an auditor can see that no unchanged row was applied twice.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

TABLES = """
CREATE TABLE IF NOT EXISTS record (
    seq INTEGER PRIMARY KEY, trust TEXT NOT NULL, record_id TEXT NOT NULL, csor_id TEXT NOT NULL, kind TEXT NOT NULL,
    version INTEGER NOT NULL, deleted INTEGER NOT NULL, fields TEXT NOT NULL, content BLOB NOT NULL,
    UNIQUE (trust, record_id)
);
CREATE INDEX IF NOT EXISTS record_csor_id ON record (csor_id);
CREATE TABLE IF NOT EXISTS applied (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, trust TEXT NOT NULL, record_id TEXT NOT NULL, version INTEGER NOT NULL,
    content BLOB NOT NULL, at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS answer (
    idempotency_key TEXT PRIMARY KEY, body BLOB NOT NULL, answer BLOB NOT NULL, at TEXT NOT NULL
);
"""


_ENCODER = msgspec.json.Encoder(decimal_format="number", order="sorted")
"""Decimals stay numbers, with their digits."""


class KeyReused(Exception):
    """The idempotency key was used before for another body."""


class Outdated(Exception):
    """Some rows are older than, or contradict, what stands; nothing of the batch was applied."""

    def __init__(self, record_ids: tuple[str, ...]) -> None:
        super().__init__(f"{len(record_ids)} rows do not follow what stands")
        self.record_ids = record_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A body that the schema let pass."""

    key: str
    body_digest: bytes
    trust: str
    csor_id: str
    rows: list[dict[str, Any]]


class Store:
    """One connection under one lock: a reference receiver needs truth, not speed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(folder / "receiver.db", isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(TABLES)

    def close(self) -> None:
        """Let go of the file; a request after this fails."""
        with self._lock:
            self._connection.close()

    def answer_given(self, key: str, *, body_digest: bytes) -> bytes | None:
        """The answer stored under this key, byte for byte; None when the key is new. KeyReused for another body."""
        with self._lock:
            return self._answer_given(key, body_digest)

    def apply(self, batch: Batch) -> bytes:
        """Apply the batch wholly and return the answer to send, or raise and leave all as it was."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._lock, self._transaction():
            given = self._answer_given(batch.key, batch.body_digest)
            if given is not None:
                return given
            applied = self._apply_rows(batch, at=at)
            answer = msgspec.json.encode(
                {"idempotency_key": batch.key, "applied": applied, "unchanged": len(batch.rows) - applied}
            )
            self._connection.execute(
                "INSERT INTO answer VALUES (?, ?, ?, ?)", (batch.key, batch.body_digest, answer, at)
            )
            return answer

    def rows(self, *, csor_id: str | None, after: int, limit: int) -> list[dict[str, Any]]:
        """Rows as they stand, deleted ones too, in order of first arrival after position `after`."""
        where, values = ("AND csor_id = ?", [csor_id]) if csor_id is not None else ("", [])
        sql = f"SELECT * FROM record WHERE seq > ? {where} ORDER BY seq LIMIT ?"
        with self._lock:
            found = self._connection.execute(sql, [after, *values, limit]).fetchall()
        return [_shown(row) for row in found]

    def applied(self, *, after: int, limit: int) -> list[dict[str, Any]]:
        """The apply log."""
        sql = "SELECT * FROM applied WHERE seq > ? ORDER BY seq LIMIT ?"
        with self._lock:
            found = self._connection.execute(sql, (after, limit)).fetchall()
        return [{**dict(row), "content": row["content"].hex()} for row in found]

    def _answer_given(self, key: str, body_digest: bytes) -> bytes | None:
        row = self._connection.execute("SELECT body, answer FROM answer WHERE idempotency_key = ?", (key,)).fetchone()
        if row is None:
            return None
        if row["body"] != body_digest:
            raise KeyReused
        answer: bytes = row["answer"]
        return answer

    def _apply_rows(self, batch: Batch, *, at: str) -> int:
        standing = self._standing(batch)
        contents = {row["record_id"]: _content(row, csor_id=batch.csor_id) for row in batch.rows}
        outdated = tuple(
            row["record_id"]
            for row in batch.rows
            if row["record_id"] in standing and not _follows(row, contents[row["record_id"]], standing)
        )
        if outdated:
            raise Outdated(outdated)
        news = [row for row in batch.rows if standing.get(row["record_id"], (0, b""))[0] < row["version"]]
        self._connection.executemany(
            "INSERT INTO record (trust, record_id, csor_id, kind, version, deleted, fields, content)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (trust, record_id) DO UPDATE SET csor_id = excluded.csor_id,"
            " kind = excluded.kind, version = excluded.version, deleted = excluded.deleted, fields = excluded.fields,"
            " content = excluded.content",
            [_values(row, batch, contents[row["record_id"]]) for row in news],
        )
        self._connection.executemany(
            "INSERT INTO applied (trust, record_id, version, content, at) VALUES (?, ?, ?, ?, ?)",
            [(batch.trust, row["record_id"], row["version"], contents[row["record_id"]], at) for row in news],
        )
        return len(news)

    def _standing(self, batch: Batch) -> dict[str, tuple[int, bytes]]:
        """Version and content of each record of the batch that is already here."""
        sql = "SELECT version, content FROM record WHERE trust = ? AND record_id = ?"
        found = ((row["record_id"], self._connection.execute(sql, (batch.trust, row["record_id"])).fetchone())
                 for row in batch.rows)  # fmt: skip
        return {record_id: (row["version"], row["content"]) for record_id, row in found if row is not None}

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def _follows(row: dict[str, Any], content: bytes, standing: dict[str, tuple[int, bytes]]) -> bool:
    version, stands = standing[row["record_id"]]
    return bool(row["version"] > version or (row["version"] == version and content == stands))


def _content(row: dict[str, Any], *, csor_id: str) -> bytes:
    """Digest of what a row says, its version left out: equal content under a new version is told by the log."""
    said = [csor_id, row["kind"], row["deleted"], row["fields"]]
    return hashlib.sha256(_ENCODER.encode(said)).digest()


def _values(row: dict[str, Any], batch: Batch, content: bytes) -> tuple[object, ...]:
    fields = _ENCODER.encode(row["fields"]).decode()
    return (batch.trust, row["record_id"], batch.csor_id, row["kind"], row["version"], row["deleted"], fields, content)


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    shown = {name: row[name] for name in ("seq", "trust", "csor_id", "record_id", "kind", "version")}
    return {**shown, "deleted": bool(row["deleted"]), "fields": msgspec.Raw(row["fields"].encode())}
