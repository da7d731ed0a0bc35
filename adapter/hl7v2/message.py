"""The HL7 v2 tokeniser: bytes to segments, fields, repetitions, components, each with its byte range in the message.

Tolerant by position (HL7 v2.1 to 2.9 alike): nothing is refused but bytes without a readable MSH. It knows the encoding
rules only, no segment's meaning.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from adapter.errors import Problem, ProblemCode, Unparsable
from adapter.hl7v2.charset import byte_length, chosen_codec, decode
from adapter.hl7v2.escapes import unescape
from adapter.hl7v2.header import JUNK, Delimiters, Header, content_without_stamp, read_header, without_stamp

__all__ = ["NULL", "Delimiters", "Header", "Message", "Segment", "Span", "content_without_stamp", "nth", "read_header"]

NULL = '""'
"""The sender deletes the value (HL7 v2.5.1 §2.5.3)."""

HEADERS = frozenset({"MSH", "FHS", "BHS"})
_ENDS = "\r\n\x0b\x1c\x1a\x00"


class Span(NamedTuple):
    """A range of positions, end excluded."""

    start: int
    end: int


class Segment:
    """One segment: raw field texts by number (MSH-1 is the separator itself, HL7 v2.5.1 §2.14.9.1)."""

    __slots__ = ("fields", "line", "message", "name", "number", "offset")

    def __init__(self, message: "Message", line: str, *, number: int, offset: int) -> None:
        """`offset` is where `line` begins in the text; `number` counts from 1 among segments of this name."""
        self.message = message
        self.line = line
        self.name = line[:3]
        self.number = number
        self.offset = offset
        self.fields = split_fields(line, message.delimiters.field)

    def raw(self, field: int) -> str:
        """The field's text as sent, still escaped."""
        return self.fields[field] if field < len(self.fields) else ""

    def text(self, field: int) -> str:
        """The whole field as text: unescaped, its delimiters kept (a TX, FT or ST field may hold bare `^` or `&`)."""
        return self.message.unescape(self.raw(field))

    def repetitions(self, field: int) -> list[str]:
        """The raw repetitions; none for an empty field."""
        raw = self.raw(field)
        mark = self.message.delimiters.repetition
        return (raw.split(mark) if mark else [raw]) if raw else []

    def component(self, field: int, component: int = 1, *, subcomponent: int = 0, repetition: int = 1) -> str:
        """One component, or subcomponent, unescaped; empty where absent."""
        start, end = self.within(field, repetition=repetition, component=component, subcomponent=subcomponent)
        return self.message.unescape(self.line[start:end])

    def position(self, field: int, *, repetition: int = 1, component: int = 0, subcomponent: int = 0) -> str:
        """`OBX[3]-5.1`, `PID[1]-3[2].4.1`: how a place is named to people."""
        place = f"{self.name}[{self.number}]-{field}" + (f"[{repetition}]" if repetition > 1 else "")
        return place + (f".{component}" if component else "") + (f".{subcomponent}" if subcomponent else "")

    def span(self, field: int, *, repetition: int = 0, component: int = 0, subcomponent: int = 0) -> Span:
        """The byte range in the raw message; 0 means the whole of the level above."""
        inner = self.within(field, repetition=repetition, component=component, subcomponent=subcomponent)
        return self.message.bytes_of(Span(self.offset + inner.start, self.offset + inner.end))

    def within(self, field: int, *, repetition: int = 0, component: int = 0, subcomponent: int = 0) -> Span:
        """Positions inside the line; an absent place is the empty range at the end of what would hold it."""
        if field >= len(self.fields):
            return Span(len(self.line), len(self.line))
        start = self._field_start(field)
        text = self.fields[field]
        delimiters = self.message.delimiters
        for number, delimiter in (
            (repetition, delimiters.repetition),
            (component, delimiters.component),
            (subcomponent, delimiters.subcomponent),
        ):
            if number:
                inner = nth(text, number, delimiter)
                start += inner.start
                text = text[inner.start : inner.end]
        # A header of its name alone has no separator in the bytes, though one is its first field.
        end = len(self.line)
        return Span(min(start, end), min(start + len(text), end))

    def _field_start(self, field: int) -> int:
        if self.name not in HEADERS or field == 0:
            return sum(len(text) + 1 for text in self.fields[:field])
        return 3 if field == 1 else 4 + sum(len(text) + 1 for text in self.fields[2:field])


