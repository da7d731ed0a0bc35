"""What a feed says by `""` and by an empty field, brought into the standard's own words (behaviour 96).

The maps read `""` as "delete" and an empty field as "as it was" (HL7 v2.5.1 §2.5.3). A feed that means something else
has its `""` taken out, or put in, before they read it.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, Self

from adapter.hl7v2.header import Delimiters
from adapter.mapping.feed_rules import FeedRules, Silence
from adapter.mapping.v2_reader import NULL


class Message(Protocol):
    """The segments of a message as lists of fields that may be changed."""

    def fields_of(self, segment: str) -> Sequence[list[str]]: ...
    def with_nulls(self) -> Sequence[list[str]]: ...


_WIDTHS = {"PID": 40, "PD1": 22, "PV1": 53, "PV2": 50}
"""Where "empty clears" holds for a whole feed: the patient and the visit, up to their last field (HL7 v2.5.1 §3.4)."""

_NAMES_SOMEBODY = {"PID": {1, 2, 3, 4, 18, 19, 21}, "PV1": {1, 19}}
"""Set ids and identifiers: no silence takes a number away from a patient or a visit."""


class Silences(NamedTuple):
    """The rules of one feed, in the order in which they are asked."""

    rules: FeedRules
    marks: Delimiters

    @classmethod
    def of(cls, rules: FeedRules, delimiters: Delimiters) -> Self | None:
        """None where the feed means what the standard means."""
        if rules.null == "clear" and rules.empty == "keep" and not rules.exceptions:
            return None
        return cls(rules, delimiters)

    def apply(self, message: Message) -> None:
        """Exceptions first: what they decide is not decided again."""
        decided: dict[str, set[int]] = {}
        for each in self.rules.exceptions:
            decided.setdefault(each.at.segment, set()).add(each.at.field)
            for fields in message.fields_of(each.at.segment):
                self._at_place(fields, each)
        if self.rules.null == "ignore":
            for fields in message.with_nulls():
                self._ignore_nulls(fields, decided.get(str(fields[0]), set()))
        if self.rules.empty == "clear":
            for segment, width in _WIDTHS.items():
                spared = decided.get(segment, set()) | _NAMES_SOMEBODY.get(segment, {1})
                for fields in message.fields_of(segment):
                    self._clear_empty(fields, width, spared)

    def _ignore_nulls(self, fields: list[str], spared: set[int]) -> None:
        for number, text in enumerate(fields):
            if text == NULL and number not in spared:
                fields[number] = ""

    def _clear_empty(self, fields: list[str], width: int, spared: set[int]) -> None:
        fields += [""] * (width - len(fields))
        for number in range(1, width):
            if not fields[number] and number not in spared:
                fields[number] = NULL

    def _at_place(self, fields: list[str], rule: Silence) -> None:
        number = rule.at.field
        whole = fields[number] if number < len(fields) else ""
        null, empty = rule.null or self.rules.null, rule.empty or self.rules.empty
        said = whole
        if whole == NULL:
            said = "" if null == "ignore" else NULL
        elif not whole:
            said = NULL if empty == "clear" else ""
        elif rule.at.component:
            said = self._of_component(whole, rule)
        if said != whole:
            fields += [""] * (number + 1 - len(fields))
            fields[number] = said

    def _of_component(self, whole: str, rule: Silence) -> str:
        """The first repetition decides for the field."""
        first = whole.split(self.marks.repetition)[0] if self.marks.repetition else whole
        parts: Sequence[str] = first.split(self.marks.component)
        part = parts[rule.at.component - 1] if rule.at.component <= len(parts) else ""
        if part == NULL and rule.null is not None:
            return NULL if rule.null == "clear" else ""
        if not part and rule.empty is not None:
            return NULL if rule.empty == "clear" else ""
        return whole
