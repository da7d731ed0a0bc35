"""How far one patient was read at one FHIR server, kept in the store: links sealed under their key, ids keyed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from adapter.assertion import Resource
from adapter.chart import sealed
from adapter.chart.sealed import decode_assertion
from adapter.envelope import utc_us
from adapter.errors import Declined, SourceError
from adapter.service.assembly import utc_now
from adapter.service.polling_memory import counter
from adapter.service.polling_plan import Asked
from adapter.sources.fhir_page import Entry, version_of
from adapter.sources.fhir_position import Position, Search
from adapter.store import assertions, counters, crawls
from adapter.store.crawls import Facts, PatientRow, SearchRow
from adapter.store.database import Database
from adapter.store.sealing import KeyRing

_POSITION = b"crawl position"
TOLD = b"crawl outcome"
"""Purposes: what was sealed for one cannot be opened as the other."""
_FIRST = datetime(1900, 1, 1, tzinfo=UTC)


class Erased(Exception):
    """The patient is not ours any more: the hold has ended while we were reading."""


class _Under(msgspec.Struct, frozen=True):
    """A search under way, as it is sealed."""

    link: str
    began: datetime | None
    reached: datetime | None
    is_whole: bool


class PatientMemory:
    """For the searches of one patient (see adapter.sources.fhir_search.Memory)."""

    def __init__(
        self,
        database: Database,
        ring: KeyRing,
        *,
        row: PatientRow,
        facts: Facts,
        elsewhere: Collection[str] = (),
    ) -> None:
        """`elsewhere`: names of searches of types that are also read whole, so that the log may have their answers."""
        self._database = database
        self._ring = ring
        self._row = row
        self._facts = facts
        self._elsewhere = elsewhere
        self._wholes: dict[str, bool] = {}
        self._resumed: set[str] = set()
        self._seen: dict[bytes, bytes] = {}
        """Of the page at hand: contents by name, both keyed."""
        self._logged: frozenset[str] | None = None
        self.errors: dict[str, SourceError] = {}
        """What kept something from us, by name of the search."""
        with database.read() as conn:
            self.rows = crawls.searches_of(conn, row.id)

    def expect(self, asked: Iterable[Asked]) -> None:
        """Which searches are about to be made, and which of them for all there is."""
        self._wholes = {each.search.name: each.is_whole for each in asked}

    def position(self, search: Search) -> Position:
        """Where it stands."""
        row = self.rows.get(search.name)
        is_whole = self._wholes.get(search.name, True)
        cursor = None if row is None or row.cursor_us is None else _moment(row.cursor_us)
        position = Position(first=_FIRST, cursor=cursor, is_sorted=False, is_whole=is_whole or cursor is None)
        if row is None or row.sealed is None:
            return position
        under = msgspec.json.decode(self._ring.unseal(self._facts.key_id, row.sealed, _POSITION), type=_Under)
        if position.is_whole and not under.is_whole:
            return position
        if under.link:
            self._resumed.add(search.name)
        return replace(position, link=under.link, began=under.began, reached=under.reached, is_whole=under.is_whole)

    def known(self, search: Search, entries: Sequence[Entry]) -> set[bytes]:
        """Digests of those whose content is the last that came, or that the log has in this version."""
        names = {entry.digest: self._blind(entry.name or entry.digest) for entry in entries}
        self._seen = {names[entry.digest]: self._blind(entry.digest) for entry in entries}
        with self._database.read() as conn:
            stored = crawls.contents_of(conn, self._row.id, list(self._seen))
        found = {entry.digest for entry in entries if stored.get(names[entry.digest]) == self._blind(entry.digest)}
        if search.name in self._elsewhere:
            logged = self._versions()
            fresh = [entry for entry in entries if names[entry.digest] not in stored]
            found |= {entry.digest for entry in fresh if entry.version in logged}
        return found

    def page_in(self, search: Search, position: Position, entries: Sequence[Entry], counts: Mapping[str, int]) -> None:
        """In one transaction: where it stands now, what is in now, what is to be counted."""
        row = self._stands(search, position)
        with self._database.write() as conn:
            if not crawls.is_listed(conn, self._row.id):
                raise Erased
            crawls.search_stands(conn, row)
            crawls.remember(conn, self._row.id, sorted(self._seen.items()))
            named = {counter(self._row.source, f"patient.{name}"): n for name, n in counts.items() if n}
            counters.bump_many(conn, named)
        self._seen = {}
        self.rows[search.name] = row

    def trouble(self, search: Search, error: SourceError) -> None:
        """Why it could not go on, or is not called whole; where it stands is left."""
        is_refused = isinstance(error, Declined)
        if is_refused:
            self.errors[search.name] = error
        with self._database.write() as conn:
            counters.bump(conn, counter(self._row.source, f"patient.fault.{error.fault.value}"))
            if is_refused and crawls.is_listed(conn, self._row.id):
                row = self._row_of(search)._replace(read_us=utc_us(utc_now()))
                crawls.search_stands(conn, self._with_trouble(search, row))

    def _with_trouble(self, search: Search, row: SearchRow) -> SearchRow:
        error = self.errors.get(search.name)
        if error is None and search.name in self._resumed:
            return row  # what was told of an earlier page stands
        told = self._ring.seal(self._facts.key_id, error.told, TOLD) if error and error.told else None
        row = self.rows[search.name] = row._replace(trouble=reason_of(error) if error else "", told=told)
        return row

    def _row_of(self, search: Search) -> SearchRow:
        return self.rows.get(search.name) or SearchRow(
            self._row.id, search.name, cursor_us=None, whole_us=None, read_us=None, trouble="", sealed=None, told=None
        )

    def _stands(self, search: Search, position: Position) -> SearchRow:
        row = self._row_of(search)
        cursor_us = None if position.cursor is None else utc_us(position.cursor)
        if position.complete is not None:
            began_us = utc_us(position.complete)
            whole_us = began_us if position.is_whole else row.whole_us
            row = row._replace(cursor_us=cursor_us, whole_us=whole_us, read_us=began_us, sealed=None)
            row = self._with_trouble(search, row)
            self._resumed.discard(search.name)
            return row
        under = _Under(position.link, position.began, position.reached, position.is_whole)
        return row._replace(sealed=self._ring.seal(self._facts.key_id, msgspec.json.encode(under), _POSITION))

    def _blind(self, part: bytes | str) -> bytes:
        # By the source, since an id means something only below its service root (behaviour 11).
        return self._ring.blind("crawled", self._row.source, str(self._row.id), part)

    def _versions(self) -> frozenset[str]:
        """What a search of the whole type has brought before."""
        if self._logged is None:
            with self._database.read() as conn:
                stored = assertions.of_identifiers(conn, [self._facts.id])
            found: set[str] = set()
            for each in stored:
                plain = self._ring.unseal(each.key_id, each.sealed, sealed.ASSERTION)
                stated = decode_assertion(plain, stamp_us=each.clock_us)
                found.update(_version(resource) for item in stated.items for resource in item.resources)
                found.update(_version(resource) for resource in stated.context.values())
            self._logged = frozenset(found - {""})
        return self._logged


def reason_of(error: SourceError) -> str:
    """A word that may stand in clear: the server's own code, else ours."""
    return (error.code if isinstance(error, Declined) else "") or error.fault.value


def _version(resource: Resource) -> str:
    meta = resource.get("meta")
    identity = resource.get("id")
    if not isinstance(meta, dict) or not identity:
        return ""
    return version_of(f"{resource['resourceType']}/{identity}", meta.get("versionId"), meta.get("lastUpdated"))


def _moment(moment_us: int) -> datetime:
    return datetime.fromtimestamp(moment_us / 1_000_000, UTC)
