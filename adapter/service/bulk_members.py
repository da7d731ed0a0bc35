"""Who of a group is new to us, and so is to be fetched whole (behaviour 49)."""

import msgspec

from adapter.chart import sealed
from adapter.chart.known import Known
from adapter.service.bulk_orders import Terms
from adapter.store import bulk
from adapter.store.database import Database
from adapter.store.sealing import KeyRing
from adapter.store.states import BulkState

_MOST_NEWCOMERS = 200
_KNOWN = msgspec.json.Decoder(Known)


class Members:
    """Of one group of one source."""

    def __init__(self, database: Database, ring: KeyRing, place: tuple[str, Terms], *, hold_us: int) -> None:
        self._database = database
        self._ring = ring
        self._source, terms = place
        self._level = terms.level
        self._every_us = int(terms.every.total_seconds() * 1_000_000)
        self._hold_us = hold_us

    def newcomers(self, now_us: int) -> dict[str, int]:
        """Ids of members whom we hold and of whom not all is in (behaviour 49), each with its id in the registry."""
        with self._database.read() as conn:
            rows = bulk.newly_held(conn, self._source, self._level, limit=_MOST_NEWCOMERS)
        # What was given less than a hold ago is kept, or put aside and released since.
        settled = [row for row in rows if row.whole_us is not None and now_us - row.whole_us < self._hold_us]
        if settled:
            ids = [row.identifier_id for row in settled]
            with self._database.write() as conn:
                bulk.patients_whole(conn, self._source, self._level, ids)
        return {self._id(row): row.identifier_id for row in rows if row not in settled}

    def _id(self, row: bulk.MemberRow) -> str:
        known = _KNOWN.decode(self._ring.unseal(row.key_id, row.sealed, sealed.IDENTIFIER))
        return known.identifier.value.removeprefix("Patient/")

    def has_just_failed(self, now_us: int) -> bool:
        """Whether the last export was not whole: then nobody is asked for apart before the next is due."""
        with self._database.read() as conn:
            last = bulk.last_job(conn, self._source, self._level)
        if last is None or last.state == BulkState.WHOLE:
            return False
        return now_us - (last.ended_us or 0) < self._every_us
