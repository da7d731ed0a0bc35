"""Our tokeniser held to hl7apy's parse, part by part: `python -m tests.unit.hl7v2.against_hl7apy [--list] PATH...`.

Segments, fields, repetitions, components and subcomponents must be the same, and each holds the same text. hl7apy reads
by the tables of a version, we by position; where its tables have no name for a part, its order alone is compared. A
message whose version hl7apy does not know is compared a second time as version 2.8, and counted apart.
"""

import argparse
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Field as TheirField
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message

from adapter.hl7v2 import Message, Segment, batch

Tree = dict[str, Any]
"""Numbered parts, `?1` where hl7apy has no number; a leaf is its text. Empty parts are left out."""

SUFFIXES = frozenset({".hl7", ".txt", ".er7"})
KNOWN_VERSION = "2.8"
_NUMBER = re.compile(r"_(\d+)\Z")


@dataclass
class Outcome:
    """What was found in a set of messages."""

    agreed: int = 0
    agreed_as_known_version: int = 0
    not_read: Counter[str] = field(default_factory=Counter)
    parts: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


def compared(messages: Iterable[tuple[str, bytes]]) -> Outcome:
    """All messages, each as sent and, where hl7apy does not know its version, as one that it knows."""
    outcome = Outcome()
    for name, raw in messages:
        message = Message.parse(raw)
        found = _theirs(message)
        if isinstance(found, str):
            outcome.not_read[found] += 1
            message = Message.parse(_as_known_version(message))
            found = _theirs(message)
            name = f"{name} as {KNOWN_VERSION}"
            outcome.agreed_as_known_version += isinstance(found, list) and not _told(outcome, name, message, found)
        elif not _told(outcome, name, message, found):
            outcome.agreed += 1
    return outcome


def _told(outcome: Outcome, name: str, message: Message, theirs: list[tuple[str, Tree]]) -> list[str]:
    found = [f"{name}: {line}" for line in _differences(_ours(message, outcome.parts), theirs)]
    outcome.differences += found
    return found


def differences(ours: bytes, theirs: bytes) -> Iterator[str]:
    """Where our parse of one message is not hl7apy's parse of the other."""
    read = _theirs(Message.parse(theirs))
    yield from [read] if isinstance(read, str) else _differences(_ours(Message.parse(ours), Counter()), read)


# --- ours


def _ours(message: Message, parts: Counter[str]) -> list[tuple[str, Tree]]:
    return [(segment.name, _our_segment(segment, parts)) for segment in message.segments]


def _our_segment(segment: Segment, parts: Counter[str]) -> Tree:
    d = segment.message.delimiters
    parts["segments"] += 1
    tree: Tree = {}
    for number, text in enumerate(segment.fields[1:], start=1):
        if segment.name == "MSH" and number < 3:
            tree[str(number)] = {"1": {"1": {"1": text}}}
        elif divided := _divided(text, (d.repetition, d.component, d.subcomponent), parts):
            tree[str(number)] = divided
    parts["fields"] += len(tree)
    return tree


_LEVELS = ("repetitions", "components", "subcomponents")


def _divided(text: str, marks: tuple[str, ...], parts: Counter[str]) -> Any:
    """The parts that hold anything."""
    if not marks:
        return text
    pieces = text.split(marks[0]) if marks[0] else [text]
    divided = ((str(n), _divided(piece, marks[1:], parts)) for n, piece in enumerate(pieces, 1) if piece.strip())
    tree = {number: inner for number, inner in divided if inner}
    parts[_LEVELS[3 - len(marks)]] += len(tree)
    return tree


# --- theirs


