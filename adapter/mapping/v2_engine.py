"""The compiled rules bound to one reader (delimiters, encoding, zone): fetchers that read a field once and remember it.

Remembered values are shared between resources and messages, and bounded. A field with something wrong in it, or with
`\"\"`, is never remembered, so that its fault is told each time.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from adapter import assertion
from adapter.errors import Problem
from adapter.mapping.compile import Compiled, CompiledBlock
from adapter.mapping.datatypes import CONVERSIONS, WHOLE_FIELD
from adapter.mapping.feed_edits import Join, preparation
from adapter.mapping.feed_rules import STANDARD, FeedRules
from adapter.mapping.rules import Condition, Conversion, FieldRule, Item, place
from adapter.mapping.v2_conditions import PUT_ASIDE
from adapter.mapping.v2_elements import element, elements
from adapter.mapping.v2_memory import LONGEST_REMEMBERED, REMEMBERED, remember, remembering, shapes
from adapter.mapping.v2_pieces import FIRST, key_paths, made_of, paths_of, top_of
from adapter.mapping.v2_reader import NULL, Fault, Json, Reader

LAST = 1_000

IN_RUNS = frozenset({"OBX"})
SELDOM_REPEATED = IN_RUNS | {"ORC", "OBR", "RXE", "RXA"}
"""Their lines hold times and numbers of their own; remembering them would only cost."""

_PARTS = re.compile(r"\b(?:part|plain)_\d+_\d+\b")
_SHAPES = re.compile(r"\bkeep_shape_(\d+)\b")

AHEAD = {
    "ORC": (frozenset({"OBR"}), frozenset({"ORC", "PID"})),
    "RXE": (frozenset({"RXR", "TQ1"}), frozenset({"ORC", "RXA", "PID"})),
    "RXA": (frozenset({"RXR"}), frozenset({"ORC", "PID"})),
}
"""What belongs to a segment though it comes after it (HL7 v2.5.1 §4.4, §4.13, §4.14), and what ends the search."""

NONE: list[str] = [""] * 100
"""The fields of a segment that is not there."""

Maker = Callable[[list[str], dict[str, Any], dict[str, Any]], dict[str, Any] | None]
Recalled = tuple[dict[str, Any] | None, str]
"""What a line made: the resource, if any, and its key."""

Many = Callable[..., int]
KeyMaker = Callable[[list[str], dict[str, Any]], str]
Kinds = Mapping[str, assertion.ItemKind]
"""OBX-3 as sent → whether such a value is a measurement or a laboratory value."""


class Plan:
    """One block, ready to run."""

    __slots__ = (
        "around",
        "block",
        "clock",
        "compiled",
        "gate",
        "is_clock_shared",
        "is_key_shared",
        "is_named",
        "is_once",
        "item",
        "key",
        "make",
        "many",
        "place",
        "rank",
        "ranks",
        "remembered",
        "resource",
    )

    def __init__(self, compiled: CompiledBlock, names: dict[str, Any], reader: Reader) -> None:
        """`remembered` holds whole resources by line, for blocks that read nothing but their segment."""
        block = compiled.block
        self.compiled = compiled
        self.block = block
        self.resource, self.place, self.item = block.resource, block.place, block.item
        self.make: Maker = names[f"make_{compiled.number}"]
        self.key: KeyMaker | None = names.get(f"key_{compiled.number}")
        self.clock: KeyMaker | None = names.get(f"clock_{compiled.number}")
        self.rank: KeyMaker | None = names.get(f"rank_{compiled.number}")
        table = reader.tables[block.rank_table] if block.rank_table else {}
        self.ranks = {code: int(entry.target) for code, entry in table.items()}
        self.around: Callable[[dict[str, Any]], tuple[object, ...]] = names[f"around_{compiled.number}"]
        self.gate: Callable[[dict[str, Any]], bool] | None = names.get(f"gate_{compiled.number}")
        self.many: Many | None = names.get(f"many_{compiled.number}")
        self.is_named = block.item is Item.CONTEXT
        self.is_once = block.once_per_key
        self.is_key_shared = any(place(path).segment != compiled.segment for path in key_paths(block))
        self.is_clock_shared = all(place(path).segment != compiled.segment for path in block.clock)
        self.remembered: dict[tuple[str, tuple[object, ...]], Recalled] | None = None


class Relevant(NamedTuple):
    """What of the compiled rules matters in messages of one code."""

    plans: dict[str, list[Plan]]
    looking: frozenset[str]
    """Segments that look ahead."""
    aside: frozenset[str]
    """Segments whose line is put aside, to be split when a rule asks for it."""
    adding: dict[str, Plan]
    """Segments that come in runs and, where they make nothing, add to one resource: a report's lines."""


