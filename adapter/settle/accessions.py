"""The examinations under one accession number, told apart: a function of the set of what was said, never of its order.

A department often gives one number to several examinations of one visit, and names each by its code. One voice (a feed
and a type of resource: its orders, its pictures, its reports) that says two codes means two examinations. Two voices
may name one examination in different words, so they are brought together: by code, by a reference, by the study that
the tables make of it, else in the order in which each of them was said. No row is made of a mere difference in words.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from adapter.assertion import ItemKind, Resource
from adapter.chart import live
from adapter.settle.said import Said

StudyOf = Callable[[Resource], str | None]
"""Which listed study a resource names; None where no table tells."""

_NEAREST = {"DiagnosticReport": 0, "ImagingStudy": 1, "ServiceRequest": 2}
"""Whose list of examinations is asked first."""
_CORRECTIONS = frozenset({"corrected", "amended"})
_WITHDRAWN = frozenset({"revoked", "cancelled", "entered-in-error"})
_HEADS = ("imaging", "imaging-order")
_POINTERS = ("basedOn", "imagingStudy")


class _Spoken(NamedTuple):
    """One statement about the number."""

    said: Said
    place: int
    """Which item of its message it is."""
    codes: frozenset[str]
    token: str
    """What tells its examination from others in a key."""

    @property
    def resource(self) -> Resource:
        return self.said.item.resources[0]

    @property
    def voice(self) -> tuple[int, str]:
        return _NEAREST.get(self.resource["resourceType"], len(_NEAREST)), self.said.source.assertion.feed

    @property
    def moment(self) -> tuple[int, int, str]:
        return self.said.item.clock_us, self.place, self.token


class _Examination:
    """All that is known to speak of one examination."""

    def __init__(self, spoken: Sequence[_Spoken]) -> None:
        self.spoken = list(spoken)
        self.met: set[int] = set()
        """Lists of other voices, by number, that have been matched with it."""

    @property
    def codes(self) -> frozenset[str]:
        return frozenset().union(*(each.codes for each in self.spoken))

    @property
    def first(self) -> tuple[int, int, str]:
        return min(each.moment for each in self.spoken)

    @property
    def is_withdrawn(self) -> bool:
        last = max(self.spoken, key=lambda each: live.order(each.said.item))
        return last.resource.get("status") in _WITHDRAWN

    @property
    def token(self) -> str:
        nearest = min(each.voice for each in self.spoken)
        return min(each.token for each in self.spoken if each.voice == nearest)

    def add(self, other: "_Examination") -> None:
        """What is there already, because it was said of the whole number, is not told twice."""
        self.spoken += [each for each in other.spoken if each not in self.spoken]

    def study(self, study_of: StudyOf) -> str | None:
        """What the tables make of it, by the statements in their order."""
        named = (study_of(each.resource) for each in sorted(self.spoken, key=lambda each: each.moment))
        return next(filter(None, named), None)


def group_of(key: str) -> str:
    """The number that a natural key of an examination stands under: `imaging|number` of `imaging|number|code`."""
    head, mark, rest = key.partition("|")
    return f"{head}{mark}{rest.partition('|')[0]}" if head in _HEADS else key


def apart(group: str, said: Sequence[Said], *, study_of: StudyOf) -> Mapping[str, Sequence[Said]]:
    """What was said of each examination, by its key. The first has the key of the number, as where it is the only one.

    What does not say which examination it means is said of all.
    """
    if len(said) == 1:
        return {group: said}
    spoken = [_spoken(each) for each in said]
    if len({each.codes for each in spoken}) == 1:
        return {group: said}
    voices: dict[tuple[int, str], list[_Spoken]] = {}
    for each in spoken:
        voices.setdefault(each.voice, []).append(each)
    found: list[_Examination] = []
    lists = {voice: _listed(each) for voice, each in voices.items()}
    # Who tells of most is asked first; a voice that names nothing waits until all are known.
    in_turn = sorted(lists, key=lambda voice: (not lists[voice][0].codes, -len(lists[voice]), voice))
    for number, voice in enumerate(in_turn):
        _bring_in(found, lists[voice], number=number, study_of=study_of)
    found.sort(key=lambda each: each.first)
    keys = [group, *(f"{group}|{each.token}" for each in found[1:])]
    return {key: [each.said for each in one.spoken] for key, one in zip(keys, found, strict=True)}


def _spoken(said: Said) -> _Spoken:
    place = next(n for n, item in enumerate(said.source.assertion.items) if item is said.item)
    resource = said.item.resources[0]
    concepts = [resource["code"]] if isinstance(resource.get("code"), dict) else resource.get("procedureCode") or []
    codes = [str(coding["code"]) for each in concepts for coding in each.get("coding") or () if coding.get("code")]
    words = [str(each["text"]) for each in concepts if each.get("text")] + [str(resource.get("description") or "")]
    named = [_plain(each) for each in codes] or [_plain(each) for each in words if each][:1]
    return _Spoken(said, place, frozenset(named), named[0] if named else "")


def _plain(text: str) -> str:
    return text.strip().upper().replace("|", "\\F\\")


def _listed(spoken: Sequence[_Spoken]) -> list[_Examination]:
    """The examinations that one voice tells of, in its order; what names none is of all of them."""
    named = [each for each in spoken if each.codes]
    groups: list[_Examination] = []
    for each in sorted(named, key=lambda each: each.moment):
        same = [group for group in groups if any(_is_same(each, other) for other in group.spoken)]
        whole = _Examination([each])
        for group in same:
            whole.add(group)
            groups.remove(group)
        groups.append(whole)
    groups = _corrected(sorted(groups, key=lambda group: group.first))
    nameless = [each for each in spoken if not each.codes]
    for group in groups:
        group.add(_Examination(nameless))
    return groups or [_Examination(nameless)]


def _is_same(one: _Spoken, other: _Spoken) -> bool:
    """The same code, the same FHIR resource in another version, or the same order under another code."""
    if not one.codes.isdisjoint(other.codes):
        # A study of several examinations names them all, and makes them not one.
        return min(len(each.resource.get("procedureCode") or ()) for each in (one, other)) <= 1
    if one.said.source.assertion_id == other.said.source.assertion_id:
        return False
    own = one.resource.get("id")
    return (own is not None and own == other.resource.get("id")) or not _orders(one).isdisjoint(_orders(other))


def _orders(spoken: _Spoken) -> set[str]:
    """The placer's numbers of an order, where its message gives them to no other order."""
    if spoken.resource["resourceType"] != "ServiceRequest":
        return set()
    items = [each for each in spoken.said.source.assertion.items if each.kind is ItemKind.IMAGING]
    others = [each.resources[0] for each in items if each is not spoken.said.item]
    return _placers(spoken.resource).difference(*map(_placers, others))


