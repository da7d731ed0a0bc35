"""Published expectations beside what we make of the same message: which values agree, and every one that does not.

The comparison is that of the scorer the expectations came with: each expected resource is paired with at most one
produced resource of its type, greedily, most agreeing values first; positions in lists are ignored.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

TYPES = (
    "Patient",
    "Encounter",
    "Condition",
    "Procedure",
    "Observation",
    "DiagnosticReport",
    "ServiceRequest",
    "Specimen",
)


class Leaf(NamedTuple):
    """One expected value; `kind` says how it is compared."""

    path: str
    value: str
    kind: str = ""


Produced = Sequence[tuple[str, str]]
"""The values of one produced resource by path."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An expected value that the resource paired with it does not have."""

    message: str
    resource: str
    source: str
    path: str
    value: str
    whole: tuple[Leaf, ...]
    """All that is expected of this resource."""
    made: tuple[tuple[str, str], ...] | None
    """The produced resource it was paired with; None where no produced one agrees in anything."""
    rivals: tuple[str, ...]
    """Values produced on that path which agree with nothing: of the paired resource, else of all unpaired ones."""
    others: tuple[tuple[tuple[str, str], ...], ...]
    """All produced resources of the type."""


@dataclass(kw_only=True)
class Tally:
    """Values of one type."""

    agreeing: int = 0
    expected: int = 0
    produced: int = 0


@dataclass(kw_only=True)
class Comparison:
    """What came of comparing one message, or many."""

    tallies: dict[str, Tally] = field(default_factory=lambda: {kind: Tally() for kind in TYPES})
    differences: list[Difference] = field(default_factory=list)

    def add(self, other: "Comparison") -> None:
        """Take in another message."""
        self.differences += other.differences
        for kind, tally in other.tallies.items():
            mine = self.tallies[kind]
            mine.agreeing += tally.agreeing
            mine.expected += tally.expected
            mine.produced += tally.produced


Expectation = dict[str, dict[tuple[str, str], list[Leaf]]]
"""Type → (source, index) → values."""


def expectations(file: Path) -> dict[str, Expectation]:
    """The core expectations of our types, by message."""
    found: dict[str, Expectation] = {}
    with file.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            is_one = row["tier"] == "core" and row["resource"] in TYPES and row["index"] != "-1"
            if not is_one or row["fhir_path"].endswith("()"):
                continue
            leaf = Leaf(re.sub(r"\[\d+\]", "", row["fhir_path"]), row["expected_value"], row["compare_as"])
            of_type = found.setdefault(row["message_file"], {}).setdefault(row["resource"], {})
            leaves = of_type.setdefault((row["source"], row["index"]), [])
            if leaf not in leaves:
                leaves.append(leaf)
    return found


def compare(message: str, expected: Expectation, resources: Iterable[Mapping[str, Any]]) -> Comparison:
    """One message's expectations against the resources made of it."""
    result = Comparison()
    produced: dict[str, list[Produced]] = {}
    for resource in resources:
        kind = str(resource["resourceType"])
        produced.setdefault(kind, []).append(tuple(leaves_of(resource, kind)))
    for kind, wanted in expected.items():
        paths = {leaf.path for leaves in wanted.values() for leaf in leaves}
        candidates = [tuple(leaf for leaf in leaves if leaf[0] in paths) for leaves in produced.get(kind, [])]
        tally = result.tallies[kind]
        tally.expected += sum(map(len, wanted.values()))
        tally.produced += sum(map(len, candidates))
        pairs = _pairs(list(wanted.values()), candidates)
        result.differences += _differences(message, kind, wanted, candidates=candidates, pairs=pairs)
        tally.agreeing += sum(_agreement(leaves, candidates[pairs[at]]) for at, leaves in _paired(wanted, pairs))
    return result


def leaves_of(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Every value of a resource under its path without positions."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from leaves_of(inner, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves_of(inner, path)
    elif value is not None:
        yield path, str(value).lower() if isinstance(value, bool) else str(value)


def _paired(wanted: Mapping[Any, list[Leaf]], pairs: Mapping[int, int]) -> Iterator[tuple[int, list[Leaf]]]:
    return ((at, leaves) for at, leaves in enumerate(wanted.values()) if at in pairs)


def _pairs(wanted: Sequence[Sequence[Leaf]], candidates: Sequence[Produced]) -> dict[int, int]:
    scored = sorted(
        ((_agreement(w, c), i, j) for i, w in enumerate(wanted) for j, c in enumerate(candidates)), reverse=True
    )
    pairs: dict[int, int] = {}
    for score, i, j in scored:
        if score and i not in pairs and j not in pairs.values():
            pairs[i] = j
    return pairs


def _agreement(expected: Iterable[Leaf], produced: Produced) -> int:
    return sum(found for _, found in _agreeing(expected, list(produced)))


def _agreeing(expected: Iterable[Leaf], left: list[tuple[str, str]]) -> Iterator[tuple[Leaf, bool]]:
    """Each expected value with whether it is there; `left` keeps what agreed with nothing."""
    for leaf in expected:
        hit = next((given for given in left if given[0] == leaf.path and same(leaf.value, given[1], leaf.kind)), None)
        if hit:
            left.remove(hit)
        yield leaf, hit is not None


def _differences(
    message: str,
    kind: str,
    wanted: Mapping[tuple[str, str], list[Leaf]],
    *,
    candidates: Sequence[Produced],
    pairs: Mapping[int, int],
) -> Iterator[Difference]:
    spare = [leaf for at, leaves in enumerate(candidates) if at not in pairs.values() for leaf in leaves]
    for at, ((source, _), leaves) in enumerate(wanted.items()):
        made = candidates[pairs[at]] if at in pairs else None
        left = list(made or ())
        missed = [leaf for leaf, found in list(_agreeing(leaves, left)) if not found]
        for leaf in missed:
            yield Difference(
                message=message,
                resource=kind,
                source=source,
                path=leaf.path,
                value=leaf.value,
                whole=tuple(leaves),
                made=None if made is None else tuple(made),
                rivals=tuple(v for p, v in (spare if made is None else left) if p == leaf.path),
                others=tuple(map(tuple, candidates)),
            )


def same(expected: str, produced: str, kind: str) -> bool:
    """Whether two values are one, as the scorer sees it."""
    a, b = _normal(expected, kind), _normal(produced, kind)
    if kind == "datetime":  # equal to the shorter precision, offsets ignored
        return min(len(a), len(b)) >= 4 and (a.startswith(b) or b.startswith(a))
    return a == b


def _normal(value: str, kind: str) -> str:
    value = value.strip()
    if kind == "datetime":
        value = re.sub(r"(\.\d+)?([zZ]|[+-]\d\d:?\d\d)$", "", value) if "T" in value else value
        return re.sub(r"[^0-9]", "", value)[:12]
    if kind == "decimal":
        try:
            return str(Decimal(value).normalize())
        except InvalidOperation:
            return value
    return re.sub(r"\s+", " ", value).lower()
