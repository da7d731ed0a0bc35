"""Who the identifiers are: finds and enrols them, learns what messages say of them, keeps persons as components.

Works inside the transaction of the batch it is made for. A person is decided by `identity` from the set of facts and
merges alone; here that decision is only written down.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from adapter import identity
from adapter.assertion import Merge, MergeWord, SourceIdentifier
from adapter.chart import sealed
from adapter.chart.known import (
    NATIONAL_NUMBER,
    RENAMED,
    Known,
    Said,
    came_from,
    differs,
    learn,
    national_number_of,
    note,
)
from adapter.errors import Problem
from adapter.identity import NhsNumber
from adapter.identity.patients import birth_of
from adapter.pipeline.told import Patient
from adapter.store import dirty, messages, outbox, persons, registry, rows
from adapter.store.database import Connection
from adapter.store.registry import IdentifierRow
from adapter.store.sealing import KeyRing
from adapter.store.states import IdentifierState, MessageState, PersonState

TOGETHER_CLOCK = 0
"""A merge event with this clock says only that two numbers stood in one message for one patient."""

_KNOWN = msgspec.json.Decoder(Known)
_RANK = {IdentifierState.ALIAS: 0, IdentifierState.HELD: 1, IdentifierState.CONFIRMED: 2}


class Names(NamedTuple):
    """What one message calls its patient, as blinds."""

    numbers: tuple[bytes, ...]
    """Of the hospitals' numbers, the first before the others."""
    national: bytes | None
    """Of the NHS number."""

    @property
    def all(self) -> tuple[bytes, ...]:
        """The NHS number last."""
        return self.numbers if self.national is None else (*self.numbers, self.national)


