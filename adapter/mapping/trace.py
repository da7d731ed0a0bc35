"""Lineage of a v2 message: for each value of the statement the bytes it was cut from, the rule, and the steps between.

Off the hot path: `explain` re-derives. The steps, applied in order to the cut bytes, give the value:

- `decode` (encoding): bytes to text; undecodable bytes become U+FFFD.
- `unescape`: the escape sequences of HL7 v2 §2.7.
- `trim`: white space at both ends is left out.
- `part` (start:end): characters of the text.
- `table` (`tables/file.csv:line column`): the column of that line, found by the code.
- `datetime` (zone): ISO 8601 with the offset sent, else the zone's. `date`: its first ten characters at most.
- `number`: a decimal with its digits. `integer`, `yes-no`, `time-of-day`: as their names say.
- `minutes-after` (minutes): that much later.
- `prefix` (text): put before it. `hyphens`: blanks become hyphens. `digits`: blanks and hyphens are left out.
- `lines` (mark): split at the mark, unescape each, join by line feeds.
- `join` (separator): pieces of the range, in the order of the conversion, empty ones left out.
- `report` (mark and ranges): a text of several segments; each range of characters is a piece, split at the mark and
  unescaped as `lines` does; the pieces are joined by line feeds.
- `time-format` (format): a time of that format (`strptime`) as HL7 writes it.
- `pieces` (ranges): a text put together from these ranges of characters and from texts in quotes, by the feed's rules.
- `constant`: the rule's own value, or that of the feed's rules; the range is empty.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from adapter.assertion import Resource
from adapter.hl7v2.message import Message, Segment, Span
from adapter.mapping.csor_outcome import Step
from adapter.mapping.feed_rules import STANDARD, FeedRules
from adapter.mapping.v2_document_items import walked
from adapter.mapping.v2_to_fhir import V2Maps, assemble
from adapter.mapping.v2_tracing import Leaf, Sourced, tracing_engine
from adapter.mapping.v2_walk import Walk
from adapter.statement import Statement

CONTEXT = -1
"""`item_index` of a resource in the statement's context; its path is `Specimen/1>type.coding[0].code`."""
RELATED = -2
"""`item_index` of a relative; which of them stands in `resource_index`."""


class Origin(NamedTuple):
    """Where one value of a statement came from."""

    item_index: int
    resource_index: int
    path: str
    """`code.coding[0].code`."""
    segment: str
    """`OBX[3]`; empty for a constant."""
    position: str
    """`OBX[3]-5.1`."""
    start: int
    """First byte in the raw message; equal to `end` for a constant."""
    end: int
    rule: str
    """`OBX.yaml:41`."""
    steps: tuple[Step, ...]


def trace(message: Message, maps: V2Maps, *, timezone: ZoneInfo, rules: FeedRules = STANDARD) -> list[Origin]:
    """One origin per value of the resources that `state` gives for this message."""
    statement = _traced(message, maps, timezone, rules)
    origins: list[Origin] = []
    for item_index, item in enumerate(statement.items):
        for resource_index, resource in enumerate(item.resources):
            origins += _origins(message, resource, item_index=item_index, resource_index=resource_index)
    return origins + list(_context(message, statement.context))


def trace_related(message: Message, maps: V2Maps, *, timezone: ZoneInfo, rules: FeedRules = STANDARD) -> list[Origin]:
    """The same for the relatives that the message names; what is said of them goes into no item."""
    return [
        origin
        for number, relative in enumerate(_traced(message, maps, timezone, rules).related)
        for origin in _origins(message, relative, item_index=RELATED, resource_index=number)
    ]


def _traced(message: Message, maps: V2Maps, timezone: ZoneInfo, rules: FeedRules) -> Statement:
    """The statement with a leaf for every value."""
    engine = tracing_engine(maps.engine(message, timezone, rules), maps.compiled, timezone)
    lines = [Sourced.of(line, line=number, start=0, end=len(line)) for number, line in enumerate(message.lines)]
    walk = walked(Walk(engine, kind=message.type, zone=timezone), message, engine.prepared(lines))
    return assemble(walk, message=message, kind=message.type, event=message.event)


