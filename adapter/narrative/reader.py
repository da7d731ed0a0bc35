"""Finds named things in a text and says of each mention whether it is asserted of this child, now."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from adapter.narrative import cues
from adapter.narrative.cues import SENSES, Assertion, Sense
from adapter.narrative.passages import Passage, passages

_MENTION = "\x1a"
"""Stands for every mention in the copy of a sentence that is read for cues, so that no term is taken for one."""
_REACH = 5
"""Words that may stand between a mention and a cue behind it (NegEx takes as many)."""
_REMEMBERED, _LONGEST_REMEMBERED = 4096, 200
"""Sentences, and characters of one."""


class Mention(NamedTuple):
    """One place where a text names a thing."""

    name: str
    assertion: Assertion
    start: int
    end: int
    sentence: str


def _phrases(phrases: Iterable[str]) -> re.Pattern[str]:
    return re.compile(_source(phrases), re.IGNORECASE)


def _source(phrases: Iterable[str]) -> str:
    """The longest first. Asked by their first character, which most places of a text rule out at once."""
    each = sorted({(_one(phrase), phrase[0].lower()) for phrase in phrases}, key=lambda one: len(one[0]), reverse=True)
    grouped: dict[str, list[str]] = {}
    for one, first in each:
        grouped.setdefault(first, []).append(one)
    inside = {first: "|".join(ones) for first, ones in grouped.items()}
    words = [f"(?={first})(?:{ones})" for first, ones in inside.items() if first.isalnum()]
    signs = [ones for first, ones in inside.items() if not first.isalnum()]
    begins = "".join(re.escape(first) for first in inside if first.isalnum())
    return "|".join([*([rf"(?<!\w)(?=[{begins}])(?:{'|'.join(words)})"] if words else []), *signs]) or r"(?!)"


def _one(phrase: str) -> str:
    """Whole words, from the first on; white space and hyphens between them may be written either way."""
    words = [re.escape(word).replace(r"\-", r"[-\s]?") for word in phrase.split()]
    return r"[\s-]+".join(words) + (r"(?!\w)" if phrase[-1].isalnum() else "")


class _Cues(NamedTuple):
    before: re.Pattern[str]
    after: re.Pattern[str]


_NO_CUE = _phrases(cues.NO_CUE)
_ENDS_SCOPE = _phrases(cues.ENDS_SCOPE)
_AFFIRMS = _phrases(cues.AFFIRMS)
_ABSENT = _Cues(_phrases(cues.ABSENT_BEFORE), _phrases(cues.ABSENT_AFTER))
_UNCERTAIN = _Cues(_phrases(cues.UNCERTAIN_BEFORE), _phrases(cues.UNCERTAIN_AFTER))
_HISTORICAL = _Cues(_phrases(cues.HISTORICAL_BEFORE), _phrases(cues.HISTORICAL_AFTER))
_OTHER = _Cues(_phrases(cues.OTHER_BEFORE), _phrases(cues.OTHER_AFTER))
_PLANNED = _Cues(_phrases(cues.PLANNED_BEFORE), _phrases(cues.PLANNED_AFTER))
_VERBS = frozenset({"is", "are", "was", "were", "has", "have", "had"})
_FILLER = _VERBS | {
    "be",
    "been",
    "and",
    "or",
    "nor",
    "now",
    "also",
    "still",
    "either",
    "both",
    "the",
    "a",
    "an",
    "of",
    "to",
}
_LIST_WORD = re.compile(r"\b(?:or|nor)\b", re.IGNORECASE)


class Reader:
    """Reads texts for one set of terms. Built once, used for every text."""

    def __init__(self, terms: Mapping[str, Sequence[str]], *, senses: Sequence[Sense] = SENSES) -> None:
        """`terms`: name → the phrases that mean it. The longest phrase at a place wins."""
        self._names = [name for name, phrases in terms.items() if phrases]
        self._single = [_phrases(terms[name]) for name in self._names]
        self._any = _phrases(phrase for name in self._names for phrase in terms[name])
        self._remembered: dict[tuple[str, str, Assertion], list[tuple[str, Assertion, int, int]]] = {}
        """By sentence, heading and what the heading makes of it: reports say the same again and again."""
        self._senses = {sense.phrase.casefold(): _Meaning.of(sense) for sense in senses}

    def read(self, text: str) -> list[Mention]:
        """Every mention, in the order of the text."""
        mentions: list[Mention] = []
        for passage in passages(text):
            start, end, plain, heading = passage
            sentence = text[start:end]
            found = self._remembered.get((sentence, heading, plain))
            if found is None:
                found = self._in_sentence(sentence, passage)
                self._remember((sentence, heading, plain), found)
            for name, assertion, first, last in found:
                mentions.append(Mention(name, assertion, start + first, start + last, sentence))
        return mentions

    def _remember(self, asked: tuple[str, str, Assertion], found: list[tuple[str, Assertion, int, int]]) -> None:
        if len(asked[0]) <= _LONGEST_REMEMBERED:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[asked] = found

    def _in_sentence(self, sentence: str, passage: Passage) -> list[tuple[str, Assertion, int, int]]:
        if not self._any.search(sentence):  # most sentences name nothing
            return []
        places = [
            place for place in self._places(sentence) if not self._is_other_sense(sentence, place, passage.heading)
        ]
        masked = _masked(sentence, [(start, end) for _, start, end in places])
        return [(name, _assertion(masked, start, end, plain=passage.plain), start, end) for name, start, end in places]

    def _places(self, sentence: str) -> list[tuple[str, int, int]]:
        """The longest at each place; two names that share a phrase are both there."""
        found = {
            (name, match.start(), match.end())
            for name, pattern in zip(self._names, self._single, strict=True)
            for match in pattern.finditer(sentence)
        }
        return sorted(
            (place for place in found if not any(_covers(other, place) for other in found)),
            key=lambda place: (place[1], place[0]),
        )

    def _is_other_sense(self, sentence: str, place: tuple[str, int, int], heading: str) -> bool:
        _, start, end = place
        meaning = self._senses.get(sentence[start:end].casefold())
        return meaning is not None and meaning.is_other(sentence, start, end, heading=heading)


def _covers(other: tuple[str, int, int], place: tuple[str, int, int]) -> bool:
    return other[1] <= place[1] and other[2] >= place[2] and other[2] - other[1] > place[2] - place[1]


class _Meaning(NamedTuple):
    beside: re.Pattern[str]
    rescued_by: re.Pattern[str]
    title: re.Pattern[str]

    @classmethod
    def of(cls, sense: Sense) -> "_Meaning":
        title = f"(?:{_phrases(sense.ends_title_after).pattern})\\s+\\Z"
        return cls(_phrases(sense.beside), _phrases(sense.rescued_by), re.compile(title, re.IGNORECASE))

    def is_other(self, sentence: str, start: int, end: int, *, heading: str) -> bool:
        if self.rescued_by.search(sentence):
            return False
        if self.beside.search(sentence) or self.beside.search(heading):
            return True
        ends_clause = re.match(r"\s*(?:[,;:()\[\].+/]|and\b|\Z)", sentence[end:], re.IGNORECASE) is not None
        return ends_clause and self.title.search(sentence[:start]) is not None


def _masked(sentence: str, places: Iterable[tuple[int, int]]) -> str:
    """The same length: terms become one mark each, phrases that only look like cues become dots."""
    for start, end in places:
        sentence = sentence[:start] + _MENTION * (end - start) + sentence[end:]
    return _NO_CUE.sub(lambda match: "·" * len(match[0]), sentence)


def _assertion(masked: str, start: int, end: int, *, plain: Assertion) -> Assertion:
    before, after = _scope_before(masked, start, end), _scope_after(masked[end:])
    doubt = _UNCERTAIN.after.search(after) is not None
    if _OTHER.before.search(before) or _OTHER.after.search(after):
        return "other-person"
    if not doubt and (_is_denied(before, after) or _ABSENT.after.search(after)):
        return "absent"
    if plain == "other-person":
        return plain
    for assertion, cue in (("historical", _HISTORICAL), ("planned", _PLANNED)):
        if cue.before.search(before) or cue.after.search(after):
            return "historical" if assertion == "historical" else "planned"
    if doubt or _UNCERTAIN.before.search(before):
        return "uncertain"
    return plain


def _is_denied(before: str, after: str) -> bool:
    """A denial nearer than any doubt: `cannot exclude` and `not excluded` doubt."""
    denial = _last(_ABSENT.before, before)
    if denial is None:
        return False
    doubt = _last(_UNCERTAIN.before, before)
    if doubt is not None and (doubt.start() <= denial.start() < doubt.end() or denial.end() <= doubt.start()):
        # "not suspected of", "no suspicion of": the doubt itself is denied; "? no longer" is not.
        is_overlap = doubt.start() <= denial.start() < doubt.end()
        return not is_overlap and not before[denial.end() : doubt.start()].strip()
    between = before[denial.end() :]
    is_new_statement = "," in between and _AFFIRMS.match(after.lstrip()) and not _LIST_WORD.search(between)
    return not is_new_statement


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = list(pattern.finditer(text))
    return found[-1] if found else None


def _scope_before(masked: str, start: int, end: int) -> str:
    """What stands before the mention in its own statement."""
    begin = 0
    for match in _ENDS_SCOPE.finditer(masked, 0, start):
        begin = match.end()
    return masked[begin:start]


def _scope_after(rest: str) -> str:
    """The few words behind, through a list of other mentions, not into the next statement."""
    stop = _ENDS_SCOPE.search(rest)
    words: list[str] = []
    counted = 0
    for word in re.findall(r"\?|[^\s,?]+|,", rest[: stop.start()] if stop else rest):
        if word == "," and (counted or not _VERBS.isdisjoint(words)):
            break
        if word != "," and _MENTION not in word and word.casefold() not in _FILLER:
            counted += 1
            if counted > _REACH or words[-1:] == [","]:
                break
        words.append(word)
    return " ".join(words)
