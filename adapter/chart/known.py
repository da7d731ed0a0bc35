"""What the registry knows of one patient identifier: the newest statement of each demographic field, with its clock.

A field is won by the latest source clock, then by the value itself, so facts learnt in any order are the same. Only
the fields that identity and the rows need are kept; names and addresses never enter the registry.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from adapter.assertion import Form, Item, Resource, SourceIdentifier

# FHIR elements that decide one thing together are won together.
_FIELD_OF = {
    "gender": "gender",
    "birthDate": "birth",
    # Apart: a later message that knows the day only must not undo the time.
    "_birthDate": "birth-time",
    "deceasedBoolean": "deceased",
    "deceasedDateTime": "deceased",
    "multipleBirthInteger": "multiple-birth",
    "multipleBirthBoolean": "multiple-birth",
    "extension": "extension",
}
_PATIENT_FIELDS = frozenset(_FIELD_OF.values())
NATIONAL_NUMBER = "national-number"
"""`[digits, trace status, is verified, the FHIR identifier]`."""
TRACED_NUMBER = "traced-number"
"""The same, as last said with a trace status: a later message that is silent about it must not undo it."""

DELETED = "deleted"
"""Whether the last ADT message deleted the patient's record (A29, A23 without a visit)."""
RENAMED = "renamed"
"""Another number was changed into this one: then it matters since when it is in use."""
MOVED, CAME = "moved:", "came:"
"""With the natural key of a visit or an account: the number to which it went, or from which it came."""
REPLACED = "replaced-by"
"""FHIR: the number of the record that stands for this one, as a Patient last said; None where it said of none."""
_WORDS = (DELETED, RENAMED, MOVED, CAME, REPLACED)
"""Fields that are no elements of the patient."""

_MOTHER = "mother:"
_MOTHER_NAMED_BY = ("related-person", "nk1", "pid-21")
"""Where several name her, the first of these is told."""
NAMES_MOTHER = "names-mother"
"""In the context of an assertion: its message named the mother, `{"by": "nk1"}`; never who she is (ruling R26)."""


class Said(msgspec.Struct, frozen=True, array_like=True):
    """One field as last stated; `value` is None where the sender cleared it."""

    clock_us: int
    value: Any

    def wins_over(self, other: "Said | None") -> bool:
        if other is None or self.clock_us != other.clock_us:
            return other is None or self.clock_us > other.clock_us
        return _text(self.value) > _text(other.value)


class Known(msgspec.Struct, frozen=True, array_like=True):
    """One identifier as received and what its messages said of the patient."""

    identifier: SourceIdentifier
    fields: dict[str, Said] = {}
    earlier: list[tuple[str, str | None]] = []
    """Verified NHS numbers that ever came under this identifier, each with the birth said along with it."""
    first_us: int | None = None
    """The least source clock at which anything was said of the patient under it."""
    is_given_up: bool = False
    """It was merged into another number, or changed into one: decided anew with every such word."""

    @property
    def is_withdrawn(self) -> bool:
        """Nothing that was said under it counts. To delete what is left of a number given up means nothing."""
        return self.value(DELETED) is True and not self.is_given_up

    def value(self, field: str) -> Any:
        """None where it was never said, or cleared."""
        said = self.fields.get(field)
        return None if said is None else said.value


def learn(known: Known, said: dict[str, Said], *, seen: tuple[str, str | None] | None = None) -> Known:
    """The same object where nothing new was learnt. `seen`: a verified number and the birth said with it."""
    news = {name: new for name, new in said.items() if new.wins_over(known.fields.get(name))}
    earlier = known.earlier if seen is None or seen in known.earlier else sorted([*known.earlier, seen], key=_text)
    first_us = _first(known.first_us, said)
    if not news and earlier is known.earlier and first_us == known.first_us:
        return known
    return Known(known.identifier, {**known.fields, **news}, earlier, first_us, known.is_given_up)


def _first(first_us: int | None, said: dict[str, Said]) -> int | None:
    for each in said.values():
        if each.clock_us and (first_us is None or each.clock_us < first_us):
            first_us = each.clock_us
    return first_us


def note(known: Known, field: str, said: Said) -> Known:
    """What an identity event says of the number itself; the same object where it is no news."""
    if not said.wins_over(known.fields.get(field)):
        return known
    return msgspec.structs.replace(known, fields={**known.fields, field: said})


