"""A FHIR body as statements: one for each patient, each resource a snapshot under its own id.

Which patient a resource belongs to is read from its reference only; who that patient is, is for `identity` to say.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from adapter.assertion import Form, Item, ItemKind, Resource
from adapter.errors import Problem, ProblemCode
from adapter.fhir.bundle import Part, Rejected, cut
from adapter.fhir.clock import clock_us, rank
from adapter.fhir.references import Index, contained, patient_reference
from adapter.fhir.separate import separate
from adapter.fhir.shape import fault
from adapter.statement import Statement

_ITEM_KINDS: Mapping[str, ItemKind] = {
    "Encounter": ItemKind.ENCOUNTER,
    "Condition": ItemKind.CONDITIONS,
    "Procedure": ItemKind.PROCEDURES,
    "Observation": ItemKind.OBSERVATION,
}
_CONTEXT_TYPES = frozenset({"Specimen", "ServiceRequest"})
_USED = frozenset({*_ITEM_KINDS, *_CONTEXT_TYPES, "Patient", "RelatedPerson"})


class Reading(NamedTuple):
    """A body, read."""

    statements: list[Statement]
    problems: list[Problem]
    bodies: list[bytes]
    """The body taken apart, one for each patient and one for what could not be used; empty for one patient's alone."""


def statements(body: bytes, *, base: str = "") -> tuple[list[Statement], list[Problem]]:
    """What a body says, one statement per patient in order of first mention, and what of it could not be used.

    `base` is the address of the server it came from: absolute references below it are the same as relative ones.
    Raises Unparsable where the body is no JSON. Resource types that no row needs are passed over.
    """
    found = read(body, base=base)
    return found.statements, found.problems


def read(body: bytes, *, base: str = "") -> Reading:
    """As `statements`, and how the body is kept where it is not all one patient's."""
    found = cut(body)
    problems = found.problems
    used = [part for part in found.parts if part.resource["resourceType"] in _USED]
    unused = [part for part in found.parts if part.resource["resourceType"] not in _USED]
    mapped = [part for part in used if _is_sound(part, problems)]
    sound = set(map(id, mapped))
    rejected = [*found.rejected, *(_rejected(part) for part in used if id(part) not in sound)]
    index = Index(mapped, base=base)
    gathered: dict[str, Statement] = {}
    owned: dict[str, list[Part]] = {}
    shared: list[Part] = []
    for part in mapped:
        known = len(problems)
        key = _subject_key(part, index, problems)
        if key is not None:
            _add(part, gathered.setdefault(key, Statement(patient=None, patient_key=key)), index)
            owned.setdefault(key, []).append(part)
        elif len(problems) > known:
            rejected.append(_rejected(part))
        else:
            shared.append(part)
    for statement in gathered.values():
        statement.clock_us = max((item.clock_us for item in statement.items), default=0)
    for part in unused:
        key = index.patient_key(patient_reference(part.resource), part.resource)
        (shared if key is None else owned.setdefault(key, [])).append(part)
    bodies: list[bytes] = []
    if mapped and len(owned) + bool(rejected) > 1:
        bodies = separate(owned, shared, rejected, index=Index([*mapped, *unused], base=base))
    return Reading(list(gathered.values()), problems, bodies)


def _rejected(part: Part) -> Rejected:
    return Rejected(raw=part.raw, at=part.at)


def _is_sound(part: Part, problems: list[Problem]) -> bool:
    """Of the form that everything after this room relies on."""
    problem = fault(part.raw, kind=part.resource["resourceType"], at=part.at)
    if problem is not None:
        problems.append(problem)
        return False
    return not _has_unknown_modifier(part, problems)


def _has_unknown_modifier(part: Part, problems: list[Problem]) -> bool:
    """A modifier extension may turn the meaning round ("did not happen"): what we do not know we must not map."""
    if b'"modifierExtension"' not in part.raw:
        return False
    found = list(_modifiers(part.resource, part.at))
    problems.extend(
        Problem(
            code=ProblemCode.UNKNOWN_MODIFIER_EXTENSION,
            text="a modifier extension that no mapping knows; the resource is not used",
            at=place,
        )
        for place in found
    )
    return bool(found)


def _modifiers(value: object, at: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, child in value.items():
            if key == "modifierExtension":
                yield f"{at}/{key}"
            else:
                yield from _modifiers(child, f"{at}/{key}")
    elif isinstance(value, list):
        for position, child in enumerate(value):
            yield from _modifiers(child, f"{at}/{position}")


def _subject_key(part: Part, index: Index, problems: list[Problem]) -> str | None:
    """Under which key the patient of a resource is gathered; None, with a problem, where there is none."""
    kind = part.resource["resourceType"]
    if kind == "Patient":
        return index.key_of_part(part)
    reference = patient_reference(part.resource)
    key = index.patient_key(reference, part.resource)
    if key is None and kind not in _CONTEXT_TYPES:
        text = "no reference to a patient" if not reference else "the subject is not a patient, or cannot be told"
        problems.append(Problem(code=ProblemCode.UNRESOLVED_REFERENCE, text=text, at=part.at))
    return key


def _add(part: Part, statement: Statement, index: Index) -> None:
    resource = part.resource
    kind = resource["resourceType"]
    if not statement.kind:
        statement.kind = kind
    elif statement.kind != kind:
        statement.kind = "Bundle"
    if kind == "Patient":
        statement.patient = resource
        statement.items.append(_item(ItemKind.PATIENT, part, index))
    elif kind == "RelatedPerson":
        statement.related.append(resource)
    elif kind in _CONTEXT_TYPES:
        statement.context[index.key_of_part(part)] = resource
    else:
        statement.items.append(_item(_ITEM_KINDS[kind], part, index))
        statement.context.update(index.context(_references(resource)))
        if statement.patient is None:
            statement.patient = contained(patient_reference(resource), resource)


def _item(kind: ItemKind, part: Part, index: Index) -> Item:
    return Item(
        kind=kind,
        key=index.key_of_part(part),
        clock_us=clock_us(part.resource, otherwise=part.timestamp),
        rank=rank(part.resource),
        event="",
        form=Form.SNAPSHOT,
        resources=[part.resource],
    )


def _references(resource: Resource) -> Iterable[str]:
    """References of an item to what its rows are made with."""
    based_on = resource.get("basedOn")
    for holder in [resource.get("specimen"), *(based_on if isinstance(based_on, list) else [])]:
        reference = holder.get("reference") if isinstance(holder, dict) else None
        if isinstance(reference, str):
            yield reference
