"""Validates a node against a pydantic model and turns every error into a finding with file, line, column and caret."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PrivateAttr, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from adapter.datafile.known_keys import known_keys
from adapter.datafile.nodes import Node, Place, read_yaml
from adapter.errors import ExitCode, Finding, SetupError

M = TypeVar("M", bound=BaseModel)

TreePath = tuple[str | int, ...]

CONCEALED = "concealed"
"""The type of a PydanticCustomError whose source line must not be shown: a secret may stand in it."""

_SHAPES = {"string_type", "dict_type", "list_type", "tuple_type", "model_type", "model_attributes_type", "set_type"}


def hyphenated(name: str) -> str:
    """Alias generator for mapping files: `include_if` is written `include-if`, `from_` is written `from`."""
    return name.rstrip("_").replace("_", "-")


def _iso_duration(value: object) -> object:
    if isinstance(value, str) and not value.startswith("P"):
        raise PydanticCustomError("duration", "should be an ISO 8601 duration such as P3D or PT6H")
    return value


Duration = Annotated[timedelta, BeforeValidator(_iso_duration)]
"""A bare number is refused: `3` might be days or seconds."""


class Positioned(BaseModel):
    """A model that knows the file and line it was read from, for lineage and for later findings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    _file: str = PrivateAttr(default="")
    _line: int = PrivateAttr(default=0)
    _column: int = PrivateAttr(default=0)
    _positions: dict[TreePath, Place] = PrivateAttr(default_factory=dict)

    def __eq__(self, other: object) -> bool:
        """Where it was read from is no part of what it says."""
        return type(self) is type(other) and self.__dict__ == other.__dict__


def load_model(path: Path, model: type[M], *, exit_code: ExitCode = ExitCode.CONFIG) -> M:
    """The file as this model, or SetupError with all its faults."""
    return validate_node(read_yaml(path, exit_code=exit_code), model, exit_code=exit_code)


def validate_node(
    node: Node,
    model: type[M],
    *,
    exit_code: ExitCode = ExitCode.CONFIG,
    context: Mapping[str, object] | None = None,
    also: Sequence[Finding] = (),
) -> M:
    """A node already read (perhaps merged from two files) as this model, or SetupError with all its faults.

    `context` reaches the model's validators; `also` are faults the caller found, to be told together with the rest.
    """
    findings = list(also)
    try:
        instance = model.model_validate(node.plain(), context=dict(context or {}))
    except ValidationError as error:
        findings += _findings(error.errors(include_url=False), node, model)
    if findings:
        raise SetupError(f"{node.file} cannot be used", findings=tuple(findings), exit_code=exit_code)
    _give_positions(instance, node)
    if isinstance(instance, Positioned):
        instance._positions.update(_places(node, ()))
    return instance


def positions_of(instance: BaseModel) -> dict[TreePath, Place]:
    """Where each key and list item of a loaded file stands, by its path in the file."""
    return instance._positions if isinstance(instance, Positioned) else {}


def _places(node: Node, path: TreePath) -> Iterator[tuple[TreePath, Place]]:
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield (*path, key), node.keys.get(key, child.place)
            yield from _places(child, (*path, key))
    elif isinstance(node.value, list):
        for index, child in enumerate(node.value):
            yield (*path, index), child.place
            yield from _places(child, (*path, index))


def _give_positions(value: object, node: Node) -> None:
    """Walk the model and the tree side by side; where a validator reshaped the value, stop."""
    if isinstance(value, BaseModel) and isinstance(node.value, dict):
        if isinstance(value, Positioned):
            value._file, value._line, value._column = node.file, node.line, node.column
        for name, info in type(value).model_fields.items():
            child = node.value.get(info.validation_alias if isinstance(info.validation_alias, str) else name)
            if child is not None:
                _give_positions(getattr(value, name), child)
    elif isinstance(value, dict) and isinstance(node.value, dict):
        for key, child in node.value.items():
            if key in value:
                _give_positions(value[key], child)
    elif isinstance(value, list | tuple) and isinstance(node.value, list) and len(value) == len(node.value):
        for item, child in zip(value, node.value, strict=True):
            _give_positions(item, child)


def _findings(errors: Sequence[ErrorDetails], node: Node, model: type[BaseModel]) -> Iterator[Finding]:
    """One finding per error; of a union's complaints only those of the branch that got furthest."""
    located = [(error, *_walk(node, error["loc"])) for error in errors]
    paths = [path for _, path, _ in located]
    concealed = [path for error, path, _ in located if error["type"] == CONCEALED]
    seen: set[tuple[Place, str]] = set()
    for error, path, place_node in located:
        if error["type"] in _SHAPES and any(len(other) > len(path) and other[: len(path)] == path for other in paths):
            continue
        if error["type"] != CONCEALED and any(path[: len(each)] == each for each in concealed):
            continue
        finding = _finding(error, place_node, node, path, model)
        if (Place(finding.line, finding.column), finding.text) not in seen:
            seen.add((Place(finding.line, finding.column), finding.text))
            yield finding


def _walk(node: Node, loc: tuple[int | str, ...]) -> tuple[TreePath, Node]:
    """Follow a pydantic location as far as the file goes, passing over the names of union branches."""
    path: list[str | int] = []
    for part in loc:
        child = node.child(part)
        if child is not None:
            node = child
            path.append(part)
    return tuple(path), node


def _finding(error: ErrorDetails, at: Node, root: Node, path: TreePath, model: type[BaseModel]) -> Finding:
    last = error["loc"][-1] if error["loc"] else ""
    context = error.get("ctx", {})
    if last == "[key]":
        key = str(error["loc"][-2])
        at = Node(value=key, place=_walk(root, path[:-1])[1].keys.get(key, at.place), source=at.source)
    if error["type"] == "missing":
        return at.finding(f'"{last}" is missing here')
    if error["type"] == "extra_forbidden":
        _, parent = _walk(root, path[:-1])
        place = parent.keys.get(str(last), at.place)
        known = known_keys(model, error["loc"][:-1])
        return at.source.finding(place, f'unknown key "{last}"', hint=did_you_mean(str(last), known))
    if error["type"] == "union_tag_not_found":
        return at.finding(f"{context['discriminator']} is missing here".replace("'", '"'))
    if error["type"] == "union_tag_invalid":
        key = context["discriminator"].strip("'")
        chosen = at.value.get(key, at) if isinstance(at.value, dict) else at
        return _choice(chosen, context["expected_tags"])
    if error["type"] in ("literal_error", "enum"):
        return _choice(at, context["expected"])
    text = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return at.source.finding(at.place, text, conceal=error["type"] == CONCEALED)


def _choice(at: Node, expected: str) -> Finding:
    allowed = re.findall(r"'([^']*)'", expected)
    written = f'"{at.value}"' if isinstance(at.value, str) else "this"
    hint = did_you_mean(str(at.value), allowed)
    return at.finding(f"{written} is not one of: {', '.join(allowed)}", hint=hint if "did you mean" in hint else "")


def did_you_mean(written: str, known: Sequence[str]) -> str:
    """A hint naming the nearest known word, or all of them."""
    near = difflib.get_close_matches(written, known, n=1)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"known here: {', '.join(known)}" if known else ""
