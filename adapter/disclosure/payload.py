"""What a row looks like outside the trust (payload B): by allow-list; a field that no rule lets out stays in.

Times become minutes from birth (R21), so that no date and no clock time leaves but the month of birth, once.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any, Literal, NamedTuple, assert_never, get_args, get_origin

from adapter.csor.payload import payload_names
from adapter.csor.record import KINDS, Leaves, field_leaves
from adapter.disclosure.birth import Birth
from adapter.disclosure.grammar import TEXT_SHAPES, is_code, is_number, is_numeric_text

Fields = Mapping[str, Any]


class _Exit(NamedTuple):
    """How one field of a row leaves."""

    field: str
    names: tuple[str, ...]
    """Under which names: one, or minutes and days."""
    leave: Callable[[Any, Fields, Birth], tuple[Any, ...]]
    """One value per name; None stays in."""


def disclose(kind: str, fields: Fields, *, birth: Birth) -> dict[str, Any]:
    """The fields of a row that may leave, in the form in which they may; what is withheld or unknown is absent."""
    payload: dict[str, Any] = {}
    for field, names, leave in _exits(kind):
        value = fields.get(field)
        if value is None:
            continue
        for name, left in zip(names, leave(value, fields, birth), strict=True):
            if left is not None:
                payload[name] = left
    return payload


@cache
def _exits(kind: str) -> tuple[_Exit, ...]:
    """An unknown kind of row is an error: it has no allow-list."""
    annotations = {info.alias or name: info.annotation for name, info in KINDS[kind].model_fields.items()}
    return tuple(
        _Exit(field, payload_names(field, leaves), _way(kind, field, leaves, annotations[field]))
        for field, leaves in field_leaves(kind).items()
        if leaves is not Leaves.WITHHELD
    )


def _way(kind: str, field: str, leaves: Leaves, annotation: Any) -> Callable[[Any, Fields, Birth], tuple[Any, ...]]:
    match leaves:
        case Leaves.MINUTES_FROM_BIRTH:
            return _from_birth
        case Leaves.MONTH_ONCE:
            return _month
        case Leaves.NUMERIC_TEXT:
            return _numeric_text
        case Leaves.LISTED_CODE:
            is_list = any(get_origin(member) is list for member in get_args(annotation))
            return _codes if is_list else partial(_code, _SYSTEM_OF[f"{kind}.{field}"])
        case Leaves.AS_IS:
            return partial(_as_is, _check(f"{kind}.{field}", annotation))
        case Leaves.WITHHELD:
            raise ValueError(f"{kind}.{field} is withheld: it has no way out")
        case _:
            assert_never(leaves)


_SYSTEM_OF = {"diagnosis.code": "code_system", "operation.procedure_code": "procedure_system"}
"""A code alone means nothing (R4): the field that names its system."""


def _from_birth(value: Any, _: Fields, birth: Birth) -> tuple[int | None, int | None]:
    """Never both: together they would tell the hour of birth."""
    minutes = birth.minutes_to(str(value))
    return minutes, None if minutes is not None else birth.days_to(str(value))


def _month(_: Any, __: Fields, birth: Birth) -> tuple[str | None]:
    return (birth.month,)


def _numeric_text(value: Any, _: Fields, __: Birth) -> tuple[str | None]:
    return (value if isinstance(value, str) and is_numeric_text(value) else None,)


def _code(system_field: str, value: Any, fields: Fields, _: Birth) -> tuple[str | None]:
    """Only a code that is among the listed ones of its row."""
    wanted = {"system": fields.get(system_field), "code": value}
    return (value if wanted in _listed(fields.get("codes")) else None,)


def _codes(value: Any, _: Fields, __: Birth) -> tuple[list[dict[str, str]] | None]:
    return (_listed(value) or None,)


def _listed(codes: Any) -> list[dict[str, str]]:
    """System and code without the display, of codes marked as listed that are also well formed."""
    return [
        {"system": coding["system"], "code": coding["code"]}
        for coding in (codes if isinstance(codes, list) else ())
        if isinstance(coding, dict)
        and coding.get("listed") is True
        and is_code(str(coding.get("system")), str(coding.get("code")))
    ]


def _as_is(is_allowed: Callable[[Any], bool], value: Any, _: Fields, __: Birth) -> tuple[Any]:
    if isinstance(value, list):
        return ([item for item in value if is_allowed(item)],)
    return (value if is_allowed(value) else None,)


def _check(name: str, annotation: Any) -> Callable[[Any], bool]:
    """From the type of the field: a closed choice, a truth value, a number, or text of a closed shape."""
    choices = frozenset(_choices(annotation))
    kinds = set(_leaf_types(annotation))
    if choices:
        return partial(_is_one_of, choices)
    if kinds == {bool}:
        return _is_bool
    if kinds == {int}:
        return partial(_is_count_up_to, _HIGHEST.get(name, 0))
    if str not in kinds:
        return is_number
    shape = TEXT_SHAPES.get(name)
    return _nothing if shape is None else partial(_has_shape, shape)


_HIGHEST = {"infant.birth_order": 9}
"""For every field of whole numbers that leaves as it is. A field that is not named here stays."""


def _leaf_types(annotation: Any) -> Iterable[Any]:
    members = [member for member in get_args(annotation) if member is not type(None)]
    if get_origin(annotation) is Literal or not members:
        return [annotation]
    return [leaf for member in members for leaf in _leaf_types(member)]


def _choices(annotation: Any) -> list[Any]:
    return [choice for leaf in _leaf_types(annotation) if get_origin(leaf) is Literal for choice in get_args(leaf)]


def _is_one_of(choices: frozenset[Any], value: Any) -> bool:
    return isinstance(value, str) and value in choices


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_count_up_to(highest: int, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= highest


def _has_shape(shape: Any, value: Any) -> bool:
    return isinstance(value, str) and shape.fullmatch(value) is not None


def _nothing(_: Any) -> bool:
    return False
