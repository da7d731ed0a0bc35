"""A list of who lies here now: each is looked up at every FHIR server that is read patient by patient.

Nobody is enrolled by standing on a list. What the server says of the patient, their visits and diagnoses goes the way
of every page; whether they are ours triage decides, and then the crawl reads the rest.
"""

import csv
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog

from adapter import config
from adapter.assertion import SourceIdentifier
from adapter.chart.known import Known
from adapter.config import FhirSearchSource, TrustSettings
from adapter.envelope import Media, Received, utc_us
from adapter.errors import Declined, Problem, SetupError, SourceError
from adapter.identity import NumberKind
from adapter.identity.nhs_number import parse
from adapter.service.assembly import open_ring, open_store
from adapter.service.polling_child import Terms
from adapter.service.polling_plan import kinds_of
from adapter.service.polling_status import fhir_sources
from adapter.sources.fhir_crawl import FhirCrawl
from adapter.sources.fhir_http import FhirServer
from adapter.sources.fhir_page import Entry, body_of
from adapter.sources.fhir_position import Position, Search
from adapter.sources.folder import KeepAll
from adapter.store import erasure, sought
from adapter.store.database import Database
from adapter.store.sealing import KeyRing
from adapter.store.sought import SoughtRow

log = structlog.get_logger()

_PURPOSE = b"sought"
_FIRST_LOOK = ("Patient", "Encounter", "Condition")
"""What tells whether a patient is ours; the rest is read of ours alone."""
_AT_ONCE = 20
_AGAIN = timedelta(days=1)
_GIVEN_UP = timedelta(days=30)
_COLUMNS = frozenset({"nhs_number", "hospital_number", "authority", "admitted"})
_FIRST = datetime(1900, 1, 1, tzinfo=UTC)

Numbers = Sequence[SourceIdentifier]
_NUMBERS = msgspec.json.Decoder(list[tuple[str, str]])


class Listed(NamedTuple):
    """A list of patients, read."""

    patients: list[Numbers]
    problems: list[tuple[int, str]]
    """(line, what is wrong with it); never a value of it."""


