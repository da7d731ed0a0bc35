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
from adapter.csor.payload import SCHEMA_VERSION
from adapter.disclosure import Allowed, Birth, GateSettings, Minutes, Nation, NumberClass, Objection, Peer, Withheld
from adapter.envelope import utc_us
from adapter.errors import Refused, TryLater, Unsure
from adapter.store import accepted, audit, counters, cursors, outbox, persons, rows
from adapter.store.database import Connection, Database
from adapter.store.faults import StoreError
from adapter.store.outbox import Delivery
from adapter.store.persons import PersonRow
from adapter.store.rows import CsorRow
from adapter.store.sealing import KeyRing
from adapter.store.states import DeliveryState

log = structlog.get_logger()

ROWS_PER_BATCH = 500
WITHHELD = "withheld."
"""Cursors of this name tell for each child why it may not leave."""
_FIRST_WAIT_S = 2.0
_LONGEST_WAIT_S = 900.0
_WITHHELD_AGAIN = timedelta(minutes=1)
_PERSONS_AT_ONCE = 100


class Deliver(Protocol):
    """A sink: raises TryLater, Unsure or Refused; returns when CSOR has it."""

    def deliver(self, batch: bytes, *, idempotency_key: str) -> object: ...


class Terms(NamedTuple):
    """Under what conditions anything leaves, and where to."""

    trust: str
    """ODS code."""
    nation: Nation
    timezone: ZoneInfo
    minutes: Minutes
    gate: GateSettings
    peer: Callable[[], Peer]
    """Resolved anew for each delivery."""
    made_by: str


class _WireRow(msgspec.Struct):
    record_id: str
    version: int
    kind: str
    deleted: bool
    fields: msgspec.Raw


