"""The settings of one trust, as its file may say them. A setting that nothing reads has no place here."""

import base64
import binascii
import re
from collections.abc import Hashable, Iterable, Iterator
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, PrivateAttr, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from adapter.config.fhir_push import Subscriptions
from adapter.config.fhir_source import FhirSearchRules, FhirSearchSource, rules_of
from adapter.config.reading import V2
from adapter.config.secrets import SecretRef
from adapter.config.v2_source import FolderSource, HttpSource, Listening, MllpSource
from adapter.config.values import FilePath
from adapter.datafile import CONCEALED, Duration, Positioned
from adapter.errors import ExitCode, SetupError


def _each_once(values: list[Hashable], what: str) -> None:
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{what} given twice: {', '.join(twice)}")


def _no_password(value: object) -> object:
    if isinstance(value, str) and re.search(r"://[^/@]*:[^/@]+@", value):
        text = "a password is never written here: give the whole URL as {file: PATH} or {env: NAME}"
        raise PydanticCustomError(CONCEALED, text)
    return value


class Nation(StrEnum):
    """Whose law on opt-out and consent applies."""

    ENGLAND = "england"
    WALES = "wales"
    SCOTLAND = "scotland"
    NORTHERN_IRELAND = "northern-ireland"


class WardType(StrEnum):
    """What a ward is for; triage asks nothing else of it."""

    NICU = "nicu"
    PICU = "picu"
    HDU = "hdu"
    SURGICAL = "surgical"
    PN = "pn"
    """Postnatal: well babies with their mothers, never held (ruling R23)."""
    THEATRE = "theatre"
    OTHER = "other"


class Site(Positioned):
    """The trust."""

    ods_code: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{3,6}$")]
    name: str
    timezone: ZoneInfo = ZoneInfo("Europe/London")
    nation: Nation = Nation.ENGLAND


class Store(Positioned):
    """Where the tables stand: SQLite in the data folder unless a URL is given."""

    url: Annotated[SecretRef | str | None, BeforeValidator(_no_password)] = None


class Sealing(Positioned):
    """The master key that wraps all others."""

    master_key: SecretRef

    def master(self) -> bytes:
        """The key itself: 32 bytes, written as base64 or hexadecimal."""
        written = self.master_key.resolve().strip()
        for decode in (binascii.unhexlify, base64.b64decode):
            try:
                key = decode(written)
            except binascii.Error:
                continue
            if len(key) == 32:
                return key
        text = f"the master key {self.master_key} is not 32 bytes in base64 or hexadecimal"
        raise SetupError(text, exit_code=ExitCode.SEALING)


Source = Annotated[MllpSource | HttpSource | FolderSource | FhirSearchSource, Field(discriminator="kind")]


class Ward(Positioned):
    """One ward code as PV1-3.1 or Encounter.location carries it."""

    code: str
    type: WardType


class HospitalNumber(Positioned):
    """One authority whose patient numbers are this trust's own; numbers of any other are another child's."""

    authority: str
    also_sent_as: tuple[str, ...] = ()
    """Other spellings of the authority in CX.4."""
    fhir_system: str | None = None


class Identity(Positioned):
    """How patients are named in this trust's feeds."""

    hospital_numbers: tuple[HospitalNumber, ...]
    types: tuple[str, ...]
    """Identifier types (CX.5) that make a patient number."""
    verified_statuses: tuple[str, ...]
    """NHS number trace statuses that let a number link records."""
    absent_status_is_verified: bool = False
    """For feeds that never send a trace status."""
    foreign_authorities: tuple[str, ...] = ()
    """Hospitals whose messages stray into the feeds: what carries a number of theirs is parked (behaviour 106)."""


class Hold(Positioned):
    """How long what may yet be ours stays, sealed, before it is erased."""

    unknown: Duration = timedelta(days=3)
    after_discharge: Duration = timedelta(days=90)
    max: Duration = timedelta(days=400)


class Settle(Positioned):
    """When a child's rows are computed again."""

    debounce_s: Annotated[float, Field(ge=0)] = 2.0


class Cohort(Positioned):
    """What this trust's register takes, and when silence is an alarm."""

    nec_scope: Literal["surgical", "definite", "all"] = "surgical"
    """Which infants with necrotising enterocolitis count as confirmed (ruling R2)."""
    alarm_after: Duration = timedelta(days=42)
    """No newly confirmed child for so long: at about one a week and site, something is broken."""


class CsorApiSink(Positioned):
    """CSOR over HTTPS."""

    kind: Literal["csor-api"]
    url: str
    token: SecretRef | None = None
    ca: FilePath | None = None
    proxy: str | None = None


class FolderSink(Positioned):
    """NDJSON files in a folder, for trusts that carry them over themselves."""

    kind: Literal["folder"]
    path: FilePath


Sink = Annotated[CsorApiSink | FolderSink, Field(discriminator="kind")]


