"""What the receiver was told over all the kills: no version twice, none that says nothing new."""

from collections.abc import Iterable, Mapping
from typing import Any


def unchanged_twice(applied: Iterable[Mapping[str, Any]]) -> list[str]:
    """Records of which the same content, or no higher version, was applied twice in a row."""
    last: dict[str, tuple[int, str]] = {}
    found = []
    for entry in applied:
        version, content = last.get(entry["record_id"], (0, ""))
        if entry["version"] <= version or entry["content"] == content:
            found.append(f"{entry['record_id']}: version {entry['version']} after {version}")
        last[entry["record_id"]] = (entry["version"], entry["content"])
    return found
