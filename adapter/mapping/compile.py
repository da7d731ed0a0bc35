"""Mapping rules become Python functions, once, at start-up: the source of some functions per resource a segment makes.

The functions only pick fields, test conditions and put values in place; reading a value is done by the conversions,
through a fetcher per rule (`adapter.mapping.v2_engine`). The generated source can be printed: `print(Compiled.source)`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from types import CodeType

from adapter.mapping.rules import Block, FieldRule, place
from adapter.mapping.v2_conditions import class_lines
from adapter.mapping.v2_pieces import classes_of, paths_of
from adapter.mapping.v2_source import BlockSource


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledBlock:
    """One resource of one segment."""

    block: Block
    segment: str
    number: int
    """Names the generated functions: `make_7`, `key_7`."""
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """All blocks, their rules by number, and the code object that defines their functions."""

    blocks: tuple[CompiledBlock, ...]
    rules: tuple[FieldRule, ...]
    constants: dict[str, object]
    widths: dict[str, int]
    """Segments that any rule reads, and to how many fields they must be padded so that no access fails."""
    source: str
    code: CodeType


def compile_blocks(blocks: Iterable[tuple[str, str, Block]]) -> Compiled:
    """`blocks` are (segment, file, block) in order."""
    listed = list(blocks)
    widths = {segment: 2 for segment, _, _ in listed}
    for _, _, block in listed:
        for path in paths_of(block):
            at = place(path)
            widths[at.segment] = max(widths.get(at.segment, 2), at.field + 1)
    lines: list[str] = []
    rules: list[FieldRule] = []
    constants: dict[str, object] = {}
    compiled = []
    for name, tests in classes_of(block for _, _, block in listed).items():
        lines += class_lines(name, tests, constants=constants)
    for number, (segment, file, block) in enumerate(listed):
        compiled.append(CompiledBlock(block=block, segment=segment, number=number, file=file))
        writer = BlockSource(segment, block, number=number, first_rule=len(rules), constants=constants)
        lines += writer.lines(widths[segment])
        rules += block.fields
    source = "\n".join(lines)
    return Compiled(
        blocks=tuple(compiled),
        rules=tuple(rules),
        constants=constants,
        widths=widths,
        source=source,
        code=compile(source, "<v2-to-fhir mappings>", "exec"),
    )
