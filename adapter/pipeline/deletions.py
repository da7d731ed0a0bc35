"""What servers say that they have deleted, written down: by blinds, since a deletion tells no patient.

Settling leaves out what was deleted; here only those children are marked whose rows hold it, with an entry in the
audit trail. Nothing of the log is removed.
"""

from collections import Counter
from collections.abc import Sequence

from adapter.fhir import Deletion
from adapter.fhir.sorting import CONTEXT_TYPES
from adapter.pipeline.enrolment import Enrolment, Entry
from adapter.store import assertions, audit, deletions, dirty
from adapter.store.assertions import AssertionRow
from adapter.store.database import Connection
from adapter.store.sealing import KeyRing
from adapter.store.states import AssertionKind

AUDITED = "fhir-deletion"


class Deletions:
    """Those of one batch."""

    def __init__(self, conn: Connection, ring: KeyRing, enrolment: Enrolment, *, now_us: int) -> None:
        self._conn = conn
        self._ring = ring
        self._enrolment = enrolment
        self._now_us = now_us
        self.counts: Counter[str] = Counter()

    def hear(self, told: Sequence[Deletion], *, source: str, message_id: int) -> list[tuple[Entry, int]]:
        """Remember them; whom to settle again, each with what of them."""
        blinds = {self._ring.blind("fhir-resource", source, each.name): each for each in told}
        deletions.tell(self._conn, [(blind, each.clock_us) for blind, each in blinds.items()], message_id=message_id)
        found = deletions.assertions_with(self._conn, list(blinds))
        self.counts["deletion.told"] += len(blinds)
        self.counts["deletion.found"] += len(found)
        self.audit({"source": source, "message": message_id, "told": len(blinds), "found": len(found)})
        own = {number for blind in found if not _is_context(blinds[blind]) for number in found[blind]}
        beside = {number for blind in found if _is_context(blinds[blind]) for number in found[blind]}
        return [*self._marks(own), *self._marks_of_all(beside)]

    def audit(self, detail: dict[str, object]) -> None:
        """That something was deleted; never what."""
        audit.append(self._conn, key=self._ring.derived("audit"), at_us=self._now_us, kind=AUDITED, detail=detail)

    def _marks(self, assertion_ids: set[int]) -> list[tuple[Entry, int]]:
        return [self._mark(row) for row in assertions.by_ids(self._conn, sorted(assertion_ids))]

    def _mark(self, row: AssertionRow) -> tuple[Entry, int]:
        entry = self._enrolment.by_id(row.identifier_id)
        return entry, row.id if row.kind == AssertionKind.RESULT else dirty.WHOLE

    def _marks_of_all(self, assertion_ids: set[int]) -> list[tuple[Entry, int]]:
        """A sample or an order may have been referred to by anything of its patient."""
        rows = assertions.by_ids(self._conn, sorted(assertion_ids))
        identifiers = sorted({row.identifier_id for row in rows})
        return [self._mark(row) for row in assertions.of_identifiers(self._conn, identifiers)]


def _is_context(deletion: Deletion) -> bool:
    return deletion.name.partition("/")[0] in CONTEXT_TYPES
