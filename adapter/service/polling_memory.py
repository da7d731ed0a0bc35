"""How far a FHIR source was read, kept in the store: links sealed, resources keyed."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec

from adapter.envelope import utc_us
from adapter.errors import SourceError, SourceFault
from adapter.service.assembly import utc_now
from adapter.sources.fhir_page import Entry
from adapter.sources.fhir_position import Position, Search
from adapter.store import counters, polls
from adapter.store.database import Database
from adapter.store.sealing import KeyDestroyed, KeyRing

_POSITION = b"page position"
TOLD = b"search outcome"
"""Purposes: what was sealed for one cannot be opened as the other."""


class _Under(msgspec.Struct, frozen=True):
    """A search under way, as it is sealed: a server may write what it likes into its links."""

    link: str
    began: datetime | None
    reached: datetime | None
    in_order: bool


class StoredMemory:
    """What outlives a restart, for one source (see adapter.sources.fhir_search.Memory)."""

    def __init__(self, database: Database, ring: KeyRing, *, source: str, first: datetime, overlap: timedelta) -> None:
        self._database = database
        self._ring = ring
        self._source = source
        self._first = first
        self._overlap = overlap
        self._rows: dict[str, polls.SearchRow] = {}
        self._troubles: dict[str, str] = {}
        """Of this turn."""

    def position(self, search: Search) -> Position:
        """Where it stands."""
        with self._database.write() as conn:
            row = polls.open_search(conn, source=self._source, search=search.name, first_us=utc_us(self._first))
        self._rows[search.name] = row
        position = Position(
            first=_moment(row.first_us), cursor=None if row.cursor_us is None else _moment(row.cursor_us)
        )
        if row.key_id is None or row.sealed is None:
            return position
        with suppress(KeyDestroyed):  # a link of the day before yesterday: the search begins again at its cursor
            under = msgspec.json.decode(self._ring.unseal(row.key_id, row.sealed, _POSITION), type=_Under)
            return Position(
                first=position.first,
                cursor=position.cursor,
                link=under.link,
                began=under.began,
                reached=under.reached,
                in_order=under.in_order,
            )
        return position

    def known(self, search: Search, entries: Sequence[Entry]) -> set[bytes]:
        """Digests of those that are in already."""
        digest_of = {self._blind(search, entry.digest): entry.digest for entry in entries}
        with self._database.read() as conn:
            found = polls.known(conn, self._rows[search.name].id, list(digest_of))
        return {digest_of[blind] for blind in found}

    def page_in(self, search: Search, position: Position, entries: Sequence[Entry], counts: Mapping[str, int]) -> None:
        """In one transaction: where it stands now, what is in now, what is to be counted."""
        now = utc_now()
        row = self._row(search, position, now=now)
        # What is included is asked for as long as the match that refers to it is, however old it is itself.
        latest = position.reached or position.cursor or now
        new = [
            (
                self._blind(search, entry.digest),
                utc_us(max(entry.updated or now, latest) if entry.is_include else entry.updated or now),
            )
            for entry in entries
        ]
        with self._database.write() as conn:
            polls.stand(conn, row)
            polls.remember(conn, row.id, new)
            polls.forget(conn, row.id, before_us=utc_us(position.since(self._overlap)))
            counters.bump_many(conn, {counter(self._source, name): n for name, n in counts.items() if n})
        self._rows[search.name] = row

    def trouble(self, search: Search, error: SourceError) -> None:
        """Why it could not go on, or is not called whole; where it stands is left."""
        self._troubles[search.name] = error.fault.value
        key_id = self._ring.day_key(utc_now().date()) if error.told else None
        told = self._ring.seal(key_id, error.told, TOLD) if key_id else None
        with self._database.write() as conn:
            polls.set_search_trouble(conn, self._rows[search.name].id, error.fault.value, key_id=key_id, told=told)
            counters.bump(conn, counter(self._source, f"fault.{error.fault.value}"))

    def paused_types(self) -> set[str]:
        """Those that the server has refused for the rest of the day."""
        return {name.partition("?")[0] for name, trouble in self._troubles.items() if trouble == SourceFault.PAUSED}

    def _row(self, search: Search, position: Position, *, now: datetime) -> polls.SearchRow:
        trouble = self._troubles.get(search.name, "")
        cursor_us = None if position.cursor is None else utc_us(position.cursor)
        row = self._rows[search.name]._replace(cursor_us=cursor_us, trouble=trouble, key_id=None, sealed=None)
        if position.complete is not None:
            return row._replace(complete_us=utc_us(position.complete))
        under = _Under(position.link, position.began, position.reached, position.in_order)
        key_id = self._ring.day_key(now.date())
        return row._replace(key_id=key_id, sealed=self._ring.seal(key_id, msgspec.json.encode(under), _POSITION))

    def _blind(self, search: Search, digest: bytes) -> bytes:
        return self._ring.blind("polled", self._source, search.name, digest)


def counter(source: str, name: str) -> str:
    """What is counted of a source."""
    return f"poll.{source}.{name}"


def _moment(moment_us: int) -> datetime:
    return datetime.fromtimestamp(moment_us / 1_000_000, UTC)
