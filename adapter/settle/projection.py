"""From what is live of one child to drafts of rows. Pure: what is stored, and under which version, is settle's affair.

A draft's `record_id` is keyed by the kind and the natural key at the source, so that a corrected value, a resend or a
replay meets the row it made before.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from adapter.assertion import OF_FEED, Item, ItemKind, Resource
from adapter.chart import live
from adapter.errors import Problem
from adapter.settle.accessions import StudyOf, apart, group_of
from adapter.settle.said import Said as Said
from adapter.settle.said import Source as Source

RecordId = bytes


class Projected(Protocol):
    """What the translator makes of one resource."""

    @property
    def fields(self) -> Mapping[str, Any]: ...
    @property
    def problems(self) -> tuple[Problem, ...]: ...


Project = Callable[[str, Resource, Mapping[str, Resource], str | None], Projected | None]
"""Kind, resource, context, day of birth → the row's fields, or None where the rule set leaves it out."""


class RowState(IntEnum):
    """What a row is now; on the wire, held and deleted are the same: CSOR has no such row."""

    LIVE = 0
    DELETED = 1
    """What is live no longer yields it; it stays as a tombstone, so that an older message cannot revive it."""
    HELD = 2
    """Known inside the trust, but it must not leave: an unmapped analyte, an unknown unit, a case not confirmed."""


class Draft(NamedTuple):
    """One row as it should be."""

    record_id: RecordId
    kind: str
    fields: Mapping[str, Any]
    problems: tuple[Problem, ...]
    sources: tuple[Source, ...]
    state: RowState


class History(NamedTuple):
    """All that one child's ADT assertions say, by natural key."""

    visits: dict[str, live.Visit]
    encounters: dict[str, list[Said]]
    diagnoses: dict[str, Said]
    """The list that counts, for each visit (or FHIR Condition) that is not withdrawn."""
    procedures: dict[str, Said]
    singles: dict[ItemKind, dict[str, list[Said]]]
    """Everything that was said of one examination, dose, measurement or operation note."""


SINGLES = (ItemKind.IMAGING, ItemKind.MEDICATION, ItemKind.MEASUREMENT, ItemKind.NOTE)
_WITHOUT_ORDER = "obs||"
_TRUSTS_OWN = ("visit|", "imaging|")
"""Keys of numbers that are the trust's own and span its feeds: visit numbers, accession numbers."""


def scoped_key(item: Item, source: Source) -> str:
    """A natural key that no other sender's numbers can meet."""
    if item.key.startswith(_TRUSTS_OWN):
        return group_of(item.key)
    if item.key.startswith(OF_FEED):
        return item.key.removeprefix(OF_FEED)
    if item.key == "person" or item.key.startswith(_WITHOUT_ORDER):
        # An OBX of an ADT has no order number: a weight of every child would have one key.
        subject = source.assertion.subject
        return f"{subject.authority}|{subject.value}|{item.key}"
    return f"{source.assertion.feed}|{group_of(item.key) if item.kind is ItemKind.IMAGING else item.key}"


def history(sources: Iterable[Source], *, study_of: StudyOf) -> History:
    """Cancels applied, lists replaced, examinations told apart; nothing under a withdrawn visit counts."""
    grouped: dict[ItemKind, dict[str, list[Said]]] = {kind: {} for kind in ItemKind}
    for source in sources:
        for item in source.assertion.items:
            grouped[item.kind].setdefault(scoped_key(item, source), []).append(Said(item, source))
    examinations = grouped[ItemKind.IMAGING]
    grouped[ItemKind.IMAGING] = {
        key: list(each)
        for group, said in examinations.items()
        for key, each in apart(group, said, study_of=study_of).items()
    }
    encounters = grouped[ItemKind.ENCOUNTER]
    visits = {key: live.resolve_visit(key, [said.item for said in all_said]) for key, all_said in encounters.items()}
    withdrawn = {key for key, visit in visits.items() if visit.is_withdrawn}
    return History(
        visits={key: visit for key, visit in visits.items() if key not in withdrawn},
        encounters={key: said for key, said in encounters.items() if key not in withdrawn},
        diagnoses=_newest_lists(grouped[ItemKind.CONDITIONS], withdrawn),
        procedures=_newest_lists(grouped[ItemKind.PROCEDURES], withdrawn),
        singles={kind: grouped[kind] for kind in SINGLES},
    )


def _newest_lists(grouped: Mapping[str, Sequence[Said]], withdrawn: set[str]) -> dict[str, Said]:
    return {
        key: max(all_said, key=lambda said: live.order(said.item)) if len(all_said) > 1 else all_said[0]
        for key, all_said in grouped.items()
        if key not in withdrawn
    }


def folded(said: Sequence[Said]) -> tuple[Resource, Mapping[str, Resource]]:
    """One resource as all that was said of it together says, and what the last of them refers to."""
    ordered = sorted(said, key=lambda each: live.order(each.item))
    return live.fold([each.item for each in ordered]), ordered[-1].source.assertion.context


def numbered(resources: Sequence[Resource]) -> Iterable[tuple[str, Resource]]:
    """Each entry of a coded list by its code and place among equal codes: a changed time or rank is the same row."""
    seen: dict[str, int] = {}
    for resource in resources:
        code = _first_code(resource)
        seen[code] = seen.get(code, 0) + 1
        yield f"{code}|{seen[code]}", resource


def _first_code(resource: Resource) -> str:
    concept = resource.get("code") or {}
    for coding in concept.get("coding") or ():
        if coding.get("code"):
            return f"{coding.get('system', '')}|{coding['code']}"
    return str(concept.get("text", ""))
