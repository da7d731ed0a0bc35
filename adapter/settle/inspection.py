"""Holds the resources of the register's children to FHIR R4B, some at a time, when there is nothing else to do.

The verdict is written beside what it is about and loses nothing: rows are long made. On the way is written where each
resource stands, so that its deletion finds whom to settle again.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from adapter.assertion import Assertion, Form, Resource
from adapter.chart import sealed
from adapter.errors import Problem
from adapter.settle.deleted import Deleted, name_of, names_in
from adapter.settle.loading import source_of
from adapter.settle.said import Source
from adapter.store import assertions, deletions, dirty, registry, verdicts
from adapter.store.assertions import AssertionRow
from adapter.store.database import Connection, Database
from adapter.store.sealing import KeyRing
from adapter.store.states import AssertionKind
from adapter.store.verdicts import VerdictRow

Validate = Callable[[Resource], Sequence[Problem]]
AT_ONCE = 4
"""Assertions of one step: each may hold a page of a hundred resources, each of which takes a fifth of a millisecond."""


class Verdict(msgspec.Struct, frozen=True, array_like=True):
    """What is sealed of one."""

    resource: str
    """`Observation/123`."""
    at: str
    """The JSON pointer in it."""


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(Verdict).decode


class Inspector:
    """Takes the next of what was kept and not looked at yet."""

    def __init__(self, database: Database, ring: KeyRing, *, validate: Validate) -> None:
        self._database = database
        self._ring = ring
        self._validate = validate
        self._deleted = Deleted(ring)

    def step(self, *, now_us: int) -> bool:
        """False if there was nothing to do."""
        with self._database.read() as conn:
            due = verdicts.take(conn, limit=AT_ONCE)
            rows = assertions.by_ids(conn, due)
        if not due:
            return False
        sources = [source_of(self._ring, row) for row in rows]
        judged = [verdict for source in sources for verdict in self._judge(source)]
        with self._database.write() as conn:
            stored = {row.id for row in assertions.by_ids(conn, due)}  # none that was erased in the meantime
            verdicts.judged(conn, due, [each for each in judged if each.assertion_id in stored])
            for row, source in zip(rows, sources, strict=True):
                if row.id in stored:
                    self._place(conn, row, source.assertion, now_us=now_us)
        return True

    def _judge(self, source: Source) -> Iterator[VerdictRow]:
        found = [(resource, each) for resource in _resources(source.assertion) for each in self._validate(resource)]
        for number, (resource, problem) in enumerate(found):
            plain = _ENCODE(Verdict(name_of(resource), problem.at))
            yield VerdictRow(
                source.assertion_id,
                number,
                str(resource["resourceType"]),
                problem.text.partition("(")[2].rstrip(")") or problem.code.value,
                source.key_id,
                self._ring.seal(source.key_id, plain, sealed.VERDICT),
            )

    def _place(self, conn: Connection, row: AssertionRow, assertion: Assertion, *, now_us: int) -> None:
        blinds = self._deleted.blinds(assertion.feed, list(names_in(assertion)))
        deletions.place(conn, [(blind, row.id) for blind in blinds])
        if deletions.clocks(conn, blinds):  # told before this was written, and after its rows were made
            person = registry.by_ids(conn, [row.identifier_id])[row.identifier_id].person_id
            mark = row.id if row.kind == AssertionKind.RESULT else dirty.WHOLE
            dirty.mark(conn, [(person, mark)], at_us=now_us)


def told(ring: KeyRing, row: VerdictRow) -> tuple[str, str, str]:
    """Of a stored verdict: the resource, the place in it, the rule."""
    verdict = _DECODE(ring.unseal(row.key_id, row.sealed, sealed.VERDICT))
    return verdict.resource, verdict.at, row.rule


def _resources(assertion: Assertion) -> Iterator[Resource]:
    """As they came, each once: not what the adapter itself keeps beside them."""
    seen: set[str] = set()
    for resource in [
        *(item.resources[0] for item in assertion.items if item.form is Form.SNAPSHOT),
        *(each for each in assertion.context.values() if "resourceType" in each),
    ]:
        name = name_of(resource)
        if not name or name not in seen:
            seen.add(name)
            yield resource
