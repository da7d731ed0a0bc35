"""Assertions that were just committed, kept until they are settled, so that they need not be read back and unpacked.

Only a shortcut: what is not here is read from the store, and gives the same rows. For one process that processes and
settles, where nobody else can lower a stored clock.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from adapter.assertion import Assertion

Made = tuple[bytes, bytes, int, int]
"""The row of one result as it is if no other statement speaks of that result; whose it is comes later. Its record id,
its content as it is stored, the length of the encoded fields that stand behind the content's first byte, its RowState.
"""


class Written(NamedTuple):
    """One stored assertion, as it is in the store: unpacked, or the rows that are made of it."""

    assertion_id: int
    identifier_id: int
    key_id: bytes
    assertion: Assertion | None
    made: Sequence[Made] | None
    born: str | None
    """The day of birth with which they were made."""


class Fresh:
    """The newest of them, each given out once. A thousand reports of twenty results are some tens of megabytes."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._written: dict[int, Written] = {}

    def keep(self, written: Iterable[Written]) -> None:
        """After the commit that stored them; the oldest give way."""
        for each in written:
            self._written[each.assertion_id] = each
        while len(self._written) > self._limit:
            del self._written[next(iter(self._written))]

    def take(self, assertion_ids: Sequence[int]) -> list[Written]:
        """Those of these that are here; here no longer."""
        return [found for number in assertion_ids if (found := self._written.pop(number, None)) is not None]

    def take_made(self, assertion_ids: Sequence[int]) -> list[Written]:
        """All of these if all are here as rows; else none, and they stay."""
        for number in assertion_ids:
            written = self._written.get(number)
            if written is None or written.made is None:
                return []
        return self.take(assertion_ids)

    def drop(self, assertion_id: int) -> None:
        """It was changed in the store."""
        self._written.pop(assertion_id, None)
