"""Text that knows where in the message it stood, and a reader that keeps that knowledge through every primitive.

The same compiled rules and the same conversions run over it as over plain text; so what is traced is what is done.
"""

from collections.abc import Sequence
from typing import Any, SupportsIndex
from zoneinfo import ZoneInfo

from adapter.hl7v2.timestamps import read_time, rewritten
from adapter.mapping.compile import Compiled
from adapter.mapping.csor_outcome import Step
from adapter.mapping.feed_rules import FeedRules
from adapter.mapping.load import rule_origin
from adapter.mapping.rules import FieldRule
from adapter.mapping.v2_engine import Engine, Kinds
from adapter.mapping.v2_reader import NULL, Entry, Json, Reader


class Sourced(str):
    """A piece of a line. While nothing was done to it, pieces of it know their own place; afterwards they keep its."""

    line: int
    start: int
    end: int
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, text: str, *, line: int, start: int, end: int, steps: tuple[Step, ...] = ()) -> "Sourced":
        """`start` and `end` are positions in the line."""
        made = cls(text)
        made.line, made.start, made.end, made.steps = line, start, end, steps
        return made

    def after(self, step: str, argument: str, value: str) -> "Sourced":
        """This text after a step."""
        steps = (*self.steps, Step(step, argument, value))
        return Sourced.of(value, line=self.line, start=self.start, end=self.end, steps=steps)

    def _piece(self, start: int, end: int) -> "Sourced":
        text = str(self)[start:end]
        if self.steps:
            return self.after("part", f"{start}:{end}", text)
        return Sourced.of(text, line=self.line, start=self.start + start, end=self.start + end)

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        """As `str.split` with a separator."""
        found: list[str] = []
        at = 0
        for text in str(self).split(sep, maxsplit):
            found.append(self._piece(at, at + len(text)))
            at += len(text) + len(sep or " ")
        return found

    def partition(self, sep: str) -> tuple[str, str, str]:
        """As `str.partition`."""
        before, mark, after = str(self).partition(sep)
        return self._piece(0, len(before)), mark, self._piece(len(before) + len(mark), len(self))

    def strip(self, chars: str | None = None) -> str:
        """As `str.strip`; a step of its own once the text is no longer as sent."""
        text = str(self)
        stripped = text.strip(chars)
        if stripped == text:
            return self
        if self.steps:
            return self.after("trim", "", stripped)
        start = len(text) - len(text.lstrip(chars))
        return self._piece(start, start + len(stripped))

    def __getitem__(self, index: SupportsIndex | slice) -> str:
        if isinstance(index, slice) and index.step is None:
            start, end, _ = index.indices(len(self))
            return self._piece(start, max(start, end))
        return str(self)[index]

    def __str__(self) -> str:
        return str.__str__(self)


class Woven(Sourced):
    """A text put together from pieces that know their places and from texts of the feed's rules."""

    runs: tuple[str, ...]
    """The pieces in order; none of them is woven itself."""

    @classmethod
    def put_together(cls, pieces: Sequence[str]) -> "Woven":
        """As `"".join(pieces)`."""
        runs = [run for piece in pieces for run in (piece.runs if isinstance(piece, Woven) else (piece,))]
        made = cls("".join(map(str, runs)))
        known = [run for run in runs if isinstance(run, Sourced)]
        made.line = known[0].line if known else 0
        near = [run for run in known if run.line == made.line]
        made.start = min((run.start for run in near), default=0)
        made.end = max((run.end for run in near), default=made.start)
        said = (
            f"{run.start - made.start}:{run.end - made.start}"
            if isinstance(run, Sourced) and run.line == made.line
            else f"'{run}'"
            for run in runs
            if run
        )
        made.runs, made.steps = tuple(runs), (Step("pieces", " ".join(said), str(made)),)
        return made

    def _piece(self, start: int, end: int) -> Sourced:
        """A piece of one of the pieces where it is no more than that; of a text of the rules, an empty range."""
        found: list[str] = []
        at = 0
        for run in self.runs:
            first, last = max(start - at, 0), min(end - at, len(run))
            if first < last:
                found.append(run[first:last])
            at += len(run)
        if len(found) == 1 and isinstance(found[0], Sourced):
            return found[0]
        if any(isinstance(each, Sourced) for each in found):
            return Woven.put_together(found)
        text = "".join(found)
        said = (Step("constant", "", text),) if text else ()
        return Sourced.of(text, line=self.line, start=self.start, end=self.start, steps=said)

    def strip(self, chars: str | None = None) -> str:
        """As `str.strip`."""
        stripped = str(self).strip(chars)
        start = len(self) - len(str(self).lstrip(chars))
        return self if stripped == str(self) else self._piece(start, start + len(stripped))


def woven(mark: str, pieces: Sequence[str]) -> str:
    """`mark.join(pieces)` that keeps the places of the pieces."""
    return Woven.put_together([text for piece in pieces for text in (mark, piece)][1:])