def split_fields(line: str, separator: str) -> list[str]:
    """Field texts by their HL7 number; element 0 is the segment's name."""
    fields = line.split(separator)
    if line[:3] in HEADERS:
        fields.insert(1, separator)
    return fields


def nth(text: str, number: int, delimiter: str) -> Span:
    """Where the nth piece of `text` lies; the empty range at its end where there is none."""
    start = 0
    for _ in range(number - 1):
        found = text.find(delimiter, start) if delimiter else -1
        if found < 0:
            return Span(len(text), len(text))
        start = found + 1
    end = text.find(delimiter, start) if delimiter else -1
    return Span(start, end if end >= 0 else len(text))


class Message:
    """A tokenised message. `lines` are the segments' texts; `Segment`s are made only when asked for."""

    __slots__ = (
        "_escaped",
        "_segments",
        "_starts",
        "delimiters",
        "encoding",
        "header",
        "lines",
        "problems",
        "raw",
        "text",
    )

    def __init__(self, raw: bytes, *, encoding: str | None = None) -> None:
        """See `parse`."""
        header = read_header(raw)
        if header is None:
            raise Unparsable(_no_header(raw))
        self.raw = raw
        self.header = header
        self.delimiters = header.delimiters
        self.text, self.encoding, fault, self._escaped = decode(raw, header.charset, encoding)
        self._segments: list[Segment] | None = None
        self._starts: list[int] | None = None
        self.problems: tuple[Problem, ...] = ()
        text = self.text.rstrip(_ENDS)
        if text[:3] == "MSH" and "\n" not in text and _irregular(self.delimiters.field)(text) is None:
            self.lines = text.split("\r")
        else:
            spans = _spans(self.text, self.delimiters.field)
            self._starts = [span.start for span in spans]
            self.lines = [self.text[span.start : span.end] for span in spans]
        if fault:
            places = self._undecodable()
            self.problems = tuple(Problem(code=ProblemCode.UNDECODABLE_TEXT, text=fault, at=at) for at in places)

    @classmethod
    def parse(cls, raw: bytes, *, encoding: str | None = None) -> "Message":
        """Tokenise; raises Unparsable and nothing else. `encoding` overrides MSH-18 (a feed's setting)."""
        return cls(raw, encoding=encoding)

    def _undecodable(self) -> list[str]:
        """The fields that hold U+FFFD, or MSH-18 where only the character set had to be guessed."""
        found = [
            segment.position(number)
            for segment in self.segments
            for number, field in enumerate(segment.fields)
            if "\ufffd" in field
        ]
        return found[:20] or ["MSH[1]-18"]

    @property
    def content(self) -> tuple[bytes, ...]:
        """What `content_without_stamp` gives for its bytes."""
        return without_stamp(self.raw)

    @property
    def starts(self) -> list[int]:
        """Where each segment's line begins in `text`."""
        if self._starts is None:
            self._starts = [0]
            for line in self.lines[:-1]:
                self._starts.append(self._starts[-1] + len(line) + 1)
        return self._starts

    @property
    def segments(self) -> list[Segment]:
        """All segments in order."""
        if self._segments is None:
            seen: dict[str, int] = {}
            self._segments = []
            for line, offset in zip(self.lines, self.starts, strict=True):
                number = seen[line[:3]] = seen.get(line[:3], 0) + 1
                self._segments.append(Segment(self, line, number=number, offset=offset))
        return self._segments

    def get(self, name: str) -> Segment | None:
        """The first segment of that name."""
        return next((segment for segment in self.segments if segment.name == name), None)

    def all(self, name: str) -> list[Segment]:
        """Every segment of that name, in order."""
        return [segment for segment in self.segments if segment.name == name]

    def unescape(self, text: str) -> str:
        """Decode the escape sequences of one already split piece."""
        delimiters = self.delimiters
        if not delimiters.escape or delimiters.escape not in text:
            return text
        return unescape(text, delimiters.escape, delimiters.literals, self.encoding)

    def bytes_of(self, span: Span) -> Span:
        """The byte range of a range of the text."""
        if self._escaped.isascii():
            return span
        start = byte_length(self._escaped[: span.start], self.encoding)
        return Span(start, start + byte_length(self._escaped[span.start : span.end], self.encoding))

    def byte_offsets(self, places: Iterable[int]) -> list[int]:
        """Where these places of the text, in rising order, lie in the bytes; each byte is counted once."""
        found, last, at = [], 0, 0
        for place in places:
            at += byte_length(self._escaped[last:place], self.encoding)
            last = place
            found.append(at)
        return found

    @property
    def type(self) -> str:
        """`ADT^A01`: MSH-9.1 and MSH-9.2."""
        code, event = self.segments[0].component(9), self.event
        return f"{code}^{event}" if event else code

    @property
    def event(self) -> str:
        """`A01`: MSH-9.2; where absent EVN-1, which replaced it once and is still sent."""
        event = self.segments[0].component(9, 2)
        recorded = None if event else self.get("EVN")
        return recorded.component(1) if recorded else event

    @property
    def control_id(self) -> str:
        """MSH-10."""
        return self.segments[0].text(10)

    @property
    def sending_application(self) -> str:
        """MSH-3.1."""
        return self.segments[0].component(3)

    @property
    def sending_facility(self) -> str:
        """MSH-4.1."""
        return self.segments[0].component(4)

    @property
    def version(self) -> str:
        """MSH-12.1; any text, it changes nothing in how the message is read."""
        return self.segments[0].component(12)


