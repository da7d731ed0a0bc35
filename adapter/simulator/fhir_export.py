"""Bulk export of a FHIR server (HL7 Bulk Data Access): by group or of all patients, as files of NDJSON.

    GET …/Group/ID/$export ─▶ 202, Content-Location ─▶ GET it: 202 … 202, 200 manifest ─▶ GET its files ─▶ DELETE it

What servers do differently or wrong is a switch of `ExportSettings`, which a test may change while the server runs;
what goes wrong on the way is a Fault on one of the interactions named `export…`.
"""

import gzip
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, NamedTuple, Protocol, cast
from urllib.parse import parse_qsl

import msgspec
from fastapi import FastAPI
from fastapi import Request as HttpRequest
from starlette.responses import Response

from adapter.simulator.fhir_faults import Answer, Interaction
from adapter.simulator.fhir_outcomes import outcome, refused
from adapter.simulator.fhir_versions import Archive, Version, encode, instant, patient_ids
from adapter.simulator.moments import LONDON

NDJSON = "application/fhir+ndjson"
_PARAMETERS = frozenset({"_type", "_since", "_outputFormat", "_elements"})
_SHARED = frozenset({"Location", "Medication", "Practitioner", "Organization"})
"""Types without a patient: they go with whoever refers to them."""


@dataclass(slots=True, kw_only=True)
class ExportSettings:
    """How it exports; the defaults are a server that does all as the guide says."""

    polls: int = 1
    """So often it answers 202 before the manifest."""
    retry_after: str = "0"
    """What it says then: seconds, `date` for a date three seconds ahead, or empty."""
    lines_per_file: int = 40
    is_gzipped: bool = False
    needs_token: bool = True
    """`requiresAccessToken`."""
    storage: str = ""
    """Where files are on another host; asked for here, they redirect (307) to it."""
    is_storage_named: bool = False
    """The manifest names the other host itself."""
    life: timedelta | None = timedelta(hours=2)
    """How long the files are there; None: it does not say."""
    is_one_at_a_time: bool = True
    """One job for a client and a group: 429 while the last one was not deleted."""
    names_earlier: bool = False
    """The 429 tells by Content-Location which job is in the way."""
    takes_repeated_type: bool = False
    takes_patients: bool = True
    """POST with Parameters that name patients."""
    takes_since: bool = True
    """False: refused, as where there is no incremental export."""
    is_type_ignored: bool = False
    """All types are exported, whatever was asked for."""
    doubles: int = 0
    """Every so manyth line comes twice: in its file, and in another one."""
    older_too: bool = False
    """The double in the other file is an older version."""
    cut_types: frozenset[str] = frozenset()
    """Types whose last file breaks off in the middle of its last line."""
    torn_types: frozenset[str] = frozenset()
    """Types whose last file lacks the end of its gzip."""
    garbled_types: frozenset[str] = frozenset()
    """Types whose first file holds a line that is no JSON."""
    outcomes: tuple[Mapping[str, Any], ...] = ()
    """What stands in an error file though the job succeeds."""
    outcomes_in: str = "error"
    """Or `outcome`, as the newest draft names it."""
    lost_types: frozenset[str] = frozenset()
    """Types that are left out of the output (an outcome may say so)."""
    dates_deletions: bool = True
    """False: the Bundle of deletions does not say when they were."""


class _File(NamedTuple):
    kind: str
    resource_type: str
    body: bytes
    lines: int


@dataclass(slots=True, kw_only=True)
class Job:
    """One export."""

    number: int
    level: str
    """`Group/ID` or `Patient`."""
    url: str
    asked: list[tuple[str, str]]
    patients: tuple[str, ...]
    at: datetime
    files: list[_File]
    polled: int = 0
    is_deleted: bool = False
    downloads: list[int] = field(default_factory=list)
    """Numbers of the files, as they were asked for."""