class Made(NamedTuple):
    """A resource made by one segment, with what the rules say of its key, clock and rank."""

    plan: Plan
    resource: dict[str, Any]
    line: int
    """Which line of the message made it."""
    key: str
    clock_us: int
    rank: int
    cleared: tuple[str, ...]
    name: str
    """`Specimen/1`: how others refer to it; empty where nothing does."""


class Engine:
    """Everything a run over a message needs, for one way of writing messages. One message at a time."""

    def __init__(
        self,
        compiled: Compiled,
        reader: Reader,
        *,
        kinds: Kinds,
        rules: FeedRules = STANDARD,
        remembers: bool = True,
        join: Join = str.join,
    ) -> None:
        """`remembers=False` reads every field anew, as tracing must; `join` then keeps the places of texts."""
        self.rules = rules
        self.reader = reader
        reader.order_decides = rules.status_precedence == "obr"
        self.reports_are_whole = rules.list_rule("OBX") == "snapshot"
        self._prepare = preparation(rules, reader.delimiters, join)
        marks = reader.delimiters
        self._inner_marks = marks.repetition + marks.component + marks.subcomponent
        self.kinds = kinds
        self.remembers = remembers
        self.faults: list[tuple[FieldRule, Fault]] = []
        self.cleared: list[str] = []
        names: dict[str, Any] = {
            **compiled.constants,
            "NONE": NONE,
            "NOTHING": {},
            "NOTHINGS": ({},),
            "held": self._held,
            "kinds": kinds,
            "Made": Made,
            "new": tuple.__new__,
            "Item": assertion.Item,
        }
        names["PATCH"] = assertion.Form.PATCH
        names["cleared"] = self.cleared
        names["plain"], names["known_plain"] = remembering(self.plain, remembers=self.remembers)
        names |= self._named_in(compiled.source)
        for number, rule in enumerate(compiled.rules):
            self._bind(names, number, rule)
        exec(compiled.code, names)  # noqa: S102 - our own generated source, see adapter.mapping.compile
        self.plans: dict[str, list[Plan]] = {}
        self.runs: dict[str, Plan] = {}
        """Segments that come in runs and make one resource each: one loop does a whole run."""
        self.widths = compiled.widths
        for made in compiled.blocks:
            plan = Plan(made, names, reader)
            names[f"ranks_{made.number}"] = plan.ranks
            if remembers and made.block.place == "new" and made.segment not in SELDOM_REPEATED:
                plan.remembered = {}
            self.plans.setdefault(made.segment, []).append(plan)
        self._find_lonely(compiled)
        for segment, plans in self.plans.items():
            fresh = [plan for plan in plans if plan.place == "new"]
            if segment in IN_RUNS and len(fresh) == 1 and fresh[0].many and not fresh[0].is_named:
                self.runs[segment] = fresh[0]
        self._of_message: dict[str, Relevant] = {}

    def _named_in(self, source: str) -> dict[str, Any]:
        """The readers of parts and the memories that the source names by number."""
        names: dict[str, Any] = {}
        for name in set(_PARTS.findall(source)):
            kind, component, subcomponent = name.split("_")
            part = self._part(int(component), int(subcomponent))
            read = part if kind == "part" else self._plain_part(part)
            names[name], names[f"known_{name}"] = remembering(read, remembers=self.remembers)
        for number in _SHAPES.findall(source):
            names[f"shape_{number}"], names[f"keep_shape_{number}"] = shapes(remembers=self.remembers)
        return names

    def _find_lonely(self, compiled: Compiled) -> None:
        """Segments that nothing else reads but keys, and whose resources follow from their line and surroundings."""
        read, self.held = set(), set()
        for made in compiled.blocks:
            whole = [place(path).segment for path in paths_of(made.block)]
            keys = [place(path).segment for path in key_paths(made.block)]
            read |= {name for name in whole if whole.count(name) > keys.count(name)} - {made.segment}
            self.held |= set(keys) - {made.segment}
        alone = {name for name, plans in self.plans.items() if all(map(_is_simple, plans))}
        self.lonely = alone - read - (self.held - PUT_ASIDE)
        self.held &= self.lonely & PUT_ASIDE

    @property
    def prepares(self) -> bool:
        """Whether this feed's messages are put into another form first."""
        return self._prepare is not None

    def prepared(self, lines: Sequence[str]) -> Sequence[str]:
        """The lines of a message as the maps expect them; for most feeds as they came."""
        return self._prepare(lines) if self._prepare else lines

    def of_message(self, code: str) -> Relevant:
        """What can do something in a message of this code (`ORU`)."""
        found = self._of_message.get(code)
        if found is None:
            if len(self._of_message) >= REMEMBERED:
                self._of_message.clear()
            found = self._of_message[code] = self._relevant(code)
        return found

    def _relevant(self, code: str) -> Relevant:
        plans = {
            segment: [plan for plan in listed if all(_admits(test, code) for test in plan.block.when)]
            for segment, listed in self.plans.items()
        }
        looking = {name for name in AHEAD if any(_reads(plan, AHEAD[name][0]) for plan in plans.get(name, ()))}
        # The loops over runs read segments that are split already.
        split = {place(path).segment for plan in self.runs.values() for path in made_of(plan.block)}
        aside = {name for name in PUT_ASIDE if not plans.get(name)} - split
        return Relevant(plans, frozenset(looking), frozenset(aside), self._adding(plans))

    def _adding(self, plans: Mapping[str, Sequence[Plan]]) -> dict[str, Plan]:
        others = {name: [each for each in plans.get(name, ()) if each is not run] for name, run in self.runs.items()}
        return {name: each[0] for name, each in others.items() if len(each) == 1 and each[0].place == "current"}

    def _held(self, group: dict[str, Any], name: str) -> list[str]:
        """The fields of a segment, split now where its line was only put aside."""
        fields: list[str] | str = group.get(name, NONE)
        if isinstance(fields, str):
            fields = fields.split(self.reader.delimiters.field)
            fields += NONE[: max(self.widths[name] - len(fields), 0)]
            group[name] = fields
        return fields

    def remember_no_lines(self) -> None:
        """Where hardly any line comes again, to remember what was made of it costs more than to make it."""
        for plan in (plan for plans in self.plans.values() for plan in plans):
            plan.remembered = None
        self.lonely, self.held = set(), set()

    def forget(self) -> None:
        """Leave nothing of an earlier message."""
        self.faults.clear()
        self.cleared.clear()
        self.reader.faults.clear()

    def _part(self, component: int, subcomponent: int) -> Callable[[str], str]:
        """Takes a component of a field's first repetition, still escaped."""
        reader = self.reader

        def part(text: str) -> str:
            pieces = reader.parts(reader.first(text))
            piece = pieces[component - 1] if component <= len(pieces) else ""
            if not subcomponent:
                return piece
            inner = reader.inner.parts(piece)
            return inner[subcomponent - 1] if subcomponent <= len(inner) else ""

        return part

    def _plain_part(self, part: Callable[[str], str]) -> Callable[[str], str]:
        return lambda text: self.plain(part(text))

    def plain(self, piece: str) -> str:
        """A part of a natural key: readable text, `|` replaced so that keys cannot be mixed up."""
        return "|" + self.reader.text(piece).replace("|", "\\F\\")

    def _bind(self, names: dict[str, Any], number: int, rule: FieldRule) -> None:
        if rule.keeps != "first":
            names[f"keep{number}"] = self.lines if rule.keeps == "lines" else self._least(rule.order or "")
            names[f"empty{number}"] = self.empty_line
        if rule.from_:
            remembered: dict[Any, Json] = {}
            if rule.as_ is Conversion.RESULT_STATUS:
                names[f"memory{number}"], names[f"m{number}"] = self._beside(rule)
                return
            names[f"c{number}"] = remembered.get
            names[f"m{number}"] = self._fetcher(rule, remembered if self.remembers else None)
        elif rule.refers_to:
            names[f"x{number}"] = self._referrer(rule)
        else:
            names[f"k{number}"] = self.finish(rule, element(rule, rule.constant))

    def _fetcher(self, rule: FieldRule, remembered: dict[Any, Json] | None) -> Callable[..., Json]:
        if rule.as_ is None:
            raise AssertionError(rule)
        convert = CONVERSIONS[rule.as_]
        # A conversion of one component reads subcomponents inside it.
        reader = self.reader.inner if "." in rule.from_[0] else self.reader
        whole = rule.as_ in WHOLE_FIELD
        is_single = whole and "[]" not in rule.to and not rule.with_
        is_list = rule.each and rule.to == top_of(rule.to) and rule.to.endswith("[]") and not rule.with_
        faults = self.reader.faults
        nothing: set[str] = set()

        def fetch(text: str, *using: str) -> Json | None:
            if text in nothing:
                return None
            if NULL in text and self._says_null(text):
                # Of a list's first element and of a text of several segments this very message may say more.
                if FIRST not in rule.to and rule.keeps == "first":
                    self.cleared.append(top_of(rule.to).removesuffix("[]"))
                return None
            if is_single:
                value = self.finish(rule, convert(reader, text, rule, *using))
            else:
                pieces = [text] if whole or reader is not self.reader else reader.values(text)
                values = [value for piece in pieces if (value := convert(reader, piece, rule, *using)) is not None]
                value = self.finish(rule, (values or None) if is_list else elements(rule, values))
            if faults:
                self.faults += [(rule, fault) for fault in faults]
                faults.clear()
            elif remembered is not None:
                remember(remembered, nothing, text, using, value)
            return value

        return fetch

    def _beside(self, rule: FieldRule) -> tuple[Callable[[str], Callable[[str], Json]], Callable[[str, str], Json]]:
        """The memory of a value beside another, by the other; and what reads it where it is not remembered."""
        memories: dict[str, dict[str, Json]] = {}
        fetch = self._fetcher(rule, None)

        def memory(other: str) -> Callable[[str], Json]:
            known = memories.get(other)
            if known is None:
                if len(memories) >= REMEMBERED:
                    memories.clear()
                known = memories[other] = {}
            return known.get

        def read(text: str, other: str) -> Json:
            told = len(self.faults)
            value = fetch(text, other)
            if self.remembers and value is not None and len(self.faults) == told and len(text) <= LONGEST_REMEMBERED:
                known = memories.setdefault(other, {})
                if len(known) < REMEMBERED:
                    known[text] = value
            return value

        return memory, read

    def _says_null(self, text: str) -> bool:
        """`\"\"`, also where the sender writes it for each component: `\"\"^\"\"`."""
        return text == NULL or not text.replace(NULL, "").strip(self._inner_marks)

    def _referrer(self, rule: FieldRule) -> Callable[[Json], Json]:
        return lambda reference: reference and self.finish(rule, element(rule, reference))

    def lines(self, before: Json | None, value: Json) -> Json:
        """A text and its next line."""
        return value if before is None else f"{before}\n{value}"

    def empty_line(self, before: Json, text: str) -> Json:
        """A text and an empty line, for which senders leave OBX-5 empty (behaviour 131)."""
        return f"{before}\n"

    def _least(self, order: str) -> Callable[[Json, Json], Json]:
        """Of two values the one with the lower rank; the earlier where they are equal."""
        ranks = {code: int(entry.target) for code, entry in self.reader.tables[order].items()}

        def least(before: Json | None, value: Json) -> Json:
            old, new = (ranks.get(self.text_of(each).upper(), LAST) for each in (before, value))
            return value if before is None or new < old else before

        return least

    def text_of(self, value: Json) -> str:
        """The text of a value as it stands in a resource in the making."""
        return str(value)

    def finish(self, rule: FieldRule, value: Json | None) -> Json | None:
        """Where tracing writes the rule on each leaf."""
        return value


def _admits(test: Condition, code: str) -> bool:
    return test.message is None or code in test.message


def _reads(plan: Plan, segments: frozenset[str]) -> bool:
    return any(place(path).segment in segments for path in paths_of(plan.block))


def _is_simple(plan: Plan) -> bool:
    is_alone = not plan.is_key_shared and plan.is_clock_shared and plan.rank is None and not plan.is_named
    return is_alone and plan.remembered is not None


def located(faults: list[tuple[FieldRule, Fault]], names: Sequence[str]) -> list[Problem]:
    """The faults of one segment as problems with their place; `names` are the segments up to and with it."""
    problems = []
    for rule, fault in faults:
        path = next((path for path in rule.from_ if path.startswith(names[-1])), rule.from_[0])
        name, _, rest = path.partition("-")
        at = f"{name}[{max(names.count(name), 1)}]-{rest}"
        problems.append(Problem(code=fault.code, text=fault.text, at=at))
    return list(dict.fromkeys(problems))
