"""A number that two children of the cohort both claim: neither's row may overwrite the other's, so the row is held.

A laboratory may use one result number twice, a ward type one visit number for two babies. Which child is meant only a
person can say: by a withdrawal, a cancelled visit, or a merge. Only children who are included claim anything.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from adapter.errors import Problem, ProblemCode
from adapter.settle.drafting import Drafting
from adapter.settle.projection import Draft, RowState, Source, history
from adapter.settle.row_versions import Child, unsealed
from adapter.store import assertions, counters, dirty, persons, registry
from adapter.store.database import Connection
from adapter.store.persons import PersonRow
from adapter.store.rows import CsorRow
from adapter.store.sealing import KeyRing
from adapter.store.states import AssertionKind

log = structlog.get_logger()

Load = Callable[[Connection, Sequence[int]], Iterable[Source]]
SHARED = Problem(
    code=ProblemCode.NUMBER_SHARED,
    text="two children claim this number: kept back from both until a person has said whose it is",
)


class Sharing:
    """Finds who else claims a row."""

    def __init__(
        self,
        ring: KeyRing,
        *,
        load: Load,
        is_included: Callable[[PersonRow], bool],
        drafting: Drafting,
    ) -> None:
        self._ring = ring
        self._load = load
        self._is_included = is_included
        self._drafting = drafting

    def owners(self, conn: Connection, identifier_ids: Iterable[int]) -> dict[int, int]:
        """Of these identifiers those of included children, each with its person."""
        found = registry.by_ids(conn, sorted(set(identifier_ids)))
        people = persons.by_ids(conn, sorted({row.person_id for row in found.values()}))
        included = {number for number, person in people.items() if self._is_included(person)}
        return {number: row.person_id for number, row in found.items() if row.person_id in included}

    def held(self, conn: Connection, child: Child, draft: Draft, others: Sequence[Source], *, old: CsorRow) -> Draft:
        """The row as it is for both: there, and empty."""
        if not self._is_shared(old):
            counters.bump(conn, f"problem.{ProblemCode.NUMBER_SHARED.value}")
            log.error("one number for two children", person=child.person_id, rule=ProblemCode.NUMBER_SHARED.value)
        sources = (*others, *draft.sources)
        return draft._replace(fields={}, problems=(SHARED,), sources=sources, state=RowState.HELD)

    def spells(
        self, conn: Connection, child: Child, drafts: Sequence[Draft], stored: Mapping[bytes, CsorRow]
    ) -> tuple[list[Draft], set[int]]:
        """Drafts of visits and their lists, those held that another child claims too; the persons who do."""
        judged, partners = [], set[int]()
        claims: dict[int, set[bytes]] = {}
        for draft in drafts:
            old = stored.get(draft.record_id)
            others = self._others(conn, child, old) if old is not None else []
            owners = self.owners(conn, [source.identifier_id for source in others]) if others else {}
            for person in set(owners.values()) - claims.keys():
                claims[person] = self._claimed(conn, person)
            claimants = {person for person in owners.values() if draft.record_id in claims[person]}
            if claimants and old is not None:
                theirs = [source for source in others if owners.get(source.identifier_id) in claimants]
                draft = self.held(conn, child, draft, theirs, old=old)
            partners |= claimants
            judged.append(draft)
        return judged, partners

    def tell(self, conn: Connection, child: Child, withdrawn: Iterable[CsorRow], *, now_us: int) -> None:
        """Whoever shared one of these rows may have it alone now."""
        for row in withdrawn:
            others = self._others(conn, child, row) if self._is_shared(row) else []
            owners = self.owners(conn, [source.identifier_id for source in others]) if others else {}
            marks = [(owners[s.identifier_id], s.assertion_id) for s in others if s.identifier_id in owners]
            dirty.mark(conn, marks, at_us=now_us)
            dirty.mark(conn, [(person, dirty.WHOLE) for person in sorted({p for p, _ in marks})], at_us=now_us)

    def _is_shared(self, row: CsorRow) -> bool:
        if row.deleted != RowState.HELD:
            return False
        return any(code == SHARED.code for code, _, _ in unsealed(self._ring, row).problems)

    def _others(self, conn: Connection, child: Child, row: CsorRow) -> list[Source]:
        """What a row was made from that is not this child's; quick where the row is plainly its own."""
        if row.person_id == child.person_id and not self._is_shared(row):
            return []
        made_from = self._load(conn, unsealed(self._ring, row).assertion_ids)
        return [source for source in made_from if source.identifier_id not in child.identifier_ids]

    def _claimed(self, conn: Connection, person_id: int) -> set[bytes]:
        members = [row.id for row in registry.by_person(conn, [person_id])]
        ids = assertions.ids_of_identifiers(conn, members, kind=AssertionKind.ADT)
        past = history(self._load(conn, ids), study_of=self._drafting.study_of)
        return {draft.record_id for draft in self._drafting.of_numbers(past)}
