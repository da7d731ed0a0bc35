"""Small pieces that compiling shares: which positions a block reads, and single lines of generated source."""

from collections.abc import Iterable, Iterator

from adapter.mapping.rules import Block, Condition

FIRST = "[0]"
"""After a name: the first element of the list, made where there is none."""

CHOICE = "[x]"
"""After a name: the conversion gives the element or elements themselves (`valueQuantity`, `performedPeriod`)."""

LAST = "[last]"
"""After a name: the element of the list that was put there last."""


def paths_of(block: Block) -> Iterator[str]:
    """Every v2 position that the block reads."""
    yield from made_of(block)
    for condition in conditions(block):
        for test in condition._class:
            yield from (leaf.field for leaf in test.leaves() if leaf.field)
    yield from block.clock
    yield from filter(None, [block.rank])
    yield from key_paths(block)


def made_of(block: Block) -> Iterator[str]:
    """The positions the resource itself is made of; those of classes of orders apart."""
    yield from block.needs
    for condition in conditions(block):
        yield from filter(None, [condition.field])
    for rule in block.fields:
        yield from rule.from_
        yield from rule.using


def conditions(block: Block) -> Iterator[Condition]:
    """Every single test of the block and its rules."""
    for test in block.when:
        yield from test.leaves()
    for rule in block.fields:
        for test in rule.when:
            yield from test.leaves()


def classes_of(blocks: Iterable[Block]) -> dict[str, tuple[Condition, ...]]:
    """The classes of orders that the blocks' conditions name, with their tests."""
    found = (test for block in blocks for test in conditions(block) if test._class)
    return {test.is_ or test.is_not or "": test._class for test in found}


def key_paths(block: Block) -> Iterator[str]:
    """The positions the natural key is made of."""
    for part in block.key:
        yield from (*part.from_, *part.if_valued, *part.unless_valued)


def top_of(target: str) -> str:
    """The part of a target up to its first list: what lies behind belongs to the list's element."""
    head, mark, _ = target.partition("[]")
    return head + mark


def absent(head: str) -> str:
    """The test that an element is not there yet."""
    if head.endswith(CHOICE):
        return f"not any(n.startswith({head.removesuffix(CHOICE)!r}) for n in r)"
    *parents, last = head.split(".")
    holder = "r"
    for name in parents:
        if name.endswith(FIRST):
            holder = f"{holder}.get({name.removesuffix(FIRST)!r}, NOTHINGS)[0]"
        elif name.endswith(LAST):
            holder = f"{holder}.get({name.removesuffix(LAST)!r}, NOTHINGS)[-1]"
        else:
            holder = f"{holder}.get({name!r}, NOTHING)"
    return f"{last!r} not in {holder}"


def assignment(head: str, *, shares: bool, is_only: bool) -> Iterator[str]:
    """Assignment of v. Parents are made fresh, or copied where another resource may hold them too."""
    if head.endswith(CHOICE):
        yield "r.update(v)"
        return
    *parents, last = head.removesuffix("[]").split(".")
    holder = "r"
    for name in parents:
        if name.endswith(FIRST):
            yield from _first_of_list(holder, name.removesuffix(FIRST))
        elif name.endswith(LAST):
            yield from _last_of_list(holder, name.removesuffix(LAST))
        elif shares:
            yield f"e = {{**{holder}.get({name!r}, NOTHING)}}"
            yield f"{holder}[{name!r}] = d = e"
        else:
            yield f"e = {holder}.get({name!r})"
            yield f"if e is None: e = {holder}[{name!r}] = {{}}"
            yield "d = e"
        holder = "d"
    if head.endswith("[]") and not is_only:
        yield f"d = {holder}"
        yield f"d[{last!r}] = d[{last!r}] + v if {last!r} in d else v"
    else:
        yield f"{holder}[{last!r}] = v"


def _first_of_list(holder: str, name: str) -> Iterator[str]:
    """The first element of a list, always copied: rules before this one may have shared the list."""
    yield f"first, *others = {holder}.get({name!r}, NOTHINGS)"
    yield "first = {**first}"
    yield f"{holder}[{name!r}] = [first, *others]"
    yield "d = first"


def _last_of_list(holder: str, name: str) -> Iterator[str]:
    yield f"*others, last = {holder}.get({name!r}, NOTHINGS)"
    yield "last = {**last}"
    yield f"{holder}[{name!r}] = [*others, last]"
    yield "d = last"


def indented(spaces: int, lines: Iterable[str]) -> Iterator[str]:
    """Lines moved to the right."""
    for line in lines:
        yield " " * spaces + line
