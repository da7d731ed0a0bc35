"""The lineage of one field, as `explain` prints it."""

from typing import Any, NamedTuple

from adapter.mapping.csor_outcome import Step
from adapter.settle.bodies import Cut


class Value(NamedTuple):
    """One value of a field: the field itself, or one value inside a list of codes."""

    at: str
    """Empty, or `[0].code`."""
    value: Any
    cuts: tuple[Cut, ...]
    steps: tuple[Step, ...]
    """Applied to the value that the first cut gives; a `sentence` takes them all."""


class FieldLineage(NamedTuple):
    """One field of a row."""

    field: str
    value: Any
    rule: str
    """`lab_result.yaml:12`, or `conditions.yaml:41` for what is judged from evidence."""
    values: tuple[Value, ...]
