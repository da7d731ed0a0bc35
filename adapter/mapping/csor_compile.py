"""Compiles a FHIR-to-CSOR mapping to one Python function per kind of row, at start-up.

The source is written from names and constants that were validated before, never from text of a mapping as it stands:
every string of a rule goes in as a bound constant.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple, Protocol

import msgspec

from adapter.assertion import Resource
from adapter.errors import Problem, ProblemCode
from adapter.fhir.path import PathStep, parse_path
from adapter.mapping.csor_decided import Decider
from adapter.mapping.csor_outcome import Convert, Outcome, length_of, problem
from adapter.mapping.csor_rules import ALL_VALUES, As, Condition, CsorMap, FieldRule
from adapter.mapping.observation import referred

_REMEMBERED, LONGEST_REMEMBERED = 4_096, 200
_PARTS_REMEMBERED, _LONGEST_PART = 1_000, 2_000


class Projection(msgspec.Struct, frozen=True):
    """A row as one resource gives it."""

    fields: dict[str, Any]
    """Every field of the kind, in the order of the record; what is not known is null."""
    problems: tuple[Problem, ...] = ()


class Project(Protocol):
    """Makes one kind of row of a resource; `birth` is when the child was born, where that is known."""

    def __call__(
        self, resource: Resource, context: Mapping[str, Resource], birth: str | None = None
    ) -> Projection | None: ...


_NEW_EACH_TIME = frozenset({"identifier"})
"""Elements that no two resources share: to remember what they gave would only cost."""


class Ready(NamedTuple):
    """A rule with its conversion; none where the fields are decided together."""

    rule: FieldRule
    convert: Convert | None


def compile_map(csor_map: CsorMap, ready: Sequence[Ready], *, decider: Decider | None = None) -> Project:
    """The function that makes this kind of row; None from it means that `include-if` or the decider said no."""
    return _Writer(decider).function(csor_map, ready)


def remembering(convert: Convert, memory: dict[str, Any]) -> Convert:
    """The conversion, which remembers what it made of a text; in `memory` the plain values, those without a problem."""
    others: dict[str, Outcome] = {}

    def remember(value: Any) -> Outcome:
        if type(value) is not str or len(value) > LONGEST_REMEMBERED:
            return convert(value)
        outcome = others.get(value)
        if outcome is None:
            outcome = convert(value)
            if len(memory) + len(others) >= _REMEMBERED:
                memory.clear()
                others.clear()
            if outcome[0] is None or outcome[1]:
                others[value] = outcome
            else:
                memory[value] = outcome[0]
        return outcome

    return remember


def _keeping(memory: dict[int, tuple[Any, Any, tuple[Problem, ...]]]) -> Callable[..., None]:
    """Remembers what a part gave, by its identity; the part is kept alive for as long. Parts never change."""

    def keep(part: Any, value: Any, problems: tuple[Problem, ...]) -> None:
        if length_of(part) > _LONGEST_PART:
            return
        if len(memory) >= _PARTS_REMEMBERED:
            memory.clear()
        memory[id(part)] = (part, value, problems)

    return keep


def _letting(memory: dict[int, Any]) -> Callable[[Any], None]:
    """Remembers a part by its identity; it is kept alive for as long. Parts never change."""

    def let(part: Any) -> None:
        if length_of(part) > _LONGEST_PART:
            return
        if len(memory) >= _PARTS_REMEMBERED:
            memory.clear()
        memory[id(part)] = part

    return let


def _remembering_lists(convert: Convert, memory: dict[Any, Outcome]) -> Convert:
    """The same for conversions of lists, where the list is one text or one part, which is known by its identity."""
    parts: dict[int, tuple[Any, Outcome]] = {}

    def remember(values: Any) -> Outcome:
        only = values[0] if len(values) == 1 else None
        if type(only) is dict:
            known = parts.get(id(only))
            if known is not None and known[0] is only:
                return known[1]
            found = convert(values)
            if length_of(only) <= _LONGEST_PART:
                if len(parts) >= _PARTS_REMEMBERED:
                    parts.clear()
                parts[id(only)] = (only, found)
            return found
        outcome = convert(values)
        if len(values) == 1 and type(values[0]) is str and len(values[0]) <= LONGEST_REMEMBERED:
            if len(memory) >= _REMEMBERED:
                memory.clear()
            memory[values[0]] = outcome
        return outcome

    return remember


class _Writer:
    """Collects source lines and the constants they use."""

    def __init__(self, decider: Decider | None) -> None:
        self._decider = decider
        self._lines: list[str] = []
        self._before: list[str] = []
        self._constants: dict[str, Any] = {
            "Decimal": Decimal,
            "Projection": Projection,
            "measure": decider.decide if decider is not None else None,
            "referred": referred,
        }

    def function(self, csor_map: CsorMap, ready: Sequence[Ready]) -> Project:
        for condition in csor_map.include_if:
            self._condition(condition)
        self._lines.append("problems = ()")
        if self._decider is not None:
            self._lines.append("measured = measure(resource, context, birth)")
            if not self._decider.always:
                self._lines.append("if measured is None: return None")
            self._lines.append("problems = measured[-1]")
        values: dict[str, str] = {}
        for part, group in groupby(enumerate(ready), key=lambda each: _only_part(each[1])):
            values |= self._fields(part, list(group))
        # Names of the record's own fields, not of the mapping: they may stand in the source.
        fields = ", ".join(f"{name!r}: {values.get(name, 'None')}" for name in csor_map.record_fields)
        self._lines.append(f"return Projection({{{fields}}}, problems)")
        body = "\n    ".join(["get = resource.get", *self._lines])
        source = "\n".join([*self._before, f"def project(resource, context, birth=None):\n    {body}"])
        namespace = dict(self._constants)
        exec(compile(source, f"<mapping {csor_map.record}>", "exec"), namespace)  # noqa: S102 - see the module's head
        project: Project = namespace["project"]
        return project

    def _constant(self, value: Any) -> str:
        name = f"k{len(self._constants)}"
        self._constants[name] = value
        return name

    def _condition(self, condition: Condition) -> None:
        wanted = self._constant(frozenset(condition.is_one_of or condition.is_none_of))
        if "." not in condition.path and condition.is_one_of:
            test = f"type(v) is not str or v not in {wanted}"
            if condition.or_absent:
                test = f"v is not None and ({test})"
            self._lines += [f"v = get({self._constant(condition.path)})", f"if {test}: return None"]
            return
        values = self._path(condition.path, collect=True)
        word = "(v if type(v) is str else 'true' if v is True else 'false' if v is False else None)"
        hit = f"any({word} in {wanted} for v in found)"
        if condition.is_none_of:
            lines = [f"found = {values}", f"if found and {hit}: return None"]
        else:
            refused = f"found and not {hit}" if condition.or_absent else f"not {hit}"
            lines = [
                f"v = {self._path(condition.path, collect=False)}",
                f"if type(v) is not str or v not in {wanted}:",  # the first one mostly is; else any will do
                f"    found = {values}",
                f"    if {refused}: return None",
            ]
        if ">" in condition.path or parse_path(condition.path)[0].name in _NEW_EACH_TIME:
            self._lines += lines
            return
        # Many resources have the same part, and one that was let through is kept alive here.
        let_through: dict[int, Any] = {}
        known, let = self._constant(let_through.get), self._constant(_letting(let_through))
        self._lines += [
            f"part = get({self._constant(parse_path(condition.path)[0].name)})",
            f"if part is None or {known}(id(part)) is not part:",
            *(f"    {line}" for line in lines),
            f"    {let}(part)",
        ]

    def _fields(self, part: str, group: Sequence[tuple[int, Ready]]) -> dict[str, str]:
        """Writes the lines of fields that stand side by side; the expressions that hold their values afterwards.

        `part` is the one element of the resource that they are all made of, if there is one.
        """
        values = {each.rule.name: self._value(number, each) for number, each in group}
        lines = [self._written(values[each.rule.name], each) for _, each in group]
        if part:
            self._of_part(list(values.values()), part, [line for each in lines for line in each])
        for (_, each), written in zip(group, lines, strict=True):
            self._lines += [] if part else written
            if each.rule.required:
                missing = problem(ProblemCode.MISSING_REQUIRED, "required, and no source has it", at=each.rule.name)
                self._lines.append(f"if {values[each.rule.name]} is None: problems += {self._constant(missing)}")
        return values

    def _value(self, number: int, ready: Ready) -> str:
        if ready.convert is not None:
            return f"f{number}"
        assert self._decider is not None  # noqa: S101 - the loader has seen to it
        return f"measured[{self._decider.place(ready.rule)}]"

    def _written(self, value: str, ready: Ready) -> list[str]:
        if ready.convert is None:
            return []
        return self._all_values(value, ready) if ready.rule.as_ in ALL_VALUES else self._one_value(value, ready)

    def _of_part(self, values: Sequence[str], part: str, lines: Sequence[str]) -> None:
        """Fields of one part of the resource: the results of a feed share such parts, so they are worked out once."""
        memory: dict[int, tuple[Any, Any, tuple[Problem, ...]]] = {}
        found, kept = self._constant(memory), self._constant(_keeping(memory))
        together = ", ".join(values)
        self._lines += [
            f"part = get({self._constant(part)})",
            f"if part is None: {' = '.join(values)} = None",
            "else:",
            f"    known = {found}.get(id(part))",
            "    if known is not None and known[0] is part:",
            f"        {together} = known[1]",
            "        if known[2]: problems += known[2]",
            "    else:",
            "        before, problems = problems, ()",
            *(f"        {line}" for line in lines),
            f"        {kept}(part, ({together}), problems)",
            "        problems = before + problems",
        ]

    def _all_values(self, value: str, ready: Ready) -> list[str]:
        paths = [self._path(path, collect=True) for path in ready.rule.path]
        assert ready.convert is not None  # noqa: S101 - the caller has asked
        memory: dict[Any, Outcome] = {}
        convert = self._constant(_remembering_lists(ready.convert, memory))
        return [
            f"found = {' or '.join(paths)}",
            f"{value} = None",
            "if found:",
            "    v = found[0] if len(found) == 1 else None",
            f"    outcome = {self._constant(memory)}.get(v) if type(v) is str else None",
            f"    if outcome is None: outcome = {convert}(found)",
            f"    {value} = outcome[0]",
            "    if outcome[1]: problems += outcome[1]",
        ]

    def _one_value(self, value: str, ready: Ready) -> list[str]:
        first, *others = self._alternatives(ready.rule.path)
        assert ready.convert is not None  # noqa: S101 - the caller has asked
        memory: dict[str, Any] = {}
        convert = self._constant(remembering(ready.convert, memory))
        known = f"{self._constant(memory)}.get(v) if type(v) is str else None"
        if ready.rule.as_ is As.NUMBER:
            known = "v if type(v) is Decimal else None"
        whole = [f"v = {first}", *(f"if v is None: v = {other}" for other in others)]
        made = [f"outcome = {convert}(v)", f"{value} = outcome[0]", "if outcome[1]: problems += outcome[1]"]
        name = _only_step(ready.rule.path[0])
        if not name:
            return [*whole, f"{value} = {known}", *_when(f"{value} is None and v is not None", made)]
        # Mostly it is there, a single one, and known: then nothing else is asked.
        rest = [*whole, f"{value} = {known}", *_when(f"{value} is None and v is not None", made)]
        unsure = f"{value} is None" if others else f"{value} is None and v is not None"
        return [f"v = get({self._constant(name)})", f"{value} = {known}", *_when(unsure, rest)]

    def _alternatives(self, paths: Sequence[str]) -> list[str]:
        """Expressions for the first value of each, one for all neighbours that lie below the same element."""
        found: list[str] = []
        for top, group in groupby(paths, key=_top_of_several):
            alike = list(group)
            if not top or len(alike) == 1:
                found += [self._path(path, collect=False) for path in alike]
                continue
            steps = [parse_path(path) for path in alike]
            getters = [f"{self._getter(each, collect=False)}(resource)" for each in steps]
            inner = " or ".join(f"{self._constant(each[1].name)} in top" for each in steps)
            value = getters[-1]
            for getter in reversed(getters[:-1]):
                value = f"(v if (v := {getter}) is not None else {value})"
            guard = f"(top := get({self._constant(top)})) is not None and (type(top) is not dict or {inner})"
            found.append(f"({value} if {guard} else None)")
        return found

    def _path(self, text: str, *, collect: bool) -> str:
        """An expression for the first value of a path, or for the list of all."""
        *references, rest = text.split(">")
        steps = parse_path(rest)
        if not references and len(steps) == 1 and steps[0].index is None and not steps[0].key:
            got = f"(v := get({self._constant(steps[0].name)}))"
            if collect:
                return f"(v if type({got}) is list else () if v is None else (v,))"
            return f"(v if type({got}) is not list else v[0] if v else None)"
        if not references:
            name = self._getter(steps, collect=collect)
            guard = f"(top := get({self._constant(steps[0].name)})) is not None"
            if len(steps) > 1:
                # Most paths of several end here: the element is there, and what stands seldom in it is not.
                guard += f" and (type(top) is not dict or {self._constant(steps[1].name)} in top)"
            return f"({name}(resource) if {guard} else {'()' if collect else 'None'})"
        name = self._getter(steps, collect=collect)
        target = f"referred({self._path(references[0], collect=False)}, resource, context)"
        for reference in references[1:]:
            further = self._getter(parse_path(reference), collect=False)
            target = f"referred({further}({target}), resource, context)"
        return f"{name}({target})"

    def _getter(self, steps: Sequence[PathStep], *, collect: bool) -> str:
        """Writes a function that walks a path in nested loops; its name."""
        name = f"path{len(self._before)}_{len(self._constants)}"
        lines = [f"def {name}(v0):", *(["    out = []"] if collect else self._straight(steps))]
        indent = "    "
        for depth, step in enumerate(steps):
            value, item = f"w{depth}", f"v{depth + 1}"
            lines += [
                f"{indent}{value} = v{depth}.get({self._constant(step.name)}) if type(v{depth}) is dict else None",
                f"{indent}for {_target(step, depth)} in {_items(step, value)}:",
            ]
            indent += "    "
            lines.append(f"{indent}if {self._test(step, value, item, depth)}:")
            indent += "    "
        last = f"v{len(steps)}"
        lines += [f"{indent}out.append({last})"] if collect else [f"{indent}return {last}"]
        lines.append("    return out" if collect else "    return None")
        self._before += lines
        return name

    def _straight(self, steps: Sequence[PathStep]) -> list[str]:
        """The common case without loops: at every step one value, or a list of one."""
        if any(step.index is not None or step.key for step in steps):
            return []
        # Leaves the loop, which runs once, where the value has another form.
        lines = ["    v = v0", "    while type(v) is dict:"]
        for number, step in enumerate(steps):
            lines += ["        if type(v) is not dict: break"] if number else []
            lines += [
                f"        v = v.get({self._constant(step.name)})",
                "        if v is None: return None",
                "        if type(v) is list:",
                "            if len(v) != 1: break",
                "            v = v[0]",
            ]
        return [*lines, "        if v is None: break", "        return v"]

    def _test(self, step: PathStep, value: str, item: str, depth: int) -> str:
        if step.index is not None:
            return f"{item} is not None and i{depth} == {step.index}"
        if step.key:
            key, wanted = self._constant(step.key), self._constant(step.value)
            single = f"type({value}) is not list"
            return f"{item} is not None and ({single} or type({item}) is dict and {item}.get({key}) == {wanted})"
        return f"{item} is not None"


def _when(condition: str, lines: Sequence[str]) -> list[str]:
    return [f"if {condition}:", *(f"    {line}" for line in lines)]


def _top_of_several(path: str) -> str:
    """The first element of a path of several; nothing where it leads to another resource."""
    steps = parse_path(path) if ">" not in path else ()
    return steps[0].name if len(steps) > 1 and steps[0].index is None and not steps[0].key else ""


def _only_step(path: str) -> str:
    """The element of a path that is nothing more; else nothing."""
    steps = parse_path(path) if ">" not in path else ()
    return steps[0].name if len(steps) == 1 and steps[0].index is None and not steps[0].key else ""


def _only_part(ready: Ready) -> str:
    """The element of the resource that alone decides a field, where it has parts that come again; else nothing."""
    rule = ready.rule
    if ready.convert is None or len(rule.path) != 1 or ">" in rule.path[0]:
        return ""
    steps = parse_path(rule.path[0])
    return steps[0].name if len(steps) > 1 and steps[0].name not in _NEW_EACH_TIME else ""


def _target(step: PathStep, depth: int) -> str:
    return f"v{depth + 1}" if step.index is None else f"i{depth}, v{depth + 1}"


def _items(step: PathStep, value: str) -> str:
    items = f"({value} if type({value}) is list else ({value},))"
    return items if step.index is None else f"enumerate({items})"
