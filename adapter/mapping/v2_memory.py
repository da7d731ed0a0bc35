"""What compiled rules remember of the fields they read: bounded, and nothing long.

What is remembered is shared between resources and messages; whoever asks must not change it.
"""

from collections.abc import Callable
from typing import Any

from adapter.mapping.v2_reader import Json

REMEMBERED = 4096
"""Values kept per rule; past this the rule starts afresh."""

LONGEST_REMEMBERED = 200
"""Longer texts are reports, which do not come again."""


def remembering(
    read: Callable[[str], str], *, remembers: bool
) -> tuple[Callable[[str], str], Callable[[str], str | None]]:
    """The same reader with a memory, and the memory alone, which the hottest lines ask first."""
    remembered: dict[str, str] = {}
    if not remembers:
        return read, remembered.get

    def recall(text: str) -> str:
        found = remembered.get(text)
        if found is None:
            if len(remembered) >= REMEMBERED:
                remembered.clear()
            found = read(text)
            if len(text) <= LONGEST_REMEMBERED:
                remembered[text] = found
        return found

    return recall, remembered.get


def shapes(*, remembers: bool) -> tuple[Callable[[tuple[str, ...]], Any], Callable[[tuple[str, ...], Any], None]]:
    """The memory of what fields that come again together made, and what puts something into it."""
    remembered: dict[tuple[str, ...], Any] = {}

    def keep(fields: tuple[str, ...], made: Any) -> None:
        if remembers and sum(map(len, fields)) <= LONGEST_REMEMBERED:
            if len(remembered) >= REMEMBERED:
                remembered.clear()
            remembered[fields] = made

    return remembered.get, keep


def remember(known: dict[Any, Json], nothing: set[str], text: str, using: tuple[str, ...], value: Json | None) -> None:
    """Keep what a text gave; in `nothing` that it holds no such value, as a date holds no time of day."""
    if len(text) + sum(map(len, using)) > LONGEST_REMEMBERED:
        return
    if len(known) + len(nothing) >= REMEMBERED:
        known.clear()
        nothing.clear()
    if value is not None:
        known[(text, *using) if using else text] = value
    elif not using:
        nothing.add(text)