def with_words(known: Known, before: Known) -> Known:
    """What was folded anew, with the words of identity events, which no assertion of the patient holds."""
    words = {field: said for field, said in before.fields.items() if field.startswith(_WORDS) and field != DELETED}
    return msgspec.structs.replace(known, fields={**known.fields, **words}, is_given_up=before.is_given_up)


def came_as(key: str, source: SourceIdentifier) -> str:
    """The field that says that a visit came from this number; it may have come from several, one after the other."""
    return f"{CAME}{key}:{'|'.join(map(str, source))}"


def came_from(known: Known) -> list[SourceIdentifier]:
    """The numbers from which visits came under this one."""
    return [SourceIdentifier(*said.value) for field, said in known.fields.items() if field.startswith(CAME)]


def went_to(known: Known) -> list[SourceIdentifier]:
    """The numbers to which visits of this one went."""
    return [SourceIdentifier(*said.value) for field, said in known.fields.items() if field.startswith(MOVED)]


def differs(before: Known, after: Known) -> bool:
    """Whether any value changed, not only the clock under which it was last said."""
    if before is after:
        return False
    names = (before.fields.keys() | after.fields.keys()) - {DELETED}
    if before.is_withdrawn != after.is_withdrawn or (RENAMED in after.fields and before.first_us != after.first_us):
        return True
    return before.earlier != after.earlier or any(before.value(name) != after.value(name) for name in names)


def said_of(item: Item) -> dict[str, Said]:
    """What one PATIENT item says, by field."""
    values: dict[str, dict[str, Any]] = {}
    for element, value in item.resources[0].items():
        field = _FIELD_OF.get(element)
        if field:
            values.setdefault(field, {})[element] = value
    said = {field: Said(item.clock_us, value) for field, value in values.items()}
    silent = _PATIENT_FIELDS - said.keys()
    cleared = silent if item.form is Form.SNAPSHOT else silent & {_FIELD_OF.get(path) for path in item.cleared}
    return said | {field: Said(item.clock_us, None) for field in cleared}


def newest_of(members: Iterable[Known]) -> dict[str, Said]:
    """The latest statement of each field among all identifiers of one person."""
    newest: dict[str, Said] = {}
    for known in members:
        for field, said in known.fields.items():
            if said.value is not None and not field.startswith(_WORDS) and said.wins_over(newest.get(field)):
                newest[field] = said
    number = national_number_of(newest)
    if number is not None:
        newest[NATIONAL_NUMBER] = number
    newest.pop(TRACED_NUMBER, None)
    if not _is_of_day(newest.get("birth-time"), newest.get("birth")):
        newest.pop("birth-time", None)
    return newest


def national_number_of(fields: Mapping[str, Said]) -> Said | None:
    """The number as last said; its trace status, where the last message was silent, as last said of this number."""
    last, traced = fields.get(NATIONAL_NUMBER), fields.get(TRACED_NUMBER)
    if last is None or last.value is None or last.value[1] or traced is None or traced.value[0] != last.value[0]:
        return last
    return traced


def _is_of_day(time: Said | None, day: Said | None) -> bool:
    """A time of birth that was said of another day is not a time of this one."""
    if time is None or day is None:
        return False
    extensions = time.value["_birthDate"].get("extension") or ()
    said = [str(each["valueDateTime"]) for each in extensions if each.get("valueDateTime")]
    return all(moment.startswith(str(day.value.get("birthDate"))) for moment in said)


def patient_of(members: Iterable[Known]) -> Resource:
    """The Patient as all identifiers of one person together say."""
    newest = newest_of(members)
    patient: Resource = {"resourceType": "Patient"}
    for field in sorted(name for name in newest if not name.startswith(_MOTHER)):
        if field == NATIONAL_NUMBER:
            patient["identifier"] = [newest[field].value[3]]
        else:
            patient.update(newest[field].value)
    return patient


def mother_said(context: Mapping[str, Resource], items: Iterable[Item]) -> dict[str, Said]:
    """That a message named the mother, as the registry learns it."""
    named = context.get(NAMES_MOTHER)
    if named is None:
        return {}
    return {f"{_MOTHER}{named['by']}": Said(max((item.clock_us for item in items), default=0), True)}


def mother_named_by(members: Iterable[Known]) -> str | None:
    """What names the mother under any identifier of the person."""
    named = {field.removeprefix(_MOTHER) for known in members for field in known.fields}
    return next((source for source in _MOTHER_NAMED_BY if source in named), None)


def _text(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")
