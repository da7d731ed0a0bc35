"""HL7 v2 messages into canonical FHIR R4: the state a message asserts, or everything it holds as a Bundle.

`state` is the hot path: compiled rules, remembered fields, no interpretation. Nothing here decides who the patient is.
"""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from adapter.assertion import Form, Item, ItemKind, Resource
from adapter.errors import Problem, ProblemCode
from adapter.hl7v2.message import Message, Plain
from adapter.mapping.compile import Compiled, compile_blocks
from adapter.mapping.feed_rules import STANDARD, FeedRules
from adapter.mapping.load import OwnCodes, V2Source, load_source
from adapter.mapping.rules import Block, FieldRule
from adapter.mapping.rules import Item as Role
from adapter.mapping.v2_codes import codeable_concept
from adapter.mapping.v2_document_items import walked
from adapter.mapping.v2_engine import Engine, Made
from adapter.mapping.v2_links import links, without_others
from adapter.mapping.v2_memory import LONGEST_REMEMBERED, REMEMBERED
from adapter.mapping.v2_presented import presented
from adapter.mapping.v2_reader import Reader
from adapter.mapping.v2_required import completed
from adapter.mapping.v2_result_lists import result_lists
from adapter.mapping.v2_visits import OF_TWO, add_numbers, list_item, place_visit, word_of
from adapter.mapping.v2_walk import Walk
from adapter.statement import Statement

STATE_TYPES = frozenset(
    {
        "Account",
        "Patient",
        "Encounter",
        "Condition",
        "Procedure",
        "Observation",
        "Specimen",
        "RelatedPerson",
        "DiagnosticReport",
        "ServiceRequest",
        "MedicationAdministration",
        "MedicationRequest",
        "DocumentReference",
        "Appointment",
    }
)
"""What a statement is made of."""

IsMeasure = Callable[[Resource], bool]
"""Whether a code (a CodeableConcept) names a measurement without a sample: growth, gestation, Apgar score."""

_ENGINES = 32
_BUNDLE_NAMES = uuid.UUID("6f1c0f53-2c55-5d0b-9c38-6a1f0d2b7a11")


class V2Maps:
    """A compiled mapping set. Engines are made per way of writing (delimiters, encoding, zone, rules) when met."""

    def __init__(
        self,
        source: V2Source,
        *,
        wanted: frozenset[str] | None,
        is_measure: IsMeasure | None = None,
        remembers_lines: bool = True,
    ) -> None:
        """`wanted` limits to these resource types, and leaves out references to types that are not there.

        `remembers_lines`: lines come again often enough to remember what was made of them.
        """
        self.source = source
        self._remembers_lines = remembers_lines
        self._is_measure = is_measure
        self.compiled: Compiled = compile_blocks(
            (segment, file, _limited(block, wanted))
            for segment, file, block in source.blocks
            if (not block.only_in_statement if wanted is None else _is_wanted(block, wanted))
        )
        self._engines: dict[tuple[Any, ...], Engine] = {}

    def engine(self, message: Message | Plain, zone: ZoneInfo, rules: FeedRules = STANDARD) -> Engine:
        """The engine for this message's way of writing."""
        key = (message.delimiters, message.encoding, zone, rules)
        found = self._engines.get(key)
        if found is None:
            if len(self._engines) >= _ENGINES:
                self._engines.clear()
            tables = self.source.tables
            formats = rules.time_formats
            reader = Reader(message.delimiters, encoding=message.encoding, zone=zone, tables=tables, formats=formats)
            kinds = ObservedKinds(reader, self._is_measure)
            found = self._engines[key] = Engine(self.compiled, reader, kinds=kinds, rules=rules)
            if not self._remembers_lines:
                found.remember_no_lines()
        return found


