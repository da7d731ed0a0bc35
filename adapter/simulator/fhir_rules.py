"""What servers refuse of searches. A rule looks at what was asked and says what is wrong with it, or nothing.

`row` names the row of the matrix of vendors' behaviours (VENDORS, a.1) that a rule stands for.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Parameters = Sequence[tuple[str, str]]
_PATIENT = frozenset({"patient", "subject"})
_LOWER, _UPPER = frozenset({"ge", "gt"}), frozenset({"le", "lt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A search as it came."""

    resource_type: str
    parameters: Parameters
    overlooked: tuple[str, ...] = ()
    """Names of parameters that stood where the server does not look."""

    @property
    def names(self) -> frozenset[str]:
        """The parameters, without modifiers."""
        return frozenset(name.partition(":")[0] for name, _ in self.parameters)

    def values(self, name: str) -> list[str]:
        """All that was given for a parameter, lists taken apart."""
        given = (value for each, value in self.parameters if each.partition(":")[0] == name)
        return [one for value in given for one in value.split(",")]


class Breach(NamedTuple):
    """Why the server does not answer as asked."""

    rule: str
    row: str
    text: str
    code: str = "invalid"
    """Of FHIR's issue types."""
    vendor_code: str = ""
    status: int = 400


Rule = Callable[[Asked], Breach | None]


class Violation(NamedTuple):
    """Something that a client did although the server does not allow it; no value of a parameter is in it."""

    rule: str
    row: str
    resource_type: str
    parameters: tuple[str, ...] = ()


def patient_needed(types: Iterable[str], *, vendor_code: str = "") -> Rule:
    """No search of a whole type: a patient, or ids (behaviour 12)."""
    held, enough = frozenset(types), _PATIENT | {"_id", "identifier"}

    def rule(asked: Asked) -> Breach | None:
        if asked.resource_type not in held or asked.names & enough:
            return None
        text = f"a search of {asked.resource_type} needs patient, subject or _id"
        return Breach("population-search", "Population search", text, code="required", vendor_code=vendor_code)

    return rule


def somebody_needed(*, vendor_code: str = "") -> Rule:
    """Patients are found by id, identifier or birth date, never all of them."""

    def rule(asked: Asked) -> Breach | None:
        if asked.resource_type != "Patient" or asked.names & {"_id", "identifier", "birthdate"}:
            return None
        text = "a search of Patient needs _id, identifier or birthdate"
        return Breach("population-search", "Population search", text, code="required", vendor_code=vendor_code)

    return rule


def one_patient(*, vendor_code: str = "") -> Rule:
    """One patient in a search."""

    def rule(asked: Asked) -> Breach | None:
        patients = {value.removeprefix("Patient/") for name in _PATIENT for value in asked.values(name)}
        if len(patients) < 2:
            return None
        text = "several patients in one search"
        return Breach("several-patients", "Population search", text, vendor_code=vendor_code)

    return rule


def one_of_needed(resource_type: str, names: Iterable[str], *, vendor_code: str = "") -> Rule:
    """One of the parameters must be there (behaviour 13)."""
    enough = frozenset(names)

    def rule(asked: Asked) -> Breach | None:
        if asked.resource_type != resource_type or asked.names & (enough | {"_id"}):
            return None
        text = f"required {' or '.join(sorted(enough))} missing"
        return Breach("category-needed", f"{resource_type} needs", text, code="required", vendor_code=vendor_code)

    return rule


def value_needed(resource_type: str, name: str, value: str) -> Rule:
    """With a patient, a parameter must have one certain value."""

    def rule(asked: Asked) -> Breach | None:
        if asked.resource_type != resource_type or not asked.names & _PATIENT or value in asked.values(name):
            return None
        return Breach("value-needed", f"{resource_type} needs", f"{name}={value} is needed", code="required")

    return rule


def id_alone() -> Rule:
    """Ids are asked for without anything else (behaviour 14)."""

    def rule(asked: Asked) -> Breach | None:
        if "_id" not in asked.names or asked.names <= {"_id", "_format", "_revinclude"}:
            return None
        return Breach("id-not-alone", "_id combined", "with _id no other parameter may be given")

    return rule


def not_together(names: Iterable[str], *, types: Iterable[str] = ()) -> Rule:
    """Parameters that exclude each other, for some types or for all (behaviour 15)."""
    pair, held = frozenset(names), frozenset(types)

    def rule(asked: Asked) -> Breach | None:
        if not pair <= asked.names or (held and asked.resource_type not in held):
            return None
        return Breach("not-together", "_lastUpdated", f"{' and '.join(sorted(pair))} cannot be combined")

    return rule


@dataclass(frozen=True, slots=True, kw_only=True)
class DateForm:
    """How a date parameter must be given."""

    prefixes: frozenset[str] = _LOWER | _UPPER | {"eq", ""}
    needs_time: bool = False
    must_close: bool = False
    """Both bounds, or a single value with a time."""


def dates(forms: Mapping[tuple[str, str], DateForm], *, row: str = "Date prefixes") -> Rule:
    """At most two values, then a lower and an upper bound, in the form asked for; by type and parameter."""

    def rule(asked: Asked) -> Breach | None:
        for (resource_type, name), form in forms.items():
            values = asked.values(name) if asked.resource_type == resource_type else []
            if values and (text := _wrong_dates(values, form)):
                return Breach("date-form", row, f"{name} {text}", code="value", status=422)
        return None

    return rule


def _wrong_dates(values: Sequence[str], form: DateForm) -> str:
    prefixes = [value[:2] if value[:2].isalpha() else "" for value in values]
    if len(values) > 2:
        return "is given more than twice"
    if not set(prefixes) <= form.prefixes:
        return "has a prefix that is not taken"
    if form.needs_time and not all("T" in value for value in values):
        return "needs a time"
    is_range = len(values) == 2 and {prefix in _LOWER for prefix in prefixes} == {True, False} and "" not in prefixes
    if len(values) == 2 and not (is_range and "eq" not in prefixes):
        return "given twice is a lower and an upper bound"
    if form.must_close and len(values) == 1 and prefixes[0] in _LOWER | _UPPER:
        return "must be a closed range"
    return ""
