"""How conversions read pieces of v2 text: splitting, unescaping, tables, times, numbers, and what was wrong with them.

Every value a conversion puts into a resource passes through one of these primitives. `adapter.mapping.v2_tracing` reads
with the same primitives and notes where each value came from; so what is traced is what is done.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from adapter.errors import ProblemCode
from adapter.hl7v2.escapes import unescape
from adapter.hl7v2.header import Delimiters
from adapter.hl7v2.timestamps import Moment, TimeFault, read_written

Json: TypeAlias = Any
"""A piece of a FHIR resource. Never changed once returned: equal fields of many messages share it."""

MOST_VALUES = 1000
"""Of one field; the longest lists of numbers or names seen have some dozens. More must not hold others up."""
NULL = '""'

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)\Z", re.ASCII)
COMPARATORS = ("<=", ">=", "<", ">")


class Fault(NamedTuple):
    """What was wrong with one value; where it stood is added by the caller."""

    code: ProblemCode
    text: str


_TIME_FAULTS = {
    TimeFault.AMBIGUOUS_HOUR: Fault(
        ProblemCode.AMBIGUOUS_HOUR, "the hour exists twice that night; read as the first of the two"
    ),
    TimeFault.MISSING_HOUR: Fault(
        ProblemCode.MISSING_HOUR, "the hour does not exist that night; read with the offset before the change"
    ),
}


class Entry(NamedTuple):
    """One line of a code table."""

    target: str
    display: str
    system: str
    origin: str
    """`tables/gender.csv:3`."""


Table: TypeAlias = Mapping[str, Entry]


class Reader:
    """The primitives for one set of delimiters, one encoding and one time zone."""

    remembers = True
    """Whether values read once may be given again."""
    order_decides = False
    """Whether OBR-25 stands above OBX-11 in this feed."""

    def __init__(
        self,
        delimiters: Delimiters,
        *,
        encoding: str,
        zone: ZoneInfo,
        tables: Mapping[str, Table],
        formats: tuple[str, ...] = (),
        level: int = 0,
    ) -> None:
        """`level` 1 reads inside a component, where the next lower delimiter divides; `formats` are further times."""
        self.delimiters = delimiters
        self.encoding = encoding
        self.zone = zone
        self.tables = tables
        self.formats = formats
        self.faults: list[Fault] = []
        self.forms: dict[tuple[str, str], dict[str, Json]] = {}
        """Identifiers read before, without their values."""
        self.units: dict[str, dict[str, Json]] = {}
        """Units read before; few, and shared."""
        self.component = (delimiters.component, delimiters.subcomponent or "\x00")[level]
        self.inner: Reader = self
        if level == 0:
            self.inner = type(self)(delimiters, encoding=encoding, zone=zone, tables=tables, formats=formats, level=1)
            self.inner.faults = self.faults

    def parts(self, text: str) -> list[str]:
        """The components of a field (or the subcomponents of a component)."""
        return text.split(self.component)

    def repetitions(self, text: str) -> list[str]:
        """The repetitions of a field."""
        return text.split(self.delimiters.repetition) if self.delimiters.repetition else [text]

    def values(self, text: str) -> list[str]:
        """The repetitions of a field that are values each, as many as any real one has; those that say nothing not."""
        mark = self.delimiters.repetition
        found = text.split(mark, MOST_VALUES) if mark else [text]
        if len(found) > MOST_VALUES:
            found.pop()
            told = f"more than {MOST_VALUES} repetitions; the others are left out"
            self.faults.append(Fault(ProblemCode.TOO_MANY, told))
        return [each for each in found if each] if len(found) > 1 and "" in found else found

    def first(self, text: str) -> str:
        """The first repetition of a field."""
        mark = self.delimiters.repetition
        return text.partition(mark)[0] if mark else text

    def whole(self, text: str) -> str:
        """Unescaped, white space kept: for narrative."""
        escape = self.delimiters.escape
        if escape and escape in text:
            return unescape(text, escape, self.delimiters.literals, self.encoding)
        return text

    def text(self, piece: str) -> str:
        """Unescaped and trimmed; empty for `\"\"`, which says the value is to be deleted."""
        return "" if piece == NULL else self.whole(piece).strip()

    def time(self, piece: str) -> str | None:
        """ISO 8601 with the precision and offset as sent, else the zone's offset."""
        moment = self.moment(piece)
        return moment.text if moment else None

    def date(self, piece: str) -> str | None:
        """The date as written, without the time of day."""
        moment = self.moment(piece)
        return moment.text[:10] if moment else None

    def moment(self, piece: str) -> Moment | None:
        """Also the instant, for clocks. Notes what is doubtful."""
        text = self.text(piece)
        moment = self.instant(text) if text else None
        if text and moment is None:
            self.faults.append(Fault(ProblemCode.BAD_TIME, "not a time as HL7 writes it; left out"))
        elif moment and moment.fault:
            self.faults.append(_TIME_FAULTS[moment.fault])
        return moment

    def instant(self, text: str) -> Moment | None:
        """As HL7 writes times, else in a way of the feed's own."""
        return read_written(text, self.zone, self.formats)

    def number(self, piece: str) -> Decimal | None:
        """A decimal with its digits kept (`72.50`); None where the text is not exactly a number."""
        if _NUMBER.match(piece):  # nearly every one: nothing to unescape, nothing to trim
            return Decimal(piece)
        text = self.text(piece)
        return Decimal(text) if _NUMBER.match(text) else None

    def comparator(self, piece: str) -> tuple[str, str]:
        """`<7` as `<` and `7`; an empty comparator where there is none."""
        text = piece.strip()
        for sign in COMPARATORS:
            if text.startswith(sign):
                return text[: len(sign)], text[len(sign) :]
        return "", text

    def look_up(self, table: str, piece: str) -> Entry | None:
        """The line of a code table for this code; codes are compared without regard to case."""
        return self.tables[table].get(piece.upper())

    def target(self, table: str, piece: str) -> str | None:
        """The code's translation."""
        entry = self.look_up(table, piece)
        return entry.target if entry else None

    def prefixed(self, prefix: str, piece: str) -> str:
        """`urn:oid:` before an OID and the like."""
        return prefix + piece

    def join(self, separator: str, pieces: Sequence[str]) -> str:
        """Pieces in order, empty ones left out."""
        return separator.join(piece for piece in pieces if piece)

    def lines(self, pieces: Sequence[str]) -> str:
        """A report's lines in order, empty ones kept."""
        return "\n".join(self.whole(piece) for piece in pieces)

    def derive(self, step: str, piece: str, value: Json, argument: str = "") -> Json:
        """`value`, which was made of `piece` by a step that has a name and no primitive of its own."""
        return value

    def fault(self, code: ProblemCode, text: str) -> None:
        """Note what is wrong with the value in hand."""
        self.faults.append(Fault(code, text))