class Plain(NamedTuple):
    """A message that is written as nearly all are; what reads its segments finds what a `Message` holds."""

    delimiters: Delimiters
    encoding: str
    text: str
    header: list[str]
    """The fields of MSH, by their HL7 number less one: MSH-1 is the separator itself."""

    @property
    def lines(self) -> list[str]:
        """All segments in order."""
        return self.text.split("\r")


_PLAIN = b"MSH|^~\\&|"
_PLAIN_DELIMITERS = Delimiters("|")
_OTHER_ENDS = "\n\x0b\x0c\x85\u2028\u2029"
"""What else may end a line."""
_CHARSET = 17
"""MSH-18: MSH-1 is the separator itself, so it is the eighteenth piece."""


def read_plain(raw: bytes, *, encoding: str | None = None) -> Plain | None:
    """The usual delimiters, whole UTF-8, a segment in each line, ended by CR alone; None for all else.

    No segment hides in such a message: every PID stands at the start of a line, and is read as one.
    """
    if not raw.startswith(_PLAIN):
        return None
    try:
        text = raw.decode().rstrip(_ENDS)
    except UnicodeDecodeError:
        return None
    head, end, _ = text.partition("\r")
    if not end:
        return None
    header = head.split("|")
    codec, fault = chosen_codec(header[_CHARSET][:40].encode() if len(header) > _CHARSET else b"", encoding)
    if fault or codec != "utf-8" or any(map(text.__contains__, _OTHER_ENDS)) or _irregular("|")(text) is not None:
        return None
    return Plain(_PLAIN_DELIMITERS, codec, text, header)


@lru_cache(maxsize=64)
def _irregular(separator: str) -> Callable[[str], re.Match[str] | None]:
    """Finds what forbids a plain split at CR: an empty line, a line that starts no segment. Looks at no place twice."""
    return re.compile(rf"\r(?![A-Z][A-Z0-9]{{2}}(?:[{re.escape(separator)}\r]|\Z))").search


@lru_cache(maxsize=64)
def _segment_start(separator: str) -> re.Pattern[str]:
    """A segment starts after CR at a name, or after a bare LF at a name and the separator; all else is text."""
    name = "[A-Z][A-Z0-9]{2}"
    mark = re.escape(separator)
    # A run of line ends is taken whole and tried once: a million of them must not cost a million times a million.
    after_return = rf"(?=\n*\r)[\r\n]++(?={name}(?:{mark}|[\r\n]|\Z))"
    after_feed = rf"\n++(?={name}{mark})"
    first = rf"\A[\s\ufeffï»¿\x0b\x00]*+(?={name})"
    return re.compile(rf"{first}|(?<![\r\n])(?:{after_return}|{after_feed})")


def _spans(text: str, separator: str) -> list[Span]:
    """Each segment's range, its line ends left out. CR, LF, CRLF and CRCR alike; a bare LF inside a text stays."""
    starts = [match.span() for match in _segment_start(separator).finditer(text)]
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return [
        Span(after, after + len(text[after:end].rstrip(_ENDS))) for (_, after), end in zip(starts, ends, strict=True)
    ]


def _no_header(raw: bytes) -> Problem:
    if not raw.strip(JUNK + b"\x1c\x1a"):
        return Problem(code=ProblemCode.EMPTY, text="the message is empty")
    return Problem(code=ProblemCode.NO_MSH, text="no readable MSH segment at the start")
