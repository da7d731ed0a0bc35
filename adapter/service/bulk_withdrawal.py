"""What a server has deleted is withdrawn: told to the inbox as entered in error, with an entry in the audit trail.

A deletion names no patient, so what we hold of this source is looked through. That waits until all that came before the
deletion is processed, and is done once more for whoever we begin to hold later: so the order makes no difference.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import structlog

from adapter.assertion import Item, Resource
from adapter.chart import sealed
from adapter.chart.known import Known
from adapter.chart.sealed import ENCODER, decode_assertion
from adapter.envelope import Media, Received, utc_us
from adapter.pipeline.reception import Reception
from adapter.service.assembly import utc_now
from adapter.service.polling_memory import counter
from adapter.sources.fhir_bulk_deletions import deletion_body, withdrawal_body, withdrawn
from adapter.store import assertions, audit, bulk, counters
from adapter.store.database import Database
from adapter.store.inbox import Inbox
from adapter.store.sealing import KeyDestroyed, KeyRing

log = structlog.get_logger()

_KNOWN = msgspec.json.Decoder(Known)
_AT_ONCE = 200
_BY_ORDER = "obs|"


class _Found(NamedTuple):
    """The newest version that we hold of one resource."""

    item: Item
    context: Mapping[str, Resource]


class Withdrawals:
    """Of one source."""

    def __init__(self, database: Database, ring: KeyRing, inbox: Inbox, *, source: str) -> None:
        self._database = database
        self._ring = ring
        self._inbox = inbox
        self._reception = Reception(inbox, ring)
        self._source = source
        self._blind = ring.blinder("resource", source)
        self._authority = f"fhir:{source}"
        self._counts: Counter[str] = Counter()

    def run(self) -> bool:
        """Withdraw what was deleted since; False while what came before it is still being processed."""
        with self._database.read() as conn:
            oldest_us = self._inbox.facts(conn).oldest_received_us
            before_us = utc_us(utc_now()) if oldest_us is None else oldest_us
            gone = bulk.deleted(conn, self._source, only_open=True, before_us=before_us)
            left = bulk.deleted(conn, self._source, only_open=True, before_us=2**62)
            people = bulk.held(conn) if gone else []
        if gone:
            self._withdraw(people, gone)
            with self._database.write() as conn:
                bulk.deletions_done(conn, self._source, list(gone))
        return len(left) == len(gone)

    def of_newcomers(self, identifier_ids: Iterable[int]) -> None:
        """Of those whom we hold since: what was put aside before its deletion may have been released after it."""
        with self._database.read() as conn:
            gone = bulk.deleted(conn, self._source, only_open=False, before_us=2**62)
            wanted = set(identifier_ids)
            people = [each for each in bulk.held(conn) if each[0] in wanted] if gone else []
        self._withdraw(people, gone)

    def _withdraw(self, people: Iterable[tuple[int, bytes, bytes]], gone: Mapping[bytes, int]) -> None:
        for identifier_id, key_id, facts in people:
            try:
                identifier = _KNOWN.decode(self._ring.unseal(key_id, facts, sealed.IDENTIFIER)).identifier
            except KeyDestroyed:
                continue
            if identifier.authority == self._authority:
                self._of_patient(identifier_id, identifier.value, gone)

    def _of_patient(self, identifier_id: int, name: str, gone: Mapping[bytes, int]) -> None:
        bodies = []
        types: Counter[str] = Counter()
        for_a_person: dict[str, int] = {}
        deleted_us = gone.get(self._blind(name.encode()))
        if deleted_us is not None:
            for_a_person[name] = deleted_us
        for resource_name, found in self._held(identifier_id).items():
            at_us = gone.get(self._blind(resource_name.encode()))
            if at_us is None or resource_name == name:
                continue
            resource = found.item.resources[0]
            told = withdrawn(resource, at=_instant(max(at_us, found.item.clock_us + 1)))
            if told is None or _is_keyed_by_report(found.item):
                for_a_person[resource_name] = at_us
            elif found.item.clock_us <= at_us:
                bodies.append(withdrawal_body(told, found.context, encode=ENCODER))
                types[resource["resourceType"]] += 1
        bodies += [deletion_body([each], at=_instant(at_us)) for each, at_us in for_a_person.items()]
        if bodies:
            self._tell(identifier_id, bodies, types, for_a_person=len(for_a_person))

    def _held(self, identifier_id: int) -> dict[str, _Found]:
        """By name, all that the log has under this number of this source; not what was withdrawn already."""
        with self._database.read() as conn:
            stored = assertions.of_identifiers(conn, [identifier_id])
        found: dict[str, _Found] = {}
        for each in stored:
            plain = self._ring.unseal(each.key_id, each.sealed, sealed.ASSERTION)
            stated = decode_assertion(plain, stamp_us=each.clock_us)
            for item in stated.items if stated.feed == self._source else ():
                resource = item.resources[0]
                name = f"{resource['resourceType']}/{resource.get('id')}"
                before = found.get(name)
                if before is None or (item.clock_us, item.rank) > (before.item.clock_us, before.item.rank):
                    found[name] = _Found(item, stated.context)
        return found

    def _tell(self, identifier_id: int, bodies: list[bytes], types: Mapping[str, int], *, for_a_person: int) -> None:
        now = utc_now()
        for at in range(0, len(bodies), _AT_ONCE):
            self._reception.append(
                [
                    Received(feed=self._source, media=Media.FHIR, received_at=now, body=body)
                    for body in bodies[at : at + _AT_ONCE]
                ]
            )
        detail = {
            "source": self._source,
            "identifier": identifier_id,
            "types": dict(types),
            "for_a_person": for_a_person,
            "why": "deleted at the source",
        }
        counted = {"withdrawn": sum(types.values()), "deleted-for-a-person": for_a_person}
        with self._database.write() as conn:
            key = self._ring.derived("audit")
            audit.append(conn, key=key, at_us=utc_us(now), kind="withdrawal", detail=detail)
            counters.bump_many(conn, {counter(self._source, f"bulk.{name}"): n for name, n in counted.items() if n})
        log.warning("the server has deleted what we hold", feed=self._source, identifier_id=identifier_id, **counted)


def _is_keyed_by_report(item: Item) -> bool:
    """A result whose order only the report that listed it told: without that report it would be another result."""
    return _BY_ORDER in item.key and "basedOn" not in item.resources[0]


def _instant(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).isoformat(timespec="microseconds")
