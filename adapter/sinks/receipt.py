"""What a destination says when it has taken a batch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The batch is there. A repeated delivery under the same key gets the same receipt."""

    applied: int
    """Rows that changed something at the destination."""
    unchanged: int
    """Rows that stood there already."""