def _placers(resource: Resource) -> set[str]:
    return {
        str(each["value"])
        for each in resource.get("identifier") or ()
        if each.get("value")
        for coding in (each.get("type") or {}).get("coding") or ()
        if coding.get("code") == "PLAC"
    }


def _corrected(groups: list[_Examination]) -> list[_Examination]:
    """A report that begins as a correction corrects the code of the one other report before it."""
    for group in groups[1:]:
        first = min(group.spoken, key=lambda each: each.moment)
        messages = {each.said.source.assertion_id for each in group.spoken}
        before = [each for each in groups if each is not group and each.first < group.first]
        is_beside = any(each.said.source.assertion_id in messages for one in before for each in one.spoken)
        if len(before) == 1 and first.resource.get("status") in _CORRECTIONS and not is_beside:
            before[0].add(group)
            return _corrected([each for each in groups if each is not group])
    return groups


def _bring_in(found: list[_Examination], listed: Sequence[_Examination], *, number: int, study_of: StudyOf) -> None:
    """Match the examinations of a further voice with those that nearer voices told of."""
    if not found:
        found += listed
        return
    left = [each for each in listed if not _join(each, [one for one in found if _is_linked(one, each)], number)]
    left = [each for each in left if not _join(each, _of_same_study(found, each, number, study_of), number)]
    if len(left) == len(listed) == 1:
        # It names one thing, and nothing it could be matched by: it speaks of the number.
        open_to_it = [one for one in found if not _is_other_of_its_kind(one, left[0], study_of)]
        if _join(left[0], [one for one in open_to_it if not one.is_withdrawn] or open_to_it, number):
            return
    for each in left:
        free = [one for one in found if number not in one.met and _may_be_one(one, each, study_of)]
        if not _join(each, free[:1], number):
            each.met.add(number)
            found.append(each)


def _join(new: _Examination, known: Sequence[_Examination], number: int) -> bool:
    for one in known:
        one.add(new)
        one.met.add(number)
    return bool(known)


def _is_linked(known: _Examination, new: _Examination) -> bool:
    """By code, or by a reference of one resource to the other."""
    if not known.codes.isdisjoint(new.codes):
        return True
    return not (_pointed(known).isdisjoint(_names(new)) and _pointed(new).isdisjoint(_names(known)))


def _pointed(examination: _Examination) -> set[str]:
    pointers = (
        pointer for each in examination.spoken for name in _POINTERS for pointer in each.resource.get(name) or ()
    )
    return {"/".join(str(each.get("reference", "")).split("/")[-2:]) for each in pointers} - {""}


def _names(examination: _Examination) -> set[str]:
    resources = (each.resource for each in examination.spoken)
    return {f"{each['resourceType']}/{each['id']}" for each in resources if each.get("id")}


def _of_same_study(
    found: Iterable[_Examination], new: _Examination, number: int, study_of: StudyOf
) -> Sequence[_Examination]:
    study = new.study(study_of)
    free = [one for one in found if number not in one.met]
    return [one for one in free if study is not None and one.study(study_of) == study][:1]


def _is_other_of_its_kind(known: _Examination, new: _Examination, study_of: StudyOf) -> bool:
    """Two departments' reports of different films; an order and its report may differ, and be one."""
    kinds = ({each.resource["resourceType"] for each in one.spoken} for one in (known, new))
    return not _may_be_one(known, new, study_of) and not set.isdisjoint(*kinds)


def _may_be_one(known: _Examination, new: _Examination, study_of: StudyOf) -> bool:
    """Not where the tables know both, and know them to be different."""
    studies = {known.study(study_of), new.study(study_of)}
    return None in studies or len(studies) == 1
