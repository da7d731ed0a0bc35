"""Takes a body of several patients apart, so that each patient's resources can be sealed under a key of their own.

Every resource keeps its own bytes. What no patient can be told for, or what could not be used, is a body of its own in
which each piece stands at its old place: a JSON pointer into the whole is right in it, too.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import msgspec

from adapter.fhir.part import Part, Rejected
from adapter.fhir.references import Index

Tree = dict[int, Any]
"""Entries by number; a value is the bytes of an entry, a `_Resource`, or the Tree of a Bundle in it."""


class _Resource(msgspec.Struct, frozen=True):
    raw: bytes


def separate(
    owned: Mapping[str, Sequence[Part]], shared: Sequence[Part], rejected: Sequence[Rejected], *, index: Index
) -> list[bytes]:
    """One body for each patient, and those of what was rejected.

    `shared` names no patient (a Practitioner, a Location): it goes with each patient whose resources refer to it.
    """
    bodies = [_bundle(_with_shared(parts, shared, index)) for parts in owned.values()]
    return bodies + list(_remainders(rejected))


def _with_shared(parts: Sequence[Part], shared: Sequence[Part], index: Index) -> list[Part]:
    free = {id(part): part for part in shared}
    found = list(parts)
    for part in found:  # grows while it is walked: what is referred to may refer to more
        for reference in _references(part.resource):
            meant = index.find(reference)
            if meant is not None and free.pop(id(meant), None) is not None:
                found.append(meant)
    return found


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, child in value.items():
            if key == "reference" and isinstance(child, str):
                yield child
            else:
                yield from _references(child)
    elif isinstance(value, list):
        for child in value:
            yield from _references(child)


def _bundle(parts: Sequence[Part]) -> bytes:
    """A Bundle's timestamp is the clock of what has none of its own, so parts of different ones stay apart."""
    groups = [
        (timestamp, [_entry(part) for part in group])
        for timestamp, group in groupby(sorted(parts, key=lambda part: part.timestamp), lambda part: part.timestamp)
    ]
    bundles = [_wrapped(entries, timestamp=timestamp) for timestamp, entries in groups]
    if len(bundles) == 1:
        return bundles[0]
    return _wrapped([b'{"resource":' + bundle + b"}" for bundle in bundles])


def _entry(part: Part) -> bytes:
    address = b'"fullUrl":' + msgspec.json.encode(part.full_url) + b"," if part.full_url else b""
    return b"{" + address + b'"resource":' + part.raw + b"}"


def _wrapped(entries: Sequence[bytes], *, timestamp: str = "") -> bytes:
    when = b'"timestamp":' + msgspec.json.encode(timestamp) + b"," if timestamp else b""
    return b'{"resourceType":"Bundle","type":"collection",' + when + b'"entry":[' + b",".join(entries) + b"]}"


def _remainders(rejected: Sequence[Rejected]) -> Iterator[bytes]:
    """One body for each body, or line of NDJSON, that had something wrong in it."""
    trees: dict[str, Tree] = {}
    for each in rejected:
        line, _, pointer = each.at.rpartition(" ")
        steps = pointer.split("/")
        numbers = [int(steps[place + 1]) for place, step in enumerate(steps) if step == "entry"]
        if not numbers:  # a whole line
            yield each.raw
            continue
        tree = trees.setdefault(line, {})
        for number in numbers[:-1]:
            tree = tree.setdefault(number, {})
        tree[numbers[-1]] = _Resource(each.raw) if steps[-1] == "resource" else each.raw
    for tree in trees.values():
        yield _planted(tree)


def _planted(tree: Tree) -> bytes:
    return _wrapped([_rendered(tree.get(number)) for number in range(max(tree) + 1)])


def _rendered(piece: bytes | _Resource | Tree | None) -> bytes:
    if piece is None:
        return b"{}"
    if isinstance(piece, bytes):
        return piece
    inner = piece.raw if isinstance(piece, _Resource) else _planted(piece)
    return b'{"resource":' + inner + b"}"
