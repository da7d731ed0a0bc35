"""A FHIR body as statements: one for each patient, each resource a snapshot under its own id.

Which patient a resource belongs to is read from its reference only; who that patient is, is for `identity` to say.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from adapter.assertion import Form, Item, ItemKind, Resource
from adapter.errors import Problem, ProblemCode
from adapter.fhir.bundle import Part, Rejected, cut
from adapter.fhir.clock import clock_us, rank
from adapter.fhir.orders import imaging_key, listing, observation_key, visit_key
from adapter.fhir.references import Index, contained, patient_reference
from adapter.fhir.separate import separate
from adapter.fhir.shape import fault
from adapter.fhir.sorting import CONTEXT_TYPES, ITEM_TYPES, NOTHING_KNOWN, Known, LeftOut, sort
from adapter.statement import Statement

_USED = frozenset({*ITEM_TYPES, *CONTEXT_TYPES, "Patient", "RelatedPerson"})


class Reading(NamedTuple):
    """A body, read."""

    statements: list[Statement]
    problems: list[Problem]
    bodies: list[bytes]
    """The body taken apart, one for each patient and one for what could not be used; empty for one patient's alone."""
    left_out: Mapping[LeftOut, int] = {}
    """How many resources are no item, by the rule that says so."""


class _Body(NamedTuple):
    """What the resources of a body need to know of each other."""

    names: Index
    reports: Mapping[int, Part]
    """The report that lists an Observation."""
    known: Known


def statements(body: bytes, *, base: str = "", known: Known = NOTHING_KNOWN) -> tuple[list[Statement], list[Problem]]:
    """What a body says, one statement per patient in order of first mention, and what of it could not be used.

    `base` is the address of the server it came from, else what its full URLs tell: absolute references below it are
    the same as relative ones.
    `known` tells examinations and measurements by their codes where no category does. Raises Unparsable where the body
    is no JSON. Resource types that no row needs are passed over.
    """
    found = read(body, base=base, known=known)
    return found.statements, found.problems


def read(body: bytes, *, base: str = "", known: Known = NOTHING_KNOWN) -> Reading:
    """As `statements`, and how the body is kept where it is not all one patient's."""
    found = cut(body)
    base = base or _base_of(found.parts)
    used = [part for part in found.parts if part.resource["resourceType"] in _USED]
    unused = [part for part in found.parts if part.resource["resourceType"] not in _USED]
    mapped = [part for part in used if _is_sound(part, found.problems)]
    sound = set(map(id, mapped))
    rejected = [*found.rejected, *(_rejected(part) for part in used if id(part) not in sound)]
    index = Index(mapped, base=base)
    gathering = _Gathering(_Body(index, listing(mapped, index), known), found.problems)
    rejected += [_rejected(part) for part in mapped if not gathering.take(part)]
    for part in unused:
        gathering.keep(part)
    bodies: list[bytes] = []
    if mapped and len(gathering.owned) + bool(rejected) > 1:
        everything = Index([*mapped, *unused], base=base)
        bodies = separate(gathering.owned, gathering.shared, rejected, index=everything)
    return Reading(gathering.finished(), found.problems, bodies, gathering.left_out)


def _base_of(parts: Sequence[Part]) -> str:
    """Below which all of them stand, where each says so of itself (R4 §3.1.0.5: service root, type, id)."""
    roots = set()
    for part in parts:
        own = f"/{part.resource['resourceType']}/{part.resource.get('id')}"
        if part.full_url.startswith(("https://", "http://")) and part.full_url.endswith(own):
            roots.add(part.full_url.removesuffix(own))
    return roots.pop() if len(roots) == 1 else ""


