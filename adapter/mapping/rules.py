"""What a v2-to-FHIR mapping file may say: the closed vocabulary, as models. Whatever is not named here is an error.

A path is `PID-5` (a field), `PID-5.1` (a component) or `PID-5.1.2` (a subcomponent); several paths mean: the first that
is present. Conversions have names (`adapter.mapping.datatypes`); there are no expressions and no templates.
"""

import json
import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, ConfigDict, JsonValue, model_validator

from adapter.datafile import Positioned, hyphenated

_PATH = re.compile(r"([A-Z][A-Z0-9]{2})-(\d{1,3})(?:\.(\d{1,2})(?:\.(\d{1,2}))?)?\Z")
_TARGET = re.compile(r"_?[a-z][A-Za-z]*(\[\]|\[x\])?(\.[a-z][A-Za-z]*(\[\])?)*\Z")


class Place(NamedTuple):
    """A position in a v2 message; component and subcomponent 0 mean the whole of the level above."""

    segment: str
    field: int
    component: int = 0
    subcomponent: int = 0


def place(path: str) -> Place:
    """`OBR-3.1` as numbers; ValueError with what is wrong."""
    found = _PATH.match(path)
    if found is None or not int(found[2]):
        raise ValueError(f'"{path}" is no v2 position; write SEG-field, SEG-field.component')
    return Place(found[1], int(found[2]), int(found[3] or 0), int(found[4] or 0))


def _checked_path(path: str) -> str:
    place(path)
    return path


def _checked_target(path: str) -> str:
    if not _TARGET.match(path):
        raise ValueError(f'"{path}" is no FHIR path; write a.b, a[].b or value[x]')
    return path


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


V2Path = Annotated[str, AfterValidator(_checked_path)]
Paths = Annotated[tuple[V2Path, ...], BeforeValidator(_as_list)]
Words = Annotated[tuple[str, ...], BeforeValidator(_as_list)]
Target = Annotated[str, AfterValidator(_checked_target)]


class _Rule(Positioned):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=hyphenated, populate_by_name=True)


class Conversion(StrEnum):
    """The named conversions. `adapter.mapping.datatypes` says in words what each one does."""

    STRING = "string"
    TEXT = "text"
    CODE = "code"
    FLAG = "flag"
    INTEGER = "integer"
    DATE = "date"
    BIRTH_TIME = "birth-time"
    DATE_TIME = "dateTime"
    INSTANT = "instant"
    PERIOD = "Period"
    CODEABLE_CONCEPT = "CodeableConcept"
    CODING = "Coding"
    IDENTIFIER = "Identifier"
    ENTITY_IDENTIFIER = "EntityIdentifier"
    HUMAN_NAME = "HumanName"
    ADDRESS = "Address"
    CONTACT_POINT = "ContactPoint"
    PRACTITIONER = "Practitioner"
    INTERPRETER = "Interpreter"
    ORGANIZATION = "Organization"
    LOCATION = "Location"
    ANNOTATION = "Annotation"
    QUANTITY = "Quantity"
    OBSERVATION_VALUE = "observation-value"
    REFERENCE_RANGE = "reference-range"


class Condition(_Rule):
    """One test; all tests of a list must hold. Exactly one of the answers is given."""

    field: V2Path | None = None
    event: Words | None = None
    """The trigger event is one of these (`A11`)."""
    event_is_not: Words | None = None
    message: Words | None = None
    """The message code (`ORU`) is one of these."""
    follows: Words | None = None
    """The segment before, notes aside, is one of these."""
    is_one_of: Words | None = None
    is_none_of: Words | None = None
    valued: bool | None = None

    @model_validator(mode="after")
    def _one_answer(self) -> "Condition":
        named = (self.field, self.event, self.event_is_not, self.message, self.follows)
        subjects = [subject for subject in named if subject is not None]
        answers = [answer for answer in (self.is_one_of, self.is_none_of, self.valued) if answer is not None]
        if len(subjects) != 1 or len(answers) != (self.field is not None):
            raise ValueError(
                "a condition is event, event-is-not, message, follows, "
                "or field with one of is-one-of, is-none-of, valued"
            )
        return self


