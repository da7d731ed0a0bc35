"""The words of a UK FHIR server: code systems, identifiers, references and times, from the standards (UK Core 2023)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol, TypeVar
from uuid import NAMESPACE_URL, uuid5
from zlib import crc32

from adapter.simulator.fhir_versions import Change, Resource
from adapter.simulator.moments import LONDON

Json = dict[str, Any]
SET_UP = datetime(2020, 1, 1, tzinfo=LONDON)
"""When the EPR was installed: wards and products are older than any patient."""

TRUST = "https://fhir.rxx.example"
HOSPITAL_NUMBER = f"{TRUST}/Id/hospital-number"
VISIT_NUMBER = f"{TRUST}/Id/visit-number"
ORDER_NUMBER = f"{TRUST}/Id/order-number"
ACCESSION_NUMBER = f"{TRUST}/Id/accession-number"
WARD_CODE = f"{TRUST}/Id/ward"
NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
ODS_SITE = "https://fhir.nhs.uk/Id/ods-site-code"

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
ICD_10 = "http://hl7.org/fhir/sid/icd-10"
OPCS_4 = "https://fhir.hl7.org.uk/Id/opcs-4"
OPCS_4_OF_THE_CODERS = "https://fhir.nhs.uk/Id/opcs-4"
"""Two are in the wild."""
TREATMENT_FUNCTION = "https://fhir.nhs.uk/CodeSystem/NHSDataModelAndDictionary-treatment-function"
UK_CORE = "https://fhir.hl7.org.uk/CodeSystem/UKCore-"
UK_EXTENSION = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-"
HL7 = "http://terminology.hl7.org/CodeSystem/"
TABLE_0203 = f"{HL7}v2-0203"

_NATIONAL: Mapping[str, str] = {
    "NICIP": "https://nicip.nhs.uk",
    "SCT": SNOMED,
    "SNOMED": SNOMED,
    "DMD": "https://dmd.nhs.uk",
    "LN": LOINC,
}


class Coded(Protocol):
    """A line of one of the trust's tables."""

    @property
    def system(self) -> str: ...


LineOfTable = TypeVar("LineOfTable", bound=Coded)
Build = Callable[[datetime], Json | None]
"""What a resource looks like at a time; None: not there."""


def system_uri(name: str) -> str:
    """The URI under which the FHIR server sends the codes of a system that HL7 v2 knows by a name."""
    if not name or ":" in name:
        return name
    return _NATIONAL.get(name, f"{TRUST}/CodeSystem/{name.lower()}")


def also_as_fhir(lines: Iterable[LineOfTable]) -> Iterator[LineOfTable]:
    """Lines of a trust's table, and again with the system as the FHIR server sends it: a trust maps both."""
    for line in lines:
        yield line
        if system_uri(line.system) != line.system:
            yield replace(line, system=system_uri(line.system))  # type: ignore[type-var]


@lru_cache(maxsize=1 << 16)
def identity(kind: str, *numbers: str) -> str:
    """A resource id that says nothing of whom it is about."""
    return str(uuid5(NAMESPACE_URL, "/".join((TRUST, kind, *numbers))))


def reference(kind: str, *numbers: str, display: str = "") -> Json:
    """A reference to the resource made from these numbers."""
    return without_empty({"reference": f"{kind}/{identity(kind, *numbers)}", "display": display})


def coding(system: str, code: str, display: str = "") -> Json:
    """One coding."""
    return without_empty({"system": system, "code": code, "display": display})


def concept(*codings: Json, text: str = "") -> Json:
    """Codings that mean the same."""
    return without_empty({"coding": [one for one in codings if one.get("code")], "text": text})


def quantity(value: Decimal, code: str, *, words: str = "") -> Json:
    """A number in a unit of UCUM."""
    return {"value": value, "unit": words or code, "system": UCUM, "code": code}


def identifier(system: str, value: str, *, type_code: str = "") -> Json:
    """An identifier, with its type of HL7 table 0203."""
    kind = concept(coding(TABLE_0203, type_code)) if type_code else None
    return without_empty({"type": kind, "system": system, "value": value})


def extension(name: str, *codings: Json) -> Json:
    """An extension of UK Core with a coded value."""
    return {"url": f"{UK_EXTENSION}{name}", "valueCodeableConcept": concept(*codings)}


def time(moment: datetime) -> str:
    """ISO 8601 with the offset of the place."""
    return moment.astimezone(LONDON).isoformat(timespec="seconds")


def period(start: datetime, end: datetime | None = None) -> Json:
    """A period; without end it goes on."""
    return without_empty({"start": time(start), "end": time(end) if end else None})


def without_empty(elements: Mapping[str, Any]) -> Json:
    """FHIR has no empty elements: what is None, or empty, is left out."""
    return {name: value for name, value in elements.items() if value or value == 0}


def resource(kind: str, *numbers: str, **elements: Any) -> Json:
    """A resource under the id made from these numbers."""
    return {"resourceType": kind, "id": identity(kind, *numbers), **without_empty(elements)}


def versions(build: Build, moments: Iterable[datetime]) -> Iterator[Change]:
    """One version for each of the moments at which something of the resource changed.

    The server knows of it some seconds later; the delay is the same for all versions, so that their order stays.
    """
    before: Json | None = None
    for moment in sorted(set(moments)):
        now = build(moment)
        if now is not None and now != before:
            yield Change(visible_at=moment + _delay(now), resource=now)
            before = now


def _delay(about: Resource) -> timedelta:
    return timedelta(milliseconds=1000 + crc32(about["id"].encode()) % 58_000)
