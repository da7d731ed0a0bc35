"""The composition root: builds every room from one trust's settings, and runs the loops.

Only this module and `cli` see `config`. Two processes share the data folder: *receive* appends to the inbox and
acknowledges, *work* processes, settles and dispatches, so that no burst of work delays an acknowledgement.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import msgspec
import structlog

from adapter import __version__, cohort, config, fhir, mapping
from adapter.assertion import OF_FEED, Item, ItemKind
from adapter.config import CsorApiSink, FhirSearchSource, FolderSink, TrustSettings
from adapter.disclosure import GateSettings, LegalBasis, Minutes, Nation, Peer, PeerKind
from adapter.dispatch import Deliver, Dispatcher, Terms
from adapter.envelope import Media, utc_us
from adapter.errors import ExitCode, Problem, ProblemCode, SetupError
from adapter.hl7v2.message import Message
from adapter.hl7v2.separate import may_be_several, separate
from adapter.identity import IdentitySettings
from adapter.mapping.own_tables import OwnTables
from adapter.pipeline.ahead import Ahead, Reader
from adapter.pipeline.early import EarlyReader
from adapter.pipeline.expiry import Expiry
from adapter.pipeline.journey import BATCH, Pipeline
from adapter.pipeline.keeping import Read
from adapter.pipeline.told import Rules
from adapter.service.feeds import FeedReading, Feeds, feeds_of
from adapter.service.fhir_versions import Versions
from adapter.settle.child import Policy, Windows
from adapter.settle.inspection import Inspector
from adapter.settle.result_drafts import KIND as LAB_RESULT
from adapter.settle.result_drafts import Maker
from adapter.settle.settler import Settler
from adapter.sinks import CsorApi, Folder
from adapter.store.binding import bind
from adapter.store.database import Database, open_database, sqlite_url
from adapter.store.inbox import Inbox, SqliteInbox, open_inbox
from adapter.store.sealing import KeyRing

log = structlog.get_logger()

Now = Callable[[], datetime]

_BY_ORDER, _NO_ORDER = "obs|", "obs||"


def utc_now() -> datetime:
    """The clock of the service; commands that replay hand in another."""
    return datetime.now(UTC)


class Mappings(NamedTuple):
    """Everything that is read from `mappings/`, ready to use."""

    feeds: Feeds
    csor: mapping.CsorMaps
    cohort: cohort.CohortRules
    triage: cohort.TriageRules
    lists: mapping.CodeLists
    digest: str

    @classmethod
    def load(cls, settings: TrustSettings) -> Self:
        """SetupError with every fault of the first part that has any."""
        folder = settings.mappings or config.packaged("mappings")
        own = own_tables(settings)
        csor = mapping.load_csor_maps(
            folder,
            timezone=settings.site.timezone,
            own_concepts=settings.laboratory_tables,
            own=own,
            closure=settings.snomed_closure,
        )
        lists = csor.codelists
        rules = cohort.load_rules(
            folder / "cohort",
            codelists=lists.code_rows(),
            normalise=lists.normalise,
            nec_scope=settings.cohort.nec_scope,
        )
        return cls(
            feeds=feeds_of(settings, folder, examinations=csor.examination_codes, is_measure=csor.is_measure),
            csor=csor,
            cohort=rules,
            triage=cohort.load_triage(folder / "cohort", wards=own.wards, rules=rules),
            lists=lists,
            digest=_digest_of(folder),
        )


def own_tables(settings: TrustSettings) -> OwnTables:
    """What this trust adds to the mappings."""
    return OwnTables(
        nation=settings.site.nation.value.replace("-", "_"),
        wards={ward.code: ward.type.value for ward in settings.wards},
        imaging=settings.imaging_tables,
        drugs=settings.drug_tables,
        operation_notes=settings.operation_notes,
        waits_for_final=settings.results.provisional == "wait",
        denied_systems=settings.privacy.deny_code_system_prefixes,
    )


class Translator:
    """One body into statements; the languages meet here and in `mapping` only."""

    def __init__(self, settings: TrustSettings, mappings: Mappings) -> None:
        self._feeds = mappings.feeds
        self._reader = fhir.Reader(mappings.csor.known)
        self._versions = Versions(settings)
        self._orders_of = {
            source.name: source.order_numbers
            for source in settings.sources
            if isinstance(source, FhirSearchSource) and source.order_numbers
        }

    def __call__(self, feed: str, media: str, body: bytes) -> Read:
        """Raises MessageError where the bytes will never pass."""
        if media == Media.HL7V2:
            reading = self._feeds.of(feed)
            message = reading.parse(body)
            if may_be_several(body) and not reading.is_of_two(message) and (pieces := separate(message)):
                return Read([], message.content, _stamp_us(message, reading), body, pieces)
            return Read([reading.state(message)], message.content, _stamp_us(message, reading), body)
        found = self._reader.read(body, version=self._versions.of(feed, body))
        if feed in self._orders_of:
            for statement in found.statements:
                statement.problems += filter(None, map(_untold_order, statement.items))
                statement.items = [_under(self._orders_of[feed], item) for item in statement.items]
        return Read(found.statements, (body,), -1, body, found.bodies, found.problems, deletions=found.deletions)

    def first(self, feed: str, media: str, body: bytes) -> Read:
        """Only as far as triage asks, where that can be told from the rest."""
        if media == Media.HL7V2:
            reading = self._feeds.of(feed)
            whose = reading.glance(body)
            if whose is None and not may_be_several(body):
                whose = reading.whose(reading.parse(body))
            if whose is not None:
                whole = partial(self, feed, media, body)
                return Read([whose], (), 0, body, whole=whole)
        return self(feed, media, body)


def _stamp_us(message: Message, reading: FeedReading) -> int:
    # MSH-1 is the separator itself, so MSH-7 is the seventh piece.
    pieces = message.lines[0].split(message.delimiters.field, 7)
    moment = reading.time(pieces[6]) if len(pieces) > 6 else None
    return moment.utc_us if moment else 0


def _untold_order(item: Item) -> Problem | None:
    """Of a result without the number of its order or the test that was ordered, which are of the key in version 2.

    No other identifier is sure to be of this result alone, so it is joined to none, and told: it may be there twice.
    """
    if item.kind is not ItemKind.OBSERVATION:
        return None
    _, order, battery = item.key.split("|")[:3] if item.key.startswith(_BY_ORDER) else ("", "", "")
    if order and battery:
        return None
    missing = "the test that was ordered" if order else "order number"
    text = f"no {missing}: it stands beside the same result of HL7 v2; ask for the ServiceRequest (_include)"
    return Problem(code=ProblemCode.ORDER_NOT_TOLD, text=text, at="Observation.basedOn")


def _under(feed: str, item: Item) -> Item:
    """A result by its order number, where the trust file says that both sources use the same numbers."""
    if item.kind is not ItemKind.OBSERVATION or not item.key.startswith(_BY_ORDER) or item.key.startswith(_NO_ORDER):
        return item
    return msgspec.structs.replace(item, key=f"{OF_FEED}{feed}|{item.key}")


class Works:
    """The rooms of the work process, put together."""

    def __init__(
        self,
        settings: TrustSettings,
        *,
        now: Now = utc_now,
        mappings: Mappings | None = None,
        reader: Reader | None = None,
    ) -> None:
        self.settings = settings
        self.now = now
        self.mappings = mappings or Mappings.load(settings)
        self.ring = open_ring(settings)
        self.database = open_store(settings)
        bind(self.database, self.ring)
        self.inbox: Inbox = open_inbox(self.database, folder=settings.data_folder)
        self.made_by = made_by(settings, self.mappings)
        self.pipeline = Pipeline(
            self.database,
            self.inbox,
            self.ring,
            translate=Translator(settings, self.mappings),
            rules=rules_of(settings, self.mappings),
            now=now,
        )
        if reader is not None and isinstance(self.inbox, SqliteInbox):
            self.pipeline.ahead = Ahead(reader, self.inbox)
        windows = Windows(settings.hold.after_discharge, settings.hold.max)
        self.settler = Settler(
            self.database,
            self.ring,
            maps=self.mappings.csor,
            policy=Policy(self.mappings.cohort, windows, self.made_by),
            forget=self.pipeline.forget,
            fresh=self.pipeline.fresh,
        )
        self.inspector = Inspector(self.database, self.ring, validate=fhir.validate)
        self._debounce = timedelta(seconds=settings.settle.debounce_s)
        self.expiry = Expiry(self.database, self.inbox, self.ring, forget=self.pipeline.forget)

    def dispatcher(self) -> Dispatcher | None:
        """None where the trust has no sink yet: rows wait."""
        sink = self.settings.sink
        if sink is None:
            return None
        return Dispatcher(
            self.database,
            self.ring,
            sink=_open_sink(sink),
            terms=terms(self.settings, made_by=self.made_by),
            summary=self.settler.summary,
        )

    def step(self, *, limit: int = BATCH) -> bool:
        """Process what is queued and settle what is due; False if there was nothing to do."""
        done = self.pipeline.take(limit=limit)
        settled = self.settler.settle(limit=256, now=self.now(), debounce=self._debounce)
        return bool(done or settled) or self.inspector.step(now_us=utc_us(self.now()))

    def drain(self) -> None:
        """Process and settle until nothing is left, without waiting for the debounce."""
        while (
            self.pipeline.take()
            or self.settler.settle(limit=256, now=self.now())
            or self.inspector.step(now_us=utc_us(self.now()))
        ):
            pass

    def close(self) -> None:
        """Close files and connections."""
        self.inbox.close()
        self.database.close()
        self.ring.close()


def early_reader(settings: TrustSettings, mappings: Mappings) -> Callable[[bytes], bytes]:
    """What the reading process does with messages."""
    ring = open_ring(settings)
    maker = Maker(
        ring.blinder("record", LAB_RESULT), project=mappings.csor.project, made_by=made_by(settings, mappings)
    )
    translate = Translator(settings, mappings)
    return EarlyReader(ring, translate=translate, rules=rules_of(settings, mappings), make=maker.make).answer


def made_by(settings: TrustSettings, mappings: Mappings) -> str:
    """What shapes a row beside the messages: stands in each row, for lineage."""
    return f"{__version__}:{mappings.digest[:16]}:{settings.digest()[:16]}"


def open_ring(settings: TrustSettings) -> KeyRing:
    """The key file of the data folder; a wrong master key refuses start-up."""
    settings.data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return KeyRing.open(settings.data_folder / "keys.bin", settings.sealing.master(), create=not _has_data(settings))


def prepare(settings: TrustSettings) -> None:
    """Before anything runs: the schema up to date, and the master key the one this store was sealed with."""
    ring = open_ring(settings)
    database = open_store(settings)
    try:
        bind(database, ring)
    finally:
        database.close()
        ring.close()


def _has_data(settings: TrustSettings) -> bool:
    return (settings.data_folder / "work.db").exists()


def open_store(settings: TrustSettings, *, migrate: bool = True) -> Database:
    """SQLite in the data folder, or the database the trust file names."""
    url = settings.store.url
    if url is None:
        if not migrate and not _has_data(settings):
            text = f"nothing is stored in {settings.data_folder} yet: start the service or `ingest` first"
            raise SetupError(text, exit_code=ExitCode.STORE)
        text = sqlite_url(settings.data_folder)
    else:
        text = url if isinstance(url, str) else url.resolve().decode()
    return open_database(text, migrate=migrate)


def rules_of(settings: TrustSettings, mappings: Mappings) -> Rules:
    """Whom this trust keeps."""
    return Rules(
        identity=identity_settings(settings),
        triage=mappings.triage,
        normalise=mappings.lists.normalise,
        hold_unknown=settings.hold.unknown,
        crawls=tuple(source.name for source in settings.sources if isinstance(source, FhirSearchSource)),
        called_by=_called_by(settings),
    )


def _called_by(settings: TrustSettings) -> dict[str, tuple[str, ...]]:
    """By HL7 v2 feed, the FHIR sources that read a child when a message of it speaks of that child."""
    found: dict[str, tuple[str, ...]] = {}
    for source in settings.sources:
        if isinstance(source, FhirSearchSource):
            for feed in config.rules_of(source, settings.fhir_search).patients.triggered_by:
                found[feed] = (*found.get(feed, ()), source.name)
    return found


def identity_settings(settings: TrustSettings) -> IdentitySettings:
    """How this trust names its patients, in the form `identity` takes."""
    authorities: dict[str, str] = {}
    systems: dict[str, str] = {}
    for number in settings.identity.hospital_numbers:
        authorities |= dict.fromkeys((number.authority, *number.also_sent_as), number.authority)
        if number.fhir_system:
            systems[number.fhir_system] = number.authority
    return IdentitySettings(
        test_mode=settings.test_mode,
        hospital_authorities=authorities,
        fhir_systems=systems,
        types=frozenset(settings.identity.types),
        verified_statuses=frozenset(settings.identity.verified_statuses),
        absent_status_is_verified=settings.identity.absent_status_is_verified,
        foreign_authorities=frozenset(settings.identity.foreign_authorities),
    )


def terms(settings: TrustSettings, *, made_by: str) -> Terms:
    """Under what conditions anything of this trust leaves."""
    basis = settings.disclosure.legal_basis
    legal = (
        LegalBasis(reference=basis.reference, valid_from=basis.valid_from, valid_to=basis.valid_to) if basis else None
    )
    return Terms(
        trust=settings.site.ods_code,
        nation=Nation(settings.site.nation.value),
        timezone=settings.site.timezone,
        minutes=Minutes(settings.disclosure.minutes),
        gate=GateSettings(test_mode=settings.test_mode, legal_basis=legal),
        peer=lambda: _peer(settings.sink),
        made_by=made_by,
    )


def _peer(sink: CsorApiSink | FolderSink | None) -> Peer:
    if not isinstance(sink, CsorApiSink):
        return Peer(kind=PeerKind.FOLDER)
    host = urlsplit(sink.url).hostname or ""
    addresses: tuple[str, ...] = ()
    with suppress(OSError):  # not to be resolved now: no address, so the gate refuses
        addresses = tuple(sorted({str(info[4][0]) for info in socket.getaddrinfo(host, None)}))
    return Peer(kind=PeerKind.HOST, addresses=addresses, proxied=sink.proxy is not None)


def _open_sink(sink: CsorApiSink | FolderSink) -> Deliver:
    if isinstance(sink, FolderSink):
        return Folder(sink.path)
    token = sink.token.resolve().decode() if sink.token else None
    return CsorApi(sink.url, token=token, ca=sink.ca, proxy=sink.proxy)


def _digest_of(folder: Path) -> str:
    """SHA-256 over every mapping file: part of each row's lineage."""
    whole = sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in (".yaml", ".csv"):
            whole.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()
