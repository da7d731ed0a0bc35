"""One child's delivery: choose what is unsent, ask the gate, freeze, send, judge the answer, schedule the next attempt.

What was frozen is sent again byte for byte under its key until CSOR answers; newer changes of that child wait. One
stuck child does not hold the others.
"""

import base64
import os
import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

import msgspec
import structlog

from adapter import disclosure
from adapter.chart import sealed
from adapter.chart.sealed import Summary, decode_content
from adapter.disclosure import Allowed, Birth, GateSettings, Nation, NumberClass, Objection, Peer
from adapter.errors import Refused, TryLater, Unsure
from adapter.store import audit, counters, outbox, persons, rows
from adapter.store.database import Connection, Database
from adapter.store.outbox import Delivery
from adapter.store.persons import PersonRow
from adapter.store.rows import CsorRow
from adapter.store.sealing import KeyRing
from adapter.store.states import DeliveryState

log = structlog.get_logger()

ROWS_PER_BATCH = 500
_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 900.0
_WITHHELD_AGAIN = timedelta(minutes=1)


class Deliver(Protocol):
    """A sink: raises TryLater, Unsure or Refused; returns when CSOR has it."""

    def deliver(self, batch: bytes, *, idempotency_key: str) -> object: ...


class Terms(NamedTuple):
    """Under what conditions anything leaves, and where to."""

    trust: str
    """ODS code."""
    nation: Nation
    timezone: ZoneInfo
    gate: GateSettings
    peer: Callable[[], Peer]
    """Resolved anew for each delivery."""
    made_by: str


class _WireRow(msgspec.Struct):
    record_id: str
    version: int


class _Wire(msgspec.Struct):
    rows: list[_WireRow]


