"""Writes the Python source for one block of mapping rules: picking fields, testing conditions, putting values in place.

For each block: `make` (the resource of one segment), `around` (all it is made of beside its own segment), `key`,
`clock`, `rank`, and `many` (a loop over a run of such segments, with all that cannot change taken out of it; where they
add to one resource, it is copied once).
"""

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import dropwhile

from adapter.mapping.rules import Block, Condition, Conversion, FieldRule, KeyPart, place
from adapter.mapping.rules import Item as Role
from adapter.mapping.v2_conditions import PUT_ASIDE, class_test, tested
from adapter.mapping.v2_pieces import absent, assignment, conditions, indented, key_paths, made_of, top_of

KIND_OF = "OBX-3"
"""What tells a measurement from a laboratory value."""

_FAR = 15
"""Fields from here on are seldom sent."""

_COME_AGAIN = frozenset({Conversion.CODEABLE_CONCEPT, Conversion.REFERENCE_RANGE})
"""What a laboratory sends few of: beside values and times, which are new in each result."""

_OWN_FIELD = re.compile(r"\bf\[(\d+)\]")


class BlockSource:
    """The source of one block's functions. `constants` takes the sets that conditions test against."""

    def __init__(
        self, segment: str, block: Block, *, number: int, first_rule: int, constants: dict[str, object]
    ) -> None:
        """Functions are called `make_NUMBER` and so on; rule fetchers count from `first_rule`."""
        self.segment = segment
        self.block = block
        self.number = number
        self.first_rule = first_rule
        self.constants = constants
        self.targets = {rule.to for rule in block.fields}
        self._in_run = False

    def lines(self, width: int) -> Iterator[str]:
        """All functions of the block; `width` is how many fields its segment is padded to."""
        yield from self._gate()
        yield from self._make()
        yield from self._around()
        yield from self._key()
        yield from self._pick("clock", self.block.clock)
        yield from self._pick("rank", (self.block.rank,) if self.block.rank else ())
        if self.block.place == "new":
            yield from self._many(width)
        elif self.block.place == "current":
            yield from self._adding(width)

    def _gate(self) -> Iterator[str]:
        """Whether the order is of the class that the whole block is for: asked before anything is looked up."""
        tests = [test for test in self.block.when if test._class]
        if tests:
            yield f"def gate_{self.number}(g):"
            yield from (f"    return {self._test(tests)}", "")

    def _make(self) -> Iterator[str]:
        yield f"def make_{self.number}(f, g, r):"
        tested = {path for test in self.block.when for leaf in test.leaves() for path in (leaf.field,) if path}
        tested |= set(self.block.needs)
        yield from self._others(tested, indent=4)
        for test in self._entry():
            yield f"    if not ({test}): return None"
        yield from self._others(made_of(self.block), indent=4, known=tested)
        for index, rule in enumerate(self.block.fields):
            yield from indented(4, self._rule(index, rule))
        yield from ("    return r", "")

    def _entry(self, *, in_run: bool = False) -> Iterator[str]:
        if self.block.needs:
            yield self._first(self.block.needs)
        when = [test for test in self.block.when if not (in_run and self._is_of_others(test))]
        if when:
            yield self._test(when)

    def _is_of_others(self, test: Condition) -> bool:
        """Whether the answer is the same for a whole run of segments."""
        leaves = list(test.leaves())
        fields = [leaf.field for leaf in leaves if leaf.field]
        is_told = len(fields) == sum(not (leaf._class or leaf.message or leaf.event) for leaf in leaves)
        return is_told and all(place(path).segment != self.segment for path in fields)

    def _rule(self, index: int, rule: FieldRule) -> Iterator[str]:
        number = self.first_rule + index
        guard = self._guard(index, rule)
        if rule.from_:
            yield f"t = {self._first(rule.from_)}"
            yield f"if t and {guard}:" if guard else "if t:"
            yield f"    v = {self._fetched(number, rule)}"
            yield "    if v is not None:"
            yield from indented(8, self._put(index, rule))
            if rule.keeps == "lines":
                begun = f"not t and r.get({rule.to!r}) is not None"
                yield f"if {begun} and {guard}:" if guard else f"if {begun}:"
                yield f"    r[{rule.to!r}] = empty{number}(r[{rule.to!r}], t)"
        elif rule.refers_to:
            yield f"v = {self._referred(number, rule)}"
            yield f"if v is not None and {guard}:" if guard else "if v is not None:"
            yield from indented(4, self._put(index, rule))
        else:
            yield f"if {guard}:" if guard else "if True:"
            yield f"    v = k{number}"
            yield from indented(4, self._put(index, rule))

    def _fetched(self, number: int, rule: FieldRule) -> str:
        more = "".join(f", {self._field(path)}" for path in rule.using)
        key = f"(t{more})" if more else "t"
        if rule.as_ is Conversion.RESULT_STATUS:
            # What OBX-11 comes to beside one OBR-25 is remembered together: in a run, which has one, it is taken once.
            memory = f"beside{number}" if self._in_run else f"memory{number}({more[2:]})"
            return f"{memory}(t) or m{number}(t{more})"
        return f"c{number}({key}) or m{number}(t{more})"

    def _referred(self, number: int, rule: FieldRule) -> str:
        found = f"g.get({'>' + (rule.refers_to or '')!r})"
        return f"x{number}({found})" if "[]" in rule.to or rule.with_ else found

    def _guard(self, index: int, rule: FieldRule) -> str:
        tests = [self._test(rule.when)] if rule.when else []
        head = top_of(rule.to)
        if rule.keeps == "first" and not head.endswith("[]") and not self._is_first(index, rule):
            tests.append(absent(head))
        return " and ".join(tests)

    def _is_first(self, index: int, rule: FieldRule) -> bool:
        return self.block.place == "new" and all(before.to != rule.to for before in self.block.fields[:index])

    def _put(self, index: int, rule: FieldRule) -> Iterator[str]:
        if rule.keeps != "first":
            yield f"r[{rule.to!r}] = keep{self.first_rule + index}(r.get({rule.to!r}), v)"
            return
        head = top_of(rule.to)
        names = head.removesuffix("[]").split(".")
        shares = self.block.place != "new" or any(
            ".".join(names[:depth]) in self.targets for depth in range(1, len(names))
        )
        is_only = self._is_first(index, rule) and all(
            top_of(other.to) != head for at, other in enumerate(self.block.fields) if at < index
        )
        yield from assignment(head, shares=shares, is_only=is_only)
        if rule.clears:
            yield f"cleared.extend({rule.clears!r})"

    def _around(self) -> Iterator[str]:
        """With the line itself, this decides what the line is made into."""
        found = {self._field(path) for path in made_of(self.block) if place(path).segment != self.segment}
        for condition in conditions(self.block):
            found |= {"g['event']"} if condition.event or condition.event_is_not else set()
            found |= {"g['message']"} if condition.message else set()
            found |= {"g['follows']"} if condition.follows else set()
            found |= {class_test(condition)} if condition._class else set()
        found |= {f"str(g.get({'>' + rule.refers_to!r}))" for rule in self.block.fields if rule.refers_to}
        yield f"def around_{self.number}(g):"
        yield from self._others(made_of(self.block), indent=4)
        yield from (f"    return ({', '.join(sorted(found))}{',' if found else ''})", "")

    def _key(self) -> Iterator[str]:
        """The natural key. What it takes from other segments is put together once and kept in the group."""
        if not self.block.key:
            return
        before, own, after = self._key_parts()
        yield f"def around_key_{self.number}(g):"
        yield f"    k = g['order'].get({self.number})"
        yield "    if k is None:"
        yield from self._others(key_paths(self.block), indent=8)
        sums = ", ".join(" + ".join(["''", *parts]) for parts in (before, after))
        yield f"        k = g['order'][{self.number}] = ({sums})"
        yield from ("    return k", "")
        yield f"def key_{self.number}(f, g):"
        yield from self._others(key_paths(self.block), indent=4)
        yield f"    k0, k1 = around_key_{self.number}(g)"
        yield from (f"    return {' + '.join(['k0', *own, 'k1'])}", "")

    def _key_parts(self) -> tuple[list[str], list[str], list[str]]:
        """Source for what comes before the first part of this segment, those up to its last, and what comes after."""
        owns = [index for index, part in enumerate(self.block.key) if self._is_own(part)]
        first, last = (owns[0], owns[-1] + 1) if owns else (0, 0)
        parts = [self._key_part(part) for part in self.block.key]
        return parts[:first], parts[first:last], parts[last:]

    def _is_own(self, part: KeyPart) -> bool:
        paths = (*part.from_, *part.if_valued, *part.unless_valued)
        return any(place(path).segment == self.segment for path in paths)

    def _key_part(self, part: KeyPart) -> str:
        only = part.from_[0] if len(part.from_) == 1 else ""
        if part.constant is not None:
            value = repr(part.constant)
        elif only:
            at = place(only)
            name = f"plain_{at.component}_{at.subcomponent}" if at.component else "plain"
            text = self._field(f"{at.segment}-{at.field}")
            value = f"(known_{name}({text}) or {name}({text}))"
        else:
            value = f"plain({self._first(part.from_)})"
        if part.if_valued:
            value = f"({value} if {self._first(part.if_valued)} else '')"
        return f"('' if {self._first(part.unless_valued)} else {value})" if part.unless_valued else value

    def _pick(self, name: str, paths: tuple[str, ...]) -> Iterator[str]:
        """A function that gives the raw text of the first of these that is present."""
        if paths:
            yield f"def {name}_{self.number}(f, g):"
            yield from self._others(paths, indent=4)
            yield from (f"    return {self._first(paths)}", "")

    def _many(self, width: int) -> Iterator[str]:
        """A run of segments of this name from line i on; gives the line after it."""
        number, block = self.number, self.block
        yield f"def many_{number}(w, p, lines, i, sep):"
        yield "    g, made, cleared, faults = w.group, w.made, w.engine.cleared, w.engine.faults"
        yield from self._others([*made_of(block), *key_paths(block)], indent=4, are_split=True)
        if block.key:
            yield f"    k0, k1 = around_key_{number}(g)"
        is_shared_clock = bool(block.clock) and all(place(path).segment != self.segment for path in block.clock)
        if is_shared_clock:
            yield "    clock = w.clock(p, NONE)"
        for test in block.when:
            if self._is_of_others(test):
                yield f"    if not ({self._condition(test)}): return i"
        yield f"    common = {{'resourceType': {block.resource!r}}}"
        for index, rule in enumerate(block.fields):
            if self._is_steady(rule):
                yield from indented(4, self._held(index, rule))
        for index, rule in enumerate(block.fields):
            if self._is_in_common(index, rule):
                yield f"    common[{rule.to!r}] = k{self.first_rule + index}"
            if rule.as_ is Conversion.RESULT_STATUS:
                at = self.first_rule + index
                yield f"    beside{at} = memory{at}({self._field(rule.using[0])})"
        self._in_run = True
        shape = self._shape()
        body = list(self._shaped(shape))
        body += indented(8, self._each(width, shape))
        self._in_run = False
        body += self._entry_made(is_shared_clock, shape)
        # Most lines are short: they are filled up only as far as is asked of each of them.
        near = _near([*self._entry(in_run=True), self._first(self.block.clock), *body], width)
        yield from self._loop(width, near=near)
        yield from body
        yield "        if faults: w.tell(lines, i)"
        yield "        i += 1"
        yield f"    if len(f) < {width}: f += empty"
        yield f"    g[{self.segment!r}] = f"
        yield from ("    return i", "")

    def _loop(self, width: int, *, near: int) -> Iterator[str]:
        """The head of a loop over a run of segments, down to those that are for this block; `near`: see `_near`."""
        yield f"    end, f, empty, event = len(lines), g.get({self.segment!r}, NONE), NONE[:{width}], g['event']"
        yield "    while i < end:"
        yield "        line = lines[i]"
        yield f"        if line[:3] != {self.segment!r}: break"
        yield "        f = line.split(sep)"
        yield "        n = len(f)"
        # All of it: to cut off what is too much would take longer than to have it.
        yield f"        if n < {near}: f += empty"
        for entry in self._entry(in_run=True):
            yield f"        if not ({entry}):"
            yield "            i += 1"
            yield "            continue"

    def _adding(self, width: int) -> Iterator[str]:
        """A run of segments from line i on that all add to one resource, which is copied once; the line after it."""
        yield f"def many_{self.number}(w, p, lines, i, sep):"
        yield "    g, cleared, faults = w.group, w.engine.cleared, w.engine.faults"
        yield f"    at = w.current.get({self.block.resource!r})"
        yield "    if at is None: return i"
        yield from self._others(made_of(self.block), indent=4)
        for test in self.block.when:
            if self._is_of_others(test):
                yield f"    if not ({self._condition(test)}): return i"
        yield "    r, gone = w.copied(at), ()"
        body = [line for index, rule in enumerate(self.block.fields) for line in indented(8, self._rule(index, rule))]
        yield from self._loop(width, near=_near([*self._entry(in_run=True), *body], width))
        yield from body
        yield "        if cleared: gone += w.take_cleared(r)"
        yield "        if faults: w.tell(lines, i)"
        yield "        i += 1"
        yield f"    if len(f) < {width}: f += empty"
        yield f"    g[{self.segment!r}] = f"
        yield "    w.put_back(at, r, gone)"
        yield from ("    return i", "")

    def _shape(self) -> dict[int, FieldRule]:
        """The rules, by place, for what of a result comes again in others: what they make is made once for all."""
        if self.block.item is not Role.OBSERVATION or not self._is_near(KIND_OF, self.block.rank or KIND_OF):
            return {}
        fields = self.block.fields
        roots = Counter(_root(rule) for rule in fields)
        return {
            index: rule
            for index, rule in enumerate(fields)
            if rule.as_ in _COME_AGAIN
            and roots[_root(rule)] == 1
            and self._is_near(*rule.from_, *rule.using)
            and not (rule.when or rule.clears or rule.keeps != "first" or self._guard(index, rule))
        }

    def _is_near(self, *paths: str) -> bool:
        """Whether these are fields of this segment that most of them have."""
        return all(place(path).segment == self.segment and place(path).field < _FAR for path in paths)

    def _shaped(self, shape: Mapping[int, FieldRule]) -> Iterator[str]:
        """Begins the resource of one segment of a run: with what the same codes, unit, range and status made before."""
        if not shape:
            yield "        r = common.copy()"
            return
        fields = sorted(self._alike(shape))
        yield f"        like = ({', '.join(f'f[{field}]' for field in fields)},)"
        yield f"        shape = shape_{self.number}(like)"
        yield "        if shape is None:"
        yield "            r = {}"
        for index, rule in shape.items():
            yield from indented(12, self._rule(index, rule))
        key = " + ".join(self._key_parts()[1][: self._key_alike(shape)]) or "''"
        yield f"            shape = r, kinds[{self._field(KIND_OF)}], {key}, {self._rank()}"
        yield f"            if not (cleared or faults): keep_shape_{self.number}(like, shape)"
        yield "        again, kind, k, rank = shape"
        yield "        r = common.copy()"
        yield "        r.update(again)"

    def _alike(self, shape: Mapping[int, FieldRule]) -> set[int]:
        """The fields that decide what is remembered together. A sub-id, which may be new in each, is none of them."""
        paths = {path for rule in shape.values() for path in (*rule.from_, *rule.using)}
        return {place(path).field for path in (*paths, KIND_OF, self.block.rank or KIND_OF)}

    def _key_alike(self, shape: Mapping[int, FieldRule]) -> int:
        """How many of the key's own parts, from the first on, follow from these fields."""
        alike = {f"{self.segment}-{field}" for field in self._alike(shape)}
        count = 0
        for part in dropwhile(lambda part: not self._is_own(part), self.block.key):
            paths = (*part.from_, *part.if_valued, *part.unless_valued)
            if not all(f"{place(path).segment}-{place(path).field}" in alike for path in paths):
                break
            count += 1
        return count

    def _each(self, width: int, shape: Container[int]) -> Iterator[str]:
        """The rules for one segment of a run. Rules for fields far behind stand together under one test."""
        last = 0
        for index, rule in enumerate(self.block.fields):
            if index in shape or self._is_in_common(index, rule):
                continue
            if self._is_steady(rule):
                yield from () if self._is_common(rule) else self._steady(index, rule)
                last = 0
                continue
            first = min((place(path).field for path in rule.from_ if place(path).segment == self.segment), default=0)
            if first < _FAR or len(rule.from_) > 1:
                yield from self._rule(index, rule)
                last = 0
                continue
            if not last:
                yield f"if n > {_FAR}:"
                yield f"    if n < {width}: f += empty"
            last = first
            yield from indented(4, self._rule(index, rule))

    def _held(self, index: int, rule: FieldRule) -> Iterator[str]:
        """Reads, before a run, a value that is the same for all of it."""
        number = self.first_rule + index
        if rule.refers_to:
            yield f"h{index} = {self._referred(number, rule)}"
        else:
            yield f"t = {self._first(rule.from_)}"
            yield f"h{index} = ({self._fetched(number, rule)}) if t else None"
        if self._is_common(rule):
            parent, _, name = rule.to.partition(".")
            yield f"if h{index} is not None: common[{parent!r}] = {f'{{{name!r}: h{index}}}' if name else f'h{index}'}"

    def _is_common(self, rule: FieldRule) -> bool:
        """Whether nothing else fills its element at the top: then a whole run can start with it, and share it."""
        parent, _, name = rule.to.partition(".")
        is_plain = parent.isalpha() and (not name or name.isalpha())
        return is_plain and sum(_root(other) == parent for other in self.block.fields) == 1

    def _is_in_common(self, index: int, rule: FieldRule) -> bool:
        """Whether it is what an element is where the one other rule, before it, says nothing: a run begins with it."""
        others = [at for at, other in enumerate(self.block.fields) if top_of(other.to) == rule.to and at != index]
        is_plain = rule.constant is not None and rule.to.isalpha() and not (rule.when or rule.clears or rule.with_)
        return is_plain and rule.keeps == "first" and len(others) == 1 and others[0] < index

    def _entry_made(self, is_shared_clock: bool, shape: Mapping[int, FieldRule]) -> Iterator[str]:
        own = self._key_parts()[1]
        if shape:
            own = ["k", *own[self._key_alike(shape) :]]
        key = " + ".join(["k0", *own, "k1"]) if self.block.key else "''"
        clock = "clock" if is_shared_clock else "w.clock(p, f)"
        rank = "rank" if shape else self._rank()
        yield "        gone = w.take_cleared() if cleared else ()"
        if self.block.item is Role.OBSERVATION:
            kind = "kind" if shape else f"kinds[{self._field(KIND_OF)}]"
            yield f"        made.append(Item({kind}, {key}, {clock}, {rank}, event, PATCH, [r], gone))"
        else:
            yield f"        made.append(new(Made, (p, r, i, {key}, {clock}, {rank}, gone, '')))"

    def _rank(self) -> str:
        return f"ranks_{self.number}.get({self._field(self.block.rank)}, 0)" if self.block.rank else "0"

    def _is_steady(self, rule: FieldRule) -> bool:
        """Whether the value is the same for every segment of a run, and nothing in the run decides about it."""
        paths = (*rule.from_, *rule.using)
        return not rule.when and rule.constant is None and all(place(path).segment != self.segment for path in paths)

    def _steady(self, index: int, rule: FieldRule) -> Iterator[str]:
        guard = self._guard(index, rule)
        yield f"if h{index} is not None" + (f" and {guard}:" if guard else ":")
        yield f"    v = h{index}"
        yield from indented(4, self._put(index, rule))

    def _others(
        self, paths: Iterable[str], *, indent: int, known: Iterable[str] = (), are_split: bool = False
    ) -> Iterator[str]:
        """The fields of the other segments these paths name, as locals; a line put aside is split now."""
        there = {place(path).segment for path in known}
        for name in sorted({place(path).segment for path in paths} - there - {self.segment}):
            is_held = name in PUT_ASIDE and not are_split
            yield f"{' ' * indent}{name} = {f'held(g, {name!r})' if is_held else f'g.get({name!r}, NONE)'}"

    def _first(self, paths: Iterable[str]) -> str:
        return " or ".join(self._field(path) for path in paths)

    def _field(self, path: str) -> str:
        at = place(path)
        text = f"{'f' if at.segment == self.segment else at.segment}[{at.field}]"
        return f"part_{at.component}_{at.subcomponent}({text})" if at.component else text

    def _test(self, conditions: Iterable[Condition]) -> str:
        return " and ".join(self._condition(condition) for condition in conditions)

    def _condition(self, condition: Condition) -> str:
        field = self._field(condition.field) if condition.field else ""
        return tested(condition, field=field, of=self._condition, constants=self.constants)


def _root(rule: FieldRule) -> str:
    """The element of the resource that a rule fills, or fills a part of."""
    return re.split(r"[.\[]", rule.to)[0]


def _near(lines: Iterable[str], width: int) -> int:
    """How many fields of a segment these lines of a loop ask for without having looked how many there are."""
    furthest, is_far = 0, False
    for line in lines:
        is_far = line == f"        if n > {_FAR}:" or (is_far and line.startswith(" " * 12))
        if not is_far:
            furthest = max(furthest, *map(int, _OWN_FIELD.findall(line)), 0)
    return min(furthest + 1, width)