class ExportDesk:
    """Takes exports and answers for them."""

    def __init__(self, archive: Archive, *, base: str) -> None:
        self.settings = ExportSettings()
        self.groups: dict[str, set[str] | None] = {}
        """Ids of patients by id of the group; None: everybody."""
        self.jobs: list[Job] = []
        """Every job, in order."""
        self._archive = archive
        self._base = base

    def kick_off(self, level: str, asked: list[tuple[str, str]], *, patients: tuple[str, ...], url: str) -> Answer:
        """202 and where to ask for it. Raises Refused."""
        self._check(level, asked, patients)
        earlier = next((job for job in self.jobs if job.level == level and not job.is_deleted), None)
        if earlier is not None and self.settings.is_one_at_a_time:
            where = {"Content-Location": self._status_url(earlier)} if self.settings.names_earlier else {}
            text = "an export of this group is there already: finish or delete it"
            return Answer(status=429, content=outcome("throttled", text), headers={"Retry-After": "1", **where})
        job = Job(
            number=len(self.jobs) + 1,
            level=level,
            url=url,
            asked=asked,
            patients=patients,
            at=self._archive.now,
            files=self._files(level, dict(asked), patients),
        )
        self.jobs.append(job)
        return Answer(
            status=202,
            content=outcome("informational", "accepted", severity="information"),
            headers={"Content-Location": self._status_url(job)},
        )

    def status(self, number: int) -> Answer:
        """202 while it goes on, then the manifest."""
        job = self._job(number)
        job.polled += 1
        if job.polled <= self.settings.polls:
            share = 100 * job.polled // (self.settings.polls + 1)
            headers = {"X-Progress": f"{share}% complete"}
            if self.settings.retry_after:
                headers["Retry-After"] = self._retry_after()
            return Answer(status=202, content={}, headers=headers)
        headers = {"content-type": "application/json"}
        if self.settings.life is not None:
            headers["Expires"] = format_datetime(datetime.now(LONDON) + self.settings.life, usegmt=False)
        return Answer(content=self._manifest(job), headers=headers)

    def file(self, number: int, place: int) -> Answer:
        """One file, or a redirect to where it is."""
        job = self._job(number)
        if self.settings.storage:
            return Answer(status=307, content={}, headers={"Location": self._storage_url(job, place)})
        return self.stored(job, place)

    def stored(self, job: Job, place: int) -> Answer:
        """The bytes of one file."""
        job.downloads.append(place)
        found = job.files[place]
        headers = {"content-type": NDJSON}
        body = found.body
        if self.settings.is_gzipped:
            headers["content-encoding"] = "gzip"
            body = gzip.compress(body, mtime=0)
            if found.resource_type in self.settings.torn_types and self._is_last(job, place):
                body = body[: -len(body) // 3]
        # Bytes stand for themselves where an answer is encoded.
        return Answer(content=cast(dict[str, Any], msgspec.Raw(body)), headers=headers)

    def delete(self, number: int) -> Answer:
        """The job and its files are gone."""
        self._job(number).is_deleted = True
        return Answer(status=202, content=outcome("informational", "deleted", severity="information"))

    def found(self, number: int) -> Job | None:
        """A job that is there."""
        return next((job for job in self.jobs if job.number == number and not job.is_deleted), None)

    def type_of(self, number: int, place: int) -> str:
        """Of a file; empty where there is none."""
        job = self.found(number)
        return job.files[place].resource_type if job is not None and place < len(job.files) else ""

    def _job(self, number: int) -> Job:
        job = self.found(number)
        if job is None:
            raise refused(404, "not-found", "no such export")
        return job

    def _check(self, level: str, asked: list[tuple[str, str]], patients: tuple[str, ...]) -> None:
        settings = self.settings
        names = [name for name, _ in asked]
        unknown = [name for name in names if name not in _PARAMETERS]
        if unknown:
            raise refused(400, "not-supported", "a parameter that this export does not take")
        if names.count("_type") > 1 and not settings.takes_repeated_type:
            raise refused(400, "invalid", "_type is given more than once: separate the types by commas")
        if "_since" in names and not settings.takes_since:
            raise refused(400, "not-supported", "there is no incremental export")
        if patients and not settings.takes_patients:
            raise refused(405, "not-supported", "an export is asked for by GET")
        group = level.removeprefix("Group/")
        if level.startswith("Group/") and group not in self.groups:
            raise refused(404, "not-found", "no such Group")

    def _retry_after(self) -> str:
        if self.settings.retry_after != "date":
            return self.settings.retry_after
        return format_datetime(datetime.now(LONDON) + timedelta(seconds=3))

    def _status_url(self, job: Job) -> str:
        return f"{self._base}/bulk/{job.number}"

    def _storage_url(self, job: Job, place: int) -> str:
        return f"{self.settings.storage}/{job.number}/{place}?X-Signature=of-{job.number}-{place}"

    def _file_url(self, job: Job, place: int) -> str:
        if self.settings.storage and self.settings.is_storage_named:
            return self._storage_url(job, place)
        return f"{self._base}/bulk/{job.number}/files/{place}"

    def _manifest(self, job: Job) -> dict[str, Any]:
        manifest: dict[str, Any] = {
            "transactionTime": instant(job.at),
            "request": job.url,
            "requiresAccessToken": self.settings.needs_token and not self.settings.is_storage_named,
            "output": [],
            "error": [],
        }
        for place, each in enumerate(job.files):
            entry = {"type": each.resource_type, "url": self._file_url(job, place), "count": each.lines}
            manifest.setdefault(each.kind, []).append(entry)
        return manifest

    def _files(self, level: str, asked: Mapping[str, str], patients: tuple[str, ...]) -> list[_File]:
        since = datetime.fromisoformat(asked["_since"]) if "_since" in asked else None
        is_all = "_type" not in asked or self.settings.is_type_ignored
        types = self._archive.types() if is_all else asked["_type"].split(",")
        members = self._members(level, patients)
        files: list[_File] = []
        for resource_type in types:
            if resource_type in self.settings.lost_types:
                continue
            versions = [
                version
                for version in self._archive.current(resource_type)
                if (since is None or version.updated_at > since) and self._is_of(version, members)
            ]
            files += self._of_type(resource_type, [bytes(version.raw) for version in versions])
        if since is not None:
            gone = [version for version in self._archive.deleted(types) if version.updated_at > since]
            files += _deletions(gone, is_dated=self.settings.dates_deletions)
        if self.settings.outcomes:
            lines = [encode(each) for each in self.settings.outcomes]
            files.append(_File(self.settings.outcomes_in, "OperationOutcome", b"\n".join(lines) + b"\n", len(lines)))
        return files

    def _members(self, level: str, patients: tuple[str, ...]) -> set[str] | None:
        members = self.groups.get(level.removeprefix("Group/")) if level.startswith("Group/") else None
        if not patients:
            return members
        return set(patients) if members is None else set(patients) & members

    def _is_of(self, version: Version, members: Collection[str] | None) -> bool:
        kind, identity = version.key
        if members is None or kind in _SHARED:
            return True
        ids = [identity] if kind == "Patient" else list(patient_ids(version.resource))
        return any(each in members for each in ids)

    def _of_type(self, resource_type: str, lines: list[bytes]) -> Iterator[_File]:
        settings = self.settings
        pages = [lines[at : at + settings.lines_per_file] for at in range(0, len(lines), settings.lines_per_file)]
        doubled: list[bytes] = []
        for number, page in enumerate(pages):
            told = list(page)
            if settings.doubles:
                again = page[:: settings.doubles]
                told += again
                doubled += [_older(line) if settings.older_too else line for line in again]
            if number == 0 and resource_type in settings.garbled_types:
                told.insert(len(told) // 2, b'{"resourceType": "' + resource_type.encode() + b'", "id": oops')
            is_last = number == len(pages) - 1
            if is_last:
                told += doubled
            body = b"\n".join(told) + b"\n"
            if is_last and resource_type in settings.cut_types:
                body = body[: -len(told[-1]) // 2]
            yield _File("output", resource_type, body, len(told))

    def _is_last(self, job: Job, place: int) -> bool:
        later = job.files[place + 1 :]
        return all(each.resource_type != job.files[place].resource_type for each in later)


class Answering(Protocol):
    """How a server answers one request, with its faults."""

    def __call__(
        self, request: HttpRequest, interaction: Interaction, resource_type: str, act: Callable[[], Answer]
    ) -> Awaitable[Response]: ...


def add_routes(app: FastAPI, path: str, desk: ExportDesk, answer: Answering) -> None:
    """Of the operation, its status, its files."""

    async def _kick_off(request: HttpRequest, level: str) -> Response:
        body = await request.body()
        said = patients_of(body) if request.method == "POST" else tuple(parse_qsl(request.url.query))
        asked = [(name, value) for name, value in said if name != "patient"]
        patients = tuple(value.removeprefix("Patient/") for name, value in said if name == "patient")

        def act() -> Answer:
            if "respond-async" not in request.headers.get("prefer", ""):
                raise refused(400, "required", "only Prefer: respond-async is supported")
            return desk.kick_off(level, asked, patients=patients, url=str(request.url))

        return await answer(request, "export", "", act)

    @app.api_route(path + "/Patient/$export", methods=["GET", "POST"])
    async def _all(request: HttpRequest) -> Response:
        return await _kick_off(request, "Patient")

    @app.api_route(path + "/Group/{group_id}/$export", methods=["GET", "POST"])
    async def _group(request: HttpRequest, group_id: str) -> Response:
        return await _kick_off(request, f"Group/{group_id}")

    @app.get(path + "/bulk/{number}")
    async def _status(request: HttpRequest, number: int) -> Response:
        return await answer(request, "export-status", "", lambda: desk.status(number))

    @app.get(path + "/bulk/{number}/files/{place}")
    async def _file(request: HttpRequest, number: int, place: int) -> Response:
        return await answer(request, "export-file", desk.type_of(number, place), lambda: desk.file(number, place))

    @app.delete(path + "/bulk/{number}")
    async def _delete(request: HttpRequest, number: int) -> Response:
        return await answer(request, "export-delete", "", lambda: desk.delete(number))


def storage_app(desk: ExportDesk, seen: list[str]) -> FastAPI:
    """Another host, which takes a signed address and no token; `seen`: what it was sent as Authorization."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/{number}/{place}")
    async def _stored(request: HttpRequest, number: int, place: int) -> Response:
        given = request.headers.get("authorization", "")
        seen.append(given)
        job = desk.found(number)
        if given or job is None or request.query_params.get("X-Signature") != f"of-{number}-{place}":
            # As object storage does: two ways to sign in are one too many.
            return Response(b"<Error/>", 400 if given else 403, media_type="application/xml")
        found = desk.stored(job, place)
        return Response(bytes(encode(found.content)), found.status, dict(found.headers))

    return app


def patients_of(body: bytes) -> tuple[tuple[str, str], ...]:
    """The parameters of a Parameters resource, as pairs; patients as their references."""
    found = []
    for each in msgspec.json.decode(body or b"{}").get("parameter", ()):
        value = next((value for name, value in each.items() if name.startswith("value")), "")
        found.append((each["name"], value["reference"] if isinstance(value, dict) else str(value)))
    return tuple(found)


def _deletions(gone: Sequence[Version], *, is_dated: bool) -> Iterator[_File]:
    entries = [{"request": {"method": "DELETE", "url": "/".join(version.key)}} for version in gone]
    if entries:
        bundle: dict[str, Any] = {"resourceType": "Bundle", "id": "gone", "type": "transaction", "entry": entries}
        if is_dated:
            bundle["meta"] = {"lastUpdated": max(instant(version.updated_at) for version in gone)}
        yield _File("deleted", "Bundle", encode(bundle) + b"\n", 1)


def _older(line: bytes) -> bytes:
    """The same resource a version before, as a file written earlier would have it."""
    resource = msgspec.json.decode(line)
    meta = resource["meta"]
    before = datetime.fromisoformat(meta["lastUpdated"]) - timedelta(days=1)
    resource["meta"] = {**meta, "versionId": "0", "lastUpdated": instant(before)}
    if "status" in resource:
        resource["status"] = "entered-in-error"
    return encode(resource)
