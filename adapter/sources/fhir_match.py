"""Whether a resource fits what was searched for, where the server has not looked (FHIR R4, section 3.1.1.4). Pure.

Whatever cannot be judged here counts as fitting: nothing may be lost by a second look.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

Resource = Mapping[str, Any]
Fits = Callable[[Resource], bool]

_TOKENS = {
    "category": "category",
    "class": "class",
    "clinical-status": "clinicalStatus",
    "code": "code",
    "identifier": "identifier",
    "intent": "intent",
    "status": "status",
    "type": "type",
    "verification-status": "verificationStatus",
}
_MEDICATION = "medicationCodeableConcept"
_TIMES = {
    "authored": "authored",
    "authoredon": "authoredOn",
    "birthdate": "birthDate",
    "effective-time": "effective",
    "issued": "issued",
    "onset-date": "onset",
    "recorded-date": "recordedDate",
    "started": "started",
}
_DATES = {
    "DiagnosticReport": "effective",
    "Encounter": "period",
    "Observation": "effective",
    "Procedure": "performed",
}
_NO_FILTERS = frozenset({"_include", "_revinclude", "_count", "_sort", "_format", "_summary", "_elements", "_total"})
_FORMS = ("", "DateTime", "Instant", "Period")
_TIME = re.compile(r"(eq|ge|gt|le|lt)?(\d{4}(-\d\d(-\d\d(T.+)?)?)?)")
_ZONE = timedelta(hours=14)
"""Whose day it is, a date does not say."""
_FAR_PAST, _FAR_FUTURE = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


class _Span(NamedTuple):
    start: datetime
    end: datetime


def is_filter(parameter: str) -> bool:
    """Whether it narrows what a search gives."""
    return parameter.partition(":")[0] not in _NO_FILTERS


def fits(resource: Resource, parameter: str, value: str) -> bool:
    """Whether the resource is one of those that the parameter asks for; of several values by comma, any."""
    name, modifier, _ = parameter.partition(":")
    if modifier:
        return True
    wanted = value.split(",")
    if name == "_id":
        return resource.get("id") in wanted
    if name in _TOKENS:
        return _has_token(resource, name, wanted)
    element = _time_element(resource, name)
    return element is None or any(_is_at(element, one) for one in wanted)


def _has_token(resource: Resource, name: str, wanted: list[str]) -> bool:
    element = resource.get(_TOKENS[name], resource.get(_MEDICATION) if name == "code" else None)
    if element is None:
        return name not in {"category", "code"} or not _is_coded(resource)
    found = set(_tokens(element))
    return any(_is_token(one, found) for one in wanted)


def _is_coded(resource: Resource) -> bool:
    """Its code and category stand where the search looks; those of a medication may stand elsewhere."""
    return resource.get("resourceType") in {"Observation", "DiagnosticReport", "Condition", "Procedure"}


def _tokens(element: object) -> Iterator[tuple[str, str]]:
    for one in element if isinstance(element, list) else [element]:
        if isinstance(one, str):
            yield "", one
        elif isinstance(one, Mapping):
            if "coding" in one:
                yield from _tokens(one["coding"])
            code = one.get("code", one.get("value"))
            if isinstance(code, str):
                yield str(one.get("system") or ""), code


def _is_token(wanted: str, found: set[tuple[str, str]]) -> bool:
    system, bar, code = wanted.rpartition("|")
    if not bar:
        return any(code == one for _, one in found)
    if not code:
        return any(system == one for one, _ in found)
    return (system, code) in found


def _time_element(resource: Resource, name: str) -> _Span | None:
    if name == "_lastUpdated":
        meta = resource.get("meta")
        return _span_of(meta.get("lastUpdated")) if isinstance(meta, Mapping) else None
    element = _DATES.get(str(resource.get("resourceType"))) if name == "date" else _TIMES.get(name)
    found = (resource.get(f"{element}{form}") for form in _FORMS) if element else ()
    return next((_span_of(one) for one in found if one is not None), None)


def _span_of(value: object) -> _Span | None:
    """The time that a value may mean, from its first to its last moment."""
    if isinstance(value, Mapping):
        start, end = value.get("start"), value.get("end")
        first = _span_of(start) if start else _Span(_FAR_PAST, _FAR_PAST)
        last = _span_of(end) if end else _Span(_FAR_FUTURE, _FAR_FUTURE)
        return _Span(first.start, last.end) if first and last else None
    if not isinstance(value, str):
        return None
    try:
        return _written(value)
    except (ValueError, OverflowError):
        return None


def _written(text: str) -> _Span:
    if "T" in text:
        moment = datetime.fromisoformat(text)
        precision = timedelta(seconds=1) if "." not in text else timedelta(milliseconds=1)
        if moment.tzinfo is None:
            return _Span(moment.replace(tzinfo=UTC) - _ZONE, moment.replace(tzinfo=UTC) + _ZONE)
        return _Span(moment, moment + precision)
    year, month, day = (*map(int, text.split("-")), 0, 0)[:3]
    start = datetime(year, month or 1, day or 1, tzinfo=UTC)
    days = 1 if day else 31 if month else 366
    return _Span(start - _ZONE, start + timedelta(days=days) + _ZONE)


def _is_at(element: _Span, wanted: str) -> bool:
    matched = _TIME.fullmatch(wanted)
    span = _span_of(matched[2]) if matched else None
    if matched is None or span is None:
        return True
    match matched[1] or "eq":
        case "ge" | "gt":
            return element.end >= span.start
        case "le" | "lt":
            return element.start <= span.end
        case _:
            return element.start <= span.end and element.end >= span.start
