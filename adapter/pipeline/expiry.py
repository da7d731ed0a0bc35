"""Erasing what we may hold no longer: messages that are not ours, infants nobody suspects, keys nothing depends on.

The order is always: delete and commit, then destroy the keys. A crash in between is made good at the next pass.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from adapter.envelope import utc_us
from adapter.store import audit, counters, erasure, messages, registry
from adapter.store.database import Database
from adapter.store.inbox import Inbox
from adapter.store.sealing import KeyRing

log = structlog.get_logger()

_PERSONS_AT_ONCE = 50
_DAYS_BACK = 800
"""A day's key outlives what one parked message needs it for; older ones are looked at again at every pass."""


class Expiry:
    """One pass erases what has expired by then."""

    def __init__(self, database: Database, inbox: Inbox, ring: KeyRing, *, forget: Callable[[bytes], object]) -> None:
        self._database = database
        self._inbox = inbox
        self._ring = ring
        self._forget = forget

    def run(self, *, now: datetime) -> int:
        """How many messages and infants were erased."""
        now_us = utc_us(now)
        with self._database.write() as conn:
            erased = messages.expire(conn, now_us=now_us)
            if erased:
                counters.bump(conn, "erased.not-ours", erased)
        while infants := self._erase_infants(now_us):
            erased += infants
        self._destroy_pending()
        self._destroy_idle_days(now)
        return erased

    def _erase_infants(self, now_us: int) -> int:
        with self._database.write() as conn:
            ended = registry.holds_ended(conn, now_us=now_us, limit=_PERSONS_AT_ONCE)
            persons = sorted({row.person_id for row in ended})
            if not persons:
                return 0
            blinds = [row.blind for row in registry.by_person(conn, persons)]
            erasure.erase_persons(conn, persons)
            counters.bump(conn, "erased.infant", len(persons))
            detail = {"persons": persons, "why": "hold ended"}
            audit.append(conn, key=self._ring.derived("audit"), at_us=now_us, kind="erasure", detail=detail)
        for blind in blinds:
            self._forget(blind)
        log.info("holds ended", count=len(persons))
        return len(persons)

    def _destroy_pending(self) -> None:
        with self._database.read() as conn:
            keys = erasure.pending_keys(conn)
        if keys:
            self._ring.destroy(keys)
            with self._database.write() as conn:
                erasure.keys_destroyed(conn, keys)

    def _destroy_idle_days(self, now: datetime) -> None:
        """Only days that are over for every process: from the day before yesterday back."""
        days = [now.date() - timedelta(days=back) for back in range(2, _DAYS_BACK)]
        keys = list(self._ring.day_keys(days).values())
        if not keys:
            return
        with self._database.read() as conn:
            idle = erasure.idle_keys(conn, keys, queued=self._inbox.facts(conn).key_ids)
        if idle:
            self._ring.destroy(idle)