class LegalBasis(Positioned):
    """The approval under which data may leave; without one, only invented children do (ruling R25)."""

    reference: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3)]
    valid_from: date
    valid_to: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.valid_to < self.valid_from:
            raise ValueError("valid_to is before valid_from")
        return self


class Disclosure(Positioned):
    """What the gate before every delivery is told."""

    legal_basis: LegalBasis | None = None
    minutes: Literal["utc", "wall-clock"] = "utc"
    """By which clock minutes from birth are counted; set before the first delivery: what was sent is not sent anew."""


class Results(Positioned):
    """What becomes of results before they are final."""

    provisional: Literal["store", "wait"] = "store"
    """A preliminary one gives a row that the final one replaces, or none until then (behaviour 58)."""


class Privacy(Positioned):
    """What of the sources is never copied into rows."""

    deny_code_system_prefixes: tuple[Annotated[str, StringConstraints(strip_whitespace=True, min_length=4)], ...] = ()
    """Code systems that begin so may hold a patient's words or numbers; mapped codes of theirs still count."""


class TrustSettings(Positioned):
    """Everything one trust's file says, with the vendor's facts under it."""

    site: Site
    vendor: str
    test_mode: bool = False
    """Invented children only: NHS numbers of the 999 range count as valid."""
    data_folder: FilePath
    store: Store = Store()
    sealing: Sealing
    sources: tuple[Source, ...] = ()
    v2: V2 = V2()
    fhir_search: FhirSearchRules = FhirSearchRules()
    """For all sources of kind fhir-search; the vendor's facts stand here."""
    wards: tuple[Ward, ...] = ()
    identity: Identity
    hold: Hold = Hold()
    settle: Settle = Settle()
    cohort: Cohort = Cohort()
    results: Results = Results()
    privacy: Privacy = Privacy()
    sink: Sink | None = None
    disclosure: Disclosure = Disclosure()
    laboratory_tables: tuple[FilePath, ...] = ()
    """The trust's own local codes, in the columns of `mappings/concepts/`, kept outside the package."""
    imaging_tables: tuple[FilePath, ...] = ()
    """The same for examinations, in the columns of `mappings/concepts/imaging.csv`."""
    drug_tables: tuple[FilePath, ...] = ()
    """The same for drugs, in the columns of `mappings/concepts/drugs.csv`."""
    operation_notes: tuple[FilePath, ...] = ()
    """The questions of the trust's structured operation notes, in the form of `mappings/operation-notes/`."""
    snomed_closure: FilePath | None = None
    """CSV of ancestor and descendant: what lies below the SNOMED CT codes of the code lists is on them, too."""
    mappings: FilePath | None = None
    """Default: the mappings that came with the adapter."""

    _digest: str = PrivateAttr(default="")

    def own_tables(self) -> tuple[FilePath, ...]:
        """The trust's files beside this one that shape rows; their bytes are part of the digest."""
        closure = (self.snomed_closure,) if self.snomed_closure else ()
        tables = (*self.laboratory_tables, *self.imaging_tables, *self.drug_tables, *self.operation_notes)
        return (*tables, *closure)

    def digest(self) -> str:
        """SHA-256 over the bytes of the trust file and the vendor file; part of every row's lineage."""
        return self._digest

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        _each_once([source.name for source in self.sources], "source name")
        _each_once([(each.bind, each.port) for each in self._ports() if each.port], "address of a port")
        _each_once([ward.code for ward in self.wards], "ward code")
        _each_once(list(self._authorities()), "authority")
        return self

    def _ports(self) -> Iterator[Listening | Subscriptions]:
        for source in self.sources:
            if isinstance(source, Listening):
                yield source
            elif isinstance(source, FhirSearchSource) and source.subscriptions is not None:
                yield source.subscriptions

    @model_validator(mode="after")
    def _fhir_sources_are_whole(self) -> Self:
        v2 = [each.name for each in self.sources if isinstance(each, Listening | FolderSource)]
        known = f"; known here: {', '.join(v2)}" if v2 else ""
        for source in self.sources:
            if not isinstance(source, FhirSearchSource):
                continue
            rules = rules_of(source, self.fhir_search)
            if rules.types is None:
                raise ValueError(f"source {source.name}: `types` are named neither here nor in the vendor file")
            if source.order_numbers is not None and source.order_numbers not in v2:
                raise ValueError(f"source {source.name}: order_numbers names no HL7 v2 source{known}")
            if strangers := [each for each in rules.patients.triggered_by if each not in v2]:
                raise ValueError(f"source {source.name}: triggered_by: {strangers[0]} is no HL7 v2 source{known}")
        return self

    def _authorities(self) -> Iterable[str]:
        for number in self.identity.hospital_numbers:
            yield from (number.authority, *number.also_sent_as)
        yield from self.identity.foreign_authorities
