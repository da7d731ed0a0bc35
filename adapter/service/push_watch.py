"""Watches the Subscriptions of a FHIR source: gaps, silence, and what the server says of them (behaviour 51).

Whatever is wrong with one means that something may have changed unheard: all of the source is read at once.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from adapter.config.fhir_push import Criterion, Subscriptions
from adapter.envelope import utc_us
from adapter.errors import Declined, SourceFault
from adapter.service.polling_memory import counter
from adapter.service.push_standing import STANDS, Alarm, alarm_of, is_relied_on, missing_of
from adapter.sources.fhir_http import FhirServer
from adapter.sources.fhir_request import Request, read
from adapter.sources.fhir_subscription import Wanted, state_in, subscription
from adapter.store import counters, pushes
from adapter.store.database import Database
from adapter.store.pushes import Standing

log = structlog.get_logger()

_NOT_THERE = frozenset({SourceFault.NOT_FOUND, SourceFault.GONE})
_TYPE = "Subscription"


class PushWatch:
    """Of one source; for its polling thread alone."""

    def __init__(
        self, database: Database, *, source: str, settings: Subscriptions, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._source = source
        self._settings = settings
        self._now = now
        self._since = now()

    def judge(self) -> None:
        """Raise, and take back, alarms."""
        rows = self._rows()
        for said in self._settings.criteria:
            row = rows[said.name]
            self._judge_gap(row)
            self._judge_state(row, said)

    def is_relied_on(self) -> bool:
        """Whether changes would be told of, and their not being told be noticed, for all of them."""
        rows = self._rows()
        return all(is_relied_on(rows[said.name], said, self._settings) for said in self._settings.criteria)

    def is_look_due(self) -> bool:
        """Whether the server is to be asked how one of them stands."""
        rows = self._rows()
        return any(self._is_look_due(rows[said.name], said) for said in self._settings.criteria)

    def look(self, server: FhirServer, stop: threading.Event) -> None:
        """Ask the server of those whose turn it is. NotNow and Halted fly on."""
        rows = self._rows()
        for said in self._settings.criteria:
            if self._is_look_due(rows[said.name], said) and not stop.is_set():
                self._look(rows[said.name], said, server, stop)

    def caught_up(self) -> None:
        """All was read since a gap was found: nothing is missing any more."""
        for name, row in self._rows().items():
            if row.alarm == Alarm.GAP and not row.missing:
                self._set_alarm(name, None)

    def _rows(self) -> dict[str, Standing]:
        with self._database.read() as conn:
            known = pushes.standings(conn, self._source)
        return {
            said.name: known.get(said.name) or pushes.unheard(self._source, said.name)
            for said in self._settings.criteria
        }

    # --- alarms

    def _judge_gap(self, row: Standing) -> None:
        grace_us = self._settings.gap_grace // timedelta(microseconds=1)
        now_us = utc_us(self._now())
        if row.missing_us is None or now_us - row.missing_us < grace_us:
            return
        lost = sum(last - first + 1 for first, last in missing_of(row.missing))
        with self._database.write() as conn:
            if not pushes.gap_told(conn, row):
                return  # looked at again in a moment
            pushes.hint_all(conn, self._source, heard_us=now_us)
            pushes.set_alarm(conn, self._source, row.name, Alarm.GAP.value)
            counters.bump(conn, counter(self._source, "push.missed"), lost)
        log.error("notifications are missing; all is read", feed=self._source, subscription=row.name, missing=lost)

    def _judge_state(self, row: Standing, said: Criterion) -> None:
        alarm = alarm_of(row, said, heartbeat=self._settings.heartbeat, since=self._since, now=self._now())
        if alarm is not None and alarm != row.alarm:
            self._set_alarm(row.name, alarm)
            log.error("a Subscription cannot be relied on", feed=self._source, subscription=row.name, alarm=alarm.value)
        elif alarm is None and row.alarm not in ("", Alarm.GAP):
            self._set_alarm(row.name, None)
            log.warning("a Subscription can be relied on again", feed=self._source, subscription=row.name)

    def _set_alarm(self, name: str, alarm: Alarm | None) -> None:
        with self._database.write() as conn:
            pushes.set_alarm(conn, self._source, name, alarm.value if alarm else "")
            if alarm is not None:
                pushes.hint_all(conn, self._source, heard_us=utc_us(self._now()))
                counters.bump(conn, counter(self._source, f"push.alarm.{alarm.value}"))

    # --- what the server says

    def _is_look_due(self, row: Standing, said: Criterion) -> bool:
        pace = self._settings.look_every
        if pace is None or not (said.id or row.server_id):
            return False
        return row.looked_us is None or utc_us(self._now()) - row.looked_us >= pace // timedelta(microseconds=1)

    def _look(self, row: Standing, said: Criterion, server: FhirServer, stop: threading.Event) -> None:
        identity = said.id or row.server_id
        try:
            server.check_granted(_TYPE)
            state = server.ask(read(server.base_url, f"{_TYPE}/{identity}"), read=state_in, stop=stop)
        except Declined as error:
            state = Alarm.GONE.value if error.fault in _NOT_THERE else None
            log.warning("a Subscription cannot be looked at", feed=self._source, reason=str(error))
        with self._database.write() as conn:
            pushes.looked(conn, self._source, row.name, state=state, now_us=utc_us(self._now()))
        if state in ("error", "off") and self._settings.reactivate == "yes" and self._settings.address is not None:
            self._ask_again(said, identity, server, stop)

    def _ask_again(self, said: Criterion, identity: str, server: FhirServer, stop: threading.Event) -> None:
        resource = wanted_of(self._settings, said, identity=identity)
        body = msgspec.json.encode(resource)
        url = f"{server.base_url}/{_TYPE}/{identity}"
        request = Request(url, "PUT", {"Content-Type": "application/fhir+json"}, body, is_search=False)
        try:
            server.ask(request, read=lambda _: None, stop=stop)
        except Declined as error:
            log.error("a Subscription cannot be asked for again", feed=self._source, reason=str(error))
            return
        log.warning("a Subscription was asked for again", feed=self._source, subscription=said.name, state=STANDS)


def wanted_of(
    settings: Subscriptions, said: Criterion, *, identity: str = "", secret: str | None = None
) -> dict[str, Any]:
    """The Subscription as the server is to keep it. `secret` stands in for the one that is kept."""
    shown = settings.secret.resolve().decode("latin-1").strip() if secret is None else secret
    prefix = "Bearer " if settings.header.lower() == "authorization" else ""
    return subscription(
        Wanted(
            criteria=said.criteria,
            endpoint=f"{settings.address}{settings.path}/{said.name}",
            headers=[f"{settings.header}: {prefix}{shown}"],
            is_topic=said.is_topic,
            filters=said.filters,
            heartbeat_s=None if settings.heartbeat is None else max(1, int(settings.heartbeat.total_seconds()) // 2),
            id=identity,
        )
    )