class Namer:
    """Makes the blinds of numbers. Needs no store."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._blinds: dict[str, Callable[[bytes], bytes]] = {}
        """By authority: makes the blind of a value."""
        self._blind_national = ring.blinder("nhs")

    def blind(self, number: SourceIdentifier) -> bytes:
        """How the registry finds an identifier without showing it."""
        blind = self._blinds.get(number.authority)
        if blind is None:
            blind = self._blinds[number.authority] = self._ring.blinder("identifier", number.authority)
        return blind(number.value.encode())

    def names(self, patient: Patient) -> Names:
        """How the registry finds this patient."""
        numbers = tuple(self.blind(number) for number in patient.numbers)
        nhs_number = patient.nhs_number
        return Names(numbers, None if nhs_number is None else self._blind_national(nhs_number.digits.encode()))


class Entry:
    """One identifier of the registry with its facts, as this batch has changed them so far."""

    __slots__ = ("is_changed", "known", "row")

    def __init__(self, row: IdentifierRow, known: Known) -> None:
        self.row = row
        self.known = known
        self.is_changed = False

    def learn(self, known: Known) -> None:
        """Replace what is known; it is written at the next flush."""
        if known != self.known:
            self.known = known
            self.is_changed = True

    @property
    def is_kept(self) -> bool:
        """We hold or keep this patient; an alias alone keeps nobody."""
        return self.row.state != IdentifierState.ALIAS

    def change(self, row: IdentifierRow) -> None:
        """Replace the row; it is written at the next flush."""
        self.row = row
        self.is_changed = True


class Enrolment:
    """The registry as one batch sees it. `cache` outlives the batch; the caller drops it when the batch fails."""

    def __init__(self, conn: Connection, ring: KeyRing, cache: dict[bytes, Entry], *, now_us: int) -> None:
        self._conn = conn
        self._ring = ring
        self._cache = cache
        self._now_us = now_us
        self._touched: dict[int, Entry] = {}
        self._blocked: dict[int, tuple[Problem, ...]] = {}
        namer = Namer(ring)
        self.blind = namer.blind
        self.names = namer.names
        self._unknown: frozenset[bytes] = frozenset()
        """Looked up for this batch and not in the registry; an entry made since is in the cache."""
        self._unborne: set[bytes] = set()
        """NHS numbers looked up for this batch that nobody in the registry bears."""
        self.has_regrouped = False
        """Whether this batch can have made anybody ours."""
        self.new: set[int] = set()
        """Identifiers under which something is kept since this batch."""
        self._has_learnt = conn.dialect.name != "sqlite"  # there other workers may enrol in the meantime
        """Whether the registry may hold more now than when this batch was looked up in it."""

    def find(self, number: SourceIdentifier) -> Entry | None:
        """The entry of an identifier that has been enrolled."""
        return self._find(self.blind(number))

    def expect(self, patients: Sequence[Names]) -> bool:
        """Look up all of these at once; False where each must be asked for in its turn."""
        if not patients or self._has_learnt:
            return False
        numbers = {number for names in patients for number in names.numbers if number not in self._cache}
        found = registry.by_blinds(self._conn, list(numbers))
        for row in found.values():
            self._remember(row)
        self._unknown = frozenset(numbers - found.keys())
        national = {names.national for names in patients if names.national is not None}
        self._unborne = national - registry.borne(self._conn, list(national))
        return True

    def kept_among(self, names: set[bytes]) -> set[bytes]:
        """Those of these blinds, of hospital or NHS numbers, that belong to somebody we hold or keep."""
        self.flush()  # so that the look-up by NHS number sees what this batch has learnt
        for row in registry.by_blinds(self._conn, [name for name in names if name not in self._cache]).values():
            self._remember(row)
        kept = {name for name in names if (entry := self._cache.get(name)) and entry.is_kept}
        bearers = registry.by_nhs_blind(self._conn, list(names))
        return kept | {row.nhs_blind for row in bearers if row.nhs_blind and row.state != IdentifierState.ALIAS}

    def by_name(self, blind: bytes) -> Entry | None:
        """The entry of an identifier by its blind, if it has been enrolled."""
        return self._find(blind)

    def _find(self, blind: bytes) -> Entry | None:
        entry = self._cache.get(blind)
        if entry is None and blind not in self._unknown:
            row = registry.by_blinds(self._conn, [blind]).get(blind)
            entry = self._remember(row) if row else None
        return entry

    def by_id(self, identifier_id: int) -> Entry:
        """The entry of an identifier that is known to be enrolled."""
        return self._by_ids([identifier_id])[0]

    def is_still_stranger(self, names: Names) -> bool:
        """The same of somebody who was one when the batch began, now that some of it are judged."""
        return not self._has_learnt or self.is_stranger(names)

    def is_stranger(self, names: Names) -> bool:
        """Whether the registry knows none of the numbers, as nobody's whom we keep and as nobody's alias."""
        if any(self._find(number) for number in names.numbers):
            return False
        if names.national is None or names.national in self._unborne:
            return True
        return not registry.borne(self._conn, [names.national])

    def is_kept(self, names: Names) -> bool:
        """Whether any of the numbers, the NHS number among them, belongs to somebody we hold or keep."""
        if any(entry.is_kept for number in names.numbers if (entry := self._find(number))):
            return True
        if names.national is None or names.national in self._unborne:
            return False
        same = registry.by_nhs_blind(self._conn, [names.national])
        return any(row.state != IdentifierState.ALIAS for row in same)

    def enrol(self, patient: Patient, said: Mapping[str, Said], *, state: IdentifierState) -> Entry:
        """The entry of the first number, taught what the message says; regroups persons where that matters."""
        is_new = any(self.find(number) is None for number in patient.numbers)
        entries = [self._entry(number, state=state) for number in patient.numbers]
        first = entries[0]
        left = first.row.nhs_blind
        is_news = self._teach(first, patient, said)
        for other in entries[1:]:
            is_news |= self._link(first, other, clock_us=TOGETHER_CLOCK, message_id=0)
        is_news |= self._raise_state(entries, state)
        if is_new or is_news:
            self.regroup({entry.row.id for entry in entries}, left=left)
        return first

    def merge(self, merge: Merge, *, message_id: int) -> None:
        """Remember what is said of the two numbers, also where they were never seen."""
        survivor, prior = self.named(merge.survivor), self.named(merge.prior)
        if merge.word is MergeWord.RENAMED:
            survivor.learn(note(survivor.known, RENAMED, Said(merge.clock_us, True)))
        if self._link(survivor, prior, clock_us=merge.clock_us, message_id=message_id, word=merge.word):
            self.regroup({survivor.row.id, prior.row.id})

    def named(self, number: SourceIdentifier) -> Entry:
        """The entry of a number that is only named; that keeps nobody."""
        return self._entry(number, state=IdentifierState.ALIAS)

    def hold(self, entry: Entry) -> None:
        """Something is kept under this number now; what was put aside for its person is looked at again."""
        self.has_regrouped = self.has_regrouped or not entry.is_kept
        self._release([entry], IdentifierState.HELD)

    def problems_of(self, entry: Entry) -> tuple[Problem, ...]:
        """Why nothing may be published of the person of this number, decided anew."""
        self.regroup({entry.row.id})
        return self._blocked.get(entry.row.id, ())

    def _link(
        self, survivor: Entry, prior: Entry, *, clock_us: int, message_id: int, word: MergeWord = MergeWord.MERGED
    ) -> bool:
        if survivor.row.id == prior.row.id:
            return False
        return registry.add_merge(
            self._conn,
            survivor_id=survivor.row.id,
            prior_id=prior.row.id,
            clock_us=clock_us,
            live=word,
            message_id=message_id,
        )

    def regroup(self, seeds: set[int], *, left: bytes | None = None) -> None:
        """Decide anew who is one person among all that hang together with these identifiers.

        `left`: an NHS number that one of them bore until now; its other bearers may be in doubt no longer.
        """
        self.has_regrouped = True
        self.flush()  # so that look-ups by NHS number see what this batch has learnt
        if left is not None:
            seeds = seeds | {row.id for row in registry.by_nhs_blind(self._conn, [left])}
        entries, links = self._closure(seeds)
        by_number = {entry.known.identifier: entry for entry in entries.values()}
        number_of = {entry.row.id: entry.known.identifier for entry in entries.values()}
        resolution = identity.resolve(
            {number: _claim(entry.known) for number, entry in by_number.items()},
            [
                Merge(
                    number_of[link.survivor_id],
                    number_of[link.prior_id],
                    link.clock_us,
                    bool(link.live),
                    MergeWord(link.live),
                )
                for link in links
                if link.clock_us != TOGETHER_CLOCK
            ],
            together=[
                (number_of[link.survivor_id], number_of[link.prior_id])
                for link in links
                if link.clock_us == TOGETHER_CLOCK
            ],
        )
        taken: set[int] = set()
        for component in sorted(set(resolution.component_of.values()), key=lambda each: sorted(each)):
            members = [by_number[number] for number in sorted(component)]
            problems = resolution.blocked.get(component, ())
            for entry in members:
                self._blocked[entry.row.id] = problems
                entry.learn(
                    msgspec.structs.replace(entry.known, is_given_up=entry.known.identifier in resolution.given_up)
                )
            self._write_person(members, blocked=problems[0].code.value if problems else "", taken=taken)

    def flush(self) -> None:
        """Write the facts this batch has changed."""
        changed = [entry for entry in self._touched.values() if entry.is_changed]
        self._has_learnt = self._has_learnt or bool(changed)
        registry.update(self._conn, [self._sealed(entry) for entry in changed])
        for entry in changed:
            entry.is_changed = False
            self._unborne.discard(entry.row.nhs_blind or b"")

    def _sealed(self, entry: Entry) -> IdentifierRow:
        plain = msgspec.json.encode(entry.known)
        entry.row = entry.row._replace(sealed=self._ring.seal(entry.row.key_id, plain, sealed.IDENTIFIER))
        return entry.row

    def _remember(self, row: IdentifierRow) -> Entry:
        if row.sealed is None:
            raise ValueError(f"identifier {row.id} has no facts")
        entry = Entry(row, _KNOWN.decode(self._ring.unseal(row.key_id, row.sealed, sealed.IDENTIFIER)))
        self._cache[row.blind] = self._touched[row.id] = entry
        return entry

    def _entry(self, number: SourceIdentifier, *, state: IdentifierState) -> Entry:
        entry = self.find(number)
        if entry is None:
            key_id = self._ring.new_key()
            person = persons.create(self._conn)
            row = registry.create(self._conn, blind=self.blind(number), person_id=person.id, state=state, key_id=key_id)
            entry = Entry(row, Known(number))
            entry.is_changed = True
            self._cache[row.blind] = entry
            self._has_learnt = True
            if entry.is_kept:
                self.new.add(row.id)
        self._touched[entry.row.id] = entry
        return entry

    def _teach(self, entry: Entry, patient: Patient, said: Mapping[str, Said]) -> bool:
        before = entry.known
        number = patient.nhs_number
        seen = (number.digits, patient.birth) if number is not None and patient.is_verified else None
        entry.known = learn(before, dict(said), seen=seen)
        if entry.known is before:
            return False
        nhs = entry.known.value(NATIONAL_NUMBER)
        nhs_blind = self._ring.blind("nhs", nhs[0]) if nhs and nhs[0] else None
        entry.change(entry.row._replace(nhs_blind=nhs_blind))
        return differs(before, entry.known)

    def _raise_state(self, entries: Iterable[Entry], state: IdentifierState) -> bool:
        is_raised = False
        for entry in entries:
            if _RANK[state] > _RANK[IdentifierState(entry.row.state)]:
                if not entry.is_kept:
                    self.new.add(entry.row.id)
                entry.change(entry.row._replace(state=state))
                is_raised = True
        return is_raised

    def _closure(self, seeds: set[int]) -> tuple[dict[int, Entry], list[registry.MergeRow]]:
        """All identifiers connected to the seeds: by merges, by standing together, by an NHS number, now or before."""
        found: dict[int, Entry] = {}
        links: dict[int, registry.MergeRow] = {}
        frontier = seeds
        while frontier:
            for entry in self._by_ids(frontier):
                found[entry.row.id] = entry
            for link in registry.merges_touching(self._conn, sorted(frontier)):
                links[link.id] = link
            blinds = sorted({blind for i in frontier if (blind := found[i].row.nhs_blind) is not None})
            near = {row.id for row in registry.by_nhs_blind(self._conn, blinds)}
            near |= {
                row.id for row in registry.by_person(self._conn, sorted({found[i].row.person_id for i in frontier}))
            }
            near |= {end for link in links.values() for end in (link.survivor_id, link.prior_id)}
            frontier = near - found.keys()
        return found, list(links.values())

    def _by_ids(self, ids: Iterable[int]) -> list[Entry]:
        wanted = set(ids)
        found = [self._touched[i] for i in wanted if i in self._touched]
        missing = sorted(wanted - self._touched.keys())
        for row in registry.by_ids(self._conn, missing).values():
            entry = self._cache.get(row.blind)
            if entry is None:
                entry = self._remember(row)
            self._touched[row.id] = entry
            found.append(entry)
        return found

    def _write_person(self, members: list[Entry], *, blocked: str, taken: set[int]) -> None:
        """One component becomes one person: the oldest of its persons that no other component has taken."""
        before = persons.by_ids(self._conn, sorted({entry.row.person_id for entry in members}))
        free = [person for person in sorted(before) if person not in taken]
        target = before[free[0]] if free else persons.create(self._conn)
        taken.add(target.id)
        state = max((IdentifierState(entry.row.state) for entry in members), key=_RANK.__getitem__)
        self._release(members, state)
        moving = [entry for entry in members if entry.row.person_id != target.id]
        registry.move_identifiers(self._conn, [entry.row.id for entry in moving], person_id=target.id)
        for entry in moving:
            entry.row = entry.row._replace(person_id=target.id)
        absorbed = [before[number] for number in free[1:] if self._absorb(before[number], target.id)]
        everyone = [target, *absorbed]
        persons.update(
            self._conn,
            [
                target._replace(
                    blocked=blocked,
                    published=any(person.published for person in everyone),
                    state=PersonState.CONFIRMED
                    if any(person.state == PersonState.CONFIRMED for person in everyone)
                    else target.state,
                )
            ],
        )
        lost = before.keys() - {person.id for person in absorbed} | {target.id}
        dirty.mark(self._conn, [(number, dirty.WHOLE) for number in sorted(lost)], at_us=self._now_us)

    def _absorb(self, person: persons.PersonRow, target_id: int) -> bool:
        """False where it goes on: a split in the same step left it an identifier, and its rows and deliveries."""
        if registry.by_person(self._conn, [person.id]):
            return False
        rows.move_person(self._conn, before=person.id, after=target_id)
        outbox.move_person(self._conn, before=person.id, after=target_id)
        dirty.forget(self._conn, [person.id])
        persons.delete(self._conn, [person.id])
        return True

    def _release(self, members: list[Entry], state: IdentifierState) -> None:
        """Whoever belongs to somebody we keep is kept, and what was put aside for them is ours after all."""
        if state is IdentifierState.ALIAS:
            return
        self._raise_state(members, state)
        names = {name for entry in members for name in (entry.row.blind, entry.row.nhs_blind) if name is not None}
        names |= {self.blind(number) for entry in members for number in came_from(entry.known)}
        for number in messages.not_ours_of(self._conn, sorted(names)):
            messages.set_state(self._conn, number, before=MessageState.NOT_OURS, after=MessageState.RECEIVED)


def _claim(known: Known) -> identity.Claim:
    said = national_number_of(known.fields)
    nhs = said.value if said else None
    birth = known.value("birth")
    return identity.Claim(
        nhs_number=NhsNumber(nhs[0]) if nhs and nhs[0] else None,
        nhs_verified=bool(nhs and nhs[2]),
        birth=birth_of(birth) if birth else None,
        sex=(known.value("gender") or {}).get("gender"),
        birth_order=(known.value("multiple-birth") or {}).get("multipleBirthInteger"),
        first_us=known.first_us,
        earlier=frozenset((NhsNumber(digits), born) for digits, born in known.earlier),
    )
