"""Which SNOMED CT codes lie below which: a trust's own file, so that a list of a few codes stands for all they cover.

The adapter ships no release of SNOMED CT (it needs a licence): a trust exports the pairs for the listed codes.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, StringConstraints

from adapter.datafile import Positioned, read_csv

Identifier = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[1-9]\d{5,17}$")]


class Descent(Positioned):
    """One row: the second code lies below the first, at once or by steps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ancestor: Identifier
    descendant: Identifier


def read_closure(path: Path) -> list[Descent]:
    """The rows of a file with the columns ancestor and descendant; SetupError with all faults."""
    return read_csv(path, Descent)


def below(pairs: Iterable[Descent]) -> Mapping[str, frozenset[str]]:
    """Each code with all that lies below it: the pairs may be steps only."""
    children: dict[str, set[str]] = {}
    for pair in pairs:
        children.setdefault(pair.ancestor, set()).add(pair.descendant)
    return {code: frozenset(_reached(code, children)) for code in children}


def _reached(code: str, children: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [code]
    while waiting:
        found = children.get(waiting.pop(), set()) - reached
        reached |= found
        waiting += found
    return reached - {code}
