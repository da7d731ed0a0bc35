"""A FHIR body as statements: one for each patient, each resource a snapshot under its own id.

Which patient a resource belongs to is read from its reference only; who that patient is, is for `identity` to say.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from adapter.assertion import Form, Item, ItemKind, Resource
from adapter.errors import Problem, ProblemCode
from adapter.fhir import deletions
from adapter.fhir.bundle import cut
from adapter.fhir.clock import Clocks, clock_us
from adapter.fhir.followed import Followed
from adapter.fhir.orders import ObservationKeys, imaging_key, listing, visit_key
from adapter.fhir.part import Cut, Deletion, Panel, Part, Rejected
from adapter.fhir.plain import MODIFIER, Assays
from adapter.fhir.references import Index, contained, is_of_the_body, patient_reference
from adapter.fhir.replaced import is_only_replaced, replaced
from adapter.fhir.separate import separate
from adapter.fhir.shape import fault
from adapter.fhir.sorting import CONTEXT_TYPES, ITEM_TYPES, NOTHING_KNOWN, Known, LeftOut, Sorter
from adapter.fhir.versions import Version, cut_stu3
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
    deletions: Sequence[Deletion] = ()
    """What the server has deleted, but for the records of patients, which speak for themselves."""


def statements(
    body: bytes, *, base: str = "", known: Known = NOTHING_KNOWN, version: Version = Version.R4
) -> tuple[list[Statement], list[Problem]]:
    """What a body says, one statement per patient in order of first mention, and what of it could not be used.

    `base` is the address of the server it came from, else what its full URLs tell: absolute references below it are
    the same as relative ones.
    `known` tells examinations and measurements by their codes where no category does. Raises Unparsable where the body
    is no JSON. Resource types that no row needs are passed over.
    """
    found = read(body, base=base, known=known, version=version)
    return found.statements, found.problems


def read(body: bytes, *, base: str = "", known: Known = NOTHING_KNOWN, version: Version = Version.R4) -> Reading:
    """As `statements`, and how the body is kept where it is not all one patient's."""
    return Reader(known).read(body, base=base, version=version)


