"""The settings of a FHIR server that is polled by search; what holds at every server of a vendor stands in its file."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from adapter.config.fhir_auth import Auth, check_secure, url_parts
from adapter.config.secrets import SecretRef
from adapter.config.values import FilePath, Name
from adapter.datafile import Duration, Positioned, did_you_mean

ResourceType = Literal[
    "Patient",
    "RelatedPerson",
    "Encounter",
    "Condition",
    "Procedure",
    "Specimen",
    "ServiceRequest",
    "Observation",
    "DiagnosticReport",
    "ImagingStudy",
    "MedicationAdministration",
    "MedicationRequest",
    "QuestionnaireResponse",
]
"""Types that a row or a decision is made from; no other is asked for (data minimisation)."""

_OURS = frozenset({"_lastUpdated", "_sort", "_count"})
_SHORTEST = timedelta(seconds=1)


def _known_type(value: object) -> object:
    known = get_args(ResourceType)
    if isinstance(value, str) and value not in known:
        hint = did_you_mean(value, list(known))
        text = f'"{value}" is no resource type that rows are made from' + (f"; {hint}" if hint else "")
        raise PydanticCustomError("resource_type", "{text}", {"text": text})
    return value


def _base_url(url: str) -> str:
    """Patient data and the token travel to this address: nothing in it may lead anywhere else."""
    parts = url_parts(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("should be https://HOST[:PORT]/PATH of the FHIR server, without query or fragment")
    if parts.username is not None:
        raise ValueError("should hold no credentials: give the token by `token`")
    check_secure(parts, carries="patient data and the token")
    return url.rstrip("/")


def _positive(span: timedelta) -> timedelta:
    if span < _SHORTEST:
        raise ValueError("should be one second (PT1S) or longer")
    return span


def _not_ours(parameter: str) -> str:
    if parameter in _OURS:
        raise ValueError(f"{parameter} is set by the adapter: see `from`, `overlap` and `count`")
    return parameter


Parameter = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.:-]*$"), AfterValidator(_not_ours)]
Value = Annotated[str, StringConstraints(min_length=1)]
Values = Annotated[
    tuple[Value, ...], Field(min_length=1), BeforeValidator(lambda given: [given] if isinstance(given, str) else given)
]
"""One, or a list."""
Span = Annotated[Duration, AfterValidator(_positive)]
Count = Annotated[int, Field(ge=1, le=10_000)]


class SearchRules(Positioned):
    """How one resource type is searched for."""

    parameters: dict[Parameter, Values] = {}
    """Sent with every search of the type, once for each value: `_include: [Observation:specimen]`."""
    split: dict[Parameter, Values] = {}
    """One search for each value: `category: [laboratory, vital-signs]`, where a server wants one (behaviour 13)."""

    @model_validator(mode="after")
    def _split_by_one(self) -> "SearchRules":
        if len(self.split) > 1:
            raise ValueError("a type is split by one parameter")
        if both := set(self.split) & set(self.parameters):
            raise ValueError(f"{', '.join(sorted(both))} is given in both parameters and split")
        return self


Types = dict[Annotated[ResourceType, BeforeValidator(_known_type)], SearchRules]


class FhirSearchRules(Positioned):
    """What sources of kind fhir-search do unless they say otherwise; a vendor file sets it."""

    types: Annotated[Types, Field(min_length=1)] | None = None
    """In this order."""
    overlap: Span = timedelta(minutes=10)
    """How far back from its cursor a search begins: for what becomes visible late."""
    count: Count = 100


class Retry(Positioned):
    """How a request is tried again that may pass soon; waits double and are drawn at random (behaviour 36)."""

    attempts: Annotated[int, Field(ge=1, le=20)] = 5
    first_s: Annotated[float, Field(gt=0)] = 1
    longest_s: Annotated[float, Field(gt=0)] = 60
    """What a server wants beyond this by Retry-After is left to a later turn."""


class FhirSearchSource(Positioned):
    """A FHIR R4 server that is asked again and again for what has changed."""

    name: Name
    """Another server is another source: ids are unique only within one (behaviour 11)."""
    kind: Literal["fhir-search"]
    base_url: Annotated[str, AfterValidator(_base_url)]
    token: SecretRef | None = None
    """A bearer token, sent to this server only; read again where the server does not take it any more."""
    auth: Auth | None = None
    """How to sign in for tokens, where nobody else renews one."""
    certificate: FilePath | None = None
    """Ours, in PEM, where the server wants mutual TLS; `key` is the file of its private key."""
    key: FilePath | None = None
    first: Annotated[date, Field(alias="from")]
    """What has changed since this day is read at the first time."""
    every: Span = timedelta(minutes=5)
    types: Annotated[Types, Field(min_length=1)] | None = None
    overlap: Span | None = None
    count: Count | None = None
    """Resources on one page, as a wish."""
    ca: FilePath | None = None
    """Certificates in PEM that replace the public authorities."""
    proxy: str | None = None
    requests_per_second: Annotated[float, Field(gt=0, le=1000)] = 2
    requests_per_day: Annotated[int, Field(ge=1)] | None = None
    """By the local day."""
    retry: Retry = Retry()
    silence_s: Annotated[float, Field(gt=0)] = 60
    """How long the server may send nothing; a whole page may take five times as long."""
    max_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    """Of one page."""
    order_numbers: Name | None = None
    """The HL7 v2 source whose filler order numbers this server also uses: results of both are then one row."""

    @model_validator(mode="after")
    def _one_way_in(self) -> "FhirSearchSource":
        if self.token is not None and self.auth is not None:
            raise ValueError("a token is either given (`token`) or asked for (`auth`)")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("`certificate` and `key` are given together")
        return self


def rules_of(source: FhirSearchSource, under: FhirSearchRules) -> FhirSearchRules:
    """A source's own rules over those of its vendor."""
    own: Mapping[str, object] = {"types": source.types, "overlap": source.overlap, "count": source.count}
    return under.model_copy(update={name: value for name, value in own.items() if value is not None})
