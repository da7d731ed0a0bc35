"""Folds what a stored row was made from once more, with the place of each value beside it: for lineage only."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from adapter.assertion import Item, ItemKind, Resource
from adapter.chart import live, visits
from adapter.chart.known import NAMES_MOTHER, NATIONAL_NUMBER, Known, newest_of, patient_of, went_to
from adapter.chart.origins import Place, Stated, marked, marked_items, places_at, places_in
from adapter.chart.stated import national_identifier_at, said_by
from adapter.errors import IdentityConflict
from adapter.fhir.path import Path
from adapter.identity import IdentitySettings, PatientFacts, read_patient
from adapter.mapping.csor_outcome import Step
from adapter.mapping.observation import referred
from adapter.mapping.trace import CONTEXT
from adapter.settle.bodies import Bodies, Cut
from adapter.settle.deleted import Deleted
from adapter.settle.drafted import Read
from adapter.settle.loading import counting, known_of, record_id_of, source_of
from adapter.settle.projection import Said, Source, scoped_key
from adapter.settle.samples import newest_sample
from adapter.store import assertions, registry
from adapter.store.database import Connection
from adapter.store.rows import CsorRow
from adapter.store.sealing import KeyRing
from adapter.store.states import AssertionKind


class Folded(NamedTuple):
    """A resource as folded from all that speak about it, and its shadow: the same with places for values."""

    resource: Resource
    shadow: Resource
    context: Mapping[str, Resource]
    speaker: Source | None
    """The context is its own: of a result, who last named the specimen; of a visit, who cancelled its discharge."""


class Child(NamedTuple):
    """What the rows of one child are drafted from."""

    known: tuple[Known, ...]
    key: str
    """Of the rows that are the person's."""
    sources: tuple[Source, ...]
    """What settling reads of it: everything but the messages of results."""


