"""The rows of results: each result's row from the live statements about that result alone.

One new result costs the same whatever the history: its row names the assertions it was made from, so only they are
read again when the same result is corrected, repeated or withdrawn.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from adapter.assertion import ItemKind
from adapter.settle import result_lists
from adapter.settle.projection import Draft, Project, RowState, Said, Source, scoped_key
from adapter.settle.result_drafts import KIND, result_draft
from adapter.settle.row_versions import Child, RowWriter, unsealed
from adapter.settle.samples import apart, joined
from adapter.settle.sharing import SHARED, Sharing
from adapter.store import assertions, dirty, rows
from adapter.store.database import Connection
from adapter.store.rows import CsorRow
from adapter.store.sealing import KeyRing

Load = Callable[[Connection, Sequence[int]], Iterable[Source]]
RecordId = Callable[[str, str], bytes]


class Results:
    """Projects results and writes their rows."""

    def __init__(
        self, ring: KeyRing, writer: RowWriter, *, project: Project, record_id: RecordId, load: Load, sharing: Sharing
    ) -> None:
        self._ring = ring
        self._writer = writer
        self._project = project
        self._record_id = record_id
        self._result_id = ring.blinder("record", KIND)  # what record_id(KIND, key) gives, prepared
        self._load = load
        self._sharing = sharing

    def apply(self, conn: Connection, child: Child, sources: Iterable[Source], *, now_us: int) -> int:
        """Bring the rows of every result in these assertions up to date; how many CSOR must hear of."""
        sources, samples = apart(conn, list(sources), identifier_ids=child.identifier_ids, load=self._load)
        said: dict[bytes, list[Said]] = {}
        keys: dict[bytes, str] = {}
        has_lists = False
        for source in sources:
            for item in source.assertion.items:
                if item.kind is ItemKind.OBSERVATION:
                    key = scoped_key(item, source)
                    record_id = self._result_id(key.encode())
                    said.setdefault(record_id, []).append(Said(item, source))
                    keys[record_id] = key
                elif item.kind is ItemKind.RESULT_LIST:
                    has_lists = True
        if has_lists:
            self._hold_against_lists(conn, child, sources, said, keys, now_us=now_us)
        # Nearly every result is met for the first time: to find that out by inserting spares looking each of them up.
        drafts = self._drafts(said, samples, born=child.born)
        announced = self._writer.insert(conn, child, drafts, now_us=now_us)
        if announced is not None:
            return announced
        stored = rows.get_many(conn, list(said))
        others = self._add_earlier(conn, child, said, keys, stored) if stored else {}
        drafts = self._drafts(said, samples, born=child.born)
        if others:
            drafts = self._kept_apart(conn, child, drafts, others, stored=stored, now_us=now_us)
        return self._writer.write(conn, child, drafts, stored=stored, now_us=now_us)

    def _drafts(
        self, said: Mapping[bytes, Sequence[Said]], samples: Sequence[Source], *, born: str | None
    ) -> list[Draft]:
        drafts = []
        for record_id, each in said.items():
            if len(each) == 1 and not samples:
                drafts.append(result_draft(self._project, record_id, each, born=born))
                continue
            whole, beside = joined(each, samples)
            draft = result_draft(self._project, record_id, whole, born=born)
            drafts.append(draft._replace(sources=(*draft.sources, *beside)) if beside else draft)
        return drafts

    def _hold_against_lists(
        self,
        conn: Connection,
        child: Child,
        sources: Sequence[Source],
        said: dict[bytes, list[Said]],
        keys: dict[bytes, str],
        *,
        now_us: int,
    ) -> None:
        """Add what whole reports of the same orders say, by their silence too."""
        found = result_lists.orders(conn, sources, ring=self._ring, record_id=self._record_id, load=self._load)
        for order in found:
            for key, of_result in result_lists.said_of(order, child):
                record_id = self._result_id(key.encode())
                told = {each.source.assertion_id for each in of_result}
                said[record_id] = [
                    *(s for s in said.get(record_id, ()) if s.source.assertion_id not in told),
                    *of_result,
                ]
                keys[record_id] = key
        stored = rows.get_many(conn, [order.record_id for order in found])
        self._writer.write(conn, child, [order.remembered() for order in found], stored=stored, now_us=now_us)

    def withdraw_foreign(self, conn: Connection, child: Child, *, now_us: int) -> int:
        """Rows of results that came under a number which is this child's no longer; how many CSOR must hear of."""
        own = set(assertions.ids_of_identifiers(conn, sorted(child.identifier_ids)))
        stored = rows.of_person(conn, child.person_id, kind=KIND)
        foreign = [row for row in stored if own.isdisjoint(unsealed(self._ring, row).assertion_ids)]
        return self._writer.withdraw(conn, foreign, now_us=now_us)

    def forsake(self, conn: Connection, child: Child, assertion_ids: Sequence[int], *, now_us: int) -> None:
        """These results count no more: whoever shared a number with them has it alone now."""
        record_ids = [
            self._record_id(KIND, scoped_key(item, source))
            for source in self._load(conn, assertion_ids)
            for item in source.assertion.items
            if item.kind is ItemKind.OBSERVATION
        ]
        held = [row for row in rows.get_many(conn, record_ids).values() if row.deleted == RowState.HELD]
        self._sharing.tell(conn, child, held, now_us=now_us)

    def _add_earlier(
        self,
        conn: Connection,
        child: Child,
        said: dict[bytes, list[Said]],
        keys: Mapping[bytes, str],
        stored: Mapping[bytes, CsorRow],
    ) -> dict[bytes, list[Said]]:
        """What the stored rows were made from speaks too; what of it is said of others than this child."""
        others: dict[bytes, list[Said]] = {}
        made_from = {record_id: unsealed(self._ring, row).assertion_ids for record_id, row in stored.items()}
        loaded = {each.source.assertion_id: each.source for statements in said.values() for each in statements}
        missing = sorted({i for ids in made_from.values() for i in ids} - loaded.keys())
        loaded |= {source.assertion_id: source for source in self._load(conn, missing)}
        for record_id, ids in made_from.items():
            here = {each.source.assertion_id for each in said[record_id]}
            for source in [loaded[i] for i in ids if i not in here and i in loaded]:
                earlier = result_lists.statements(source, keys[record_id])
                if source.identifier_id in child.identifier_ids:
                    said[record_id] += earlier
                else:
                    others.setdefault(record_id, []).extend(earlier)
        return others

    def _kept_apart(
        self,
        conn: Connection,
        child: Child,
        drafts: Sequence[Draft],
        others: Mapping[bytes, Sequence[Said]],
        *,
        stored: Mapping[bytes, CsorRow],
        now_us: int,
    ) -> list[Draft]:
        """A laboratory used one number for two children: neither may overwrite the other's result."""
        owners = self._sharing.owners(conn, {each.source.identifier_id for said in others.values() for each in said})
        kept = []
        for draft in drafts:
            said = [each for each in others.get(draft.record_id, ()) if each.source.identifier_id in owners]
            claimants = self._claimants(draft.record_id, said, owners)
            theirs = [each.source for each in said]
            if claimants and draft.state is RowState.DELETED:
                # Taken back here: what the row is made from is written down, and the other makes it its own.
                kept.append(draft._replace(problems=(SHARED,), sources=(*theirs, *draft.sources), state=RowState.HELD))
                dirty.mark(conn, [(owners[s.identifier_id], s.assertion_id) for s in theirs], at_us=now_us)
            elif claimants:
                kept.append(self._sharing.held(conn, child, draft, theirs, old=stored[draft.record_id]))
            else:
                kept.append(draft._replace(sources=(*theirs, *draft.sources)))
        return kept

    def _claimants(self, record_id: bytes, said: Sequence[Said], owners: Mapping[int, int]) -> set[int]:
        """Who of them has a result under this number that is not withdrawn."""
        by_person: dict[int, list[Said]] = {}
        for each in said:
            by_person.setdefault(owners[each.source.identifier_id], []).append(each)
        drafts = {
            person: result_draft(self._project, record_id, theirs, born=None) for person, theirs in by_person.items()
        }
        return {person for person, draft in drafts.items() if draft.state is not RowState.DELETED}
