"""The settings of a FHIR server that is read; what holds at every server of a vendor stands in its file."""

import re
from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from adapter.config.fhir_answers import Hydrate, OutcomeRule, Paging
from adapter.config.fhir_auth import Auth, check_secure, url_parts
from adapter.config.fhir_bulk import Bulk
from adapter.config.fhir_limits import FhirLimits
from adapter.config.fhir_push import Subscriptions
from adapter.config.fhir_types import Count, Pages, Span, Types
from adapter.config.secrets import SecretRef
from adapter.config.values import FilePath, Name
from adapter.datafile import Positioned

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)(:[1-9]\d{0,4})?")


def _base_url(url: str) -> str:
    """Patient data and the token travel to this address: nothing in it may lead anywhere else."""
    parts = url_parts(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("should be https://HOST[:PORT]/PATH of the FHIR server, without query or fragment")
    if parts.username is not None:
        raise ValueError("should hold no credentials: give the token by `token`")
    check_secure(parts, carries="patient data and the token")
    return url.rstrip("/")


_OUR_HEADERS = frozenset({"authorization", "accept", "content-type", "content-length", "host", "prefer", "cookie"})


def _own_header(name: str) -> str:
    if name.lower() in _OUR_HEADERS:
        raise ValueError(f"{name} is set by the adapter: see `token` and `auth`")
    return name


def _host(written: str) -> str:
    host = written.strip().lower()
    if not _HOST.fullmatch(host):
        raise ValueError("should be a host, or HOST:PORT, without https:// and path")
    url_parts(f"https://{host}")
    return host


Host = Annotated[str, AfterValidator(_host)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]*$"), AfterValidator(_own_header)]


class Patients(Positioned):
    """Whose data are read where a server is read patient by patient: our own held and confirmed children."""

    triggered_by: tuple[Name, ...] = ()
    """HL7 v2 sources whose messages of a child of ours ask for a read of that child at once."""
    look_up: Literal["identifier", "match", "none"] = "identifier"
    """How a child known by number gets the server's id: `Patient?identifier=`, `Patient/$match`, or not at all."""
    every: Span = timedelta(hours=1)
    """How often a child is asked for what has changed, if no message asks for it before."""


class FhirSearchRules(Positioned):
    """What sources of kind fhir-search do unless they say otherwise; a vendor file sets it."""

    version: Literal["R4", "R4B", "STU3"] = "R4"
    types: Annotated[Types, Field(min_length=1)] | None = None
    """In this order."""
    overlap: Span = timedelta(minutes=10)
    """How far back from its cursor a search begins: for what becomes visible late."""
    full_reread: Span = timedelta(days=7)
    """How often all of a patient is read again and compared (behaviours 16 and 17)."""
    count: Count = 100
    max_pages: Pages = 500
    """Of one search; a longer one is marked incomplete."""
    patients: Patients = Patients()
    post: bool = False
    """Searches by POST _search, so that no patient's id or number stands in an address."""
    lenient: bool = False
    """`Prefer: handling=lenient`."""
    hydrate: tuple[Hydrate, ...] = ()
    paging: Paging = Paging()
    outcome_rules: tuple[OutcomeRule, ...] = ()
    limits: FhirLimits = FhirLimits()
    bulk: Bulk = Bulk()
    """How exports are made, where a source asks for any."""


class Retry(Positioned):
    """How a request is tried again that may pass soon; waits double and are drawn at random (behaviour 36)."""

    attempts: Annotated[int, Field(ge=1, le=20)] = 5
    first_s: Annotated[float, Field(gt=0)] = 1
    longest_s: Annotated[float, Field(gt=0)] = 60
    """What a server wants beyond this by Retry-After is left to a later turn."""


class FhirSearchSource(Positioned):
    """A FHIR server that is asked again and again for what has changed."""

    name: Name
    """Another server is another source: ids are unique only within one (behaviour 11)."""
    kind: Literal["fhir-search"]
    base_url: Annotated[str, AfterValidator(_base_url)]
    token: SecretRef | None = None
    """A bearer token, sent to this server only; read again where the server does not take it any more."""
    auth: Auth | None = None
    """How to sign in for tokens, where nobody else renews one."""
    headers: dict[HeaderName, SecretRef] = {}
    """Further ones that the site wants, sent where the token is sent and nowhere else: `Epic-Client-ID`."""
    certificate: FilePath | None = None
    """Ours, in PEM, where the server wants mutual TLS; `key` is the file of its private key."""
    key: FilePath | None = None
    expiry_warn_days: Annotated[int, Field(ge=1)] = 30
    """So long before our certificate or the server's ends, `status` and `doctor` say so (behaviour 9)."""
    first: Annotated[date, Field(alias="from")]
    """What has changed since this day is read at the first time."""
    every: Span = timedelta(minutes=5)
    version: Literal["R4", "R4B", "STU3"] | None = None
    allowed_hosts: tuple[Host, ...] = ()
    """Where links may lead besides the server itself; no token ever goes there."""
    patients: Patients | None = None
    types: Annotated[Types, Field(min_length=1)] | None = None
    overlap: Span | None = None
    full_reread: Span | None = None
    count: Count | None = None
    """Resources on one page, as a wish."""
    max_pages: Pages | None = None
    post: bool | None = None
    lenient: bool | None = None
    hydrate: tuple[Hydrate, ...] | None = None
    paging: Paging | None = None
    outcome_rules: tuple[OutcomeRule, ...] = ()
    """Before those of the vendor."""
    limits: FhirLimits | None = None
    bulk: Bulk | None = None
    """Exports are made where it is given."""
    subscriptions: Subscriptions | None = None
    """Where the server tells of changes, so that they are read at once."""
    ca: FilePath | None = None
    """Certificates in PEM that replace the public authorities."""
    proxy: str | None = None
    retry: Retry = Retry()
    silence_s: Annotated[float, Field(gt=0)] = 60
    """How long the server may send nothing; a whole page may take five times as long."""
    max_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    """Of one page."""
    order_numbers: Name | None = None
    """The HL7 v2 source whose filler order numbers this server also uses: results of both are then one row."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.token is not None and self.auth is not None:
            raise ValueError("a token is either given (`token`) or asked for (`auth`)")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("`certificate` and `key` are given together")
        return self


def rules_of(source: FhirSearchSource, under: FhirSearchRules) -> FhirSearchRules:
    """A source's own rules over those of its vendor."""
    own = {
        name: _over(getattr(source, name), getattr(under, name))
        for name in FhirSearchRules.model_fields
        if getattr(source, name) is not None
    }
    own["outcome_rules"] = (*source.outcome_rules, *under.outcome_rules)
    return under.model_copy(update=own)


def _over(own: object, under: object) -> object:
    """Setting by setting, where both have several."""
    if isinstance(own, Positioned) and isinstance(under, Positioned):
        said = {name: _over(getattr(own, name), getattr(under, name)) for name in own.model_fields_set}
        return under.model_copy(update=said)
    return own
