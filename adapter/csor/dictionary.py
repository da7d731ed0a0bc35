"""The data dictionary as a table: each field of each kind, what it means, its values, in which form it may leave."""

import sys
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from adapter.csor.fields import Leaves
from adapter.csor.payload import payload_names
from adapter.csor.record import KINDS, field_availability, field_leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the dictionary."""

    kind: str
    field: str
    means: str
    values: str
    """The closed list of values, or the type in words."""
    leaves: Leaves
    availability: tuple[str, ...]
    """Which kinds of source can say it at all (ruling R19)."""
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
        leaves, available = field_leaves(kind), field_availability(kind)
        for attribute, info in model.model_fields.items():
            name = info.alias or attribute
            entries.append(
                Entry(
                    kind=kind,
                    field=name,
                    means=info.description or "",
                    values=_values(info.annotation),
                    leaves=leaves[name],
                    availability=tuple(each.value for each in available[name]),
                    payload_fields=payload_names(name, leaves[name]),
                )
            )
    return tuple(entries)


_HEADING = """# Data dictionary

Every kind of row and every field: what it means, what it may hold, which kinds of source can say it at all, and in
which form it may leave the trust. Printed by `python -m adapter.csor.dictionary`.
"""


def markdown() -> str:
    """The dictionary as a page for people."""
    lines = [_HEADING]
    for kind in KINDS:
        means = (KINDS[kind].__doc__ or "").strip()
        lines += [f"## {kind}", "", means, "", "| field | means | values | sources | leaves the trust |"]
        lines.append("|---|---|---|---|---|")
        for entry in dictionary():
            if entry.kind == kind:
                values, sources = entry.values.replace("|", "or"), ", ".join(entry.availability)
                lines.append(f"| `{entry.field}` | {entry.means} | {values} | {sources} | {entry.leaves.value} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(markdown())
