"""Puts a message into the form that the maps expect of it: what a feed's rules say, done to the lines of a message.

The raw message stays as it was. Texts may know their place (`adapter.mapping.v2_tracing`), and keep it: nothing here
makes a new text but by cutting and by `join`.
"""

import re
from collections.abc import Callable, Sequence
from typing import assert_never

from adapter.hl7v2.header import Delimiters
from adapter.mapping.feed_rules import (
    Blank,
    Choose,
    DeathUndone,
    DropEmpty,
    Edit,
    FeedRules,
    LeaveOut,
    Move,
    Put,
    StripPrefix,
    TakeOut,
)
from adapter.mapping.feed_silence import Silences
from adapter.mapping.rules import Place
from adapter.mapping.v2_reader import NULL

Join = Callable[[str, Sequence[str]], str]
"""As `str.join`; over texts that know their place, it keeps the places."""

Prepare = Callable[[Sequence[str]], Sequence[str]]

_AUTHORITY, _TYPE = 3, 4
"""CX.4 and CX.5, counted from 0."""

_BEFORE = frozenset({"MSH", "EVN", "PID", "PD1", "PV1", "PV2", "ORC"})
"""What is looked for before the segment it is read into; everything else stands behind it."""

_DEATH, _IS_DEAD = Place("PID", 29), Place("PID", 30)


def preparation(rules: FeedRules, delimiters: Delimiters, join: Join = str.join) -> Prepare | None:
    """What is to be done to the lines of each message of the feed; None where nothing is."""
    silences = Silences.of(rules, delimiters)
    if not rules.edits and silences is None:
        return None

    def prepare(lines: Sequence[str]) -> Sequence[str]:
        message = _Message(lines, delimiters, join)
        for edit in rules.edits:
            message.do(edit)
        if silences is not None:
            silences.apply(message)
        return message.lines()

    return prepare


