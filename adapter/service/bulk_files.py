"""The files of one export: from the server to our disk, sealed; then sorted by patient, so that each is whole at once.

    download  one file of the server ─▶ one spool file, line by line, whatever its length
    sort      all spool files ─▶ parts: all that one patient has is in one part, and a part fits in memory

Both can be killed anywhere: a file that was not finished is fetched again, and sorting begins again.
"""

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import structlog

from adapter.errors import Declined, SourceFault
from adapter.service.bulk_papers import Papers, key_of
from adapter.sources import fhir_bulk_lines
from adapter.sources.fhir_bulk import BulkServer, Lost
from adapter.sources.fhir_bulk_bundles import BadLine, Line, LineReader
from adapter.sources.fhir_bulk_deletions import deletions_of
from adapter.sources.fhir_outcomes import issues_of
from adapter.store.bulk import FileRow, JobRow
from adapter.store.bulk_spool import Spool, SpoolWriter

log = structlog.get_logger()

LONGEST_LINE = 64 * 1024 * 1024
PART_BYTES = 4 * 1024 * 1024
"""Of a patient's lines about so much is in memory at once, in plain."""
_MOST_PARTS = 512
_BUFFERS_BYTES = 16 * 1024 * 1024
"""Of all parts together while they are written."""
_SHORTEST_BUFFER = 16 * 1024
_MOST_LINES_TOLD = 20

TORN = "torn"
GONE = "gone"
EXPIRED = "expired"
REFUSED = "refused"
_NOTHING_OF = frozenset({GONE, EXPIRED, REFUSED})


def spool_name(number: int) -> str:
    """Of a file of the server."""
    return f"file{number}"


def part_name(number: int) -> str:
    """Of a part."""
    return f"part{number}"


def fetch(server: BulkServer, spool: Spool, job: JobRow, papers: Papers, row: FileRow) -> FileRow:
    """The whole of one file, on our disk at return; what is wrong with it is told, not raised."""
    if papers.has_expired:
        return row._replace(trouble=EXPIRED)
    try:
        found = _once(server, spool, job, papers, row)
        # What is torn may have been torn on the way: that it is so at the server shows the second time.
        return _once(server, spool, job, papers, row) if found.trouble else found
    except Declined as error:
        return row._replace(trouble=GONE if isinstance(error, Lost) else REFUSED)


def _once(server: BulkServer, spool: Spool, job: JobRow, papers: Papers, row: FileRow) -> FileRow:
    reader = fhir_bulk_lines.LineReader(longest=LONGEST_LINE)
    size = Counter[str]()
    with spool.writer(job.id, spool_name(row.number), key_id=key_of(job)) as writer:

        def write(runs: Iterator[bytes]) -> None:
            for run in runs:
                size["bytes"] += len(run)
                size["lines"] += run.count(b"\n")
                writer.write(run)

        server.download(papers.urls[row.number], needs_token=papers.needs_token, take=lambda c: write(reader.feed(c)))
        write(reader.end())
        writer.finish()
    trouble = TORN if reader.is_torn or reader.too_long else ""
    return row._replace(bytes=size["bytes"], lines=size["lines"], trouble=trouble)


