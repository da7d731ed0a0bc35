"""What a v2-to-FHIR mapping file may say: the closed vocabulary, as models. Whatever is not named here is an error.

A path is `PID-5` (a field), `PID-5.1` (a component) or `PID-5.1.2` (a subcomponent); several paths mean: the first that
is present. Conversions have names (`adapter.mapping.datatypes`); there are no expressions and no templates.
"""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, ConfigDict, JsonValue, PrivateAttr, model_validator

from adapter.datafile import Positioned, hyphenated

_PATH = re.compile(r"([A-Z][A-Z0-9]{2})-(\d{1,3})(?:\.(\d{1,2})(?:\.(\d{1,2}))?)?\Z")
_TARGET = re.compile(r"_?[a-z][A-Za-z]*(\[0?\]|\[last\]|\[x\])?(\.[a-z][A-Za-z]*(\[0?\])?)*\Z")


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
        raise ValueError(f'"{path}" is no FHIR path; write a.b, a[].b, a[0].b, a[last].b or value[x]')
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
    LICENCE = "licence"
    ENTITY_IDENTIFIER = "EntityIdentifier"
    HUMAN_NAME = "HumanName"
    CALLED_BY = "called-by"
    ADDRESS = "Address"
    CONTACT_POINT = "ContactPoint"
    PRACTITIONER = "Practitioner"
    INTERPRETER = "Interpreter"
    ORGANIZATION = "Organization"
    LOCATION = "Location"
    ANNOTATION = "Annotation"
    QUANTITY = "Quantity"
    DOSE = "dose"
    ATTACHMENT = "Attachment"
    OBSERVATION_VALUE = "observation-value"
    PERFORMED = "performed"
    RESULT_STATUS = "result-status"
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
    is_: str | None = None
    """The order in hand is of this class (`classes.yaml`)."""
    is_not: str | None = None
    any_of: tuple["Condition", ...] = ()
    none_of: tuple["Condition", ...] = ()
    is_one_of: Words | None = None
    is_none_of: Words | None = None
    valued: bool | None = None
    in_table: str | None = None
    """The code stands in this table, in any case of its letters."""
    _codes: frozenset[str] = PrivateAttr(default=frozenset())
    _class: tuple["Condition", ...] = PrivateAttr(default=())
    """For `is` and `is-not`: any of these."""

    @model_validator(mode="after")
    def _one_answer(self) -> "Condition":
        named = (self.field, self.event, self.event_is_not, self.message, self.follows, self.is_, self.is_not)
        subjects = [subject for subject in (*named, self.any_of or None, self.none_of or None) if subject is not None]
        answers = (self.is_one_of, self.is_none_of, self.valued, self.in_table)
        given = [answer for answer in answers if answer is not None]
        if len(subjects) != 1 or len(given) != (self.field is not None):
            raise ValueError(
                "a condition is event, event-is-not, message, follows, is, is-not, any-of, none-of, "
                "or field with one of is-one-of, is-none-of, valued, in-table"
            )
        return self

    def leaves(self) -> "Iterator[Condition]":
        """The tests this one is made of."""
        if not self.any_of and not self.none_of:
            yield self
        for inner in (*self.any_of, *self.none_of):
            yield from inner.leaves()


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
    keeps: Literal["first", "lines", "least"] = "first"
    """What several values come to: the first; all as lines of one text; the one that comes first in `order`."""
    order: str | None = None
    """For `least`: a table of values and their ranks; a value that is not in it comes last."""
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
        if (self.keeps == "least") != (self.order is not None):
            raise ValueError("`keeps: least` needs `order`, and nothing else does")
        if self.keeps != "first" and not self.to.isalpha():
            raise ValueError("`keeps` is for an element at the top of the resource")
        return self


class KeyPart(_Rule):
    """One part of a natural key: fixed text, or the first path that is present."""

    constant: str | None = None
    from_: Paths = ()
    if_valued: Paths = ()
    """Left out where none of these is present."""
    unless_valued: Paths = ()
    """Left out where any of these is present."""


class Item(StrEnum):
    """What the resource is in the statement that goes to the assertion log."""

    PATIENT = "patient"
    ENCOUNTER = "encounter"
    CONDITIONS = "conditions"
    PROCEDURES = "procedures"
    OBSERVATION = "observation"
    IMAGING = "imaging"
    MEDICATION = "medication"
    DOCUMENT = "document"
    BOOKING = "booking"
    RELATED = "related"
    PRIOR = "prior"
    PRIOR_VISIT = "prior-visit"
    ACCOUNT = "account"
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
    item_when: tuple[Condition, ...] = ()
    """It is an item only where these hold too. A Bundle shows the resource all the same."""
    only_in_bundle: bool = False
    """Shown by `convert`; no part of any record, and not even compiled for one."""
    only_in_statement: bool = False
    """Numbers by which identity events move what they name; no resource that `convert` shows."""
    once_per_key: bool = False
    """In a statement, a further segment of the same key belongs to the resource before it (one report, two OBR)."""
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


class OrderClass(_Rule):
    """What makes an order and its results one of a class, such as imaging."""

    name: str
    means: str
    any_of: tuple[Condition, ...]

    @model_validator(mode="after")
    def _plain(self) -> "OrderClass":
        if any(leaf.is_ or leaf.is_not for test in self.any_of for leaf in test.leaves()):
            raise ValueError("a class is not told by another class")
        return self


class OrderClasses(_Rule):
    """classes.yaml: the classes of orders that conditions name with `is` and `is-not`."""

    kind: Literal["v2-classes"]
    classes: tuple[OrderClass, ...]


Dated = date | Literal["unconfirmed"]
"""Of the source; unconfirmed: nobody has shown it."""


class Change(_Rule):
    """One deviation of a vendor, and why."""

    resource: str
    to: Target
    rule: FieldRule | None = None
    because: str
    source: str
    """Where it was seen: a document, or a repository and path."""
    dated: Dated


class KeyChange(_Rule):
    """Another natural key for one resource of a vendor's segment, and why."""

    resource: str
    key: tuple[KeyPart, ...]
    because: str
    source: str
    dated: Dated


class Overlay(_Rule):
    """A vendor's file for one segment: only what differs."""

    kind: Literal["v2-to-fhir-overlay"]
    segment: str
    replace: tuple[Change, ...] = ()
    add: tuple[Change, ...] = ()
    drop: tuple[Change, ...] = ()
    keys: tuple[KeyChange, ...] = ()


class TableRow(_Rule):
    """One line of a code table."""

    code: str
    target: str
    display: str = ""
    system: str = ""


def schemas() -> Iterable[tuple[str, str]]:
    """File name and text of each JSON Schema that editors use."""
    for name, model in (("v2-to-fhir", SegmentMap), ("v2-to-fhir-overlay", Overlay), ("v2-classes", OrderClasses)):
        yield f"{name}.schema.json", json.dumps(model.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the schemas: `python -m adapter.mapping.rules`."""
    folder = Path(__file__).parents[2] / "mappings" / "schema"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