class ObservedKinds(dict[str, ItemKind]):
    """OBX-3 as sent → what kind of value it names, asked once for each."""

    def __init__(self, reader: Reader, is_measure: IsMeasure | None) -> None:
        super().__init__()
        self._reader = reader
        self._is_measure = is_measure

    def __missing__(self, sent: str) -> ItemKind:
        """The kind, remembered unless the memory is full."""
        concept = codeable_concept(self._reader, str(sent), FieldRule(to="code", constant="")) or {}
        is_measure = self._is_measure is not None and self._is_measure(concept)
        kind = ItemKind.MEASUREMENT if is_measure else ItemKind.OBSERVATION
        if len(self) >= REMEMBERED:
            self.clear()
        if len(sent) <= LONGEST_REMEMBERED:
            self[str(sent)] = kind
        return kind


def _is_wanted(block: Block, wanted: frozenset[str]) -> bool:
    return block.resource in wanted and not block.only_in_bundle


def _limited(block: Block, wanted: frozenset[str] | None) -> Block:
    if wanted is None:
        return block
    kept = tuple(rule for rule in block.fields if rule.refers_to in (None, "Specimen"))
    return block.model_copy(update={"fields": kept, "when": (*block.when, *block.item_when)})


def load_v2_maps(
    folder: Path,
    *,
    vendor: str | None = None,
    wanted: frozenset[str] | None = None,
    own_codes: OwnCodes | None = None,
    is_measure: IsMeasure | None = None,
) -> V2Maps:
    """The mapping files of `folder` (`mappings`), a vendor's overlay over them; SetupError with every fault.

    `own_codes` are the trust's own for tables that list codes: `{"imaging-exams": [...]}` says which OBR-4 is imaging.
    """
    return V2Maps(load_source(folder, vendor=vendor, own_codes=own_codes), wanted=wanted, is_measure=is_measure)


def state(message: Message, maps: V2Maps, *, timezone: ZoneInfo, rules: FeedRules = STANDARD) -> Statement:
    """What the message asserts about its patient. `rules` are those of the feed it came by."""
    kind, event = kind_of(message)
    engine = maps.engine(message, timezone, rules)
    walk = walked(Walk(engine, kind=kind, zone=timezone), message, engine.prepared(message.lines))
    return assemble(walk, message=message, kind=kind, event=event)


def kind_of(message: Message) -> tuple[str, str]:
    """`ORU^R01` and `R01`."""
    return _named(message.header.type) or (message.type, message.event)


@lru_cache(maxsize=1024)
def _named(written: bytes) -> tuple[str, str] | None:
    """None where MSH-9 names no event, or not in plain letters."""
    kind = written.decode("ascii", "replace")
    event = kind.partition("^")[2]
    return (kind, event) if event and kind.isascii() else None


def is_of_two(message: Message, maps: V2Maps) -> bool:
    """Whether the event says something of two patients (A24, A37)."""
    kind, event = kind_of(message)
    return word_of(maps.source.tables, kind, event) in OF_TWO


_ALONE: Mapping[Role | None, ItemKind] = {
    Role.OBSERVATION: ItemKind.OBSERVATION,
    Role.IMAGING: ItemKind.IMAGING,
    Role.MEDICATION: ItemKind.MEDICATION,
    Role.DOCUMENT: ItemKind.DOCUMENT,
    Role.BOOKING: ItemKind.BOOKING,
}
"""One resource, one item."""