class _Wire(msgspec.Struct):
    csor_id: str
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
        self._withheld: dict[int, tuple[datetime, bytes | None]] = {}
        """Until when a child need not be asked about, unless settling has sealed something else since."""
        self._offered: dict[int, frozenset[bytes]] = {}

    def start(self, *, now: datetime) -> int:
        """What was being sent when the process died may have arrived; how many there were."""
        with self._database.write() as conn:
            return outbox.recover(conn, now_us=utc_us(now))

    def step(self, *, now: datetime) -> bool:
        """Send what is due, else freeze the next batch; False if there is nothing to do now."""
        with self._database.write() as conn:
            delivery = outbox.claim(conn, now_us=utc_us(now))
        if delivery is not None:
            self._offer(delivery, now=now)
            return True
        return self._freeze_next(now=now)

    def _freeze_next(self, *, now: datetime) -> bool:
        """The first child that may leave, however many before it may not."""
        after = 0
        while True:
            with self._database.read() as conn:
                waiting = rows.unsent(conn, limit=_PERSONS_AT_ONCE, after_person=after)
                found = persons.by_ids(conn, waiting)
            for person_id in waiting:
                if not self._is_withheld(found[person_id], now=now) and self._freeze_safely(person_id, now=now):
                    return True
            if len(waiting) < _PERSONS_AT_ONCE:
                return False
            after = waiting[-1]

    def _freeze_safely(self, person_id: int, *, now: datetime) -> bool:
        """A child whose batch cannot be made does not hold the others."""
        try:
            return self._freeze(person_id, now=now)
        except StoreError:
            raise
        except Exception as error:
            log.error("batch cannot be made", person=person_id, reason=type(error).__name__)
            self._withheld[person_id] = (now + _WITHHELD_AGAIN, None)
            return False

    def _is_withheld(self, person: PersonRow, *, now: datetime) -> bool:
        again_at, judged = self._withheld.get(person.id, (now, None))
        if now < again_at and judged in (None, person.sealed):  # what settling decided since may let it go
            return True
        verdict = self._verdict(person, now=now)
        if isinstance(verdict, Allowed):
            self._withheld.pop(person.id, None)
            return False
        self._withheld[person.id] = (now + _WITHHELD_AGAIN, person.sealed)
        self._tell_withheld(person, verdict.reason.value, now=now)
        return True

    def _verdict(self, person: PersonRow, *, now: datetime) -> Allowed | Withheld:
        child = disclosure.Child(
            number=NumberClass(self._summary(person).number), nation=self._terms.nation, objection=Objection.UNKNOWN
        )
        return disclosure.gate(child, peer=self._terms.peer(), settings=self._terms.gate, today=now.date())

    def _tell_withheld(self, person: PersonRow, reason: str, *, now: datetime) -> None:
        """Once for each child and reason, also across restarts."""
        with self._database.write() as conn:
            if cursors.get(conn, _told(person.id)) == reason:
                return
            cursors.set(conn, _told(person.id), reason)
            counters.bump(conn, f"withheld.{reason}")
            detail = {"csor_id": _text(person.csor_id), "reason": reason}
            audit.append(conn, key=self._audit_key, at_us=utc_us(now), kind="withheld", detail=detail)
        log.warning("withheld", person=person.id, reason=reason)

    def _freeze(self, person_id: int, *, now: datetime) -> bool:
        with self._database.write() as conn:
            person = persons.by_id(conn, person_id)  # again: settling may have changed it since
            if person is None or person.blocked or not person.published or outbox.open_of(conn, person_id):
                return False
            if self._summary(person).release_after is not None:
                return False  # the release is published by one switch, at its end
            unsent = rows.unsent_of(conn, person_id, limit=ROWS_PER_BATCH)
            if not unsent or person.key_id is None or self._is_offered(conn, unsent):
                return False
            unsent, body = self._payload(conn, person, unsent)
            if not unsent:
                return True
            key = os.urandom(16)
            frozen = self._ring.seal(person.key_id, body, sealed.DELIVERY)
            outbox.create(
                conn,
                person_id=person_id,
                idempotency_key=key,
                row_count=len(unsent),
                at_us=utc_us(now),
                sealing=(person.key_id, frozen),
            )
            self._audit_disclosure(conn, person, unsent, now=now)
            if cursors.get(conn, _told(person_id)):
                cursors.set(conn, _told(person_id), "")
        return True

    def _is_offered(self, conn: Connection, unsent: list[CsorRow]) -> bool:
        """Whether one of these rows is under way in the batch of another child: of whom it was until a split."""
        moved = {row.record_id for row in unsent if row.version > 1}
        for delivery_id in outbox.open_ids(conn) if moved else ():
            if not moved.isdisjoint(self._rows_of(conn, delivery_id)):
                return True
        return False

    def _rows_of(self, conn: Connection, delivery_id: int) -> frozenset[bytes]:
        found = self._offered.get(delivery_id)
        if found is None:
            delivery = outbox.by_id(conn, delivery_id)
            found = frozenset(number for number, _ in _sent(self._body(delivery))) if delivery else frozenset()
            self._offered[delivery_id] = found
        return found

    def _payload(self, conn: Connection, person: PersonRow, unsent: list[CsorRow]) -> tuple[list[CsorRow], bytes]:
        """The batch, and the rows in it. What came back to what CSOR has already needs no sending."""
        birth = Birth.read(self._summary(person).birth, timezone=self._terms.timezone, minutes=self._terms.minutes)
        batch = {
            "schema_version": SCHEMA_VERSION,
            "trust": self._terms.trust,
            "csor_id": _text(person.csor_id),
            "minutes": self._terms.minutes.value,
        }
        wires = {row.record_id: self._wire(row, birth) for row in unsent}
        known = accepted.contents(conn, list(wires))
        news: list[CsorRow] = []
        back: list[CsorRow] = []
        for row in unsent:
            wire = wires[row.record_id]
            fields = sealed.ENCODER.encode(wire["fields"])
            is_known = known.get(row.record_id) == self._content(batch["csor_id"], row.kind, bool(row.deleted), fields)
            (back if is_known else news).append(row)
        rows.mark_sent(conn, [(row.record_id, row.version) for row in back])
        body = sealed.ENCODER.encode({**batch, "rows": [wires[row.record_id] for row in news]})
        return news, body

    def _content(self, csor_id: str, kind: str, deleted: bool, fields: bytes) -> bytes:
        """A keyed hash of all that CSOR would see of a row, its version apart."""
        return self._ring.blind("accepted", csor_id, kind, b"deleted" if deleted else b"live", fields)

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
        audit.append(conn, key=self._audit_key, at_us=utc_us(now), kind="disclosure", detail=detail)

    def _body(self, delivery: Delivery) -> bytes:
        if delivery.key_id is None or delivery.sealed is None:
            raise ValueError(f"delivery {delivery.id} has no bytes")
        return self._ring.unseal(delivery.key_id, delivery.sealed, sealed.DELIVERY)

    def _offer(self, delivery: Delivery, *, now: datetime) -> None:
        """Frozen bytes too leave only if the gate says so now: a basis may have ended, or the child be in doubt."""
        with self._database.read() as conn:
            person = persons.by_id(conn, delivery.person_id)
        if person is None:
            raise ValueError(f"delivery {delivery.id} is of nobody")
        verdict = self._verdict(person, now=now)
        if isinstance(verdict, Allowed):
            self._send(delivery, now=now)
            return
        self._tell_withheld(person, verdict.reason.value, now=now)
        state = DeliveryState.RETRY if delivery.attempts == 1 else DeliveryState.UNSURE
        next_us = utc_us(now + _WITHHELD_AGAIN)
        with self._database.write() as conn:
            self._move(conn, delivery, state, next_us=next_us, reason=f"withheld: {verdict.reason.value}")

    def _send(self, delivery: Delivery, *, now: datetime) -> None:
        body = self._body(delivery)
        try:
            self._sink.deliver(body, idempotency_key=delivery.idempotency_key.hex())
        except TryLater as error:
            self._postpone(delivery, DeliveryState.RETRY, error, now=now, at_least_s=error.retry_after_s or 0)
        except Unsure as error:
            self._postpone(delivery, DeliveryState.UNSURE, error, now=now, at_least_s=0)
        except Refused as error:
            self._refused(delivery, error)
        except Exception as error:  # a fault of the sink: who knows how far it came
            fault = Unsure(f"the sink failed: {type(error).__name__}")
            self._postpone(delivery, DeliveryState.UNSURE, fault, now=now, at_least_s=0)
        else:
            self._accepted(delivery, body)

    def _accepted(self, delivery: Delivery, body: bytes) -> None:
        wire = msgspec.json.decode(body, type=_Wire)
        content = [
            (record_bytes(row.record_id), self._content(wire.csor_id, row.kind, row.deleted, bytes(row.fields)))
            for row in wire.rows
        ]
        self._offered.pop(delivery.id, None)
        with self._database.write() as conn:
            rows.mark_sent(conn, _sent(body))
            accepted.note(conn, content)
            self._move(conn, delivery, DeliveryState.ACCEPTED)
            counters.bump(conn, "delivery.accepted")

    def _postpone(
        self, delivery: Delivery, state: DeliveryState, error: Exception, *, now: datetime, at_least_s: float
    ) -> None:
        wait_s = max(at_least_s, _back_off_s(delivery.attempts))
        with self._database.write() as conn:
            self._move(conn, delivery, state, next_us=utc_us(now) + int(wait_s * 1_000_000), reason=str(error))
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


def _sent(body: bytes) -> list[tuple[bytes, int]]:
    """Record ids and versions of a frozen batch."""
    return [(record_bytes(row.record_id), row.version) for row in msgspec.json.decode(body, type=_Wire).rows]


def _back_off_s(attempts: int) -> float:
    """Exponential with jitter, so that a hundred adapters do not come back in the same second."""
    longest: float = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** min(attempts - 1, 12))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  not a secret


def _told(person_id: int) -> str:
    return f"{WITHHELD}{person_id}"


def _text(csor_id: bytes | None) -> str:
    return (csor_id or b"").decode()
