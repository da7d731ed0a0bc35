"""From what is live of one child to drafts of rows. Pure: what is stored, and under which version, is settle's affair.

A draft's `record_id` is keyed by the kind and the natural key at the source, so that a corrected value, a resend or a
replay meets the row it made before.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from adapter.assertion import OF_FEED, Form, Item, ItemKind, Resource
from adapter.chart import lists, live, visits
from adapter.errors import Problem
from adapter.settle.accessions import StudyOf, apart, group_of
from adapter.settle.said import Said as Said
from adapter.settle.said import Source as Source
from adapter.settle.said import in_order

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


class Listed(NamedTuple):
    """One diagnosis or procedure, and where it was said: at which place of that statement."""

    resource: Resource
    said: Said
    nth: int


class History(NamedTuple):
    """All that one child's ADT assertions say, by natural key."""

    visits: dict[str, visits.Visit]
    encounters: dict[str, list[Said]]
    diagnoses: dict[str, list[Listed]]
    """The list that counts, for each visit (or FHIR Condition) that is not withdrawn."""
    procedures: dict[str, list[Listed]]
    singles: dict[ItemKind, dict[str, list[Said]]]
    """Everything that was said of one examination, dose, measurement or operation note."""


SINGLES = (
    ItemKind.IMAGING,
    ItemKind.MEDICATION,
    ItemKind.MEASUREMENT,
    ItemKind.NOTE,
    ItemKind.DOCUMENT,
    ItemKind.BOOKING,
)
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
    renamed = visits.numbers_now(said.item for all_said in grouped[ItemKind.VISIT_NUMBER].values() for said in all_said)
    combined = _combined(grouped[ItemKind.ENCOUNTER])
    if combined:
        grouped[ItemKind.ENCOUNTER] = {
            key: [each for each in said if key not in combined or each.item.form is not Form.SNAPSHOT]
            for key, said in grouped[ItemKind.ENCOUNTER].items()
        }
        grouped[ItemKind.ENCOUNTER] = {key: said for key, said in grouped[ItemKind.ENCOUNTER].items() if said}
        renamed = {**renamed, **combined}
    if renamed:
        for kind in (ItemKind.ENCOUNTER, ItemKind.CONDITIONS, ItemKind.PROCEDURES):
            grouped[kind] = _under_new_numbers(grouped[kind], renamed)
    encounters = grouped[ItemKind.ENCOUNTER]
    found = {key: visits.resolve_visit(key, [said.item for said in all_said]) for key, all_said in encounters.items()}
    withdrawn = {key for key, visit in found.items() if visit.is_withdrawn}
    taken_back = {key: _taken_back(visit, encounters[key]) for key, visit in found.items() if visit.withdrawn}
    return History(
        visits={key: visit for key, visit in found.items() if key not in withdrawn},
        encounters={key: said for key, said in encounters.items() if key not in withdrawn},
        diagnoses=dict(_lists(grouped[ItemKind.CONDITIONS], withdrawn, taken_back)),
        procedures=dict(_lists(grouped[ItemKind.PROCEDURES], withdrawn, taken_back)),
        singles={kind: grouped[kind] for kind in SINGLES},
    )


def _combined(encounters: Mapping[str, Sequence[Said]]) -> dict[str, str]:
    """Visits that a FHIR server has made part of another, each with that one's key (behaviour 69: Oracle Millennium).

    Its newest version says so: status unknown, with partOf. The other one may be known by its number.
    """
    found: dict[str, tuple[str, str]] = {}
    keys: dict[tuple[str, str], str] = {}
    for key, said in encounters.items():
        snapshots = [each for each in said if each.item.form is Form.SNAPSHOT]
        for item, source in snapshots:
            keys[source.assertion.feed, f"Encounter/{item.resources[0].get('id')}"] = key
        newest = in_order(snapshots)[-1] if snapshots else None
        whole = newest.item.resources[0].get("partOf") if newest is not None else None
        if newest is not None and whole and newest.item.resources[0].get("status") == "unknown":
            name = str(whole.get("reference", "")).partition("/_history/")[0]
            found[key] = newest.source.assertion.feed, "/".join(name.split("/")[-2:])
    return {key: keys.get(whole, "|".join(whole)) for key, whole in found.items() if keys.get(whole) != key}


def _under_new_numbers(said: Mapping[str, list[Said]], renamed: Mapping[str, str]) -> dict[str, list[Said]]:
    found: dict[str, list[Said]] = {}
    for key, all_said in said.items():
        found.setdefault(renamed.get(key, key), []).extend(all_said)
    return found


def _taken_back(visit: visits.Visit, said: Sequence[Said]) -> set[int]:
    """The assertions with which a cancelled event spoke of the visit."""
    gone = {id(item) for item in visit.withdrawn}
    return {each.source.assertion_id for each in said if id(each.item) in gone}


def _lists(
    grouped: Mapping[str, Sequence[Said]], withdrawn: set[str], taken_back: Mapping[str, set[int]]
) -> Iterable[tuple[str, list[Listed]]]:
    for key, all_said in grouped.items():
        gone = taken_back.get(key, set())
        said = [each for each in all_said if each.source.assertion_id not in gone]
        if key in withdrawn or not said:
            continue
        if len(said) > 1:
            said.sort(key=lambda each: live.order(each.item))
        entries = lists.entries_of([each.item for each in said])
        yield key, [Listed(said[at].item.resources[nth], said[at], nth) for at, nth in entries]


def folded(said: Sequence[Said]) -> tuple[Resource, Mapping[str, Resource]]:
    """One resource as all that was said of it together says, and what the last of them refers to."""
    ordered = in_order(said)
    return live.fold([each.item for each in ordered]), ordered[-1].source.assertion.context


def numbered(listed: Sequence[Listed]) -> Iterable[tuple[str, Listed]]:
    """Each entry of a coded list by its code and place among equal codes: a changed time or rank is the same row."""
    seen: dict[str, int] = {}
    for entry in listed:
        code = lists.code_of(entry.resource)
        seen[code] = seen.get(code, 0) + 1
        yield f"{code}|{seen[code]}", entry