class FieldRule(_Rule):
    """One element of the resource: where it comes from and how it is read."""

    to: Target
    from_: Paths = ()
    as_: Conversion | None = None
    each: bool = False
    """Every repetition of the field, not only the first that gives something."""
    using: Paths = ()
    """Further fields that the conversion needs, such as the value type and the unit."""
    table: str | None = None
    system: str | None = None
    """The code system where the field does not name one."""
    infers_system: bool = False
    """Mark codings whose system was supplied by `system` and not by the sender."""
    constant: JsonValue = None
    refers_to: str | None = None
    """A reference to the resource of that type this one belongs to."""
    with_: dict[str, JsonValue] = {}
    """Fixed elements that go beside the value."""
    when: tuple[Condition, ...] = ()
    clears: Words = ()
    """Elements that this value rules out (`deceasedBoolean` rules out `deceasedDateTime`)."""
    note: str = ""
    """Why; for readers."""

    @model_validator(mode="after")
    def _one_origin(self) -> "FieldRule":
        origins = [bool(self.from_), self.constant is not None, self.refers_to is not None]
        if sum(origins) != 1:
            raise ValueError("a rule has exactly one of from, constant, refers-to")
        if bool(self.from_) != (self.as_ is not None):
            raise ValueError("`from` needs `as`, the name of a conversion")
        return self


class KeyPart(_Rule):
    """One part of a natural key: fixed text, or the first path that is present."""

    constant: str | None = None
    from_: Paths = ()
    unless_valued: V2Path | None = None
    """Left out where this is present."""


class Item(StrEnum):
    """What the resource is in the statement that goes to the assertion log."""

    PATIENT = "patient"
    ENCOUNTER = "encounter"
    CONDITIONS = "conditions"
    PROCEDURES = "procedures"
    OBSERVATION = "observation"
    RELATED = "related"
    PRIOR = "prior"
    CONTEXT = "context"


class Block(_Rule):
    """One resource that a segment makes, or adds to."""

    resource: str
    means: str = ""
    source: str = ""
    """Where the official mapping stands."""
    place: Literal["new", "current", "joined"] = "new"
    """new: each segment makes one. current: adds to the one in hand. joined: ORC and OBR of one order share one."""
    item: Item | None = None
    key: tuple[KeyPart, ...] = ()
    clock: Paths = ()
    rank: V2Path | None = None
    rank_table: str | None = None
    needs: Paths = ()
    """No resource where none of these is present."""
    when: tuple[Condition, ...] = ()
    fields: tuple[FieldRule, ...]


class SegmentMap(_Rule):
    """One file: what becomes of one segment."""

    kind: Literal["v2-to-fhir"]
    segment: Annotated[str, AfterValidator(lambda name: name)]
    means: str
    resources: tuple[Block, ...]


class Change(_Rule):
    """One deviation of a vendor, and why."""

    resource: str
    to: Target
    rule: FieldRule | None = None
    because: str


class Overlay(_Rule):
    """A vendor's file for one segment: only what differs."""

    kind: Literal["v2-to-fhir-overlay"]
    segment: str
    replace: tuple[Change, ...] = ()
    add: tuple[Change, ...] = ()
    drop: tuple[Change, ...] = ()


class TableRow(_Rule):
    """One line of a code table."""

    code: str
    target: str
    display: str = ""
    system: str = ""


def schemas() -> Iterable[tuple[str, str]]:
    """File name and text of each JSON Schema that editors use."""
    for name, model in (("v2-to-fhir", SegmentMap), ("v2-to-fhir-overlay", Overlay)):
        yield f"{name}.schema.json", json.dumps(model.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the schemas: `python -m adapter.mapping.rules`."""
    folder = Path(__file__).parents[2] / "mappings" / "schema"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
