"""One child's rows, recomputed: cohort state and derived rows, written with what must be sent, in one transaction.

A new result of a child whose rows are published touches that result's row alone, whatever the history. Anything else
(a visit, a diagnosis, a merge, a corrected birth) recomputes the child; when results must be projected anew (the child
was just confirmed, merged, or its birth changed) they follow in small steps, and one switch publishes them.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from adapter import cohort, identity
from adapter.chart import sealed
from adapter.chart.fresh import Fresh
from adapter.chart.known import NATIONAL_NUMBER, Known, mother_named_by, patient_of
from adapter.chart.sealed import Summary, decode_summary
from adapter.cohort import CaseState, CohortRules
from adapter.envelope import utc_us
from adapter.identity import NhsNumber
from adapter.identity.patients import birth_of, day_of
from adapter.mapping import CsorMaps
from adapter.settle.deleted import Deleted
from adapter.settle.drafting import Drafting
from adapter.settle.judging import judged
from adapter.settle.loading import counting, known_of, record_id_of, source_of
from adapter.settle.projection import Draft, History, Source, history
from adapter.settle.result_drafts import KIND as LAB_RESULT
from adapter.settle.results import Results
from adapter.settle.row_versions import Child, RowWriter
from adapter.settle.sharing import Sharing
from adapter.store import assertions, counters, dirty, outbox, persons, registry, rows, verdicts
from adapter.store.database import Connection
from adapter.store.persons import PersonRow
from adapter.store.registry import IdentifierRow
from adapter.store.sealing import KeyRing
from adapter.store.states import AssertionKind, IdentifierState, PersonState

RELEASE = -1
"""In place of an assertion id among the dirty marks: the release goes on."""
RELEASE_STEP = 50
"""Messages whose results one transaction projects: 20 rows each keeps it near 20 ms."""


class Windows(NamedTuple):
    """How long an infant is held who is not suspected of anything (ruling R23)."""

    after_discharge: timedelta
    longest: timedelta


class Policy(NamedTuple):
    """What settling decides by."""

    rules: CohortRules
    windows: Windows
    made_by: str
    """Digest over everything that shapes a row; it goes into each."""


class ChildSettler:
    """Settles one child inside the transaction of its caller."""

    def __init__(self, ring: KeyRing, *, maps: CsorMaps, policy: Policy, writer: RowWriter, fresh: Fresh) -> None:
        """`fresh`: assertions that need not be read back."""
        self._ring = ring
        self._rules = policy.rules
        self._windows = policy.windows
        self._pseudonym_key = ring.derived("csor-id")
        self._drafting = Drafting(maps, record_id=self.record_id)
        self._writer = writer
        self._sharing = Sharing(
            ring,
            load=self._load,
            is_included=lambda person: self.summary(person).is_included,
            drafting=self._drafting,
        )
        self._results = Results(
            ring,
            self._writer,
            project=maps.project,
            record_id=self.record_id,
            load=self._load,
            sharing=self._sharing,
        )
        self._fresh = fresh
        self._deleted = Deleted(ring)

    def settle(self, conn: Connection, person: PersonRow, marks: Sequence[int], *, now_us: int) -> list[bytes]:
        """What the marks of this child ask for; the blinds of the identifiers that changed."""
        self._deleted.look(conn)
        summary = self.summary(person)
        touched: list[bytes] = []
        if dirty.WHOLE in marks:
            members = registry.by_person(conn, [person.id])
            if not members:
                raise ValueError(f"person {person.id} has no identifier")
            if dirty.MOVED in marks:
                summary = msgspec.structs.replace(summary, members=[])
            summary, touched = self._whole(conn, person, members, summary, now_us=now_us)
        results = [mark for mark in marks if mark > dirty.WHOLE]
        if results and summary.is_included:
            # A mark may be older than a split: what came under a number that has left is not this child's.
            own = [each for each in self._load(conn, results) if each.identifier_id in summary.members]
            self._results.apply(conn, child_of(person.id, summary), own, now_us=now_us)
        if summary.release_after is not None:
            self._release_step(conn, person.id, summary, now_us=now_us)
        return touched

    def _whole(
        self, conn: Connection, person: PersonRow, members: list[IdentifierRow], before: Summary, *, now_us: int
    ) -> tuple[Summary, list[bytes]]:
        """Everything but the results; whether those must follow stands in the summary."""
        counted = counting(self._ring, members)
        member_ids = [row.id for row, _ in counted]
        found = assertions.of_identifiers(conn, member_ids, kind=AssertionKind.ADT)
        sources = self._deleted.without(conn, [source_of(self._ring, row) for row in found])
        past = history(sources, study_of=self._drafting.study_of)
        known = [each for _, each in counted] or [known_of(self._ring, row) for row in members]
        patient = patient_of(known)
        cases = judged(past, patient, self._drafting.notes(past), rules=self._rules)
        is_included = any(case.is_included for case in cases)
        least = min((row.blind for row in members), default=b"")
        csor_id = identity.pseudonym(self._pseudonym_key, domain="csor:v1|person", parts=[least])
        birth = birth_of(patient)
        scope = self._ring.blind("scope", csor_id, birth or "")
        # What moves the pseudonym, the birth or the membership moves every result; so does being confirmed, or again.
        is_moved = scope != before.scope or sorted(member_ids) != before.members
        must_release = is_included and (is_moved or not before.is_included)
        summary = Summary(
            birth=birth,
            number=_number_class(known),
            scope=scope,
            members=sorted(member_ids),
            cases=[(case.condition, case.state.value, case.because) for case in cases],
            release_after=0 if must_release else (before.release_after if is_included else None),
            is_included=is_included,
        )
        child = child_of(person.id, summary)
        # Whether a child once was of the cohort is an arrival fact: who is not has no row, however it came about.
        drafts = self._drafts(past, cases, known, sources=sources, least=least) if is_included else []
        left = set(before.members) - set(member_ids) if is_included else before.members
        if before.is_included and left:
            self._forsake(conn, child, left, now_us=now_us)
        partners = self._write_whole(conn, child, drafts, is_included=is_included, now_us=now_us)
        claims = self._ring.blind("claims", *sorted(draft.record_id for draft in drafts))
        summary = msgspec.structs.replace(summary, partners=sorted(partners), claims=claims)
        self._tell_partners(conn, before, summary, now_us=now_us)
        if is_included:
            if is_moved:
                self._results.withdraw_foreign(conn, child, now_us=now_us)
            self._results.apply(conn, child, sources, now_us=now_us)
        hold = self._hold(past, cases, members, now_us=now_us)
        is_kept = self._store(conn, person, summary, csor_id=csor_id, hold=hold)
        return summary, self._mark_members(conn, members, is_kept=is_kept)

    def _drafts(
        self,
        past: History,
        cases: Sequence[CaseState],
        known: Sequence[Known],
        *,
        sources: Sequence[Source],
        least: bytes,
    ) -> list[Draft]:
        if not sources:
            return []
        return self._drafting.all_of(
            past,
            patient_of(known),
            cases,
            sources=tuple(sources),
            key=least.hex(),
            mother=mother_named_by(known),
        )

    def _forsake(self, conn: Connection, child: Child, identifier_ids: Iterable[int], *, now_us: int) -> None:
        ids = assertions.ids_of_identifiers(conn, sorted(identifier_ids), kind=AssertionKind.RESULT)
        self._results.forsake(conn, child, ids, now_us=now_us)

    def _tell_partners(self, conn: Connection, before: Summary, after: Summary, *, now_us: int) -> None:
        """Who shares a visit number with this child is settled again when either's claims change."""
        told = set(after.partners) - set(before.partners)
        if after.claims != before.claims:
            told |= set(before.partners)
        dirty.mark(conn, [(person, dirty.WHOLE) for person in sorted(told)], at_us=now_us)

    def _write_whole(
        self, conn: Connection, child: Child, drafts: Sequence[Draft], *, is_included: bool, now_us: int
    ) -> set[int]:
        """Everything but the results; the persons who claim one of these rows too."""
        ids = [draft.record_id for draft in drafts]
        stored = rows.get_many(conn, ids)
        drafts, partners = self._sharing.spells(conn, child, drafts, stored)
        self._writer.write(conn, child, drafts, stored=stored, now_us=now_us)
        kept = set(ids)
        gone = [
            row
            for row in rows.of_person(conn, child.person_id)
            if row.record_id not in kept and (row.kind != LAB_RESULT or not is_included)
        ]
        self._sharing.tell(conn, child, gone, now_us=now_us)
        self._writer.withdraw(conn, gone, now_us=now_us)
        return partners

    def _release_step(self, conn: Connection, person_id: int, summary: Summary, *, now_us: int) -> None:
        """The next results of a child that is being published; the switch when there are none left."""
        after = summary.release_after or 0
        ids = assertions.ids_of_identifiers(conn, summary.members, kind=AssertionKind.RESULT)
        step = [number for number in ids if number > after][:RELEASE_STEP]
        self._results.apply(conn, child_of(person_id, summary), self._load(conn, step), now_us=now_us)
        is_last = len(step) < RELEASE_STEP
        person = persons.by_id(conn, person_id)
        if person is None:
            return
        position = None if is_last else step[-1]
        if not is_last:
            dirty.mark(conn, [(person_id, RELEASE)], at_us=now_us)
        self._seal(conn, person._replace(published=person.published or is_last), _at(summary, position))

    def _hold(
        self, past: History, cases: Sequence[CaseState], members: Sequence[IdentifierRow], *, now_us: int
    ) -> int | None:
        """Until when an infant is held; None while any condition is at least suspected.

        None, too, for numbers known from a merge alone: the alias is remembered, and nothing is kept under it.
        """
        if any(case.state is not cohort.State.NONE and case.state is not cohort.State.REFUTED for case in cases):
            return None
        if all(row.state == IdentifierState.ALIAS for row in members):
            return None
        ends = [end for visit in past.visits.values() if (end := (visit.encounter.get("period") or {}).get("end"))]
        if ends and len(ends) == len(past.visits):
            return utc_us(max(_instant(str(end)) for end in ends)) + _in_us(self._windows.after_discharge)
        spoken = [said.item.clock_us for all_said in past.encounters.values() for said in all_said]
        # Without a visit nothing says when it began: from today.
        return (max(spoken, default=0) or now_us) + _in_us(self._windows.longest)

    def _store(self, conn: Connection, person: PersonRow, summary: Summary, *, csor_id: str, hold: int | None) -> bool:
        """Whether the child is of the cohort, or was and CSOR knows it: then it is kept, with the versions sent."""
        is_published = person.published and (
            summary.is_included
            or outbox.open_of(conn, person.id) is not None
            or any(row.sent_version for row in rows.of_person(conn, person.id))
        )
        is_kept = summary.is_included or is_published
        changed = person._replace(
            state=(PersonState.CONFIRMED if is_kept else PersonState.HELD).value,
            csor_id=csor_id.encode(),
            published=is_published,
            hold_until_us=None if is_kept else hold,
        )
        self._seal(conn, changed, summary)
        return is_kept

    def _seal(self, conn: Connection, person: PersonRow, summary: Summary) -> None:
        key_id = min(registry.by_person(conn, [person.id])).key_id
        body = self._ring.seal(key_id, msgspec.json.encode(summary), sealed.PERSON)
        persons.update(conn, [person._replace(key_id=key_id, sealed=body)])

    def _mark_members(self, conn: Connection, members: Sequence[IdentifierRow], *, is_kept: bool) -> list[bytes]:
        """A child of the cohort is known at any age, under every one of its numbers; a number that left it is held."""
        right = IdentifierState.CONFIRMED if is_kept else IdentifierState.HELD
        wrong = [row for row in members if row.state != right and (is_kept or row.state != IdentifierState.ALIAS)]
        changed = [row._replace(state=right) for row in wrong]
        registry.update(conn, changed)
        if changed and is_kept:
            counters.bump(conn, "child-confirmed")
            verdicts.due_of(conn, [row.id for row in changed])
        return [row.blind for row in changed]

    def summary(self, person: PersonRow) -> Summary:
        """What settling last decided; the empty summary for a person never settled."""
        if person.sealed is None or person.key_id is None:
            return Summary()
        return decode_summary(self._ring.unseal(person.key_id, person.sealed, sealed.PERSON))

    def record_id(self, kind: str, key: str) -> bytes:
        """Keyed by the kind and the natural key at the source."""
        return record_id_of(self._ring, kind, key)

    def _load(self, conn: Connection, assertion_ids: Sequence[int]) -> Iterable[Source]:
        at_hand = [
            Source(number, assertions.message_of(number), identifier_id, key_id, assertion)
            for number, identifier_id, key_id, assertion, _, _ in self._fresh.take(assertion_ids)
            if assertion is not None
        ]
        if len(at_hand) == len(assertion_ids):
            return self._deleted.without(conn, at_hand)
        taken = {source.assertion_id for source in at_hand}
        others = [number for number in assertion_ids if number not in taken]
        stored = [source_of(self._ring, row) for row in assertions.by_ids(conn, others)]
        return self._deleted.without(conn, [*at_hand, *stored])


def child_of(person_id: int, summary: Summary) -> Child:
    """What the writing of rows needs to know of a child."""
    return Child(person_id, summary.scope, frozenset(summary.members), day_of(summary.birth))


def _at(summary: Summary, release_after: int | None) -> Summary:
    return msgspec.structs.replace(summary, release_after=release_after)


def _number_class(known: Iterable[Known]) -> str:
    numbers = [value[0] for each in known if (value := each.value(NATIONAL_NUMBER)) and value[0]]
    if not numbers:
        return "none"
    return "test" if all(NhsNumber(number).is_test for number in numbers) else "real"


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)  # a day, or less: the hour matters to no hold


def _in_us(span: timedelta) -> int:
    return int(span.total_seconds() * 1_000_000)
