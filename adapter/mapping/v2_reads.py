"""Which rules read which fields of messages: as they stand in the maps, and as they did in one message.

For surveys of a sample; slow, as tracing is.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from adapter.assertion import Resource
from adapter.hl7v2.message import Message
from adapter.mapping.feed_rules import STANDARD, FeedRules
from adapter.mapping.load import rule_origin
from adapter.mapping.rules import Block, FieldRule, place
from adapter.mapping.v2_engine import Made
from adapter.mapping.v2_pieces import key_paths, paths_of
from adapter.mapping.v2_to_fhir import V2Maps, kind_of
from adapter.mapping.v2_tracing import Leaf, Sourced, tracing_engine
from adapter.mapping.v2_walk import Walk

Field = tuple[str, int]
"""Segment and number: `PID`, 3."""


class Reads(NamedTuple):
    """What the maps say of one field."""

    values: tuple[str, ...]
    """`PID.yaml:21`: the rules that make a value of it."""
    decides: tuple[str, ...]
    """Where it is a condition, a key or a clock, or helps another field to be read."""
    tables: tuple[str, ...]
    """The tables in which its code is looked up."""


def readers(maps: V2Maps) -> dict[Field, Reads]:
    """Every field that any rule names."""
    found: dict[Field, tuple[set[str], set[str], set[str]]] = {}
    for block in (each.block for each in maps.compiled.blocks):
        values = {path for rule in block.fields for path in rule.from_}
        for rule in block.fields:
            _note(found, rule)
        for path in {*paths_of(block), *key_paths(block)} - values:
            _entry(found, path)[1].add(_origin(block))
    return {field: Reads(*(tuple(sorted(each)) for each in told)) for field, told in found.items()}


def _note(found: dict[Field, tuple[set[str], set[str], set[str]]], rule: FieldRule) -> None:
    for path in rule.from_:
        values, _, tables = _entry(found, path)
        values.add(rule_origin(rule))
        if rule.table:
            tables.add(rule.table)
    for path in rule.using:
        _entry(found, path)[1].add(rule_origin(rule))


def _entry(found: dict[Field, tuple[set[str], set[str], set[str]]], path: str) -> tuple[set[str], set[str], set[str]]:
    at = place(path)
    return found.setdefault((at.segment, at.field), (set(), set(), set()))


def _origin(block: Block) -> str:
    return f"{Path(block._file).name}:{block._line}"


class Mapped(NamedTuple):
    """What one message became."""

    read: Mapping[Field, frozenset[str]]
    """The rules that made a value of a field, by field."""
    made: tuple[tuple[int, Resource], ...]
    """Each resource with the number of the line that made it."""
    context: Mapping[str, Resource]
    """The same by name (`Specimen/1`), as others refer to them."""


def mapped(message: Message, maps: V2Maps, *, timezone: ZoneInfo, rules: FeedRules = STANDARD) -> Mapped:
    """The message under these rules."""
    plain = maps.engine(message, timezone, rules)
    engine = tracing_engine(plain, maps.compiled, timezone)
    lines = [Sourced.of(line, line=number, start=0, end=len(line)) for number, line in enumerate(message.lines)]
    kind, _ = kind_of(message)
    mark = message.delimiters.field
    traced = Walk(engine, kind=kind, zone=timezone, refer=str).run(engine.prepared(lines), mark)
    read: dict[Field, set[str]] = {}
    for leaf in (leaf for made in _whole(traced) for leaf in _leaves(made.resource)):
        for piece in leaf.pieces or ((leaf.source,) if leaf.source is not None else ()):
            read.setdefault(_field(message, piece), set()).add(leaf.rule)
    made = _whole(Walk(plain, kind=kind, zone=timezone, refer=str).run(plain.prepared(message.lines), mark))
    return Mapped(
        {field: frozenset(rules_) for field, rules_ in read.items()},
        tuple((each.line, each.resource) for each in made),
        {each.name: each.resource for each in made if each.name},
    )


def _whole(walk: Walk) -> list[Made]:
    return [each for each in walk.made if isinstance(each, Made)]


def _leaves(value: Any) -> Iterator[Leaf]:
    inner: Iterable[Any] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        if isinstance(each, Leaf):
            yield each
        else:
            yield from _leaves(each)


def _field(message: Message, piece: Sourced) -> Field:
    line = message.lines[piece.line]
    number = line[: piece.start].count(message.delimiters.field) + (line[:3] == "MSH")
    return line[:3], number
