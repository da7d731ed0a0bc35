"""Merges as FHIR servers tell them: a Patient says, version by version, by which other record it was replaced.

The newest version counts, whatever came first: where it names a record, the two are one patient and the old id stays
as an alias; every other record that was ever named is apart from it again. An un-merge is a version without the link.
"""

from adapter.assertion import Merge, MergeWord, SourceIdentifier
from adapter.chart.known import REPLACED, Said, note
from adapter.pipeline.enrolment import Enrolment, Entry
from adapter.statement import Statement
from adapter.store import registry
from adapter.store.database import Connection


class Replacements:
    """Those of one batch."""

    def __init__(self, conn: Connection, enrolment: Enrolment) -> None:
        self._conn = conn
        self._enrolment = enrolment

    def hear(self, statement: Statement, number: SourceIdentifier, *, message_id: int) -> bool:
        """Take in what a Patient says; whether that joins it to somebody we keep."""
        named = [SourceIdentifier(number.authority, by) for _, by in statement.replaced if by]
        entry = self._enrolment.named(number) if named else self._enrolment.find(number)
        if entry is None:  # not replaced, and nobody ever said so
            return False
        if not named and REPLACED not in entry.known.fields:
            said = [Said(clock_us, None) for clock_us, _ in statement.replaced]
            entry.learn(note(entry.known, REPLACED, max(said, key=lambda each: each.clock_us)))
            return False
        for clock_us, by in statement.replaced:
            entry.learn(note(entry.known, REPLACED, Said(clock_us, by or None)))
            if by and by != number.value:
                survivor = SourceIdentifier(number.authority, by)
                self._enrolment.merge(Merge(survivor, number, clock_us), message_id=message_id)
        self._take_apart(entry, message_id=message_id)
        return any((found := self._enrolment.find(survivor)) and found.is_kept for survivor in named)

    def _take_apart(self, entry: Entry, *, message_id: int) -> None:
        """From all that it was said to be replaced by, but for the last."""
        last = entry.known.fields[REPLACED]
        number = entry.known.identifier
        for link in registry.merges_touching(self._conn, [entry.row.id]):
            if link.prior_id != entry.row.id or link.live != MergeWord.MERGED or link.clock_us > last.clock_us:
                continue
            other = self._enrolment.by_id(link.survivor_id).known.identifier
            if other.authority == number.authority and other.value != last.value:
                undone = Merge(other, number, last.clock_us, False, MergeWord.APART)
                self._enrolment.merge(undone, message_id=message_id)
