"""The rows of results: each result's row from the live statements about that result alone.

One new result costs the same whatever the history: its row names the assertions it was made from, so only they are
read again when the same result is corrected, repeated or withdrawn.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from adapter.assertion import ItemKind
from adapter.chart import live
from adapter.errors import ProblemCode
from adapter.settle.projection import Draft, Project, RowState, Said, Source, scoped_key
from adapter.settle.row_versions import Child, RowWriter, unsealed
from adapter.store import assertions, counters, rows
from adapter.store.database import Connection
from adapter.store.rows import CsorRow
from adapter.store.sealing import KeyRing

log = structlog.get_logger()

KIND = "lab_result"
Load = Callable[[Connection, Sequence[int]], Iterable[Source]]
RecordId = Callable[[str, str], bytes]

# A person must map or decide before such a value may leave.
_HOLDING = frozenset(
    {
        ProblemCode.UNKNOWN_CODE,
        ProblemCode.UNKNOWN_UNIT,
        ProblemCode.UNKNOWN_SPECIMEN,
        ProblemCode.WRONG_SPECIMEN,
        ProblemCode.AMBIGUOUS_VALUE,
    }
)


class Results:
    """Projects results and writes their rows."""

    def __init__(self, ring: KeyRing, writer: RowWriter, *, project: Project, record_id: RecordId, load: Load) -> None:
        self._ring = ring
        self._writer = writer
        self._project = project
        self._record_id = record_id
        self._load = load

    def apply(self, conn: Connection, child: Child, sources: Iterable[Source], *, now_us: int) -> int:
        """Bring the rows of every result in these assertions up to date; how many CSOR must hear of."""
        said: dict[bytes, list[Said]] = {}
        keys: dict[bytes, str] = {}
        for source in sources:
            for item in source.assertion.items:
                if item.kind is ItemKind.OBSERVATION:
                    key = scoped_key(item, source)
                    record_id = self._record_id(KIND, key)
                    said.setdefault(record_id, []).append(Said(item, source))
                    keys[record_id] = key
        stored = rows.get_many(conn, list(said))
        if stored:
            self._add_earlier(conn, child, said, keys, stored)
        drafts = [self._draft(record_id, each) for record_id, each in said.items()]
        return self._writer.write(conn, child, drafts, stored=stored, now_us=now_us)

    def withdraw_foreign(self, conn: Connection, child: Child, *, now_us: int) -> int:
        """Rows of results that came under a number which is this child's no longer; how many CSOR must hear of."""
        own = set(assertions.ids_of_identifiers(conn, sorted(child.identifier_ids)))
        stored = rows.of_person(conn, child.person_id, kind=KIND)
        foreign = [row for row in stored if own.isdisjoint(unsealed(self._ring, row).assertion_ids)]
        return self._writer.withdraw(conn, foreign, now_us=now_us)

    def _add_earlier(
        self,
        conn: Connection,
        child: Child,
        said: dict[bytes, list[Said]],
        keys: Mapping[bytes, str],
        stored: Mapping[bytes, CsorRow],
    ) -> None:
        """What the stored rows were made from speaks too."""
        made_from = {record_id: unsealed(self._ring, row).assertion_ids for record_id, row in stored.items()}
        in_hand = {each.source.assertion_id for statements in said.values() for each in statements}
        others = sorted({i for ids in made_from.values() for i in ids} - in_hand)
        loaded = {source.assertion_id: source for source in self._load(conn, others)}
        for record_id, ids in made_from.items():
            here = {each.source.assertion_id for each in said[record_id]}
            earlier = [loaded[i] for i in ids if i not in here and i in loaded]
            if self._is_of_another(child, stored[record_id], earlier):
                self._report_shared(conn, child)
                del said[record_id]
                continue
            for source in earlier:
                if source.identifier_id in child.identifier_ids:
                    same = (i for i in source.assertion.items if i.kind is ItemKind.OBSERVATION)
                    said[record_id] += [Said(i, source) for i in same if scoped_key(i, source) == keys[record_id]]

    def _is_of_another(self, child: Child, row: CsorRow, earlier: Sequence[Source]) -> bool:
        """A laboratory used one number for two children: neither may overwrite the other's result."""
        if row.person_id == child.person_id or not earlier:
            return False
        return not any(source.identifier_id in child.identifier_ids for source in earlier)

    def _report_shared(self, conn: Connection, child: Child) -> None:
        counters.bump(conn, f"problem.{ProblemCode.NUMBER_SHARED.value}")
        log.error("one result number for two children", person=child.person_id, rule=ProblemCode.NUMBER_SHARED.value)

    def _draft(self, record_id: bytes, said: list[Said]) -> Draft:
        statements = said if len(said) == 1 else sorted(said, key=lambda each: live.order(each.item))
        resource = live.fold([each.item for each in statements])
        sources = tuple(each.source for each in statements)
        made = self._project(KIND, resource, sources[-1].assertion.context)
        if made is None:
            return Draft(record_id, KIND, {}, (), sources, RowState.DELETED)
        is_held = bool(made.problems) and any(problem.code in _HOLDING for problem in made.problems)
        state = RowState.HELD if is_held else RowState.LIVE
        return Draft(record_id, KIND, made.fields, made.problems, sources, state)
