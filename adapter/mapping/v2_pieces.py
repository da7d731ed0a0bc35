"""Small pieces that compiling shares: which positions a block reads, and single lines of generated source."""

from collections.abc import Iterable, Iterator

from adapter.mapping.rules import Block, Condition


def paths_of(block: Block) -> Iterator[str]:
    """Every v2 position that the block reads."""
    yield from made_of(block)
    yield from block.clock
    yield from filter(None, [block.rank])
    yield from key_paths(block)


def made_of(block: Block) -> Iterator[str]:
    """The positions the resource itself is made of."""
    yield from block.needs
    for condition in conditions(block):
        yield from filter(None, [condition.field])
    for rule in block.fields:
        yield from rule.from_
        yield from rule.using


def conditions(block: Block) -> Iterator[Condition]:
    """Every test of the block and its rules."""
    yield from block.when
    for rule in block.fields:
        yield from rule.when


def key_paths(block: Block) -> Iterator[str]:
    """The positions the natural key is made of."""
    for part in block.key:
        yield from part.from_
        yield from filter(None, [part.unless_valued])


def top_of(target: str) -> str:
    """The part of a target up to its first list: what lies behind belongs to the list's element."""
    head, mark, _ = target.partition("[]")
    return head + mark


def absent(head: str) -> str:
    """The test that an element is not there yet."""
    if head == "value[x]":
        return "not any(n.startswith('value') for n in r)"
    *parents, last = head.split(".")
    holder = "r"
    for name in parents:
        holder = f"{holder}.get({name!r}, NOTHING)"
    return f"{last!r} not in {holder}"


def assignment(head: str, *, shares: bool, is_only: bool) -> Iterator[str]:
    """Assignment of v. Parents are made fresh, or copied where another resource may hold them too."""
    if head == "value[x]":
        yield "r.update(v)"
        return
    *parents, last = head.removesuffix("[]").split(".")
    holder = "r"
    for name in parents:
        if shares:
            yield f"d = {holder}[{name!r}] = {{**{holder}.get({name!r}, NOTHING)}}"
        else:
            yield f"d = {holder}.get({name!r})"
            yield f"if d is None: d = {holder}[{name!r}] = {{}}"
        holder = "d"
    if head.endswith("[]") and not is_only:
        yield f"d = {holder}"
        yield f"d[{last!r}] = d[{last!r}] + v if {last!r} in d else v"
    else:
        yield f"{holder}[{last!r}] = v"


def indented(spaces: int, lines: Iterable[str]) -> Iterator[str]:
    """Lines moved to the right."""
    for line in lines:
        yield " " * spaces + line
