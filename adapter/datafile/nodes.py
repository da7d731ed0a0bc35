"""YAML as a tree of text with places. Must not guess types: the model decides what is a number or a date.

Built from parser events, because a composed PyYAML tree has already forgotten its anchors and its duplicate keys.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from adapter.errors import ExitCode, Finding, SetupError

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Plain = str | list["Plain"] | dict[str, "Plain"]


class Place(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The text of one file, kept so that a finding can show its line."""

    file: str
    lines: tuple[str, ...]

    def finding(self, place: Place, text: str, *, hint: str = "", conceal: bool = False) -> Finding:
        """A fault at this place; `conceal` hides the line from the caret on, where a secret may stand."""
        line = self.lines[place.line - 1] if 0 < place.line <= len(self.lines) else ""
        shown = line[: place.column - 1] + "···" if conceal else line
        return Finding(
            file=self.file, line=place.line, column=place.column, text=text, source_line=shown.rstrip(), hint=hint
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One value of a YAML file: text, a list or a mapping, and where it stands."""

    value: "str | list[Node] | dict[str, Node]"
    place: Place
    source: Source = field(repr=False)
    keys: dict[str, Place] = field(default_factory=dict, repr=False)
    """Where each key of a mapping stands."""

    @property
    def file(self) -> str:
        return self.source.file

    @property
    def line(self) -> int:
        return self.place.line

    @property
    def column(self) -> int:
        return self.place.column

    def child(self, part: str | int) -> "Node | None":
        """The value under a key or an index, where there is one."""
        if isinstance(self.value, dict) and isinstance(part, str):
            return self.value.get(part)
        if isinstance(self.value, list) and isinstance(part, int) and part < len(self.value):
            return self.value[part]
        return None

    def plain(self) -> Plain:
        """The same value as nested str, list and dict."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return {key: child.plain() for key, child in self.value.items()}

    def finding(self, text: str, *, hint: str = "") -> Finding:
        """A fault of this value, for checks that no model can make."""
        return self.source.finding(self.place, text, hint=hint)


def read_yaml(path: Path, *, exit_code: ExitCode = ExitCode.CONFIG) -> Node:
    """The one document of a file; raises SetupError naming every duplicate key, anchor, alias, tag and empty value."""
    text = read_text(path, exit_code=exit_code)
    builder = _Builder(Source(file=str(path), lines=tuple(text.splitlines())))
    try:
        node = builder.document(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        builder.refuse(error.problem_mark or error.context_mark, f"not YAML: {error.problem or error.context}")
        node = None
    except yaml.YAMLError as error:
        builder.refuse(None, f"not YAML: {error}")
        node = None
    if node is None or builder.findings:
        raise SetupError(f"{path} cannot be used", findings=tuple(builder.findings), exit_code=exit_code)
    return node


def read_text(path: Path, *, exit_code: ExitCode) -> str:
    """The file as UTF-8 text, with a byte order mark forgiven (spreadsheets write one)."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SetupError(f"{path} cannot be read: {error.strerror}", exit_code=exit_code) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        finding = Finding(file=str(path), line=line, column=1, text="not UTF-8", hint="save the file as UTF-8")
        raise SetupError(f"{path} cannot be used", findings=(finding,), exit_code=exit_code) from error


class _Builder:
    """Builds nodes from parser events and collects what this project refuses in a YAML file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.findings: list[Finding] = []

    def refuse(self, mark: Any, text: str, *, hint: str = "") -> None:
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(0, 0)
        self.findings.append(self.source.finding(place, text, hint=hint))

    def document(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    self.refuse(event.start_mark, "a second document", hint="one document in a file")
                    return root
                root = self.node(next(events), events)
        if root is None:
            self.refuse(None, "the file is empty")
        return root

    def node(self, event: Any, events: Iterator[Any]) -> Node:
        self._refuse_indirection(event)
        place = Place(event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, yaml.SequenceStartEvent):
            return Node(value=self._items(events), place=place, source=self.source)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(place, events)
        value = getattr(event, "value", "")
        if isinstance(event, yaml.ScalarEvent) and value == "" and not event.style:
            self.refuse(
                event.start_mark, "nothing is written here", hint='write a value, "" or [], or take the line out'
            )
        return Node(value=value, place=place, source=self.source)

    def _items(self, events: Iterator[Any]) -> list[Node]:
        items = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self.node(event, events))
        return items

    def _mapping(self, place: Place, events: Iterator[Any]) -> Node:
        children: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self.node(event, events)
            child = self.node(next(events), events)
            if not isinstance(key.value, str):
                self.refuse(event.start_mark, "a key must be text")
            elif key.value in keys:
                self.refuse(event.start_mark, f'"{key.value}" stands here twice, first in line {keys[key.value].line}')
            else:
                children[key.value], keys[key.value] = child, key.place
        return Node(value=children, place=place, source=self.source, keys=keys)

    def _refuse_indirection(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            self.refuse(event.start_mark, f"alias *{event.anchor}", hint="write the value out")
            return
        if event.anchor:
            self.refuse(event.start_mark, f"anchor &{event.anchor}", hint="write each value out where it is used")
        if event.tag:
            self.refuse(event.start_mark, f"tag {event.tag}", hint="the schema makes numbers and dates, not a tag")
