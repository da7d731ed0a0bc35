"""The rows as they are kept, opened one child after the other: what the commands that read rows have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console

from adapter.chart import sealed
from adapter.chart.sealed import Content, Summary, decode_content, decode_summary
from adapter.config import TrustSettings
from adapter.service.assembly import open_ring, open_store
from adapter.settle.projection import RowState
from adapter.store import persons
from adapter.store import rows as csor_rows
from adapter.store.database import Connection
from adapter.store.persons import PersonRow
from adapter.store.rows import CsorRow
from adapter.store.sealing import KeyRing

_PAGE = 500


class Kept(NamedTuple):
    """One row and what is sealed in it."""

    row: CsorRow
    content: Content

    @property
    def state(self) -> RowState:
        return RowState(self.row.deleted)


class Chart(NamedTuple):
    """One child with its rows, by kind and record id."""

    person: PersonRow
    summary: Summary
    rows: tuple[Kept, ...]


class Reader:
    """Reads the charts of one store, in one consistent read."""

    def __init__(self, conn: Connection, ring: KeyRing) -> None:
        self._conn = conn
        self._ring = ring

    def charts(self, *, every: bool = False) -> Iterator[Chart]:
        """Children that have rows, by local id; tombstones only with `every`."""
        after = 0
        while page := csor_rows.persons_with_rows(self._conn, after_person=after, limit=_PAGE):
            found = persons.by_ids(self._conn, page)
            for number in page:
                yield self._chart(found[number], every=every)
            after = page[-1]

    def _chart(self, person: PersonRow, *, every: bool) -> Chart:
        stored = csor_rows.of_person(self._conn, person.id)
        wanted = [row for row in stored if every or row.deleted != RowState.DELETED]
        kept = [Kept(row, self._opened(row)) for row in sorted(wanted, key=lambda row: (row.kind, row.record_id))]
        return Chart(person, self._summary(person), tuple(kept))

    def _opened(self, row: CsorRow) -> Content:
        return decode_content(self._ring.unseal(row.key_id, row.sealed, sealed.ROW))

    def _summary(self, person: PersonRow) -> Summary:
        if person.sealed is None or person.key_id is None:
            return Summary()
        return decode_summary(self._ring.unseal(person.key_id, person.sealed, sealed.PERSON))


@contextmanager
def reading(settings: TrustSettings) -> Iterator[Reader]:
    """Needs no lock and changes nothing; the service may be running."""
    database = open_store(settings, migrate=False)
    ring = open_ring(settings)
    try:
        with database.read() as conn:
            yield Reader(conn, ring)
    finally:
        database.close()
        ring.close()


def plain_console() -> Console:
    """For tables: what senders wrote is no markup, and into a file or a pipe a line is as long as it is."""
    console = Console(markup=False, emoji=False)
    return console if console.is_terminal else Console(markup=False, emoji=False, width=240)
