"""A text cut into sentences, each with the meaning its section gives to a plain statement. Offsets are kept."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from adapter.narrative.cues import HEADINGS, Assertion


class Passage(NamedTuple):
    """One sentence of one section."""

    start: int
    end: int
    plain: Assertion
    """What a statement without any cue means here."""
    heading: str = ""
    """The words over it, as written."""


_PLAIN: dict[str, Assertion] = {phrase: heading.assertion for heading in HEADINGS for phrase in heading.phrases}


def _any_of(phrases: Iterable[str]) -> str:
    """The longest first; white space between words may be any."""
    each = sorted(phrases, key=len, reverse=True)
    return "|".join(r"\s+".join(map(re.escape, phrase.split())) for phrase in each)


_WORDS = _any_of(_PLAIN)
_BULLET = r"[ \t]*(?:[-*•>]|\(?\d{1,2}[.)])?[ \t]*"
# A known heading has its colon wherever a clause can begin, or stands alone on its line, or in capitals before text.
_KNOWN = re.compile(
    rf"(?:^{_BULLET}|(?<=[.;?!])[ \t]+|\|[ \t]*)(?P<colon>{_WORDS})[ \t]*:"
    rf"|^{_BULLET}(?P<alone>{_WORDS})[ \t]*[-–]?[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_CAPITALS = re.compile(rf"^[ \t]*(?P<capitals>{_any_of(map(str.upper, _PLAIN))})(?=[ \t]+\S)", re.MULTILINE)
# Any other words with a colon at the head of a line end the section before.
_UNKNOWN = re.compile(r"^[ \t]*(?P<unknown>[A-Z][A-Za-z /&()-]{1,40}):", re.MULTILINE)

# A sentence ends at . ! ? ; before a space, at a blank line, and where a line does not go on in the next.
_STOP = re.compile(r"(?<=[.!;])(?=\s)|(?<=\w\?)(?=\s)|(?<=\w\s\?)(?=\s*(?:\n|$))")
_NO_STOP = re.compile(r"\b(?:e\.g|i\.e|dr|mr|mrs|prof|approx|no|vs|\d)\.$", re.IGNORECASE)
_GOES_ON = re.compile(
    r"(?:,|\b(?:of|no|not|and|or|nor|the|a|an|with|without|for|in|to|from|by|is|are|was|were|be|been|possible|likely|any|"
    r"has|have|had|previous|suspected|portal|free|bowel|pneumatosis|\?))[ \t]*$",
    re.IGNORECASE,
)
_LONG_LINE = 55
"""A line at least so long, without a full stop, was broken by the printer."""


class _Edge(NamedTuple):
    """Where a heading stands."""

    at: int
    after: int
    heading: str
    plain: Assertion


@lru_cache(maxsize=4)
def passages(text: str) -> tuple[Passage, ...]:
    """The sentences in their order. Of one report both its reader and its judge ask."""
    return tuple(_passages(text))


def _passages(text: str) -> Iterator[Passage]:
    begin, heading, plain = 0, "", _PLAIN["findings"]
    for edge in [*sorted(_edges(text)), _Edge(len(text), len(text), "", plain)]:
        for start, end in _sentences(text, begin, edge.at):
            yield Passage(start, end, plain, heading)
        begin, heading, plain = max(begin, edge.after), edge.heading, edge.plain


def _edges(text: str) -> Iterator[_Edge]:
    lines: set[int] = set()
    for match in [*_KNOWN.finditer(text), *_CAPITALS.finditer(text)]:
        words = next(filter(None, match.groupdict().values()))
        lines.add(_line_start(text, match.end()))
        yield _Edge(match.start(), match.end(), words, _PLAIN[" ".join(words.casefold().split())])
    for match in _UNKNOWN.finditer(text):
        if _line_start(text, match.end()) not in lines:
            yield _Edge(match.start(), match.end(), match["unknown"], "present")


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _sentences(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    for start, stop in _lines(text, begin, end):
        yield from _stripped(text, _cuts(text, start, stop))


def _cuts(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    start = begin
    for match in _STOP.finditer(text, begin, end):
        if not _NO_STOP.search(text, start, match.start()):
            yield start, match.start()
            start = match.start()
    yield start, end


def _lines(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Lines, joined where the next one goes on with the sentence."""
    start, at = begin, begin
    while at < end:
        stop = text.find("\n", at, end)
        if stop < 0:
            break
        if not _is_joined(text[at:stop], text[stop + 1 : end]):
            yield start, stop
            start = stop + 1
        at = stop + 1
    yield start, end


def _is_joined(line: str, rest: str) -> bool:
    following = rest.partition("\n")[0].strip()
    stripped = line.rstrip()
    if not stripped or not following or stripped.endswith((".", "!", ";", ":")):
        return False
    if re.match(r"[-*•>]|\(?\d{1,2}[.)]\s", following):
        return False
    return following[0].islower() or bool(_GOES_ON.search(stripped)) or len(stripped) >= _LONG_LINE


def _stripped(text: str, cuts: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for start, end in cuts:
        inner = text[start:end]
        first = start + len(inner) - len(inner.lstrip())
        last = start + len(inner.rstrip())
        if first < last:
            yield first, last