class Dispatcher:
    """Delivers, one batch at a time. `summary` tells what settling decided about a person."""

    def __init__(
        self,
        database: Database,
        ring: KeyRing,
        *,
        sink: Deliver,
        terms: Terms,
        summary: Callable[[PersonRow], Summary],
    ) -> None:
        self._database = database
        self._ring = ring
        self._sink = sink
        self._terms = terms
        self._summary = summary
        self._audit_key = ring.derived("audit")
        self._withheld: dict[int, tuple[str, datetime]] = {}

    def start(self, *, now: datetime) -> int:
        """What was being sent when the process died may have arrived; how many there were."""
        with self._database.write() as conn:
            return outbox.recover(conn, now_us=_us(now))

    def step(self, *, now: datetime) -> bool:
        """Send what is due, else freeze the next batch; False if there is nothing to do now."""
        with self._database.write() as conn:
            delivery = outbox.claim(conn, now_us=_us(now))
        if delivery is not None:
            self._send(delivery, now=now)
            return True
        return self._freeze_next(now=now)

    def _freeze_next(self, *, now: datetime) -> bool:
        with self._database.read() as conn:
            waiting = rows.unsent(conn, limit=100)
            found = persons.by_ids(conn, waiting)
        for person_id in waiting:
            person = found[person_id]
            if person.blocked or self._is_withheld(person, now=now):
                continue
            if self._freeze(person_id, now=now):
                return True
        return False

    def _is_withheld(self, person: PersonRow, *, now: datetime) -> bool:
        reason, again_at = self._withheld.get(person.id, ("", now))
        if reason and now < again_at:
            return True
        child = disclosure.Child(
            number=NumberClass(self._summary(person).number), nation=self._terms.nation, objection=Objection.UNKNOWN
        )
        verdict = disclosure.gate(child, peer=self._terms.peer(), settings=self._terms.gate, today=now.date())
        if isinstance(verdict, Allowed):
            self._withheld.pop(person.id, None)
            return False
        self._withheld[person.id] = (verdict.reason.value, now + _WITHHELD_AGAIN)
        if reason != verdict.reason.value:
            self._tell_withheld(person, verdict.reason.value, now=now)
        return True

    def _tell_withheld(self, person: PersonRow, reason: str, *, now: datetime) -> None:
        log.warning("withheld", person=person.id, reason=reason)
        with self._database.write() as conn:
            counters.bump(conn, f"withheld.{reason}")
            detail = {"csor_id": _text(person.csor_id), "reason": reason}
            audit.append(conn, key=self._audit_key, at_us=_us(now), kind="withheld", detail=detail)

    def _freeze(self, person_id: int, *, now: datetime) -> bool:
        with self._database.write() as conn:
            person = persons.by_id(conn, person_id)  # again: settling may have changed it since
            if person is None or person.blocked or not person.published or outbox.open_of(conn, person_id):
                return False
            unsent = rows.unsent_of(conn, person_id, limit=ROWS_PER_BATCH)
            if not unsent or person.key_id is None:
                return False
            body = self._payload(person, unsent)
            key = os.urandom(16)
            frozen = self._ring.seal(person.key_id, body, sealed.DELIVERY)
            outbox.create(
                conn,
                person_id=person_id,
                idempotency_key=key,
                row_count=len(unsent),
                at_us=_us(now),
                sealing=(person.key_id, frozen),
            )
            self._audit_disclosure(conn, person, unsent, now=now)
        return True

    def _payload(self, person: PersonRow, unsent: list[CsorRow]) -> bytes:
        birth = Birth.read(self._summary(person).birth, timezone=self._terms.timezone)
        batch = {
            "schema_version": "1",
            "trust": self._terms.trust,
            "csor_id": _text(person.csor_id),
            "rows": [self._wire(row, birth) for row in unsent],
        }
        return sealed.ENCODER.encode(batch)

    def _wire(self, row: CsorRow, birth: Birth) -> dict[str, object]:
        wire: dict[str, object] = {
            "record_id": record_text(row.record_id),
            "kind": row.kind,
            "version": row.version,
            "deleted": bool(row.deleted),
        }
        fields = {} if row.deleted else decode_content(self._ring.unseal(row.key_id, row.sealed, sealed.ROW)).fields
        wire["fields"] = disclosure.disclose(row.kind, fields, birth=birth) if fields else {}
        return wire

    def _audit_disclosure(self, conn: Connection, person: PersonRow, sent: list[CsorRow], *, now: datetime) -> None:
        basis = self._terms.gate.legal_basis
        detail: dict[str, object] = {
            "csor_id": _text(person.csor_id),
            "rows": dict(Counter(row.kind for row in sent)),
            "legal_basis": basis.reference if basis else "test mode",
            "made_by": self._terms.made_by,
        }
        audit.append(conn, key=self._audit_key, at_us=_us(now), kind="disclosure", detail=detail)

    def _send(self, delivery: Delivery, *, now: datetime) -> None:
        if delivery.key_id is None or delivery.sealed is None:
            raise ValueError(f"delivery {delivery.id} has no bytes")
        body = self._ring.unseal(delivery.key_id, delivery.sealed, sealed.DELIVERY)
        try:
            self._sink.deliver(body, idempotency_key=delivery.idempotency_key.hex())
        except TryLater as error:
            self._postpone(delivery, DeliveryState.RETRY, error, now=now, at_least_s=error.retry_after_s or 0)
        except Unsure as error:
            self._postpone(delivery, DeliveryState.UNSURE, error, now=now, at_least_s=0)
        except Refused as error:
            self._refused(delivery, error)
        else:
            self._accepted(delivery, body)

    def _accepted(self, delivery: Delivery, body: bytes) -> None:
        sent = [(record_bytes(row.record_id), row.version) for row in msgspec.json.decode(body, type=_Wire).rows]
        with self._database.write() as conn:
            rows.mark_sent(conn, sent)
            self._move(conn, delivery, DeliveryState.ACCEPTED)
            counters.bump(conn, "delivery.accepted")

    def _postpone(
        self, delivery: Delivery, state: DeliveryState, error: Exception, *, now: datetime, at_least_s: float
    ) -> None:
        wait_s = max(at_least_s, _back_off_s(delivery.attempts))
        with self._database.write() as conn:
            self._move(conn, delivery, state, next_us=_us(now) + int(wait_s * 1_000_000), reason=str(error))
            counters.bump(conn, f"delivery.{state.value}")
        log.warning(
            "delivery postponed", delivery=delivery.id, state=state.value, reason=str(error), wait_s=round(wait_s)
        )

    def _refused(self, delivery: Delivery, error: Refused) -> None:
        with self._database.write() as conn:
            self._move(conn, delivery, DeliveryState.REFUSED, reason=str(error))
            counters.bump(conn, "delivery.refused")
        log.error("delivery refused", delivery=delivery.id, reason=str(error))

    def _move(
        self, conn: Connection, delivery: Delivery, after: DeliveryState, *, next_us: int = 0, reason: str = ""
    ) -> None:
        outbox.transition(conn, delivery.id, before=DeliveryState.SENDING, after=after, next_us=next_us, reason=reason)


def record_text(record_id: bytes) -> str:
    """A record id as it stands on the wire and on the command line: base32, lower case."""
    return base64.b32encode(record_id).decode().rstrip("=").lower()


def record_bytes(text: str) -> bytes:
    """The reverse; ValueError if it is none."""
    return base64.b32decode(text.upper() + "=" * (-len(text) % 8))


def _back_off_s(attempts: int) -> float:
    """Exponential with jitter, so that a hundred adapters do not come back in the same second."""
    longest: float = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(attempts - 1, 12))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  not a secret


def _text(csor_id: bytes | None) -> str:
    return (csor_id or b"").decode()


def _us(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)
