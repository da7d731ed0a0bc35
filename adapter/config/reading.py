"""How a source's HL7 v2 is read: `reading:` of a source over what the trust says for all, over its vendor's facts.

A path is `PID-13` (a field) or `PID-3.1` (a component). What each setting does stands in `docs/hl7-source.md`.
"""

import codecs
import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from adapter.datafile import Positioned

_PATH = re.compile(r"[A-Z][A-Z0-9]{2}-[1-9]\d{0,2}(\.[1-9]\d?)?\Z")
_DELIMITERS = ("MSH-1", "MSH-2")


def _position(written: str) -> str:
    if not _PATH.match(written):
        raise ValueError(f'"{written}" is no position in a message; write PID-13, or PID-3.1 for a component')
    if written in _DELIMITERS:
        raise ValueError(f"{written} tells how the message is written; it cannot be changed")
    return written


def _field(written: str) -> str:
    if "." in written:
        raise ValueError(f"should be a whole field, {written.partition('.')[0]}")
    return written


def _codec(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError("is no character set that is known here, such as cp1252, utf-8 or iso8859-1") from None


def _pattern(written: str) -> str:
    try:
        re.compile(written)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return written


def _time_format(written: str) -> str:
    directives = set(re.findall(r"%(.)", written))
    unknown = sorted(directives - set("YymbBdHIMSpz%"))
    if unknown:
        raise ValueError(f"%{unknown[0]} is no part of a time here; known are %Y %y %m %b %B %d %H %I %p %M %S %z")
    if not (directives & set("Yy") and directives & set("mbB") and "d" in directives):
        raise ValueError("should have a year, a month and a day, such as %d/%m/%Y %H:%M")
    return written


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


S = TypeVar("S")


def _in_one_segment(step: S, source: str, target: str) -> S:
    if source.partition("-")[0] != target.partition("-")[0]:
        raise ValueError("this step stays in one segment; across segments use z_segments or visit_number")
    if source.partition(".")[0] == target:
        raise ValueError("what is taken and where it goes are one field")
    return step


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Position = Annotated[str, AfterValidator(_position)]
FieldPosition = Annotated[Position, AfterValidator(_field)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_as_list), Field(min_length=1)]


class StripPrefix(Positioned):
    """`N39990001234` is `9990001234`."""

    do: Literal["strip-prefix"]
    field: Position
    """A component of every repetition; of a whole field, its first."""
    prefix: Texts


class Move(Positioned):
    """Every repetition of one field of a segment becomes one of another, unless it is there."""

    do: Literal["move"]
    source: Annotated[Position, Field(alias="from")]
    target: Annotated[FieldPosition, Field(alias="to")]
    authority: Text | None = None
    """What CX.4 becomes; with it or a type the value alone is moved."""
    type: Text | None = None
    """What CX.5 becomes."""
    matching: Annotated[Text, AfterValidator(_pattern)] | None = None
    """Only values that this regular expression matches as a whole."""

    @model_validator(mode="after")
    def _within_one_segment(self) -> Self:
        return _in_one_segment(self, self.source, self.target)


class TakeOut(Positioned):
    """Of `NH{status:01}` in `PID-3.5` the `01` becomes `PID-32`, and `NH` stays."""

    do: Literal["take-out"]
    field: Position
    after: Text
    before: Text
    target: Annotated[FieldPosition, Field(alias="to")]

    @model_validator(mode="after")
    def _within_one_segment(self) -> Self:
        return _in_one_segment(self, self.field, self.target)


class LeaveOut(Positioned):
    """A field that the source fills with what is known to be wrong is not read."""

    do: Literal["leave-out"]
    field: FieldPosition


class DropEmptyRepetitions(Positioned):
    """`123~`, `^^^^MR`: a type or an authority alone is no identifier."""

    do: Literal["drop-empty-repetitions"]
    field: FieldPosition