class Sorting:
    """Puts the lines of an export into parts."""

    def __init__(self, spool: Spool, job: JobRow, files: Sequence[FileRow], *, base_url: str) -> None:
        self._spool = spool
        self._job = job
        self._files = files
        self._reader = LineReader(base_url)
        self._asked = frozenset(job.types.split(","))
        self.parts = max(1, min(_MOST_PARTS, -(-sum(row.bytes for row in files) // PART_BYTES)))
        self.counts: Counter[str] = Counter()
        self.troubles: dict[int, str] = {}
        """What is wrong with files, by their number."""
        self.affected: set[str] = set()
        """Types that did not come whole."""

    def run(self) -> Iterator[Line]:
        """What names no patient, one by one; all else is in the parts when this has come to its end."""
        for row in self._files:
            if row.trouble and row.kind == "output":
                self.affected |= self._may_hold(row)
        buffer = max(_SHORTEST_BUFFER, _BUFFERS_BYTES // self.parts)
        with ExitStack() as stack:
            writers = [
                stack.enter_context(
                    self._spool.writer(self._job.id, part_name(number), key_id=key_of(self._job), chunk_bytes=buffer)
                )
                for number in range(self.parts)
            ]
            for row in self._files:
                match row.kind:
                    case "output":
                        yield from self._output(row, writers)
                    case "deleted":
                        pass  # see `deletions`
                    case _:
                        self._outcomes(row)
            for writer in writers:
                writer.finish()

    def _output(self, row: FileRow, writers: Sequence[SpoolWriter]) -> Iterator[Line]:
        for number, raw in self._lines(row):
            try:
                kind, name, patient = self._reader.whose(raw)
            except BadLine:
                self._report(row, number)
                continue
            if kind not in self._asked:
                # Only what is asked for goes in, whatever a server thinks helpful (data minimisation).
                self.counts["unasked"] += 1
                continue
            self.counts["lines"] += 1
            if name and not patient and kind in _SHARED:
                yield self._reader.line(raw)
            else:
                writers[part_of(patient or name, self.parts)].write(raw + b"\n")

    def _lines(self, row: FileRow) -> Iterator[tuple[int, bytes]]:
        if row.trouble in _NOTHING_OF:
            return
        number = 0
        for chunk in self._spool.chunks(self._job.id, spool_name(row.number), key_id=key_of(self._job)):
            for raw in chunk.split(b"\n")[:-1]:
                number += 1
                if raw.strip():
                    yield number, raw

    def _report(self, row: FileRow, number: int) -> None:
        """Behaviour 47: file and line; the line itself stays where it is."""
        self.affected |= self._may_hold(row)
        self.counts["broken-lines"] += 1
        self.troubles.setdefault(row.number, f"line {number}")
        if self.counts["broken-lines"] <= _MOST_LINES_TOLD:
            place = {"export": self._job.id, "file": row.number, "type": row.type, "line": number}
            log.error("a line of an export is broken", feed=self._job.source, **place)

    def _may_hold(self, row: FileRow) -> frozenset[str]:
        """What a file may lack that is not whole: its type, or anything where it says another than we asked for."""
        return frozenset({row.type}) if row.type in self._asked else self._asked

    def deletions(self) -> Iterator[bytes]:
        """Bodies that tell what the server has deleted, one by one."""
        for row in self._files:
            if row.kind == "deleted":
                yield from self._deletions(row)

    def _deletions(self, row: FileRow) -> Iterator[bytes]:
        for number, raw in self._lines(row):
            found = deletions_of(raw, server_time=self._job.server_time)
            if found is None:
                self._report(row, number)
                self.affected |= self._asked
                continue
            self.counts["deletions"] += found.told
            yield from found.bodies
        if row.trouble:
            self.affected |= self._asked

    def _outcomes(self, row: FileRow) -> None:
        """Behaviour 44: types that an error names are affected; where it names none, all are."""
        if row.trouble:
            self.affected |= self._asked
        for _, raw in self._lines(row):
            for issue in issues_of(raw):
                self.counts[f"outcome.{issue.severity}"] += 1
                if self.counts[f"outcome.{issue.severity}"] <= _MOST_LINES_TOLD:
                    log.warning("the server remarks on an export", feed=self._job.source, issue=issue.code)
                if issue.severity not in ("information", "warning", "success"):
                    named = {name for name in self._asked if name.encode() in raw}
                    self.affected |= named or self._asked
                    self.troubles[row.number] = SourceFault.REFUSED.value


_SHARED = frozenset({"Location", "Medication", "Specimen", "ServiceRequest"})


def part_of(name: str, parts: int) -> int:
    """The same for all of one patient, also after a restart."""
    return zlib.crc32(name.encode()) % parts


def lines_of(spool: Spool, job: JobRow, number: int, *, reader: LineReader) -> Iterator[Line]:
    """Of one part."""
    for chunk in spool.chunks(job.id, part_name(number), key_id=key_of(job)):
        for raw in chunk.split(b"\n")[:-1]:
            yield reader.line(raw)