class Refolder:
    """Loads and folds; keeps what it opened."""

    def __init__(self, conn: Connection, ring: KeyRing, *, bodies: Bodies, identity: IdentitySettings) -> None:
        self._conn = conn
        self._ring = ring
        self._bodies = bodies
        self._identity = identity
        self._deleted = Deleted(ring)
        self._deleted.look(conn)
        self._sources: dict[int, Source] = {}
        self._persons: dict[int, Folded] = {}

    def sources(self, assertion_ids: Sequence[int]) -> list[Source]:
        """These assertions, in the order of their ids."""
        missing = [number for number in assertion_ids if number not in self._sources]
        found = [source_of(self._ring, row) for row in assertions.by_ids(self._conn, missing)]
        for source in self._deleted.without(self._conn, found):
            self._sources[source.assertion_id] = source
        return [self._sources[number] for number in sorted(assertion_ids) if number in self._sources]

    def child(self, person_id: int) -> Child:
        """As settling sees it."""
        members = registry.by_person(self._conn, [person_id])
        counted = counting(self._ring, members)
        stored = assertions.of_identifiers(self._conn, [row.id for row, _ in counted], kind=AssertionKind.ADT)
        known = tuple(each for _, each in counted) or tuple(known_of(self._ring, row) for row in members)
        key = min((row.blind for row in members), default=b"").hex()
        return Child(known, key, tuple(self.sources([row.id for row in stored])))

    def result(self, row: CsorRow, assertion_ids: Sequence[int]) -> Folded | None:
        """What the row of a result was made from."""
        # It may also name what another child's messages said under the same number; that made no value of it.
        own = {each.id for each in registry.by_person(self._conn, [row.person_id])}
        stated = [
            Stated(item, source.assertion_id, number)
            for source in self.sources(assertion_ids)
            if source.identifier_id in own
            for number, item in enumerate(source.assertion.items)
            if item.kind is ItemKind.OBSERVATION
            and record_id_of(self._ring, row.kind, scoped_key(item, source)) == row.record_id
        ]
        if not stated:
            return None
        stated.sort(key=lambda each: live.order(each.item))
        items = [each.item for each in stated]
        place = live.names_specimen(items)
        speaker = self._sources[stated[place].assertion_id]
        context = speaker.assertion.context
        told = [source for source in self.sources(assertion_ids) if source.identifier_id in own]
        sample, teller = newest_sample(items[place], speaker, told)
        if sample is not None and teller is not speaker:
            context = {**context, **teller.assertion.context}
        return Folded(live.fold(items), live.fold(marked_items(stated)), context, teller)

    def read(self, read: Read) -> Folded:
        """What any other resource that gives a row was made from."""
        stated = sorted(map(_stated, read.said), key=lambda each: live.order(each.item))
        speaker = read.speaker
        if read.nth is not None:
            at = stated[0]
            entry = at.item.resources[read.nth]
            shadow = marked(entry, assertion_id=at.assertion_id, item=at.number, nth=read.nth)
        elif read.is_visit:
            shadow = visits.shadow_of_visit([each.item for each in stated], marked_items(stated))
            cancels = [each for each in stated if each.item.event == visits.CANCEL_DISCHARGE]
            speaker = speaker or (self._sources[cancels[-1].assertion_id] if cancels else None)
        else:
            shadow = live.fold(marked_items(stated))
        if read.place is not None:
            shadow = {**shadow, "location": [shadow["location"][read.place]]}
        return Folded(read.resource, shadow, read.context, speaker)

    def person(self, person_id: int) -> Folded:
        """The Patient as all messages under all numbers of the child say: for each field, who said it last."""
        if person_id not in self._persons:
            known = list(self.child(person_id).known)
            own = {each.identifier for each in known}
            # A visit that was moved took its messages along; what their PID said was said of its first patient.
            stored = assertions.of_identifiers(self._conn, self._near(person_id, known))
            sources = [each for each in self.sources([row.id for row in stored]) if each.assertion.subject in own]
            self._persons[person_id] = Folded(patient_of(known), self._patient_shadow(known, sources), {}, None)
        return self._persons[person_id]

    def _near(self, person_id: int, known: Iterable[Known]) -> list[int]:
        """The identifiers of a person, and those to which visits of theirs went."""
        went = [self._ring.blind("identifier", *number) for each in known for number in went_to(each)]
        rows = [*registry.by_person(self._conn, [person_id]), *registry.by_blinds(self._conn, went).values()]
        return sorted({row.id for row in rows})

    def mother(self, person_id: int, source_of_name: str) -> Cut | None:
        """What named the mother, in the first message that said it so."""
        members = registry.by_person(self._conn, [person_id])
        stored = assertions.of_identifiers(self._conn, [row.id for row in members])
        for source in self.sources([row.id for row in stored]):
            if source.assertion.context.get(NAMES_MOTHER) == {"by": source_of_name}:
                found = self._bodies.mother(source)
                if found is not None:
                    return found
        return None

    def _patient_shadow(self, known: Iterable[Known], sources: Iterable[Source]) -> Resource:
        wanted = newest_of(known)
        shadow: Resource = {"resourceType": "Patient"}
        for source in sources:
            for number, item in enumerate(source.assertion.items):
                if item.kind is ItemKind.PATIENT and wanted:
                    said = said_by([item], self._facts(item))
                    places = marked(item.resources[0], assertion_id=source.assertion_id, item=number)
                    for field in [name for name, each in wanted.items() if said.get(name) == each]:
                        shadow |= _elements(field, wanted.pop(field).value, item, places)
        return shadow

    def _facts(self, item: Item) -> PatientFacts | None:
        try:
            return read_patient(item.resources[0], related=(), settings=self._identity)
        except IdentityConflict:
            return None

    def cut(self, folded: Folded, path: str) -> Cut | None:
        """Where the value at a path of the folded resource came from; None where there is none."""
        *references, rest = path.split(">")
        if references:
            return self._referred(folded, references, rest, path=path)
        if path == "resourceType":
            found = [place._replace(path=path) for place in places_in(folded.shadow)]
        else:
            found = places_at(folded.shadow, path)
        if found:
            return self._bodies.cut(found[0], self._sources[found[0].assertion_id], element=path)
        value = Path(path).first(folded.resource)
        if value is None or folded.speaker is None:
            return None
        # Only a cancelled discharge puts a value that no message said (chart.live).
        constant = Step("constant", "a cancelled discharge", str(value))
        return Cut(folded.speaker.message_id, folded.speaker.assertion.feed, "", path, "", 0, 0, "", (constant,))

    def _referred(self, folded: Folded, references: Sequence[str], rest: str, *, path: str) -> Cut | None:
        """A value of the resource that a chain of references leads to: a bed, the bay it is in, its ward."""
        holder: Resource | None = folded.resource
        target = ""
        for each in references:
            pointer = Path(each).first(holder) if holder else None
            target = str(pointer.get("reference", "")) if isinstance(pointer, dict) else ""
            holder = referred(pointer, folded.resource, folded.context)
        if target.startswith("#"):
            inside = folded.resource.get("contained") or []
            index = next((n for n, each in enumerate(inside) if each.get("id") == target[1:]), None)
            return None if index is None else self.cut(folded, f"contained[{index}].{rest}")
        if folded.speaker is None:
            return None
        place = Place(folded.speaker.assertion_id, CONTEXT, 0, f"{target}>{rest}")
        return self._bodies.cut(place, folded.speaker, element=path)


def _stated(said: Said) -> Stated:
    number = next(n for n, item in enumerate(said.source.assertion.items) if item is said.item)
    return Stated(said.item, said.source.assertion_id, number)


def _elements(field: str, value: Any, item: Item, places: Resource) -> Resource:
    """The elements of a Patient that one field of the registry stands for."""
    if field == NATIONAL_NUMBER:
        at = national_identifier_at(item.resources[0])
        return {} if at is None else {"identifier": [places["identifier"][at]]}
    return {element: places[element] for element in value if element in places}
