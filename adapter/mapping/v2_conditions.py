"""Writes the Python source of what mapping rules test: fields of segments, events, the class of an order."""

import re
from collections.abc import Callable, Iterable, Iterator

from adapter.mapping.rules import Condition, place

PUT_ASIDE = frozenset({"ORC", "PID"})
"""Segments whose line may be put aside, to be split when a rule asks for it: most messages never ask."""


def class_lines(name: str, tests: Iterable[Condition], *, constants: dict[str, object]) -> Iterator[str]:
    """A function that tells whether the order in hand is of this class; the group remembers the answer."""

    def one(test: Condition) -> str:
        at = place(test.field or "")
        text = f"g.get({at.segment!r}, NONE)[{at.field}]"
        if at.segment in PUT_ASIDE:
            text = f"held(g, {at.segment!r})[{at.field}]"
        field = f"part_{at.component}_{at.subcomponent}({text})" if at.component else text
        return tested(test, field=field, of=one, constants=constants)

    function, key = class_function(name), f"is {name}"
    yield f"def {function}(g):"
    yield f"    is_it = g['order'].get({key!r})"
    yield "    if is_it is None:"
    yield f"        is_it = g['order'][{key!r}] = bool({' or '.join(map(one, tests))})"
    yield from ("    return is_it", "")


def class_function(name: str) -> str:
    """`is_imaging`."""
    return "is_" + re.sub(r"[^a-z0-9]", "_", name)


def class_test(condition: Condition) -> str:
    """The source of the question whether the order in hand is of the class that this test names."""
    return f"{class_function(condition.is_ or condition.is_not or '')}(g)"


def tested(condition: Condition, *, field: str, of: Callable[[Condition], str], constants: dict[str, object]) -> str:
    """The source of one test; `field` is the source of the text it asks about, `of` tests what it is made of."""
    if condition._class:
        return class_test(condition) if condition.is_ else f"not {class_test(condition)}"
    if condition.any_of or condition.none_of:
        inner = " or ".join(of(test) for test in condition.any_of or condition.none_of)
        return f"({inner})" if condition.any_of else f"not ({inner})"
    for name, words in (("event", condition.event), ("follows", condition.follows), ("message", condition.message)):
        if words is not None:
            return f"g[{name!r}] in {_constant(words, constants)}"
    if condition.event_is_not is not None:
        return f"g['event'] not in {_constant(condition.event_is_not, constants)}"
    if condition.valued is not None:
        return f"({field})" if condition.valued else f"not {field}"
    if condition.in_table is not None:
        return f"{field}.strip().upper() in {_constant(condition._codes, constants)}"
    inside = "in" if condition.is_one_of is not None else "not in"
    return f"{field} {inside} {_constant(condition.is_one_of or condition.is_none_of or (), constants)}"


def _constant(words: Iterable[str], constants: dict[str, object]) -> str:
    name = f"K{len(constants)}"
    constants[name] = frozenset(words)
    return name
