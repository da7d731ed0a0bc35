"""Which children are due, and how many one transaction settles; a child that fails does not hold the others."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from adapter.chart.fresh import Fresh
from adapter.chart.sealed import Summary
from adapter.envelope import utc_us
from adapter.identity.patients import day_of
from adapter.mapping import CsorMaps
from adapter.settle.child import RELEASE_STEP, ChildSettler, Policy, child_of
from adapter.settle.result_drafts import KIND as LAB_RESULT
from adapter.settle.row_versions import RowWriter
from adapter.store import dirty, persons, rows
from adapter.store.database import Connection, Database
from adapter.store.faults import StoreError
from adapter.store.persons import PersonRow
from adapter.store.sealing import KeyRing

log = structlog.get_logger()

MESSAGES_PER_STEP = 512
"""What one transaction settles; a child that is computed whole counts as a step of a release."""
INSERTED_TOGETHER = 8
"""Children whose new rows go to the driver in one call; where one row is not new, each child's go by themselves."""


class Settler:
    """Settles dirty children, longest waiting first."""

    def __init__(
        self,
        database: Database,
        ring: KeyRing,
        *,
        maps: CsorMaps,
        policy: Policy,
        forget: Callable[[bytes], object],
        fresh: Fresh,
    ) -> None:
        """`forget`: told the blind of each identifier that settling changes, for caches of the registry.

        `fresh`: assertions that need not be read back.
        """
        self._database = database
        self._writer = RowWriter(ring, made_by=policy.made_by)
        self._child = ChildSettler(ring, maps=maps, policy=policy, writer=self._writer, fresh=fresh)
        self._failing: dict[int, int] = {}
        self._forget = forget
        self._fresh = fresh

    def settle(self, *, limit: int, now: datetime, debounce: timedelta = timedelta(0)) -> int:
        """Settle up to `limit` children whose last news is older than `debounce`; how many were."""
        now_us = utc_us(now)
        quiet = {} if not debounce else _debounced(now_us, debounce)
        with self._database.read() as conn:
            marked = dirty.take(conn, limit=limit + len(self._failing), **quiet)
        due = _share({person: marks for person, marks in marked.items() if self._failing.get(person, 0) <= now_us})
        if not due:
            return 0
        try:
            self._settle_all(due, now_us=now_us)
        except StoreError:
            raise
        except Exception as error:  # whose fault it is shows one by one; a stuck child does not hold the others
            log.error("settling failed, going one at a time", reason=type(error).__name__, count=len(due))
            self._settle_each(due, now_us=now_us)
        return len(due)

    def _settle_each(self, due: dict[int, list[int]], *, now_us: int) -> None:
        for person, marks in due.items():
            try:
                self._settle_all({person: marks}, now_us=now_us)
            except StoreError:
                raise
            except Exception as error:
                self._failing[person] = now_us + 60_000_000
                log.error("child cannot be settled", person=person, reason=type(error).__name__)

    def _settle_all(self, due: dict[int, list[int]], *, now_us: int) -> None:
        touched: list[bytes] = []
        with self._database.write() as conn:
            found = persons.by_ids(conn, sorted(due))
            dirty.clear(conn, due)
            done = self._insert_made(conn, found, due, now_us=now_us)
            for person_id, marks in due.items():
                person = found.get(person_id)
                if person is not None and person_id not in done:
                    touched += self._child.settle(conn, person, marks, now_us=now_us)
        for blind in touched:
            self._forget(blind)

    def _insert_made(
        self, conn: Connection, found: Mapping[int, PersonRow], due: Mapping[int, Sequence[int]], *, now_us: int
    ) -> set[int]:
        """The children for whom there are new results alone, whose rows were made ahead and are the first of each."""
        ready: dict[int, list[tuple[Any, ...]]] = {}
        for person_id, marks in due.items():
            made = self._fresh.take_made(marks) if person_id in found else []
            summary = self.summary(found[person_id]) if made else Summary()
            is_steady = summary.is_included and summary.release_after is None
            born = day_of(summary.birth)
            if is_steady and all(each.identifier_id in summary.members and each.born == born for each in made):
                ready[person_id] = self._writer.made(child_of(person_id, summary), made, kind=LAB_RESULT, now_us=now_us)
        done: set[int] = set()
        waiting = list(ready)
        for start in range(0, len(waiting), INSERTED_TOGETHER):
            group = waiting[start : start + INSERTED_TOGETHER]
            if rows.insert_many(conn, [row for person_id in group for row in ready[person_id]]):
                done.update(group)
            else:
                done.update(person_id for person_id in group if rows.insert_many(conn, ready[person_id]))
        return done

    def summary(self, person: PersonRow) -> Summary:
        """What settling last decided; the empty summary for a person never settled."""
        return self._child.summary(person)


def _share(due: dict[int, list[int]]) -> dict[int, list[int]]:
    """As many children, in order, as one transaction should settle: one at least."""
    share: dict[int, list[int]] = {}
    weight = 0
    for person, marks in due.items():
        if weight >= MESSAGES_PER_STEP:
            break
        share[person] = marks
        weight += len(marks) if marks[0] > dirty.WHOLE else len(marks) + RELEASE_STEP
    return share


def _debounced(now_us: int, debounce: timedelta) -> dict[str, int]:
    quiet = _in_us(debounce)
    return {"quiet_since_us": now_us - quiet, "waiting_since_us": now_us - 10 * quiet}


def _in_us(span: timedelta) -> int:
    return int(span.total_seconds() * 1_000_000)