def _context(message: Message, context: Mapping[str, Resource]) -> Iterator[Origin]:
    for reference, resource in context.items():
        for origin in _origins(message, resource, item_index=CONTEXT, resource_index=0):
            yield origin._replace(path=f"{reference}>{origin.path}")


def _origins(message: Message, resource: Resource, *, item_index: int, resource_index: int) -> Iterator[Origin]:
    for path, leaf in _leaves(resource, ""):
        if path == "resourceType":
            continue
        if leaf.source is None:
            constant = Step("constant", "", str(leaf.value))
            yield Origin(item_index, resource_index, path, "", "", 0, 0, leaf.rule, (constant,))
            continue
        if leaf.pieces:
            yield _report(message, leaf, Origin(item_index, resource_index, path, "", "", 0, 0, leaf.rule, ()))
            continue
        source = leaf.source
        segment = message.segments[source.line]
        start, end = message.bytes_of(Span(segment.offset + source.start, segment.offset + source.end))
        text = segment.line[source.start : source.end]
        steps = (Step("decode", message.encoding, text), *source.steps)
        place = _position(segment, source.start, source.end)
        name = f"{segment.name}[{segment.number}]"
        yield Origin(item_index, resource_index, path, name, place, start, end, leaf.rule, steps)


def _report(message: Message, leaf: Leaf, origin: Origin) -> Origin:
    """A text of several segments: the range from the first piece to the last, and the pieces in it."""
    spans = []
    for piece in leaf.pieces:
        offset = message.segments[piece.line].offset
        spans.append(Span(offset + piece.start, offset + piece.end))
    first, last = spans[0].start, spans[-1].end
    start, end = message.bytes_of(Span(first, last))
    ranges = " ".join(f"{span.start - first}:{span.end - first}" for span in spans)
    steps = (
        Step("decode", message.encoding, message.text[first:last]),
        Step("report", f"{message.delimiters.repetition} {ranges}", str(leaf.value)),
    )
    segments = [message.segments[piece.line] for piece in (leaf.pieces[0], leaf.pieces[-1])]
    places = [
        _position(segment, piece.start, piece.end)
        for segment, piece in zip(segments, (leaf.pieces[0], leaf.pieces[-1]), strict=True)
    ]
    name = f"{segments[0].name}[{segments[0].number}]"
    return origin._replace(segment=name, position=" to ".join(places), start=start, end=end, steps=steps)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Leaf]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, value if isinstance(value, Leaf) else Leaf(value, None)


def _position(segment: Segment, start: int, end: int) -> str:
    """The position people use for a range of the segment's line."""
    delimiters = segment.message.delimiters
    before = segment.line[:start]
    field = before.count(delimiters.field) + (segment.name == "MSH")
    inside = before[before.rfind(delimiters.field) + 1 :]
    whole = segment.raw(field)
    repetition = inside.count(delimiters.repetition) + 1 if delimiters.repetition else 1
    pieces = whole.split(delimiters.repetition) if delimiters.repetition else [whole]
    current = pieces[repetition - 1] if repetition <= len(pieces) else whole
    if end - start == len(whole) or delimiters.component not in current:
        return segment.position(field, repetition=repetition)
    inside = inside[inside.rfind(delimiters.repetition) + 1 :] if delimiters.repetition else inside
    component = inside.count(delimiters.component) + 1
    if delimiters.component in segment.line[start:end]:
        return segment.position(field, repetition=repetition)
    inner = current.split(delimiters.component)[component - 1]
    mark = delimiters.subcomponent
    if not mark or mark not in inner or end - start == len(inner):
        return segment.position(field, repetition=repetition, component=component)
    inside = inside[inside.rfind(delimiters.component) + 1 :]
    return segment.position(field, repetition=repetition, component=component, subcomponent=inside.count(mark) + 1)
