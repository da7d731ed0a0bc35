"""The data dictionary as a table: each field of each kind, what it means, its values, in which form it may leave."""

from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from adapter.csor.fields import Leaves
from adapter.csor.payload import payload_names
from adapter.csor.record import KINDS, field_leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the dictionary."""

    kind: str
    field: str
    means: str
    values: str
    """The closed list of values, or the type in words."""
    leaves: Leaves
    payload_fields: tuple[str, ...]


_WORDS = {"str": "text", "Decimal": "number", "int": "whole number", "bool": "true or false"}


def _values(annotation: Any) -> str:
    """`male | female …` for a closed choice, else the type in words."""
    members = [member for member in get_args(annotation) if member is not type(None)]
    member = annotation if get_origin(annotation) is Literal or not members else members[0]
    choices = get_args(member)
    if getattr(member, "__origin__", None) is list:
        return "list of " + (_values(choices[0]) if get_args(choices[0]) else "codes")
    if choices and all(isinstance(choice, str) for choice in choices):
        return " | ".join(choices)
    return _WORDS.get(getattr(member, "__name__", ""), "text")


def dictionary() -> tuple[Entry, ...]:
    """All kinds in the order of the journey, all fields in the order of the row."""
    entries: list[Entry] = []
    for kind, model in KINDS.items():
        leaves = field_leaves(kind)
        for attribute, info in model.model_fields.items():
            name = info.alias or attribute
            entries.append(
                Entry(
                    kind=kind,
                    field=name,
                    means=info.description or "",
                    values=_values(info.annotation),
                    leaves=leaves[name],
                    payload_fields=payload_names(name, leaves[name]),
                )
            )
    return tuple(entries)


def markdown() -> str:
    """The dictionary as a page for people."""
    lines: list[str] = []
    for kind in KINDS:
        lines += [f"## {kind}", "", "| field | means | values | leaves the trust |", "|---|---|---|---|"]
        for entry in dictionary():
            if entry.kind == kind:
                leaves = entry.leaves.value
                lines.append(f"| `{entry.field}` | {entry.means} | {entry.values.replace('|', 'or')} | {leaves} |")
        lines.append("")
    return "\n".join(lines)
