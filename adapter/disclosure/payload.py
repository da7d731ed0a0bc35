"""What a row looks like outside the trust (payload B): by allow-list; a field that no rule lets out stays in.

Times become minutes from birth (R21), so that no date and no clock time leaves but the month of birth, once.
Of every field a writer is made once; it writes nothing where the value may not leave.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Literal, assert_never, get_args, get_origin

from adapter.csor.fields import Leaves
from adapter.csor.payload import payload_names
from adapter.csor.record import KINDS, field_leaves
from adapter.disclosure.birth import Birth
from adapter.disclosure.grammar import TEXT_SHAPES, is_code, is_number, is_numeric_text

Fields = Mapping[str, Any]
Payload = dict[str, Any]
_Writer = Callable[[Payload, Any, Fields, Birth], None]
"""Writes the value of one field into the payload, in the form in which it may leave, or nothing."""

_SYSTEM_OF = {"diagnosis.code": "code_system", "operation.procedure_code": "procedure_system"}
"""A code alone means nothing (R4): the field that names its system."""

_HIGHEST = {
    "infant.birth_order": 9,
    "infant.gestation_days": 330,
    "infant.apgar_1": 10,
    "infant.apgar_5": 10,
    "imaging_study.n_series": 999,
    "imaging_study.n_instances": 9999,
    "medication_course.administrations": 9999,
    "operation_note.silo_days": 99,
    "operation_note.catheter_days": 99,
}
"""For every field of whole numbers that leaves as it is. A field that is not named here stays."""


def disclose(kind: str, fields: Fields, *, birth: Birth) -> Payload:
    """The fields of a row that may leave, in the form in which they may; what is withheld or unknown is absent."""
    payload: Payload = {}
    writers = _writers(kind)
    for field, value in fields.items():
        if value is not None and field in writers:
            writers[field](payload, value, fields, birth)
    return payload


@cache
def _writers(kind: str) -> dict[str, _Writer]:
    """By field. An unknown kind of row is an error: it has no allow-list."""
    annotations = {info.alias or name: info.annotation for name, info in KINDS[kind].model_fields.items()}
    return {
        field: _writer(f"{kind}.{field}", leaves, payload_names(field, leaves), annotations[field])
        for field, leaves in field_leaves(kind).items()
        if leaves is not Leaves.WITHHELD
    }


def _writer(path: str, leaves: Leaves, names: tuple[str, ...], annotation: Any) -> _Writer:
    name = names[0]
    match leaves:
        case Leaves.MINUTES_FROM_BIRTH:
            return _time(*names)
        case Leaves.MONTH_ONCE:
            return _month(name)
        case Leaves.NUMERIC_TEXT:
            return _checked(name, lambda value: type(value) is str and is_numeric_text(value))
        case Leaves.LISTED_CODE:
            is_list = any(get_origin(member) is list for member in get_args(annotation))
            return _codes(name) if is_list else _code(name, _SYSTEM_OF[path])
        case Leaves.AS_IS:
            is_list = any(get_origin(member) is list for member in get_args(annotation))
            is_allowed = _check(path, annotation)
            return _checked_list(name, is_allowed) if is_list else _checked(name, is_allowed)
        case Leaves.WITHHELD:
            raise ValueError(f"{path} is withheld: it has no way out")
        case _:
            assert_never(leaves)


def _time(minutes_name: str, days_name: str) -> _Writer:
    """Minutes or days, never both: together they would tell the hour of birth."""

    def write(payload: Payload, value: Any, _: Fields, birth: Birth) -> None:
        minutes = birth.minutes_to(str(value))
        if minutes is not None:
            payload[minutes_name] = minutes
            return
        days = birth.days_to(str(value))
        if days is not None:
            payload[days_name] = days

    return write


def _month(name: str) -> _Writer:
    def write(payload: Payload, _: Any, __: Fields, birth: Birth) -> None:
        if birth.month is not None:
            payload[name] = birth.month

    return write


def _code(name: str, system_field: str) -> _Writer:
    """Only a code that is among the listed ones of its row."""

    def write(payload: Payload, value: Any, fields: Fields, _: Birth) -> None:
        if {"system": fields.get(system_field), "code": value} in _listed(fields.get("codes")):
            payload[name] = value

    return write


def _codes(name: str) -> _Writer:
    def write(payload: Payload, value: Any, _: Fields, __: Birth) -> None:
        listed = _listed(value)
        if listed:
            payload[name] = listed

    return write


def _listed(codes: Any) -> list[dict[str, str]]:
    """System and code without the display, of codes marked as listed that are also well formed."""
    return [
        {"system": coding["system"], "code": coding["code"]}
        for coding in (codes if isinstance(codes, list) else ())
        if isinstance(coding, dict)
        and coding.get("listed") is True
        and is_code(str(coding.get("system")), str(coding.get("code")))
    ]


def _checked(name: str, is_allowed: Callable[[Any], bool]) -> _Writer:
    def write(payload: Payload, value: Any, _: Fields, __: Birth) -> None:
        if is_allowed(value):
            payload[name] = value

    return write


def _checked_list(name: str, is_allowed: Callable[[Any], bool]) -> _Writer:
    def write(payload: Payload, value: Any, _: Fields, __: Birth) -> None:
        if isinstance(value, list):
            payload[name] = [item for item in value if is_allowed(item)]

    return write


def _check(path: str, annotation: Any) -> Callable[[Any], bool]:
    """From the type of the field: a closed choice, a truth value, a number, or text of a closed shape."""
    choices = frozenset(_choices(annotation))
    kinds = set(_leaf_types(annotation))
    if choices:
        return lambda value: type(value) is str and value in choices
    if kinds == {bool}:
        return lambda value: type(value) is bool
    if kinds == {int}:
        highest = _HIGHEST.get(path, -1)
        return lambda value: type(value) is int and 0 <= value <= highest
    return _has_shape(TEXT_SHAPES.get(path)) if str in kinds else is_number


def _has_shape(shape: re.Pattern[str] | None) -> Callable[[Any], bool]:
    if shape is None:
        return lambda value: False
    return lambda value: type(value) is str and shape.fullmatch(value) is not None


def _leaf_types(annotation: Any) -> Iterable[Any]:
    members = [member for member in get_args(annotation) if member is not type(None)]
    if get_origin(annotation) is Literal or not members:
        return [annotation]
    return [leaf for member in members for leaf in _leaf_types(member)]


def _choices(annotation: Any) -> list[Any]:
    return [choice for leaf in _leaf_types(annotation) if get_origin(leaf) is Literal for choice in get_args(leaf)]
