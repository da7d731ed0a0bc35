"""What a sample of a trust's messages holds: types, segments, fields and codes, by sender, and which rule reads each.

Shows no patient's value: of a field only that it is there, of a code only what `scrub_sample` says is nobody's.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from adapter.cli.survey_outcomes import Outcomes
from adapter.hl7v2.message import HEADERS, Message, Segment
from adapter.hl7v2.scrub import masked
from adapter.hl7v2.scrub_fields import KNOWN_SEGMENTS, Holds
from adapter.hl7v2.scrub_sample import FEWEST_PATIENTS, Sample
from adapter.hl7v2.scrub_walk import Part
from adapter.mapping.v2_reads import Field, Mapped, Reads, mapped
from adapter.service.feeds import FeedReading

BY_THE_PORT = frozenset(("MSH", number) for number in (1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 15, 16, 18))
"""What receiving and acknowledging read (docs/hl7-source.md)."""


_TYPE = re.compile(r"[A-Z]{3}(\^[A-Z][A-Z0-9]\d)?")


class Sender(NamedTuple):
    """MSH-3.1 and MSH-4.1, as sent."""

    application: str
    facility: str


class Shown(NamedTuple):
    """A code as it may be shown."""

    at: str
    code: str
    words: str
    system: str
    outcome: str


@dataclass(slots=True)
class Seen:
    """One field of one sender."""

    times: int = 0
    rules: set[str] = field(default_factory=set)


@dataclass(slots=True)
class SenderSurvey:
    """All that one sender sent."""

    messages: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Type and version."""
    segments: Counter[str] = field(default_factory=Counter)
    fields: dict[Field, Seen] = field(default_factory=dict)
    codes: Counter[Shown] = field(default_factory=Counter)
    hidden: dict[Shown, str] = field(default_factory=dict)
    """Of codes of too few patients to be shown: where the first of them stands."""


class Survey:
    """Filled message by message, after the sample was learnt."""

    def __init__(
        self, sample: Sample, *, reading: FeedReading, reads: Mapping[Field, Reads], outcomes: Outcomes
    ) -> None:
        self._sample = sample
        self._reading = reading
        self.reads = reads
        self._outcomes = outcomes
        self.senders: dict[Sender, SenderSurvey] = {}

    def add(self, message: Message, *, where: str) -> None:
        """One message; `where` names it to people: `sample.hl7[3]`."""
        reading = self._reading
        done = mapped(message, reading.maps, timezone=reading.timezone, rules=reading.rules)
        header = message.segments[0]
        sender = Sender(header.component(3).strip(), header.component(4).strip())
        survey = self.senders.setdefault(sender, SenderSurvey())
        version = Part("MSH", 12, 1, 1, Holds.CODE, header.component(12).strip())
        survey.messages[self._type(message), self._plain(version)] += 1
        for segment in message.segments:
            survey.segments[_name(segment)] += 1
            self._fields(segment, survey, done)
        self._codes(message, survey, done, where)

    def _fields(self, segment: Segment, survey: SenderSurvey, done: Mapped) -> None:
        name = _name(segment)
        for number, text in enumerate(segment.fields):
            if number and text.strip():
                seen = survey.fields.setdefault((name, number), Seen())
                seen.times += 1
                seen.rules |= done.read.get((segment.name, number), frozenset())

    def _codes(self, message: Message, survey: SenderSurvey, done: Mapped, where: str) -> None:
        places = Counter[str]()
        for found in self._outcomes.codes(message, done):
            shown = Shown(
                found.at,
                self._plain(found.code),
                self._plain(found.words),
                self._plain(found.system),
                found.outcome,
            )
            places[found.at] += 1
            survey.codes[shown] += 1
            if found.code.plain and not self._sample.may_keep(found.code):
                survey.hidden.setdefault(shown, f"{where} {found.at}, number {places[found.at]}")

    def _plain(self, part: Part | None) -> str:
        if part is None or not part.plain:
            return ""
        return part.plain if self._sample.may_keep(part) else masked(part.plain)[:24]

    def shown(self, sender: Sender) -> Sender:
        """Its names, if they are of several messages and of nobody."""
        count = self.senders[sender].messages.total()

        def plain(number: int, text: str) -> str:
            is_common = count >= FEWEST_PATIENTS and len(text) < 40 and not self._sample.identifies(text)
            return text if is_common else self._plain(Part("MSH", number, 1, 1, Holds.CODE, text))

        return Sender(plain(3, sender.application), plain(4, sender.facility))

    def _type(self, message: Message) -> str:
        """Only what has the form of one, and is nobody's name."""
        found = message.type
        is_plain = _TYPE.fullmatch(found) is not None and not self._sample.identifies(found)
        return found if is_plain else masked(found)[:24]

    def verdict(self, at: Field, seen: Seen) -> str:
        """Which rule reads this field of this sender, or that none does."""
        reads = self.reads.get(at)
        if seen.rules:
            return " ".join(sorted(seen.rules))
        if at in BY_THE_PORT:
            return "by the port"
        if reads is None:
            return "no rule"
        # A number that makes no value may yet be a key, or tell what the message is.
        if reads.decides:
            return f"decides: {' '.join(reads.decides)}"
        return f"gave nothing: {' '.join(reads.values)}"

    @property
    def total(self) -> int:
        """How many messages."""
        return sum(each.messages.total() for each in self.senders.values())


def _name(segment: Segment) -> str:
    """Of a line that merely looks like a segment not even the name is shown."""
    known = segment.name in KNOWN_SEGMENTS or segment.name in HEADERS
    is_own = segment.name[:1] == "Z" and len(segment.fields) > 1
    return segment.name if known or is_own else "???"


def by_count(counter: Mapping[Shown, int]) -> Iterable[tuple[Shown, int]]:
    """By place, then the most frequent first."""
    return sorted(counter.items(), key=lambda each: (each[0].at, -each[1], each[0]))