class Leaf:
    """A value in a traced resource: what it is, the text it came from (None for a constant), and the rule."""

    __slots__ = ("pieces", "rule", "source", "value")

    def __init__(self, value: Json, source: Sourced | None, rule: str = "", pieces: tuple[Sourced, ...] = ()) -> None:
        """`value` may be no text, and so carry no source itself; `pieces` are lines that stood in several segments."""
        self.pieces = pieces
        self.value = value
        self.source = source
        self.rule = rule


class TracingReader(Reader):
    """The primitives, over text that knows its place. Remembers nothing."""

    remembers = False

    def whole(self, text: str) -> str:
        plain = super().whole(text)
        return text.after("unescape", "", plain) if isinstance(text, Sourced) and plain != text else text

    def text(self, piece: str) -> str:
        return "" if piece == NULL else self.whole(piece).strip()

    def time(self, piece: str) -> str | None:
        return _derived(self._in_hl7_form(piece), "datetime", self.zone.key, super().time(piece))

    def date(self, piece: str) -> str | None:
        return _derived(self._in_hl7_form(piece), "date", "", super().date(piece))

    def _in_hl7_form(self, piece: str) -> str:
        text = self.text(piece)
        if not self.formats or read_time(text, self.zone) is not None:
            return text
        found = rewritten(text, self.formats)
        return _derived(text, "time-format", found.format, found.text) or "" if found else text

    def number(self, piece: str) -> Any:
        text = self.text(piece)
        value = super().number(piece)
        return (
            Leaf(value, text.after("number", "", str(value)))
            if isinstance(text, Sourced) and value is not None
            else value
        )

    def look_up(self, table: str, piece: str) -> Entry | None:
        entry = super().look_up(table, piece)
        if entry is None or not isinstance(piece, Sourced):
            return entry
        found = [piece.after("table", f"{entry.origin} {name}", getattr(entry, name)) for name in Entry._fields[:3]]
        return Entry(found[0], found[1], found[2], entry.origin)

    def prefixed(self, prefix: str, piece: str) -> str:
        return _derived(piece, "prefix", prefix, prefix + piece) or ""

    def join(self, separator: str, pieces: Sequence[str]) -> str:
        return _hull(pieces, "join", separator, super().join(separator, pieces))

    def lines(self, pieces: Sequence[str]) -> str:
        return _hull(pieces, "lines", self.delimiters.repetition, super().lines(pieces))

    def derive(self, step: str, piece: str, value: Json, argument: str = "") -> Json:
        if not isinstance(piece, Sourced):
            return value
        source = piece.after(step, argument, str(value))
        return source if isinstance(value, str) else Leaf(value, source)


def _derived(piece: str, step: str, argument: str, value: str | None) -> str | None:
    return piece.after(step, argument, value) if isinstance(piece, Sourced) and value is not None else value


def _hull(pieces: Sequence[str], step: str, argument: str, value: str) -> str:
    """Text put together from several places: the range from the first to the last of them."""
    sourced = [piece for piece in pieces if isinstance(piece, Sourced) and (piece or step == "lines")]
    if not sourced:
        return value
    if len(sourced) == 1 and value == sourced[0]:
        return sourced[0]
    start, end = min(piece.start for piece in sourced), max(piece.end for piece in sourced)
    return Sourced.of(value, line=sourced[0].line, start=start, end=end, steps=(Step(step, argument, value),))


class TracingEngine(Engine):
    """Reads every field anew and writes on each value which rule put it there."""

    def __init__(self, compiled: Compiled, reader: TracingReader, *, kinds: Kinds, rules: FeedRules) -> None:
        super().__init__(compiled, reader, kinds=kinds, rules=rules, remembers=False, join=woven)

    def finish(self, rule: FieldRule, value: Json | None) -> Json | None:
        return _stamped(value, rule_origin(rule)) if value is not None else None

    def lines(self, before: Json | None, value: Json) -> Json:
        if before is None:
            return value
        pieces = (*(before.pieces or (before.source,)), value.source)
        return Leaf(f"{before.value}\n{value.value}", before.source, value.rule, pieces)

    def empty_line(self, before: Json, text: str) -> Json:
        pieces = before.pieces or (before.source,)
        last = pieces[-1]
        if not isinstance(text, Sourced):  # the segment ends before the field
            text = Sourced.of("", line=last.line, start=last.end, end=last.end)
        return Leaf(f"{before.value}\n", before.source, before.rule, (*pieces, text))

    def text_of(self, value: Json) -> str:
        return str(value.value) if isinstance(value, Leaf) else str(value)


def tracing_engine(engine: Engine, compiled: Compiled, zone: ZoneInfo) -> TracingEngine:
    """The engine that traces what this one does."""
    plain = engine.reader
    reader = TracingReader(
        plain.delimiters, encoding=plain.encoding, zone=zone, tables=plain.tables, formats=plain.formats
    )
    return TracingEngine(compiled, reader, kinds=engine.kinds, rules=engine.rules)


def _stamped(value: Json, rule: str) -> Json:
    if isinstance(value, dict):
        return {name: _stamped(inner, rule) for name, inner in value.items()}
    if isinstance(value, list):
        return [_stamped(inner, rule) for inner in value]
    if isinstance(value, Leaf):
        return Leaf(value.value, value.source, rule)
    return Leaf(str(value), value, rule) if isinstance(value, Sourced) else Leaf(value, None, rule)