class _Gathering:
    """The resources of a body, put to the patients they belong to."""

    def __init__(self, body: _Body, problems: list[Problem]) -> None:
        self._body = body
        self._problems = problems
        self._statements: dict[str, Statement] = {}
        self.owned: dict[str, list[Part]] = {}
        self.shared: list[Part] = []
        self.left_out: Counter[LeftOut] = Counter()

    def take(self, part: Part) -> bool:
        """Whether the resource belongs to a patient or may do without; else the problem says why not."""
        index = self._body.names
        kind = part.resource["resourceType"]
        if kind == "Patient":
            key: str | None = index.key_of_part(part)
        else:
            reference = patient_reference(part.resource)
            key = index.patient_key(reference, part.resource)
            if key is None and kind not in CONTEXT_TYPES:
                text = (
                    "no reference to a patient" if not reference else "the subject is not a patient, or cannot be told"
                )
                self._problems.append(Problem(code=ProblemCode.UNRESOLVED_REFERENCE, text=text, at=part.at))
                return False
        if key is None:
            self.shared.append(part)
            return True
        self.owned.setdefault(key, []).append(part)
        sorted_as = sort(part.resource, self._body.known)
        if sorted_as is LeftOut.LABORATORY_REPORT or sorted_as is LeftOut.OTHER_OBSERVATION:
            self.left_out[sorted_as] += 1
            return True
        statement = self._statements.setdefault(key, Statement(patient=None, patient_key=key))
        _add(part, statement, sorted_as, self._body)
        return True

    def keep(self, part: Part) -> None:
        """What no row needs stays beside what is its patient's."""
        rule = sort(part.resource, self._body.known)
        self.left_out[rule if isinstance(rule, LeftOut) else LeftOut.NOT_NEEDED] += 1
        key = self._body.names.patient_key(patient_reference(part.resource), part.resource)
        (self.shared if key is None else self.owned.setdefault(key, [])).append(part)

    def finished(self) -> list[Statement]:
        for statement in self._statements.values():
            statement.clock_us = max((item.clock_us for item in statement.items), default=0)
        return list(self._statements.values())


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


def _add(part: Part, statement: Statement, sorted_as: ItemKind | LeftOut, body: _Body) -> None:
    resource = part.resource
    kind = resource["resourceType"]
    if not statement.kind:
        statement.kind = kind
    elif statement.kind != kind:
        statement.kind = "Bundle"
    if kind == "Patient":
        statement.patient = resource
        statement.items.append(_item(ItemKind.PATIENT, part, body))
        return
    if kind == "RelatedPerson":
        statement.related.append(resource)
        return
    if kind in CONTEXT_TYPES:
        statement.context[body.names.key_of_part(part)] = resource
    if isinstance(sorted_as, ItemKind):
        statement.items.append(_item(sorted_as, part, body))
        statement.context.update(_context(resource, body.names))
        if statement.patient is None:
            statement.patient = contained(patient_reference(resource), resource)


def _item(kind: ItemKind, part: Part, body: _Body) -> Item:
    return Item(
        kind=kind,
        key=_key(kind, part, body),
        clock_us=clock_us(part.resource, otherwise=part.timestamp),
        rank=rank(part.resource),
        event="",
        form=Form.SNAPSHOT,
        resources=[part.resource],
    )


def _key(kind: ItemKind, part: Part, body: _Body) -> str:
    if kind is ItemKind.IMAGING:
        return imaging_key(part, body.names)
    if kind is ItemKind.OBSERVATION or kind is ItemKind.MEASUREMENT:
        return observation_key(part, body.names, report=body.reports.get(id(part)))
    if kind is ItemKind.ENCOUNTER:
        return visit_key(part, body.names)
    return body.names.key_of_part(part)


def _context(resource: Resource, index: Index) -> dict[str, Resource]:
    """What rows follow from an item: its specimen, order, drug and place, and the places that one is part of."""
    if resource.keys().isdisjoint(_HOLDING):
        return {}
    found: dict[str, Resource] = {}
    holders = [resource]
    for holder in holders:  # grows while it is walked: a bed is part of a bay, a bay of a ward
        fresh = {name: meant for name, meant in index.context(_references(holder)).items() if name not in found}
        found.update(fresh)
        holders += [meant for meant in fresh.values() if meant["resourceType"] == "Location"]
    return found


_FOLLOWED = ("specimen", "medicationReference", "basedOn")
_HOLDING = frozenset({*_FOLLOWED, "location"})


def _references(resource: Resource) -> Iterator[str]:
    """References of an item to what its rows are made with."""
    kind = resource["resourceType"]
    places = resource.get("location") if kind == "Encounter" else None
    given = [place.get("location") for place in places if isinstance(place, dict)] if isinstance(places, list) else []
    for element in ("partOf",) if kind == "Location" else _FOLLOWED:
        holder = resource.get(element)
        given += holder if isinstance(holder, list) else [holder]
    for each in given:
        reference = each.get("reference") if isinstance(each, dict) else None
        if isinstance(reference, str):
            yield reference