class _Message:
    """The lines of one message; a line is split when an edit first asks for it, and joined again at the end."""

    def __init__(self, lines: Sequence[str], delimiters: Delimiters, join: Join) -> None:
        self._lines = lines
        self._marks = delimiters
        self._join = join
        self._names = [line[:3] for line in lines]
        self._split: dict[int, list[str]] = {}

    def lines(self) -> Sequence[str]:
        """As they are now."""
        if not self._split:
            return self._lines
        changed = list(self._lines)
        for index, fields in self._split.items():
            line = self._join(self._marks.field, fields)
            if line != changed[index]:
                changed[index] = line
        return changed

    def fields_of(self, segment: str) -> list[list[str]]:
        """The fields of every segment of that name, to be changed in place."""
        return [self._fields(index) for index, name in enumerate(self._names) if name == segment]

    def with_nulls(self) -> list[list[str]]:
        """The same of every segment but the first in which `\"\"` stands."""
        return [self._fields(index) for index, line in enumerate(self._lines) if index and NULL in line]

    def _fields(self, index: int) -> list[str]:
        if index not in self._split:
            self._split[index] = self._lines[index].split(self._marks.field)
        return self._split[index]

    def do(self, edit: Edit) -> None:
        """One edit, wherever it fits."""
        if isinstance(edit, Put):
            self._put(edit)
        elif isinstance(edit, DeathUndone):
            self._take_death_back(edit.words)
        elif isinstance(edit, Move):
            self._move(edit)
        elif isinstance(edit, TakeOut):
            self._take_out(edit)
        elif isinstance(edit, LeaveOut):
            for fields in self.fields_of(edit.at.segment):
                put(fields, edit.at.field, "")
        else:
            for fields in self.fields_of(edit.at.segment):
                whole = get(fields, edit.at.field)
                if whole and whole != NULL:
                    put(fields, edit.at.field, self._edited(edit, whole))

    def _edited(self, edit: StripPrefix | Choose | DropEmpty | Blank, whole: str) -> str:
        pieces = self._repetitions(whole)
        if isinstance(edit, StripPrefix):
            kept = [self._stripped(piece, edit) for piece in pieces]
        elif isinstance(edit, Choose):
            kept = [piece for piece in pieces if self._fits(piece, edit) is edit.keeps]
            kept = kept or pieces if edit.only_if_any else kept
        elif isinstance(edit, DropEmpty):
            kept = [piece for piece in pieces if self._value(piece)]
        elif isinstance(edit, Blank):
            kept = [piece for piece in pieces if self._at(piece, edit.at).strip() not in edit.values]
        else:
            assert_never(edit)
        return whole if kept == pieces else self._join(self._marks.repetition, kept)

    def _stripped(self, piece: str, edit: StripPrefix) -> str:
        parts = piece.split(self._marks.component)
        number = max(edit.at.component, 1) - 1
        if number >= len(parts):
            return piece
        text = parts[number].strip()
        prefix = next((each for each in edit.prefixes if text.startswith(each)), "")
        if not prefix:
            return piece
        parts[number] = text[len(prefix) :].strip()
        return self._join(self._marks.component, parts)

    def _fits(self, piece: str, edit: Choose) -> bool:
        parts = piece.split(self._marks.component)
        authority = self._part(parts, _AUTHORITY).split(self._marks.subcomponent or "\0")[0].strip()
        is_named = not edit.authorities or authority in edit.authorities
        return is_named and (not edit.types or self._part(parts, _TYPE).strip() in edit.types)

    def _move(self, edit: Move) -> None:
        for fields in self.fields_of(edit.source.segment):
            whole = get(fields, edit.source.field)
            if not whole or whole == NULL:
                continue
            target = get(fields, edit.target.field)
            there = [piece for piece in self._repetitions(target) if self._value(piece)] if target != NULL else []
            left = []
            for piece in self._repetitions(whole):
                value = self._at(piece, edit.source).strip()
                if not value or value == NULL or (edit.pattern and not re.fullmatch(edit.pattern, value)):
                    left.append(piece)
                elif value not in [self._at(each, edit.target).strip() for each in there]:
                    there.append(self._identifier(piece, value, edit))
            put(fields, edit.source.field, self._join(self._marks.repetition, left))
            if there:
                put(fields, edit.target.field, self._join(self._marks.repetition, there))

    def _identifier(self, piece: str, value: str, edit: Move) -> str:
        if not edit.authority and not edit.type:
            return piece
        return self._join(self._marks.component, [value, "", "", edit.authority, edit.type])

    def _take_out(self, edit: TakeOut) -> None:
        for fields in self.fields_of(edit.at.segment):
            whole = get(fields, edit.at.field)
            pieces = [piece.split(self._marks.component) for piece in self._repetitions(whole)]
            number = max(edit.at.component, 1) - 1
            for parts in pieces:
                text = self._part(parts, number)
                head = text.find(edit.after)
                start = head + len(edit.after)
                end = text.find(edit.before, start) if head >= 0 else -1
                if end < 0:
                    continue
                put(fields, edit.target.field, text[start:end])
                rest = [piece for piece in (text[:head], text[end + len(edit.before) :]) if piece]
                parts[number] = rest[0] if len(rest) == 1 else self._join("", rest)
            repetitions = [self._join(self._marks.component, parts) for parts in pieces]
            put(fields, edit.at.field, self._join(self._marks.repetition, repetitions))

    def _put(self, edit: Put) -> None:
        for index, name in enumerate(self._names):
            if name != edit.target.segment:
                continue
            found = self._nearest(edit.source.segment, index)
            text = self._text(self._fields(found), edit.source) if found is not None else ""
            if text and text != NULL:
                put(self._fields(index), edit.target.field, text)

    def _nearest(self, wanted: str, target: int) -> int | None:
        """Where the segment stands that belongs to the target: in the same group of segments."""
        name = self._names[target]
        if wanted == name:
            return target
        if wanted in _BEFORE:
            return next((index for index in range(target - 1, -1, -1) if self._names[index] == wanted), None)
        for index in range(target + 1, len(self._names)):
            if self._names[index] == wanted:
                return index
            if self._names[index] in (name, "PID"):
                return None
        return None

    def _take_death_back(self, words: Sequence[str]) -> None:
        upper = {word.upper() for word in words}
        for fields in self.fields_of(_DEATH.segment):
            if self._text(fields, _DEATH).strip().upper() in upper:
                put(fields, _DEATH.field, "")
                put(fields, _IS_DEAD.field, "N")

    def _text(self, fields: list[str], at: Place) -> str:
        whole = get(fields, at.field)
        return self._at(self._repetitions(whole)[0], at) if at.component else whole

    def _repetitions(self, whole: str) -> list[str]:
        return whole.split(self._marks.repetition) if self._marks.repetition else [whole]

    def _at(self, piece: str, at: Place) -> str:
        """The component, by default the first, of one repetition."""
        return self._part(piece.split(self._marks.component), max(at.component, 1) - 1)

    def _part(self, parts: Sequence[str], number: int) -> str:
        return parts[number] if number < len(parts) else ""

    def _value(self, piece: str) -> str:
        return self._at(piece, Place("", 0)).strip()


def get(fields: Sequence[str], number: int) -> str:
    """The field; empty where the segment ends before it."""
    return fields[number] if number < len(fields) else ""


def put(fields: list[str], number: int, text: str) -> None:
    """Put the field there, however short the segment is."""
    fields += [""] * (number + 1 - len(fields))
    fields[number] = text
