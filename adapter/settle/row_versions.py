"""Drafts against what is stored: which rows changed, under which version; the sealed content of a row.

A version rises only when what CSOR would see changes: the fields, the state, the child's pseudonym or birth.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from adapter.chart import sealed
from adapter.chart.fresh import Written
from adapter.chart.sealed import Content, decode_content
from adapter.errors import Problem
from adapter.settle.projection import Draft, RowState
from adapter.store import rows
from adapter.store.database import Connection
from adapter.store.rows import CsorRow
from adapter.store.sealing import KeyRing


class Child(NamedTuple):
    """For whom rows are written."""

    person_id: int
    scope: bytes
    """Pseudonym and birth: when they change, every row leaves anew."""
    identifier_ids: frozenset[int]
    born: str | None = None
    """The day of birth: what is plausible depends on the age."""


def unsealed(ring: KeyRing, row: CsorRow) -> Content:
    """The content of a stored row."""
    return decode_content(ring.unseal(row.key_id, row.sealed, sealed.ROW))


class RowWriter:
    """Writes drafts as rows. `made_by` goes into each row, for lineage."""

    def __init__(self, ring: KeyRing, *, made_by: str) -> None:
        self._ring = ring
        self._made_by = made_by

    def write(
        self,
        conn: Connection,
        child: Child,
        drafts: Sequence[Draft],
        *,
        stored: Mapping[bytes, CsorRow],
        now_us: int,
    ) -> int:
        """Upsert what differs from what is stored; how many rows CSOR must hear of."""
        changed, announced = self._changed(child, drafts, stored=stored, now_us=now_us)
        rows.upsert_many(conn, changed)
        return announced

    def insert(self, conn: Connection, child: Child, drafts: Sequence[Draft], *, now_us: int) -> int | None:
        """The same for rows believed to be new; None, and nothing changed, where one of them is stored already."""
        changed, announced = self._changed(child, drafts, stored={}, now_us=now_us)
        return announced if rows.insert_many(conn, changed) else None

    def made(self, child: Child, written: Sequence[Written], *, kind: str, now_us: int) -> list[tuple[Any, ...]]:
        """The rows that were made ahead, as they are if none of them is stored already, in column order."""
        digest_of = {state.value: self._ring.blinder("row", child.scope, bytes((state,))) for state in RowState}
        version_of = {state.value: _next_version(None, state, is_same=False) for state in RowState}
        person_id = child.person_id
        new: list[tuple[Any, ...]] = []
        for _, _, key_id, _, made, _ in written:
            contents = self._ring.seal_many(key_id, [content for _, content, _, _ in made or ()], sealed.ROW)
            for (record_id, content, size, state), body in zip(made or (), contents, strict=True):
                digest = digest_of[state](content[1 : 1 + size])
                version = version_of[state]
                new.append((record_id, person_id, kind, version, 0, state, digest, now_us, now_us, key_id, body))
        return new

    def _changed(
        self, child: Child, drafts: Sequence[Draft], *, stored: Mapping[bytes, CsorRow], now_us: int
    ) -> tuple[list[CsorRow], int]:
        changed: list[CsorRow] = []
        announced = 0
        digest_of = {state: self._ring.blinder("row", child.scope, bytes((state,))) for state in RowState}
        for draft in drafts:
            fields = sealed.ENCODER.encode(draft.fields)
            digest = digest_of[draft.state](fields)
            old = stored.get(draft.record_id) if stored else None
            row, is_news = self._row(child, draft, old, fields=(fields, digest), now_us=now_us)
            if row is not None:
                changed.append(row)
                announced += is_news
        return changed, announced

    def _row(
        self, child: Child, draft: Draft, old: CsorRow | None, *, fields: tuple[bytes, bytes], now_us: int
    ) -> tuple[CsorRow | None, bool]:
        """`fields`: encoded, and their digest."""
        encoded, digest = fields
        sources = draft.sources
        ids = [sources[0].assertion_id] if len(sources) == 1 else sorted({each.assertion_id for each in sources})
        is_same = old is not None and old.digest == digest and old.person_id == child.person_id
        if is_same and old is not None and self._has_sources(old, ids):
            return None, False
        version = _next_version(old, draft.state, is_same=is_same)
        key_id = sources[-1].key_id
        content = content_of(encoded, ids, draft.problems, self._made_by)
        changed_us = old.changed_us if is_same and old is not None else now_us
        # In column order, and the state as a plain number: the driver takes a detour for anything else.
        row = CsorRow(
            draft.record_id,
            child.person_id,
            draft.kind,
            version,
            0,
            draft.state.value,
            digest,
            now_us,
            changed_us,
            key_id,
            self._ring.seal(key_id, content, sealed.ROW),
        )
        return row, old is None or version != old.version

    def _has_sources(self, old: CsorRow, ids: list[int]) -> bool:
        return unsealed(self._ring, old).assertion_ids == ids

    def withdraw(self, conn: Connection, withdrawn: Sequence[CsorRow], *, now_us: int) -> int:
        """Rows that nothing yields any more become tombstones; how many CSOR must hear of."""
        gone = [
            row._replace(
                deleted=RowState.DELETED,
                version=_next_version(row, RowState.DELETED, is_same=False),
                digest=self._ring.blind("row", b"withdrawn", row.digest),
                changed_us=now_us,
            )
            for row in withdrawn
            if row.deleted != RowState.DELETED
        ]
        rows.upsert_many(conn, gone)
        return sum(1 for row in gone if row.version)


def _next_version(old: CsorRow | None, state: RowState, *, is_same: bool) -> int:
    """0 for a row that has never been live. Held or deleted, it is not there for CSOR, and once it knows, no news."""
    if old is None:
        return 1 if state is RowState.LIVE else 0
    if is_same or (state is not RowState.LIVE and (old.version == 0 or old.deleted != RowState.LIVE)):
        return old.version
    return old.version + 1


def content_of(fields: bytes, ids: list[int], problems: Sequence[Problem], made_by: str) -> bytes:
    """What is sealed in a row: its encoded fields stand behind the first byte."""
    return b"[" + fields + end_of_content(ids, problems, made_by)


def end_of_content(ids: list[int], problems: Sequence[Problem], made_by: str) -> bytes:
    """What stands behind the fields: the same for all rows of one assertion with the same problems."""
    if len(ids) == 1 and not problems:
        return b',[%d],[],"%b"]' % (ids[0], made_by.encode())
    said = [(problem.code.value, problem.text, problem.at) for problem in problems]
    return b",%b,%b,%b]" % tuple(map(sealed.ENCODER.encode, (ids, said, made_by)))
