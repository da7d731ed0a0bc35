"""Gives the parts of an export to the inbox: each patient's new resources, with what they refer to.

    part ─▶ by patient ─▶ without what is in already ─▶ Bundles ─▶ inbox, durably ─▶ noted, and the next part

Killed in between, a part is given again in the same bytes, and the pipeline knows it as a duplicate.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
import structlog

from adapter.envelope import Media, Received, utc_us
from adapter.pipeline.reception import Reception
from adapter.service import bulk_papers as papers_of_jobs
from adapter.service.assembly import utc_now
from adapter.service.bulk_files import Sorting, lines_of
from adapter.service.bulk_papers import Papers, key_of
from adapter.service.polling_memory import counter
from adapter.sources.fhir_bulk import BulkServer
from adapter.sources.fhir_bulk_bundles import WITHOUT_PATIENT, BadLine, Line, LineReader, Whole, body_of, bundles_of
from adapter.store import bulk, counters
from adapter.store.bulk import JobRow
from adapter.store.bulk_spool import Spool
from adapter.store.database import Database
from adapter.store.sealing import KeyRing
from adapter.store.states import BulkState

log = structlog.get_logger()

_PURPOSE = b"export context"
_SHARED_AT_ONCE = 500
_BUNDLES_AT_ONCE = 32
_READ_BESIDE = frozenset({"Specimen", "ServiceRequest", *WITHOUT_PATIENT})
_DEEPEST = 4
"""A bed is part of a bay, a bay of a ward, a ward of a site."""


class Place(NamedTuple):
    """Where an export comes from and goes to."""

    source: str
    base_url: str
    spool: Spool


class Scope(NamedTuple):
    """What a part is to be read as."""

    is_whole: bool
    """All of these patients, of every type."""
    wanted: frozenset[bytes]
    """Patients whose resources are given again though they were given before: what became of those is not sure."""
    asked_since: Mapping[str, datetime]
    """By type: what is not newer than this should have come before."""


class Intake:
    """Of one export."""

    def __init__(self, database: Database, ring: KeyRing, reception: Reception, place: Place) -> None:
        self._database = database
        self._ring = ring
        self._reception = reception
        self._place = place
        self._reader = LineReader(place.base_url)
        self._asked: set[str] = set()
        """Names of what was read beside, or tried to be."""
        self.blind_patient = ring.blinder("identifier", f"fhir:{place.source}")
        """How the registry finds a patient of this source."""
        self._blind_version = ring.blinder("exported", place.source)
        self._blind_name = ring.blinder("resource", place.source)

    def blind_name(self, name: str) -> bytes:
        """How `Observation/123` of this source stands in the store."""
        return self._blind_name(name.encode())

    def keep_shared(self, job: JobRow, lines: Iterable[Line]) -> None:
        """What names no patient is looked up later, by its name; on disk, since nobody knows how much it is."""
        waiting: list[Line] = []
        for line in lines:
            waiting.append(line)
            if len(waiting) >= _SHARED_AT_ONCE:
                self._store_shared(job, waiting)
                waiting = []
        self._store_shared(job, waiting)

    def _store_shared(self, job: JobRow, lines: Sequence[Line]) -> None:
        sealed = self._ring.seal_many(key_of(job), [line.raw for line in lines], _PURPOSE)
        rows = [
            (self.blind_name(line.name), _us(line.version[0]), raw) for line, raw in zip(lines, sealed, strict=True)
        ]
        if rows:
            with self._database.write() as conn:
                bulk.add_context(conn, job.id, rows)

    def take(self, job: JobRow, papers: Papers, server: BulkServer, scope: Scope) -> tuple[JobRow, Papers]:
        """The next part; the job and its papers as they stand then."""
        number = job.taken
        of_patient: dict[str, list[Line]] = {}
        for line in lines_of(self._place.spool, job, number, reader=self._reader):
            # Who has no plain reference to a patient is understood alone.
            of_patient.setdefault(line.patient or line.name or line.digest.hex(), []).append(line)
        part = _Part(self, job, server, scope, of_patient)
        for key in sorted(of_patient):
            part.take(key)
        part.give_all()
        if part.joined:
            papers = msgspec.structs.replace(papers, joined=(*papers.joined, *part.joined))
        row = job._replace(taken=number + 1, sealed=papers_of_jobs.seal(self._ring, key_of(job), papers))
        with self._database.write() as conn:
            bulk.remember(conn, part.new)
            whole_us = utc_us(utc_now()) if scope.is_whole else None
            bulk.members_seen(conn, job.source, job.level, part.members, whole_us=whole_us)
            bulk.members_in_part(conn, job.source, job.level, part.in_part)
            counters.bump_many(conn, {counter(job.source, f"bulk.{name}"): n for name, n in part.counts.items() if n})
            return bulk.move(conn, row, BulkState(job.state)), papers

    def give(self, bundles: Sequence[Sequence[bytes]], *, timestamp: str) -> None:
        """To the inbox, durably."""
        self._append([body_of(each, base_url=self._place.base_url, timestamp=timestamp) for each in bundles])

    def tell(self, bodies: Iterable[bytes]) -> None:
        """The same of what is a body already, some at a time."""
        waiting: list[bytes] = []
        for body in bodies:
            waiting.append(body)
            if len(waiting) >= _BUNDLES_AT_ONCE:
                self._append(waiting)
                waiting = []
        self._append(waiting)

    def _append(self, bodies: Sequence[bytes]) -> None:
        now = utc_now()
        self._reception.append(
            [Received(feed=self._place.source, media=Media.FHIR, received_at=now, body=each) for each in bodies]
        )

    def known(self, lines: Iterable[Line]) -> set[bytes]:
        """Digests of those that are in already."""
        digest_of = {self.blind_version(line): line.digest for line in lines}
        with self._database.read() as conn:
            return {digest_of[blind] for blind in bulk.known(conn, list(digest_of))}

    def blind_version(self, line: Line) -> bytes:
        """How this version of this resource is known again."""
        return self._blind_version(line.digest)

    def shared(self, job: JobRow, names: Iterable[str]) -> dict[str, Line]:
        """What names no patient, by name; and what that refers to."""
        found: dict[str, Line] = {}
        waiting = set(names)
        while waiting:
            blinds = [self.blind_name(name) for name in sorted(waiting)]
            with self._database.read() as conn:
                sealed = bulk.context(conn, job.id, blinds)
            new = [self._reader.line(self._ring.unseal(key_of(job), each, _PURPOSE)) for each in sealed.values()]
            found |= {line.name: line for line in new}
            waiting = {name for line in new for name in line.parts} - found.keys()
        return found

    def read_beside(self, job: JobRow, server: BulkServer, names: Iterable[str]) -> dict[str, Line]:
        """What the export lacks, from the server itself; kept for the next who refers to it, asked for once."""
        found = {}
        for name in sorted(set(names) - self._asked):
            self._asked.add(name)
            raw = server.read(name) if _type_of(name) in _READ_BESIDE else None
            try:
                line = self._reader.line(raw) if raw is not None else None
            except BadLine:
                line = None
            if line is not None and line.name == name:
                found[name] = line
        self.keep_shared(job, found.values())
        return found

    def held(self, patients: Iterable[str]) -> set[str]:
        """Whom of these we hold or keep."""
        name_of = {self.blind_patient(name.encode()): name for name in patients}
        with self._database.read() as conn:
            return {name_of[blind] for blind in bulk.held_among(conn, list(name_of))}

    def whole_before(self, job: JobRow, patients: Iterable[str]) -> set[str]:
        """Who of these was a member before this export."""
        name_of = {self.blind_patient(name.encode()): name for name in patients}
        with self._database.read() as conn:
            return {name_of[blind] for blind in bulk.whole_among(conn, job.source, job.level, list(name_of))}


class _Part:
    """One part while it is given to the inbox."""

    def __init__(
        self, intake: Intake, job: JobRow, server: BulkServer, scope: Scope, of_patient: Mapping[str, Sequence[Line]]
    ) -> None:
        self._intake = intake
        self._job = job
        self._server = server
        self._scope = scope
        self._of_patient = of_patient
        patients = [name for name in of_patient if name.startswith("Patient/")]
        lines = [line for each in of_patient.values() for line in each]
        self._known = intake.known(lines)
        self._shared = intake.shared(job, _elsewhere(of_patient))
        self._held = intake.held(patients)
        self._whole_before = intake.whole_before(job, patients)
        self.joined = [] if scope.is_whole else sorted(set(patients) - self._whole_before)
        """Members that are shown for the first time, and not all of them."""
        self._bundles: list[list[bytes]] = []
        self.counts: Counter[str] = Counter()
        self.new: list[bytes] = []
        self.members: list[bytes] = [intake.blind_patient(name.encode()) for name in patients]
        self.in_part: list[bytes] = []

    def take(self, key: str) -> None:
        """All of one patient."""
        lines = self._of_patient[key]
        blind = self._intake.blind_patient(key.encode())
        known = frozenset[bytes]() if blind in self._scope.wanted else self._known
        whole = bundles_of(lines, known=known, shared=self._shared)
        for _ in range(_DEEPEST):
            # What is nobody's tells nothing of anybody; the rest is read of those alone whom we hold.
            wanted = [name for name in whole.missing if key in self._held or _type_of(name) in WITHOUT_PATIENT]
            found = self._intake.read_beside(self._job, self._server, wanted)
            if not found:
                break
            self._shared |= found
            whole = bundles_of(lines, known=known, shared=self._shared)
        lacking = {name for name in whole.missing if _type_of(name) in _READ_BESIDE}
        if lacking and key not in self._held and key.startswith("Patient/"):
            # Without its order a result would be another one. Whoever is held is fetched whole, with all that is read.
            self.in_part.append(blind)
            lines = [line for line in lines if lacking.isdisjoint(line.parts)]
            self.counts["withheld"] += len(self._of_patient[key]) - len(lines)
            whole = bundles_of(lines, known=known, shared=self._shared)
        self._count(key, lines, whole)
        self.new += [self._intake.blind_version(line) for line in whole.fresh]
        self._bundles += whole.bundles
        if len(self._bundles) >= _BUNDLES_AT_ONCE:
            self.give_all()

    def give_all(self) -> None:
        """What is made so far goes to the inbox."""
        if self._bundles:
            self._intake.give(self._bundles, timestamp=self._job.server_time)
            self.counts["bundles"] += len(self._bundles)
            self._bundles = []

    def _count(self, key: str, lines: Sequence[Line], whole: Whole) -> None:
        self.counts["resources"] += len(whole.fresh)
        self.counts["doubles"] += whole.doubles
        self.counts["unchanged"] += len(lines) - whole.doubles - len(whole.fresh)
        self.counts["unresolved"] += len(whole.missing)
        if key in self._whole_before:
            self.counts["missed"] += sum(map(self._was_missed, whole.fresh))

    def _was_missed(self, line: Line) -> bool:
        """Behaviour 49: it was there when an export of changes should have brought it."""
        since = self._scope.asked_since.get(line.resource_type)
        return since is not None and line.version[0] <= since and line.digest not in self._known


def _type_of(name: str) -> str:
    return name.partition("/")[0]


def _elsewhere(of_patient: Mapping[str, Sequence[Line]]) -> set[str]:
    """Names of what lines refer to that their patient does not have."""
    needed: set[str] = set()
    for lines in of_patient.values():
        own = {line.name for line in lines}
        needed.update(name for line in lines for name in line.parts if name not in own)
    return needed


def note_sorted(job: JobRow, sorting: Sorting, database: Database) -> None:
    """What sorting found: counts, and what is wrong with files."""
    with database.write() as conn:
        for number, trouble in sorting.troubles.items():
            bulk.file_trouble(conn, job.id, number, trouble)
        counters.bump_many(conn, {counter(job.source, f"bulk.{name}"): n for name, n in sorting.counts.items() if n})


def _us(moment: datetime) -> int:
    return utc_us(moment) if moment.year > 1 else 0