def _theirs(message: Message) -> list[tuple[str, Tree]] | str:
    """hl7apy's parse as trees, or why it has none."""
    text = re.sub(r"[\r\n]+", "\r", message.raw.decode(message.encoding, "replace")).strip("\r\x0b\x1c\ufeff ")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=False)
    except (HL7apyException, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        reason = re.sub(r"\d{4,}", "…", str(error).partition("\n")[0])[:60]
        return f"{type(error).__name__}: {reason}" if isinstance(error, HL7apyException) else type(error).__name__
    return [(segment.name, _segment(segment)) for segment in parsed.children]


def _as_known_version(message: Message) -> bytes:
    """With our reading of MSH-2, which a sender may have doubled an escape in."""
    mark, *others = message.delimiters
    fields = message.lines[0].split(mark)
    fields += [""] * (12 - len(fields))
    fields[1], fields[11] = "".join(others), KNOWN_VERSION
    _, ends, rest = re.split(r"([\r\n]+)", message.text.lstrip("\r\n\x0b\ufeff "), maxsplit=1)
    return (mark.join(fields) + ends + rest).encode(message.encoding, "replace")


def _segment(segment: Any) -> Tree:
    tree: Tree = {}
    for child in segment.children:
        tree.setdefault(_number(child, "fields", tree), []).append(child)
    return {number: _repetitions(fields) for number, fields in tree.items()}


def _number(child: Any, what: str, tree: Tree) -> str:
    """The number in its name; without a name, which of the nameless it is."""
    found = _NUMBER.search(child.name or "")
    return found[1] if found else f"?{len(tree) + 1}"


def _repetitions(fields: list[TheirField]) -> Tree:
    tree = {str(n): _components(each) for n, each in enumerate(fields, start=1)}
    return {number: components for number, components in tree.items() if components}


def _components(one: TheirField) -> Tree:
    tree: Tree = {}
    for place, child in enumerate(one.children, start=1):
        inner = _subcomponents(child)
        if inner:
            tree[_placed(child, place)] = inner
    return tree


def _subcomponents(component: Any) -> Tree:
    tree: Tree = {}
    for place, child in enumerate(component.children, start=1):
        text = _leaf(child)
        if text.strip():
            tree[_placed(child, place)] = text
    return tree


def _placed(child: Any, place: int) -> str:
    """By the number of its name; parts of a plain datatype have none and come in order, empty ones included."""
    found = _NUMBER.search(child.name or "")
    return found[1] if found else f"?{place}"


def _leaf(subcomponent: Any) -> str:
    value = subcomponent.value
    held = getattr(value, "value", value)
    if held is None:
        return ""
    return held if isinstance(held, str) else str(value.to_er7())


# --- both


def _differences(ours: list[tuple[str, Tree]], theirs: list[tuple[str, Tree]]) -> Iterator[str]:
    names, others = [name for name, _ in ours], [name for name, _ in theirs]
    if names != others:
        yield f"segments differ: ours {' '.join(names)}, hl7apy {' '.join(others)}"
        return
    seen: Counter[str] = Counter()
    for (name, our), (_, their) in zip(ours, theirs, strict=True):
        seen[name] += 1
        our, their = _with_nameless_fields_apart(our, their)
        for path in _differing(our, their, f"{name}[{seen[name]}]"):
            yield f"{path} differs"


def _with_nameless_fields_apart(our: Tree, their: Tree) -> tuple[Tree, Tree]:
    """Of fields that its tables do not know hl7apy makes each repetition a field."""
    apart: Tree = {}
    for number, repetitions in our.items():
        if number in their:
            apart[number] = repetitions
        else:
            apart |= {f"{number}~{n}": {"1": repetition} for n, repetition in repetitions.items()}
    return apart, {number: repetitions for number, repetitions in their.items() if repetitions}


def _differing(our: Any, their: Any, path: str) -> Iterator[str]:
    if isinstance(our, str) or isinstance(their, str):
        if not (isinstance(our, str) and isinstance(their, str) and _is_same(our, their)):
            yield path
        return
    named = {number: inner for number, inner in their.items() if number[0] != "?"}
    nameless = [inner for number, inner in their.items() if number[0] == "?"]
    rest = [(number, inner) for number, inner in our.items() if number not in named]
    for number in named.keys() - our.keys():
        yield f"{path}-{number}"
    for number, inner in our.items():
        if number in named:
            yield from _differing(inner, named[number], f"{path}-{number}")
    if len(rest) != len(nameless):
        yield f"{path} (parts without a name: ours {len(rest)}, hl7apy {len(nameless)})"
        return
    for (number, inner), other in zip(rest, nameless, strict=True):
        yield from _differing(inner, other, f"{path}-{number}")


def _is_same(our: str, their: str) -> bool:
    """hl7apy trims a segment, and writes numbers anew (`007` as `7`)."""
    if our.strip() == their.strip():
        return True
    try:
        return Decimal(our.strip()) == Decimal(their.strip())
    except InvalidOperation:
        return False


def messages_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """Each message of a file, or of all files of a folder."""
    files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES) if path.is_dir() else [path]
    for file in files:
        for number, raw in enumerate(batch.split(file.read_bytes()).messages, start=1):
            yield f"{file}[{number}]", raw


def printed(outcome: Outcome) -> Iterator[str]:
    refused = outcome.not_read.total()
    yield f"hl7apy reads {outcome.agreed} messages as we do, part by part; {refused} it cannot read as sent:"
    yield from (f"  {count:>5}  {reason}" for reason, count in outcome.not_read.most_common())
    yield f"of those {outcome.agreed_as_known_version} agree when read as version {KNOWN_VERSION}"
    yield ", ".join(f"{count} {what}" for what, count in outcome.parts.items())
    yield f"{len(outcome.differences)} differences"
    yield from outcome.differences


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path)
    asked = parser.parse_args()
    outcome = compared(message for path in asked.paths for message in messages_of(path))
    print("\n".join(printed(outcome)))
    return 1 if outcome.differences else 0


if __name__ == "__main__":
    sys.exit(main())
