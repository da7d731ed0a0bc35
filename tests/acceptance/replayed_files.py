"""The files that lineage names, as an outsider reads them."""

import csv
import itertools
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import yaml


class Unfit(Exception):
    """Something printed does not follow."""


class Files:
    """The mapping files, by the names that lineage gives them."""

    def __init__(self, folder: Path, *, own: Iterable[Path] = (), trust: Path | None = None) -> None:
        """`own`: the tables of the trust; `trust`: its file, for the wards."""
        inside = [path for path in folder.rglob("*") if path.is_file()]
        self._paths = [path for path in inside if "examples" not in path.relative_to(folder).parts] + list(own)
        listed = yaml.safe_load(trust.read_text()).get("wards", []) if trust else []
        self.wards = {each["code"]: each["type"] for each in listed}
        self._lines = cache(self._read)

    def _read(self, name: str) -> list[str]:
        found = [path for path in self._paths if path.as_posix().endswith("/" + name)]
        if len(found) != 1:
            raise Unfit(f"{len(found)} mapping files are named {name}")
        return found[0].read_text(encoding="utf-8").splitlines()

    def has(self, place: str) -> bool:
        """Whether there is such a file."""
        name = place.rpartition(":")[0]
        return any(path.as_posix().endswith("/" + name) for path in self._paths)

    def whole(self, name: str) -> str:
        """A file as it is."""
        return "\n".join(self._lines(name))

    def rows(self, name: str) -> list[dict[str, str]]:
        """The rows of a CSV file."""
        return list(csv.DictReader(self._lines(name)))

    def line(self, place: str, *, more: int = 0) -> str:
        """The line of `OBX.yaml:41`, with some after it."""
        name, _, number = place.rpartition(":")
        lines = self._lines(name)
        if not 0 < int(number) <= len(lines):
            raise Unfit(f"there is no line {place}")
        return "\n".join(lines[int(number) - 1 : int(number) + more])

    def entry(self, place: str) -> Any:
        """The entry of a YAML list that begins at a line."""
        first, *after = self.line(place, more=200).splitlines()
        indent = first[: first.index("- ")]
        own = itertools.takewhile(lambda line: not line.strip() or line.startswith(f"{indent}  "), after)
        return yaml.safe_load("\n".join([first, *own]))[0]

    def cells(self, place: str) -> dict[str, str]:
        """A line of a CSV file by its columns."""
        header = next(csv.reader([self.line(place.rpartition(":")[0] + ":1")]))
        return dict(zip(header, next(csv.reader([self.line(place)])), strict=False))

    def states(self, place: str, word: str) -> bool:
        """Whether a rule holds the word: on its line, the few that belong to it, or as the resource that it makes."""
        lines = self.line(place, more=8)
        if word == "urn:csor-adapter:system-inferred":
            # Where the message names no system of a code, the rule's own is taken and marked.
            return "system:" in lines
        return word.lower() in lines.lower() or self._resource_of(place) == word

    def _resource_of(self, place: str) -> str:
        name, _, number = place.rpartition(":")
        above = [line.split() for line in self._lines(name)[: int(number)]]
        return next((words[-1] for words in reversed(above) if words[:2] == ["-", "resource:"]), "")

    def spells(self, unit: str) -> bool:
        """Whether a table of units knows this spelling."""
        tables = [path for path in self._paths if path.parent.name == "units"]
        return any(tidy(unit) in tidy(path.read_text(encoding="utf-8")) for path in tables)


def tidy(text: str) -> str:
    return re.sub(r"\s", "", text).replace("\u00b5", "u").replace("\u03bc", "u").casefold()
