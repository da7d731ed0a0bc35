"""How each resource type of a FHIR server is asked for: for whom, in which parts, and what tells of a change."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

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

CHANGED = "_lastUpdated"
_OURS = frozenset({CHANGED, "_sort", "_count"})
_ANY = "*"
_SHORTEST = timedelta(seconds=1)


def known_type(value: object) -> object:
    """For a BeforeValidator: refused with the nearest known one."""
    known = get_args(ResourceType)
    if isinstance(value, str) and value not in known:
        hint = did_you_mean(value, list(known))
        text = f'"{value}" is no resource type that rows are made from' + (f"; {hint}" if hint else "")
        raise PydanticCustomError("resource_type", "{text}", {"text": text})
    return value


def _positive(span: timedelta) -> timedelta:
    if span < _SHORTEST:
        raise ValueError("should be one second (PT1S) or longer")
    return span


def _not_ours(parameter: str) -> str:
    if parameter in _OURS:
        raise ValueError(f"{parameter} is set by the adapter: see `from`, `overlap` and `count`")
    return parameter


def _none(value: object) -> object:
    return None if value == "none" else value


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


_Word = Annotated[str, StringConstraints(pattern=r"^-?[A-Za-z_][A-Za-z0-9_.:-]*$")]
Parameter = Annotated[_Word, AfterValidator(_not_ours)]
Value = Annotated[str, StringConstraints(min_length=1)]
Values = Annotated[tuple[Value, ...], Field(min_length=1), BeforeValidator(_as_list)]
"""One, or a list."""
Span = Annotated[Duration, AfterValidator(_positive)]
Count = Annotated[int, Field(ge=1, le=10_000)]
Pages = Annotated[int, Field(ge=1)]


class Incremental(Positioned):
    """By which parameter the server tells what is new."""

    param: _Word = CHANGED
    mode: Literal["changed", "created"] = "changed"
    """created: of a later change it says nothing; the full re-read finds that (behaviours 16 and 17)."""

    @model_validator(mode="after")
    def _of_the_right_kind(self) -> Self:
        if self.param == CHANGED and self.mode == "created":
            raise ValueError(f"{CHANGED} tells of every change: mode should be changed, or left out")
        if self.param != CHANGED and self.mode == "changed":
            raise ValueError(f"{self.param} does not tell of changes: mode should be created")
        return self


Exclusive = Annotated[tuple[Annotated[str, StringConstraints(min_length=1)], ...], Field(min_length=2, max_length=2)]


class SearchRules(Positioned):
    """How one resource type is searched for."""

    scope: Literal["system", "patient"] = "system"
    """The whole type by its cursor, or one child of ours at a time (behaviour 12)."""
    patient_param: Literal["patient", "subject"] = "patient"
    """What names the child in a search; of a Patient it is `_id`."""
    parameters: dict[Parameter, Values] = {}
    """Sent with every search of the type, once for each value: `_include: [Observation:specimen]`."""
    split: dict[Parameter, Values] = {}
    """One search for each value: `category: [laboratory, vital-signs]`, where a server wants one (behaviour 13)."""
    incremental: Annotated[Incremental | None, BeforeValidator(_none)] = Incremental()
    """`none`: the type is read whole each time."""
    overlap: Span | None = None
    full_reread: Span | None = None
    count: Count | None = None
    max_pages: Pages | None = None
    exclusive: tuple[Exclusive, ...] = ()
    """Parameters that the server takes only without each other; `*` is any other one (behaviours 14 and 15)."""

    @model_validator(mode="after")
    def _split_by_one(self) -> Self:
        if len(self.split) > 1:
            raise ValueError("a type is split by one parameter")
        if both := set(self.split) & set(self.parameters):
            raise ValueError(f"{', '.join(sorted(both))} is given in both parameters and split")
        if self.incremental is not None and self.incremental.param in {*self.split, *self.parameters}:
            raise ValueError(f"{self.incremental.param} is set by the adapter: it stands in incremental")
        return self

    @model_validator(mode="after")
    def _whole_by_its_cursor(self) -> Self:
        if self.scope == "system" and (self.incremental is None or self.incremental.param != CHANGED):
            raise ValueError(f"without {CHANGED} a type cannot be read whole: scope should be patient")
        if self.scope == "patient" and self.patient_param in {*self.split, *self.parameters}:
            raise ValueError(f"{self.patient_param} is set by the adapter: see `scope`")
        return self

    @model_validator(mode="after")
    def _nothing_excluded(self) -> Self:
        for one, other in self.exclusive:
            if clash := _clash(one, other, self._sent()):
                raise ValueError(f"{' and '.join(clash)} are asked for together, which `exclusive` forbids")
        return self

    def _sent(self) -> list[str]:
        """What one search of the type may carry; sorting and the number on a page are left out where they exclude."""
        names = [*self.parameters, *self.split, *([self.patient_param] if self.scope == "patient" else [])]
        if self.incremental is not None:
            names.append(self.incremental.param)
        return [name.partition(":")[0] for name in names]


def _clash(one: str, other: str, sent: Iterable[str]) -> list[str]:
    names = list(dict.fromkeys(sent))
    if _ANY in (one, other):
        alone = other if one == _ANY else one
        return [alone, *(name for name in names if name != alone)][:2] if alone in names and len(names) > 1 else []
    return [one, other] if one in names and other in names else []


Types = dict[Annotated[ResourceType, BeforeValidator(known_type)], SearchRules]