class ChooseRepetitions(Positioned):
    """Of the repetitions of a field of identifiers, those that fit, or all the others."""

    do: Literal["keep-repetitions", "drop-repetitions"]
    field: FieldPosition
    authority: Annotated[tuple[Text, ...], BeforeValidator(_as_list)] = ()
    """Any of these in CX.4."""
    type: Annotated[tuple[Text, ...], BeforeValidator(_as_list)] = ()
    """Any of these in CX.5."""

    @model_validator(mode="after")
    def _by_something(self) -> Self:
        if not self.authority and not self.type:
            raise ValueError("`authority` or `type` says which repetitions")
        return self


Step = Annotated[
    StripPrefix | Move | TakeOut | LeaveOut | DropEmptyRepetitions | ChooseRepetitions, Field(discriminator="do")
]


class VisitNumber(Positioned):
    """Where the number of the visit stands, and of several that of which type."""

    field: FieldPosition = "PV1-19"
    type: Text | None = None
    """CX.5 of the repetition, `VISITID`."""


class Silence(Positioned):
    """What `\"\"` and nothing say at one place. Of a component: what becomes of its whole field."""

    null: Literal["clear", "ignore"] | None = None
    empty: Literal["keep", "clear"] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.null is None and self.empty is None:
            raise ValueError("say `null`, `empty` or both")
        return self


def _as_visit_number(value: object) -> object:
    return {"field": value} if isinstance(value, str) else value


class Reading(Positioned):
    """What the standard leaves to the sender, and where a sender leaves the standard."""

    null: Literal["clear", "ignore"] = "clear"
    """What `\"\"` does."""
    empty: Literal["keep", "clear"] = "keep"
    """What an empty field of PID, PD1, PV1 and PV2 does."""
    exceptions: Mapping[Position, Silence] = {}
    """Places where `null` or `empty` is otherwise."""
    lists: Mapping[Literal["DG1", "PR1", "OBX"], Literal["snapshot", "action"]] = {}
    """Whether the segments of a message are the whole list."""
    status_precedence: Literal["obx", "obr"] = "obx"
    """Which status holds where OBX-11 and OBR-25 disagree."""
    documents: Literal["drop", "keep-inside"] = "drop"
    """What becomes of a PDF in a message; it is never sent on."""
    encoding: Annotated[str, AfterValidator(_codec)] | None = None
    """The character set the source really uses, whatever MSH-18 says."""
    timezone: ZoneInfo | None = None
    """Of times without an offset; by default the site's."""
    time_formats: tuple[Annotated[Text, AfterValidator(_time_format)], ...] = ()
    """Further ways in which the source writes times, tried after HL7's own: `%d/%m/%Y %H:%M`."""
    placeholders: Mapping[Position, Texts] = {}
    """What stands for nothing: `PID-13: ["(000)000-0000"]`, `PID-7: "19000101"`."""
    preprocess: tuple[Step, ...] = ()
    """What is put right in a message before the maps read it, in this order."""
    z_segments: Mapping[Position, FieldPosition] = {}
    """A field of a Z segment read as if it were a standard one: `ZU1-27: PID-32`."""
    visit_number: Annotated[VisitNumber, BeforeValidator(_as_visit_number)] = VisitNumber()
    """By what the messages of one visit belong together."""
    accession: FieldPosition = "OBR-3"
    """By what order, examination and report of radiology belong together: `OBR-18`, `IPC-1`."""
    imaging_senders: tuple[Text, ...] = ()
    """MSH-3 of radiology: what these send are reports of examinations, never laboratory values."""
    death_undone: tuple[Text, ...] = ()
    """Words in PID-29 that take a death back."""

    @model_validator(mode="after")
    def _z_segments_are_z(self) -> Self:
        wrong = [path for path in self.z_segments if not path.startswith("Z")]
        if wrong:
            raise ValueError(f"{wrong[0]} is no field of a Z segment")
        return self


class V2(Positioned):
    """What holds for all HL7 v2 sources that do not say otherwise."""

    reading: Reading = Reading()
