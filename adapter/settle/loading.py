"""Opens what is stored of a child: assertions with their refs, facts of identifiers; and names rows."""

from collections.abc import Iterable

import msgspec

from adapter.chart import sealed
from adapter.chart.known import Known
from adapter.chart.sealed import decode_assertion
from adapter.settle.projection import Source
from adapter.store import assertions
from adapter.store.assertions import AssertionRow
from adapter.store.registry import IdentifierRow
from adapter.store.sealing import KeyRing

_KNOWN = msgspec.json.Decoder(Known)


def source_of(ring: KeyRing, row: AssertionRow) -> Source:
    """A stored assertion, opened."""
    assertion = decode_assertion(ring.unseal(row.key_id, row.sealed, sealed.ASSERTION), stamp_us=row.clock_us)
    return Source(row.id, assertions.message_of(row.id), row.identifier_id, row.key_id, assertion)


def known_of(ring: KeyRing, row: IdentifierRow) -> Known:
    """What is known under one identifier."""
    if row.sealed is None:
        raise ValueError(f"identifier {row.id} has no facts")
    return _KNOWN.decode(ring.unseal(row.key_id, row.sealed, sealed.IDENTIFIER))


def counting(ring: KeyRing, rows: Iterable[IdentifierRow]) -> list[tuple[IdentifierRow, Known]]:
    """The identifiers under which anything counts: not those whose record was deleted."""
    found = [(row, known_of(ring, row)) for row in rows]
    return [(row, known) for row, known in found if not known.is_withdrawn]


def record_id_of(ring: KeyRing, kind: str, key: str) -> bytes:
    """Keyed by the kind and the natural key at the source."""
    return ring.blind("record", kind, key)