def assemble(walk: Walk, *, message: Message, kind: str, event: str) -> Statement:
    """The resources of a walk as items under their natural keys."""
    statement = Statement(patient=None, event=event, kind=kind, problems=[*message.problems, *walk.problems])
    statement.word = word_of(walk.engine.reader.tables, kind, event)
    lists: dict[Role, list[Made]] = {}
    visit = ""
    items = statement.items
    resources = [each for each in walk.made if type(each) is Made]
    for made in resources:
        role = made.plan.item
        if role in _ALONE:
            items.append(_item(made, _ALONE[role], made.key, event, made.rank))
        elif role is Role.ENCOUNTER:
            visit = made.key if made.key.partition("|")[2] else ""
            place_visit(statement, made, visit)
        elif role in (Role.CONDITIONS, Role.PROCEDURES):
            lists.setdefault(role, []).append(made)
        elif role is not None:
            _place_person(statement, made, event)
    items += [each for each in walk.made if type(each) is Item]
    if walk.engine.reports_are_whole:
        items += result_lists(items)
    for kind_of_list, list_of in lists.items():
        key = visit or "person"
        items.append(list_item(list_of, ItemKind(kind_of_list), key, event=event, engine=walk.engine))
    if kind.startswith("ADT^"):
        add_numbers(statement, resources)
    if not statement.clock_us:
        _set_clock(statement, walk)
    return statement


def _set_clock(statement: Statement, walk: Walk) -> None:
    statement.clock_us = max((made.clock_us for made in walk.made), default=0)
    if not statement.clock_us:
        text = "no readable source time; ordered before all"
        statement.problems.append(Problem(code=ProblemCode.BAD_TIME, text=text, at="MSH[1]-7"))


def _place_person(statement: Statement, made: Made, event: str) -> None:
    role = made.plan.item
    if role is Role.PATIENT:
        statement.patient = made.resource
        statement.clock_us = made.clock_us
        statement.items.append(_item(made, ItemKind.PATIENT, "patient", event, 0))
    elif role is Role.RELATED:
        statement.related.append(made.resource)
    elif role is Role.CONTEXT:
        statement.context[made.name] = made.resource


def _item(made: Made, kind: ItemKind, key: str, event: str, rank: int) -> Item:
    return Item(kind, key, made.clock_us, rank, event, Form.PATCH, [made.resource], made.cleared)


def to_bundle(message: Message, maps: V2Maps, *, timezone: ZoneInfo, rules: FeedRules = STANDARD) -> Resource:
    """Every mapped resource of the message as a Bundle of type collection; ids follow from the bytes alone."""
    digest = hashlib.sha256(message.raw).hexdigest()

    def refer(name: str) -> str:
        return f"urn:uuid:{uuid.uuid5(_BUNDLE_NAMES, digest + name)}"

    engine = maps.engine(message, timezone, rules)
    walk = walked(Walk(engine, kind=message.type, zone=timezone, refer=refer), message, engine.prepared(message.lines))
    word = word_of(engine.reader.tables, *kind_of(message))
    made_here = without_others([made for made in walk.made if isinstance(made, Made)], word)
    texts = {made.line: made.resource for made in made_here if made.plan.item is Role.DOCUMENT}
    results, linked = _results(made_here, refer), links(made_here, word, refer)
    patient = next((refer(made.name) for made in made_here if made.plan.item is Role.PATIENT), "")
    entries = []
    for made in made_here:
        resource = completed(made.resource, patient=patient)
        if resource is not None:
            resource = presented(
                made, resource, texts=texts, patient=patient, is_booking=message.type.startswith("SIU")
            )
        if resource is None:
            continue
        if made.plan.resource == "DiagnosticReport" and made.line in results:
            resource = {**resource, "result": results[made.line]}
        full_url = refer(made.name)
        if full_url in linked:
            resource = {**resource, "link": linked[full_url]}
        entries.append({"fullUrl": full_url, "resource": {**resource, "id": full_url.removeprefix("urn:uuid:")}})
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _results(made_here: list[Made], refer: Callable[[str], str]) -> dict[int, list[Resource]]:
    """What each report (by the line of its OBR) refers to: the results up to the next OBR."""
    results: dict[int, list[Resource]] = {}
    report: Made | None = None
    for made in made_here:
        if made.plan.resource == "DiagnosticReport":
            report = made
        elif made.plan.resource == "Observation" and made.plan.compiled.segment == "OBX" and report:
            results.setdefault(report.line, []).append({"reference": refer(made.name)})
    return results
