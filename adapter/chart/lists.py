"""The diagnoses or procedures of one visit that count: of whole lists the newest, changed by the actions after it.

A function of the set of what was said, in the order of the source clocks. A feed of action codes (DG1-21, PR1-20) names
only what it adds, changes or takes out; a snapshot replaces the whole list (behaviour 97).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from adapter.assertion import Form, Item, Resource

_ERROR = "entered-in-error"


class Entry(NamedTuple):
    """One entry, and where it stands: in which of the statements, at which place of its list."""

    said: int
    nth: int


_Listed = list[tuple[Entry, Resource]]


def entries_of(ordered: Sequence[Item]) -> list[Entry]:
    """The entries that count; the statements come in their order."""
    listed: _Listed = []
    for number, item in enumerate(ordered):
        named = [(Entry(number, nth), resource) for nth, resource in enumerate(item.resources)]
        listed = named if item.form is not Form.ACTION else _changed(listed, named)
    return [entry for entry, _ in listed]


def _changed(listed: _Listed, named: _Listed) -> _Listed:
    for entry, resource in named:
        at = next((place for place, (_, other) in enumerate(listed) if _are_one(resource, other)), None)
        is_out = _is_taken_out(resource)
        if at is not None:
            listed = [*listed[:at], *([] if is_out else [(entry, resource)]), *listed[at + 1 :]]
        elif not is_out:
            listed = [*listed, (entry, resource)]
    return listed


def _are_one(one: Resource, other: Resource) -> bool:
    """By the number that the sender gave it (DG1-20, PR1-19), where both have one; else by the code."""
    numbers = _number(one), _number(other)
    if all(numbers):
        return numbers[0] == numbers[1]
    code = code_of(one)
    return bool(code) and code == code_of(other)


def _number(resource: Resource) -> str:
    return next((str(each["value"]) for each in resource.get("identifier") or () if each.get("value")), "")


def _is_taken_out(resource: Resource) -> bool:
    standing = resource.get("verificationStatus") or {}
    codes: Iterable[object] = (coding.get("code") for coding in standing.get("coding") or ())
    return resource.get("status") == _ERROR or _ERROR in codes


def code_of(resource: Resource) -> str:
    """System and code of the first coding, else the text."""
    concept = resource.get("code") or {}
    for coding in concept.get("coding") or ():
        if coding.get("code"):
            return f"{coding.get('system', '')}|{coding['code']}"
    return str(concept.get("text", ""))
