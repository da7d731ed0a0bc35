"""A text cut into sentences, each with the meaning its section gives to a plain statement. Offsets are kept."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
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
    """The longest first; white space between words may be any. Asked by their first letter."""
    grouped: dict[str, list[str]] = {}
    for phrase in sorted(phrases, key=len, reverse=True):
        grouped.setdefault(phrase[0], []).append(r"\s+".join(map(re.escape, phrase.split())))
    return "|".join(f"(?={first})(?:{'|'.join(each)})" for first, each in grouped.items())


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

# Headings begin at few places, and few words begin one: the expressions above are asked nowhere else.
_WORD = re.compile(r"[\w/]+")
_FIRST_OF_TEXT = re.compile(rf"{_BULLET}(?P<word>[\w/]+)")
_FIRST_OF_CLAUSE = re.compile(rf"[\n.;?!|](?:(?<=\n){_BULLET}|[ \t]*)(?P<word>[\w/]+)")
_FIRST_WORDS = frozenset(found[0] for found in map(_WORD.match, _PLAIN) if found)

# A sentence ends at . ! ? ; before a space, at a blank line, and where a line does not go on in the next.
_NO_STOP = ("e.g.", "i.e.", "dr.", "mr.", "mrs.", "prof.", "approx.", "no.", "vs.")
_IS_STOP = "".join(rf"(?<!\b{re.escape(each)})" for each in _NO_STOP) + r"(?<!\b\d\.)"
_STOP = re.compile(rf"[.!;?](?:(?<=[.!;])(?=\s){_IS_STOP}|(?<=\w\?)(?=\s)|(?<=\w\s\?)(?=\s*(?:\n|$)))", re.IGNORECASE)
_LISTED = re.compile(r"[-*•>]|\(?\d{1,2}[.)]\s")
_GOES_ON = re.compile(
    r"(?:,|\b(?:of|no|not|and|or|nor|the|a|an|with|without|for|in|to|from|by|is|are|was|were|be|been|possible|likely|any|"
    r"has|have|had|previous|suspected|portal|free|bowel|pneumatosis|\?))[ \t]*$",
    re.IGNORECASE,
)
_ENDS_LINE = ".!;:"
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
    known, capitals = -1, -1
    for at in _places(text):
        if at >= known and (match := _KNOWN.match(text, at)):
            known = match.end()
            yield _edge(text, match, lines)
        if at >= capitals and (match := _CAPITALS.match(text, at)):
            capitals = match.end()
            yield _edge(text, match, lines)
    at = text.find(":")
    while at >= 0:
        start = _line_start(text, at)
        match = _UNKNOWN.match(text, start) if start not in lines else None
        if match:
            yield _Edge(match.start(), match.end(), match["unknown"], "present")
        next_line = text.find("\n", at)
        at = text.find(":", next_line) if next_line >= 0 else -1


def _places(text: str) -> Iterator[int]:
    """Where a known heading may begin, by its first word."""
    first = _FIRST_OF_TEXT.match(text)
    if first and first["word"].casefold() in _FIRST_WORDS:
        yield 0
    for match in _FIRST_OF_CLAUSE.finditer(text):
        if match["word"].casefold() in _FIRST_WORDS:
            at = match.start()
            yield at if text[at] == "|" else at + 1


def _edge(text: str, match: re.Match[str], lines: set[int]) -> _Edge:
    words = match[match.lastgroup or 0]
    lines.add(_line_start(text, match.end()))
    return _Edge(match.start(), match.end(), words, _PLAIN[" ".join(words.casefold().split())])


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _sentences(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """What stands between two cuts, without the white space around it."""
    whole = text[begin:end]
    if not whole or whole.isspace():
        return
    cuts = [match.end() for match in _STOP.finditer(text, begin, end)]
    if "\n" in whole:
        cuts += _line_ends(whole, begin)
        cuts.sort()
    cuts.append(end)
    start = begin
    for cut in cuts:
        bare = text[start:cut].strip()
        if bare:
            first = text.find(bare, start)
            yield first, first + len(bare)
        start = cut


def _line_ends(whole: str, begin: int) -> Iterator[int]:
    """Where a line ends that does not go on with its sentence in the next; `whole` begins at this place."""
    at = begin - 1
    for line, following in pairwise(whole.split("\n")):
        at += len(line) + 1
        stripped = line.rstrip()
        if not stripped or stripped[-1] in _ENDS_LINE or not _is_joined(stripped, following.strip()):
            yield at


def _is_joined(line: str, following: str) -> bool:
    if not following or _LISTED.match(following):
        return False
    return following[0].islower() or len(line) >= _LONG_LINE or bool(_GOES_ON.search(line))
