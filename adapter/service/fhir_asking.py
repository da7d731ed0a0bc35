"""A FHIR source asked by hand: the same connection, token, pace and searches as when it is read, and nothing stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from adapter import config
from adapter.config import FhirSearchSource, TrustSettings
from adapter.errors import SetupError
from adapter.outbound import open_session
from adapter.service.assembly import open_store, utc_now
from adapter.service.pacing import StoredBook, allowance_of
from adapter.service.polling_plan import answers_of, kinds_of
from adapter.service.signing_in import credentials_of, key_pair
from adapter.sources.fhir_capability import Need
from adapter.sources.fhir_http import FhirServer, Limits
from adapter.sources.fhir_position import Search
from adapter.sources.fhir_request import Request, search
from adapter.sources.pace import Book, Pace, Refusal, Wish
from adapter.sources.smart_auth import Credentials

_LONGEST_S = 10.0
_ATTEMPTS = 2
_FEW = 2
"""Resources on a page: a second one follows where there are more."""
_NOBODY = "https://fhir.nhs.uk/Id/nhs-number|9990000018"
"""A number of the test range."""


class Probe(NamedTuple):
    """One search, as it is made when the source is read, but for few resources."""

    name: str
    search: Search
    is_of_patients: bool


class Asking(NamedTuple):
    """One source, ready to be asked."""

    server: FhirServer
    credentials: Credentials


class _Loose:
    """A book for where there is no store: it keeps the rate of this one run."""

    def __init__(self) -> None:
        self._next_us = self._quiet_us = 0

    def take(self, wish: Wish) -> Refusal | None:
        """See adapter.sources.pace.Book."""
        until_us = max(self._next_us, self._quiet_us)
        if wish.now_us < until_us <= wish.farthest_us:
            return Refusal(False, until_us, self._quiet_us > wish.now_us)
        self._next_us = wish.next_us
        return None

    def leave_alone(self, until_us: int) -> None:
        """See there."""
        self._quiet_us = max(self._quiet_us, until_us)


@contextmanager
def asking(settings: TrustSettings, source: FhirSearchSource) -> Iterator[Asking]:
    """SetupError where a certificate, a key or a secret cannot be used. Its requests count among those of the day."""
    with _book(settings, source) as book:
        pace = Pace(allowance_of(source, settings), book=book, now=utc_now, timezone=settings.site.timezone)
        credentials = credentials_of(source, pace=pace)
        session = open_session(ca=source.ca, proxy=source.proxy, certificate=key_pair(source))
        limits = Limits(
            connect_s=_LONGEST_S,
            silence_s=min(source.silence_s, 3 * _LONGEST_S),
            answer_s=min(5 * source.silence_s, 6 * _LONGEST_S),
            max_bytes=source.max_bytes,
            attempts=_ATTEMPTS,
            longest_wait_s=_LONGEST_S,
        )
        server = FhirServer(
            source.base_url,
            credentials=credentials,
            pace=pace,
            limits=limits,
            session=session,
            rules=answers_of(source, config.rules_of(source, settings.fhir_search)),
        )
        try:
            yield Asking(server, credentials)
        finally:
            server.close()


@contextmanager
def _book(settings: TrustSettings, source: FhirSearchSource) -> Iterator[Book]:
    try:
        database = open_store(settings, migrate=False)
    except SetupError:  # none yet, or of another version: there is nothing to count among
        yield _Loose()
        return
    try:
        yield StoredBook(database, source=source.name)
    finally:
        database.close()


def probes_of(settings: TrustSettings, source: FhirSearchSource) -> list[Probe]:
    """Every configured search."""
    kinds = kinds_of(config.rules_of(source, settings.fhir_search))
    return [Probe(kind.search.name, kind.search, kind.is_of_patients) for kind in kinds]


def request_of(server: FhirServer, probe: Probe, *, source: FhirSearchSource, patient_id: str) -> Request:
    """Its first page, as the crawl would ask for it."""
    wanted = probe.search._replace(patient_id=patient_id) if probe.is_of_patients else probe.search
    since = None if probe.is_of_patients else datetime.combine(source.first, datetime.min.time(), UTC)
    if probe.is_of_patients and wanted.since_param:
        since = utc_now() - timedelta(days=36_500)  # so that the parameter is tried, and hides nothing
    return search(server.base_url, wanted.resource_type, wanted.asked(since, count=_FEW), style=wanted.style)


def look_up_of(server: FhirServer, settings: TrustSettings, source: FhirSearchSource) -> Request | None:
    """The look-up by number, for a number that nobody bears; None where none is made."""
    rules = config.rules_of(source, settings.fhir_search)
    is_by_patient = any(probe.is_of_patients for probe in probes_of(settings, source))
    if rules.patients.look_up != "identifier" or not is_by_patient:
        return None
    style = probes_of(settings, source)[0].search.style
    return search(server.base_url, "Patient", [("identifier", _NOBODY)], style=style)


def needs_of(settings: TrustSettings, source: FhirSearchSource) -> list[Need]:
    """What the configuration takes of the server."""
    rules = config.rules_of(source, settings.fhir_search)
    found = []
    for probe in probes_of(settings, source):
        wanted = probe.search
        names = {name.partition(":")[0] for name, _ in wanted.parameters}
        names |= {wanted.since_param} if wanted.since_param else set()
        if probe.is_of_patients and wanted.resource_type == "Patient":
            found.append(Need("Patient", "read"))
            continue
        names |= {wanted.patient_param} if probe.is_of_patients else set()
        includes = {value for name, value in wanted.parameters if name == "_include"}
        found.append(Need(wanted.resource_type, "search-type", frozenset(names), frozenset(includes)))
    if any(probe.is_of_patients for probe in probes_of(settings, source)) and rules.patients.look_up == "identifier":
        found.append(Need("Patient", "search-type", frozenset({"identifier"})))
    return found
