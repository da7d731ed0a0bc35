"""The search parameters of FHIR R4 that the server answers, and how each compares (hl7.org/fhir/R4/search.html)."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from adapter.simulator.fhir_versions import Resource
from adapter.simulator.moments import LONDON

Kind = Literal["token", "reference", "date", "any"]


class Parameter(NamedTuple):
    """What a parameter looks at."""

    kind: Kind
    paths: tuple[str, ...]
    target: str = "Patient"
    """Of a reference: the type that a bare id means."""


class BadValue(ValueError):
    """The value of a parameter has not the form that its kind asks for."""


class Span(NamedTuple):
    """The time that a date of some precision, or a period, covers: from `low`, up to but without `high`."""

    low: datetime
    high: datetime


_EVER = Span(datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC))
_PREFIXES: Mapping[str, Callable[[Span, Span], bool]] = {
    "eq": lambda asked, found: asked.low <= found.low and found.high <= asked.high,
    "ne": lambda asked, found: not (asked.low <= found.low and found.high <= asked.high),
    "gt": lambda asked, found: found.high > asked.high,
    "lt": lambda asked, found: found.low < asked.low,
    "ge": lambda asked, found: found.high > asked.high or (asked.low <= found.low and found.high <= asked.high),
    "le": lambda asked, found: found.low < asked.low or (asked.low <= found.low and found.high <= asked.high),
    "sa": lambda asked, found: found.low >= asked.high,
    "eb": lambda asked, found: found.high <= asked.low,
}

_COMMON = {"_id": Parameter("token", ("id",)), "_lastUpdated": Parameter("date", ("meta.lastUpdated",))}
_IDENTIFIER = {"identifier": Parameter("token", ("identifier",))}
_SUBJECT = {"patient": Parameter("reference", ("subject",)), "subject": Parameter("reference", ("subject",))}
_ENCOUNTER = {"encounter": Parameter("reference", ("encounter",), "Encounter")}
_STATUS = {"status": Parameter("token", ("status",))}
_CODE = {"code": Parameter("token", ("code",))}
_CATEGORY = {"category": Parameter("token", ("category",))}
_EVENT = {**_COMMON, **_IDENTIFIER, **_SUBJECT, **_ENCOUNTER, **_STATUS}
_BASED_ON = {"based-on": Parameter("reference", ("basedOn",), "ServiceRequest")}

PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    "Patient": {
        **_COMMON,
        **_IDENTIFIER,
        "birthdate": Parameter("date", ("birthDate",)),
        "gender": Parameter("token", ("gender",)),
        "active": Parameter("token", ("active",)),
    },
    "RelatedPerson": {
        **_COMMON,
        **_IDENTIFIER,
        "patient": Parameter("reference", ("patient",)),
        "relationship": Parameter("token", ("relationship",)),
        "-relationship-level": Parameter("any", ()),
    },
    "Encounter": {
        **_COMMON,
        **_IDENTIFIER,
        **_SUBJECT,
        **_STATUS,
        "class": Parameter("token", ("class",)),
        "date": Parameter("date", ("period",)),
        "location": Parameter("reference", ("location.location",), "Location"),
    },
    "Condition": {
        **_COMMON,
        **_IDENTIFIER,
        **_SUBJECT,
        **_ENCOUNTER,
        **_CATEGORY,
        **_CODE,
        "clinical-status": Parameter("token", ("clinicalStatus",)),
        "verification-status": Parameter("token", ("verificationStatus",)),
        "recorded-date": Parameter("date", ("recordedDate",)),
        "onset-date": Parameter("date", ("onsetDateTime",)),
    },
    "Procedure": {
        **_EVENT,
        **_CATEGORY,
        **_CODE,
        "date": Parameter("date", ("performedDateTime", "performedPeriod")),
    },
    "Observation": {
        **_EVENT,
        **_CATEGORY,
        **_CODE,
        **_BASED_ON,
        "date": Parameter("date", ("effectiveDateTime", "effectivePeriod")),
        "issued": Parameter("date", ("issued",)),
        "specimen": Parameter("reference", ("specimen",), "Specimen"),
    },
    "DiagnosticReport": {
        **_EVENT,
        **_CATEGORY,
        **_CODE,
        **_BASED_ON,
        "date": Parameter("date", ("effectiveDateTime", "effectivePeriod")),
        "issued": Parameter("date", ("issued",)),
        "result": Parameter("reference", ("result",), "Observation"),
    },
    "ImagingStudy": {
        **_EVENT,
        "started": Parameter("date", ("started",)),
        "modality": Parameter("token", ("series.modality",)),
        "basedon": Parameter("reference", ("basedOn",), "ServiceRequest"),
    },
    "ServiceRequest": {**_EVENT, **_CATEGORY, **_CODE, "authored": Parameter("date", ("authoredOn",))},
    "MedicationAdministration": {
        **_COMMON,
        **_IDENTIFIER,
        **_SUBJECT,
        **_STATUS,
        "code": Parameter("token", ("medicationCodeableConcept",)),
        "context": Parameter("reference", ("context",), "Encounter"),
        "effective-time": Parameter("date", ("effectiveDateTime", "effectivePeriod")),
        "medication": Parameter("reference", ("medicationReference",), "Medication"),
        "request": Parameter("reference", ("request",), "MedicationRequest"),
    },
    "MedicationRequest": {
        **_EVENT,
        **_CATEGORY,
        "authoredon": Parameter("date", ("authoredOn",)),
        "code": Parameter("token", ("medicationCodeableConcept",)),
        "intent": Parameter("token", ("intent",)),
        "medication": Parameter("reference", ("medicationReference",), "Medication"),
    },
    "Medication": {**_COMMON, **_IDENTIFIER, **_CODE, **_STATUS},
    "QuestionnaireResponse": {
        **_EVENT,
        "authored": Parameter("date", ("authored",)),
        "questionnaire": Parameter("reference", ("questionnaire",), "Questionnaire"),
    },
    "Specimen": {
        **_COMMON,
        **_IDENTIFIER,
        **_SUBJECT,
        "type": Parameter("token", ("type",)),
        "collected": Parameter("date", ("collection.collectedDateTime",)),
    },
    "Location": {**_COMMON, **_IDENTIFIER, **_STATUS},
}
INCLUDES: Mapping[str, str] = {
    "Observation:based-on": "basedOn",
    "Observation:specimen": "specimen",
    "DiagnosticReport:result": "result",
    "DiagnosticReport:based-on": "basedOn",
    "ImagingStudy:basedon": "basedOn",
    "MedicationAdministration:medication": "medicationReference",
    "MedicationAdministration:request": "request",
    "MedicationRequest:medication": "medicationReference",
    "Encounter:location": "location.location",
}


def compiled(parameter: Parameter, value: str) -> Callable[[Resource], bool]:
    """Whether a resource matches one of the values between the commas."""
    if parameter.kind == "any":
        return lambda _: True
    tests = [_test(parameter, one) for one in value.split(",")]
    return lambda resource: any(
        test(element) for path in parameter.paths for element in elements(resource, path) for test in tests
    )


def elements(value: Any, path: str) -> Iterator[Any]:
    """What stands at a path; lists are gone through."""
    if isinstance(value, list):
        for item in value:
            yield from elements(item, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping):
        name, _, rest = path.partition(".")
        if name in value:
            yield from elements(value[name], rest)


def _test(parameter: Parameter, value: str) -> Callable[[Any], bool]:
    if parameter.kind == "date":
        prefix = value[:2] if value[:2] in _PREFIXES else "eq"
        asked = span(value.removeprefix(prefix))
        compare = _PREFIXES[prefix]
        return lambda found: compare(asked, span(found))
    if parameter.kind == "reference":
        reference = value if "/" in value else f"{parameter.target}/{value}"
        return lambda found: reference in (found if isinstance(found, str) else found.get("reference"), value)
    system, bar, code = value.rpartition("|")
    return lambda found: any((not bar or system == at) and (not code or code == is_) for at, is_ in _tokens(found))


def _tokens(found: Any) -> Iterator[tuple[str, str]]:
    """System and code of everything a token can be: code, boolean, Coding, CodeableConcept, Identifier."""
    if isinstance(found, bool):
        yield "", str(found).lower()
    elif isinstance(found, str):
        yield "", found
    elif "coding" in found:
        for coding in found["coding"]:
            yield coding.get("system", ""), coding.get("code", "")
    else:
        yield found.get("system", ""), found.get("value", found.get("code", ""))


def span(value: Any) -> Span:
    """The time a FHIR date, time or period covers. Raises BadValue."""
    if isinstance(value, Mapping):
        start, end = value.get("start"), value.get("end")
        return Span(span(start).low if start else _EVER.low, span(end).high if end else _EVER.high)
    text = str(value)
    try:
        if len(text) == 4:
            return Span(_day(f"{text}-01-01"), _day(f"{int(text) + 1}-01-01"))
        if len(text) == 7:
            first = _day(f"{text}-01")
            return Span(first, (first + timedelta(days=32)).replace(day=1))
        if len(text) == 10:
            return Span(_day(text), _day(text) + timedelta(days=1))
        low = datetime.fromisoformat(text)
    except ValueError:
        raise BadValue(text) from None
    if low.tzinfo is None:
        low = low.replace(tzinfo=LONDON)
    precision = timedelta(milliseconds=1) if "." in text else timedelta(seconds=1)
    return Span(low, low + precision)


def clinical_time(resource: Resource) -> datetime | None:
    """When what a resource tells of happened or began, if it says so."""
    paths = ("effectiveDateTime", "effectivePeriod", "performedDateTime", "performedPeriod", "period", "authoredOn")
    found = next((one for path in (*paths, "recordedDate") for one in elements(resource, path)), None)
    return None if found is None else span(found).low


def _day(text: str) -> datetime:
    """A date without a zone is one of the place."""
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=LONDON)
