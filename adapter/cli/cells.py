"""How a field of a row stands in a file that has only text."""

from decimal import Decimal
from typing import Any


def in_a_cell(value: Any) -> str:
    """Codes as `system code`, several of anything joined by `; `; nothing where the field is null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "; ".join(map(in_a_cell, value))
    if isinstance(value, dict):
        return f"{value.get('system')} {value.get('code')}"
    return format(value, "f") if isinstance(value, Decimal) else str(value)