def read_list(file: Path, settings: TrustSettings) -> Listed:
    """SetupError where it is no such list. A line that names nobody does not stop the others."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            table = csv.DictReader(opened)
            columns = {name.strip() for name in table.fieldnames or ()}
            if not columns & {"nhs_number", "hospital_number"}:
                raise SetupError(f"{file}: the first line should name the columns {', '.join(sorted(_COLUMNS))}")
            return _read_lines(table, settings)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SetupError(f"{file}: cannot be read as CSV in UTF-8 ({type(error).__name__})") from None


def _read_lines(table: "csv.DictReader[str]", settings: TrustSettings) -> Listed:
    patients: list[Numbers] = []
    problems: list[tuple[int, str]] = []
    for row in table:
        said = {str(name).strip(): str(value or "").strip() for name, value in row.items() if name}
        numbers, problem = _numbers(said, settings)
        if problem:
            problems.append((table.line_num, problem))
        elif numbers:
            patients.append(numbers)
    return Listed(patients, problems)


def _numbers(said: Mapping[str, str], settings: TrustSettings) -> tuple[list[SourceIdentifier], str]:
    authorities = [number.authority for number in settings.identity.hospital_numbers]
    found = []
    if text := said.get("nhs_number", ""):
        number = parse(text, test_mode=settings.test_mode)
        if isinstance(number, Problem):
            return [], "what stands as NHS number is none"
        found.append(SourceIdentifier(NumberKind.NHS.value, number.digits))
    if text := said.get("hospital_number", ""):
        authority = said.get("authority", "") or (authorities[0] if len(authorities) == 1 else "")
        if authority not in authorities:
            return [], f"authority should be one of {', '.join(authorities)}"
        found.append(SourceIdentifier(authority, text))
    return found, "" if found or not any(said.values()) else "neither nhs_number nor hospital_number is given"


def name(settings: TrustSettings, patients: Sequence[Numbers], *, now: datetime) -> int:
    """Have each looked up at each server that is asked patient by patient; how many were not named there before."""
    sources = [source.name for source in fhir_sources(settings) if _is_looked_up(settings, source)]
    if not sources:
        raise SetupError("no FHIR source is read patient by patient with a look-up: a list finds nobody")
    ring, database = open_ring(settings), open_store(settings)
    try:
        rows = []
        for source in sources:
            for numbers, key_id in zip(patients, ring.new_keys(len(patients)), strict=True):
                plain = msgspec.json.encode(list(numbers))
                blind = ring.blind("sought", source, msgspec.json.encode(sorted(numbers)))
                rows.append((source, blind, utc_us(now), key_id, ring.seal(key_id, plain, _PURPOSE)))
        with database.write() as conn:
            unused = sought.name(conn, rows)
        ring.destroy(unused)
        return len(rows) - len(unused)
    finally:
        database.close()
        ring.close()


def _is_looked_up(settings: TrustSettings, source: FhirSearchSource) -> bool:
    rules = config.rules_of(source, settings.fhir_search)
    return rules.patients.look_up != "none" and any(kind.is_of_patients for kind in kinds_of(rules))


class Sought:
    """Those who were named for one source."""

    def __init__(self, database: Database, ring: KeyRing, *, terms: Terms) -> None:
        self._database = database
        self._ring = ring
        self._terms = terms

    def is_due(self) -> bool:
        """Whether anybody is to be looked up."""
        return bool(self._due(1))

    def serve(self, open_server: Callable[[], FhirServer], keep: KeepAll, stop: threading.Event) -> None:
        """Some of them. NotNow and Halted fly on, and whoever was being looked up stays due."""
        waiting = self._due(_AT_ONCE)
        if not waiting:
            return
        server = open_server()
        try:
            for row in waiting:
                if stop.is_set():
                    return
                self._serve(row, server, keep, stop)
        finally:
            server.close()

    def _due(self, limit: int) -> list[SoughtRow]:
        with self._database.read() as conn:
            return sought.due(conn, self._terms.source, now_us=utc_us(self._terms.rules.now()), limit=limit)

    def _serve(self, row: SoughtRow, server: FhirServer, keep: KeepAll, stop: threading.Event) -> None:
        if row.key_id is None or row.sealed is None:
            return
        plain = self._ring.unseal(row.key_id, row.sealed, _PURPOSE)
        known = [Known(SourceIdentifier(*each)) for each in _NUMBERS.decode(plain)]
        try:
            server.check_granted("Patient")
            found = self._terms.look_up.find(known, server, stop)
        except Declined as error:
            log.warning("a named patient cannot be looked up", feed=self._terms.source, reason=error.fault.value)
            self._later(row)
            return
        if found.candidate is None:
            is_open = found.reason == "not-found"
            self._later(row) if is_open else self._end(row, found.reason)
            return
        now = self._terms.rules.now()
        body = body_of([found.candidate.entry], timestamp=now.astimezone(UTC).isoformat())
        keep([Received(feed=self._terms.source, media=Media.FHIR, received_at=now, body=body)])
        searches = [
            kind.search._replace(patient_id=found.candidate.patient_id)
            for kind in self._terms.kinds
            if kind.search.resource_type in _FIRST_LOOK
        ]
        crawl = FhirCrawl(self._terms.source, server=server, keep=keep, memory=_Nothing(), rules=self._terms.rules)
        crawl.turn(searches, stop)
        if not stop.is_set():
            self._end(row, "found")

    def _later(self, row: SoughtRow) -> None:
        now = self._terms.rules.now()
        if utc_us(now) - row.named_us > _GIVEN_UP.total_seconds() * 1_000_000:
            self._end(row, "not-found")
            return
        with self._database.write() as conn:
            sought.later(conn, row.id, due_us=utc_us(now + _AGAIN))

    def _end(self, row: SoughtRow, state: str) -> None:
        with self._database.write() as conn:
            sought.ended(conn, row, state=state)
        if row.key_id is not None:
            self._ring.destroy([row.key_id])
            with self._database.write() as conn:
                erasure.keys_destroyed(conn, [row.key_id])


class _Nothing:
    """A memory for what is read once: after a stop it is read again."""

    def __init__(self) -> None:
        self._positions: dict[str, Position] = {}

    def position(self, search: Search) -> Position:
        """See adapter.sources.fhir_search.Memory."""
        return self._positions.get(search.name, Position(first=_FIRST, is_whole=True))

    def known(self, search: Search, entries: Sequence[Entry]) -> set[bytes]:
        """None of them."""
        return set()

    def page_in(self, search: Search, position: Position, entries: Sequence[Entry], counts: Mapping[str, int]) -> None:
        """Only where it stands."""
        self._positions[search.name] = position

    def trouble(self, search: Search, error: SourceError) -> None:
        """Told in the log; if the child is kept, the crawl meets it too."""