class Reader:
    """Reads body after body; what tests of the laboratory are, it learns once."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._assays = Assays(known)

    def read(self, body: bytes, *, base: str = "", version: Version = Version.R4) -> Reading:
        """As `read`."""
        found = cut(body, self._assays) if version is not Version.STU3 else cut_stu3(body)
        base = base or _base_of(found)
        rejected = found.rejected
        unused, bad = self._not_mapped(found)
        rejected += [_rejected(part) for part in bad]
        mapped = found.parts
        if unused or bad:
            left = {id(part) for part in (*unused, *bad)}
            mapped = [part for part in found.parts if id(part) not in left]
        gathering = _Gathering(mapped, Index(mapped, base=base), known=self._known, problems=found.problems)
        rejected += gathering.take_all(mapped)
        for part in unused:
            gathering.keep(part)
        bodies: list[bytes] = []
        records = [each for each in found.deletions if each.is_of_patient]
        of_others = len(found.deletions) - len(records)
        # What is deleted is of nobody knows whom: no patient's body may name it.
        if (mapped or found.deletions) and (len(gathering.owned) + bool(rejected) + len(records) + bool(of_others)) > 1:
            everything = Index([*mapped, *unused], base=base)
            bodies = separate(gathering.owned, gathering.shared, rejected, index=everything)
            bodies += [deletions.body_of(each) for each in records]
        stated = gathering.finished() + [deletions.statement_of(each) for each in records]
        gone = [each for each in found.deletions if not each.is_of_patient] if of_others else []
        return Reading(stated, found.problems, bodies, gathering.left_out, gone)

    def _not_mapped(self, found: Cut) -> tuple[list[Part], list[Part]]:
        """What no row needs, and what has not the form of its kind."""
        unused: list[Part] = []
        bad: list[Part] = []
        for part in [part for part in found.parts if not part.is_judged]:
            if part.resource["resourceType"] not in _USED:
                unused.append(part)
            elif not _is_sound(part, found.problems):
                bad.append(part)
        return unused, bad


def _base_of(found: Cut) -> str:
    """Below which all of them stand, where each says so of itself (R4 §3.1.0.5: service root, type, id)."""
    roots = found.roots
    if roots is None:
        own = [part for part in found.parts if part.key and part.full_url.endswith(f"/{part.key}")]
        roots = {part.full_url[: -1 - len(part.key)] for part in own}
    roots = {root for root in roots if root.startswith(("https://", "http://"))}
    return roots.pop() if len(roots) == 1 else ""


class _Drawer(msgspec.Struct):
    """Where the results of one panel belong."""

    patient: str
    owned: list[Part]
    order: str
    """Their keys up to the test; empty where they are known by their ids."""
    add: Callable[[Item], None] | None = None
    """To the statement of their patient, once there is a result for it."""


class _Gathering:
    """The resources of a body, put to the patients they belong to."""

    def __init__(self, mapped: Sequence[Part], index: Index, *, known: Known, problems: list[Problem]) -> None:
        self._index = index
        self._reports = listing(mapped, index)
        self._sorter = Sorter(known)
        self._clocks = Clocks()
        self._keys = ObservationKeys(index)
        self._followed = Followed(index)
        self._patients: dict[int, str | None] = {}
        """The patient of a reference, by the identity of the Reference, which many resources share."""
        self._drawers: dict[int, _Drawer] = {}
        """Of plain results, by the identity of their panel."""
        self._samples: dict[str, list[Part]] = {}
        self._problems = problems
        self._statements: dict[str, Statement] = {}
        self.owned: dict[str, list[Part]] = {}
        self.shared: list[Part] = []
        self.left_out: Counter[LeftOut] = Counter()

    def take(self, part: Part) -> bool:
        """Whether the resource belongs to a patient or may do without; else the problem says why not."""
        kind = part.resource["resourceType"]
        if kind == "Patient":
            key: str | None = self._index.key_of_part(part)
        else:
            key = self._patient_key(part.resource)
            if key is None and kind not in CONTEXT_TYPES:
                is_silent = not patient_reference(part.resource)
                text = "no reference to a patient" if is_silent else "the subject is not a patient, or cannot be told"
                self._problems.append(Problem(code=ProblemCode.UNRESOLVED_REFERENCE, text=text, at=part.at))
                return False
        if key is None:
            self.shared.append(part)
            return True
        owned = self.owned.get(key)
        if owned is None:
            owned = self.owned[key] = []
        owned.append(part)
        sorted_as = self._sorter.sort(part.resource)
        if sorted_as is LeftOut.LABORATORY_REPORT or sorted_as is LeftOut.OTHER_OBSERVATION:
            self.left_out[sorted_as] += 1
            return True
        self._add(part, self._statement(key), sorted_as)
        return True

    def take_all(self, parts: Sequence[Part]) -> list[Rejected]:
        """Take each; those that belong to nobody."""
        drawers, reports = self._drawers, self._reports
        left: list[Rejected] = []
        for part in parts:
            panel, stage, assay = part.panel, part.stage, part.assay
            drawer = None if panel is None else drawers.get(id(panel)) or self._drawer(part, panel)
            if drawer is None or stage is None or assay is None:
                if not self.take(part):
                    left.append(_rejected(part))
                continue
            # A plain result: what is the same for its panel was asked once.
            drawer.owned.append(part)
            sorted_as = assay.sorted_as
            if type(sorted_as) is not ItemKind:
                self.left_out[LeftOut(sorted_as)] += 1
                continue
            key = drawer.order + assay.key if drawer.order else part.key
            if reports:
                key = self._keys.key(part, report=reports.get(id(part)))
            add = drawer.add or self._opened(drawer, part.resource)
            add(Item(sorted_as, key, stage.clock_us, stage.rank, "", Form.SNAPSHOT, [part.resource]))
        return left

    def _drawer(self, part: Part, panel: Panel) -> _Drawer | None:
        """None where it cannot be told whose it is."""
        key = self._patient_key(part.resource)
        if key is None:
            return None
        order = self._keys.shared(part.resource, report=None)
        drawer = self._drawers[id(panel)] = _Drawer(key, self.owned.setdefault(key, []), order)
        return drawer

    def _opened(self, drawer: _Drawer, resource: Resource) -> Callable[[Item], None]:
        statement = self._statement(drawer.patient)
        _speak_of(statement, "Observation")
        statement.context.update(self._followed.context(resource))
        if statement.patient is None and id(resource.get("subject")) not in self._patients:
            statement.patient = contained(patient_reference(resource), resource)
        drawer.add = statement.items.append
        return drawer.add

    def _statement(self, key: str) -> Statement:
        statement = self._statements.get(key)
        if statement is None:
            statement = self._statements[key] = Statement(patient=None, patient_key=key)
        return statement

    def _patient_key(self, resource: Resource) -> str | None:
        known = self._patients.get(id(resource.get("subject")))
        if known is not None:
            return known
        reference = patient_reference(resource)
        if not is_of_the_body(reference):
            return self._index.patient_key(reference, resource)
        found = self._patients.get(id(reference), "")
        if found == "":
            found = self._patients[id(reference)] = self._index.patient_key(reference, resource)
        return found

    def keep(self, part: Part) -> None:
        """What no row needs stays beside what is its patient's."""
        rule = self._sorter.sort(part.resource)
        self.left_out[rule if isinstance(rule, LeftOut) else LeftOut.NOT_NEEDED] += 1
        key = self._patient_key(part.resource)
        (self.shared if key is None else self.owned.setdefault(key, [])).append(part)

    def finished(self) -> list[Statement]:
        """Samples that no result of the body refers to become statements of their own: results elsewhere may."""
        apart: list[Statement] = []
        for key, statement in self._statements.items():
            loose = self._loose(key)
            if not statement.items:
                statement.context.update(loose)
            elif loose:
                apart.append(Statement(patient=None, patient_key=key, context=loose, kind="Specimen"))
                for name in loose:
                    statement.context.pop(name, None)
            statement.clock_us = max((item.clock_us for item in statement.items), default=0)
        found = [*self._statements.values(), *apart]
        for statement in found:
            if not statement.items:
                statement.clock_us = max(map(clock_us, statement.context.values()), default=0)
        return found

    def _loose(self, key: str) -> dict[str, Resource]:
        """By its own name and by its full URL, as a reference may have either."""
        loose: dict[str, Resource] = {}
        for part in self._samples.get(key, ()):
            part = self._index.newest(part)
            if id(part.resource) not in self._followed.reached:
                loose |= {name: part.resource for name in (self._index.key_of_part(part), part.full_url) if name}
        return loose

    def _add(self, part: Part, statement: Statement, sorted_as: ItemKind | LeftOut) -> None:
        resource = part.resource
        kind = resource["resourceType"]
        _speak_of(statement, kind)
        if kind == "Patient":
            statement.replaced.append(replaced(part, self._index))
            if is_only_replaced(resource):
                return
            statement.patient = resource
            statement.items.append(self._item(ItemKind.PATIENT, part))
            return
        if kind == "RelatedPerson":
            statement.related.append(resource)
            return
        if kind == "Specimen":
            self._samples.setdefault(statement.patient_key, []).append(part)
        if kind in CONTEXT_TYPES:
            statement.context[self._index.key_of_part(part)] = self._index.newest(part).resource
        if type(sorted_as) is ItemKind:
            statement.items.append(self._item(sorted_as, part))
            statement.context.update(self._followed.context(resource))
            if statement.patient is None:
                statement.patient = contained(patient_reference(resource), resource)

    def _item(self, kind: ItemKind, part: Part) -> Item:
        clock, rank = self._clocks.read(part.resource, otherwise=part.timestamp)
        return Item(kind, self._key(kind, part), clock, rank, "", Form.SNAPSHOT, [part.resource])

    def _key(self, kind: ItemKind, part: Part) -> str:
        if kind is ItemKind.OBSERVATION or kind is ItemKind.MEASUREMENT:
            return self._keys.key(part, report=self._reports.get(id(part)))
        if kind is ItemKind.IMAGING:
            return imaging_key(part, self._index)
        if kind is ItemKind.ENCOUNTER:
            return visit_key(part, self._index)
        return self._index.key_of_part(part)


def _speak_of(statement: Statement, kind: str) -> None:
    if not statement.kind:
        statement.kind = kind
    elif statement.kind != kind:
        statement.kind = "Bundle"


def _rejected(part: Part) -> Rejected:
    return Rejected(raw=part.raw, at=part.at)


def _is_sound(part: Part, problems: list[Problem]) -> bool:
    """Of the form that everything after this room relies on."""
    problem = None if part.is_sound else fault(part.raw, kind=part.resource["resourceType"], at=part.at)
    if problem is not None:
        problems.append(problem)
        return False
    return not _has_unknown_modifier(part, problems)


def _has_unknown_modifier(part: Part, problems: list[Problem]) -> bool:
    """A modifier extension may turn the meaning round ("did not happen"): what we do not know we must not map."""
    if MODIFIER not in part.raw:
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
