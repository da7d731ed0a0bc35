"""The first look at a sample: who its patients are, what names and numbers identify them, and which codes are common.

A code or its words may be shown or kept where it stands in a table of ours, is written as ICD-10, OPCS-4 or LOINC write
theirs, or was sent of at least three patients, and holds no name, number or address that the sample tells of anybody.
"""

import re
from collections.abc import Callable

from adapter.hl7v2.charset import TABLE_0211
from adapter.hl7v2.message import Message, Segment
from adapter.hl7v2.scrub_fields import Holds
from adapter.hl7v2.scrub_walk import Part, rewritten

FEWEST_PATIENTS = 3

IsListed = Callable[[str], bool]
"""Whether a code, a unit or a name stands in one of our tables."""

_PATIENT_NUMBERS = {"PID": (2, 3, 4, 19), "MRG": (1, 2, 4)}
_WRITTEN_AS_CODES = re.compile(
    r"[A-Z]\d{2}(\.?[0-9X]\d?)?[DA+*]?|[A-Z]\d{2}\.?\d|\d{1,5}-\d|2(\.\d){1,2}|[A-Za-z0-9<>+*=-]|\d{1,3}"
)
"""ICD-10, OPCS-4, LOINC; versions of HL7; single signs and small numbers."""
_VALUE_TYPES = (
    "AD CE CF CK CN CNE CP CQ CWE CX DR DT DTM ED EI FT ID IS MA MO NA NM NR PN RP SI SN ST TM TN TS TX XAD XCN"
)
_ALWAYS = frozenset(
    f"AL NE ER SU AA AE AR CA CR Base64 Hex application text image PDF pdf {_VALUE_TYPES} XON XPN XTN".split()
).union(TABLE_0211)
"""Tables 0155, 0008, 0125, 0211, 0191, 0299: what MSH, MSA and OBX say of the message itself."""
NO_NAMES = frozenset(
    """
    baby babe infant newborn neonate twin triplet boy girl male female unknown unnamed not known mother father mum dad
    mr mrs miss ms master mstr dr prof professor sister nurse the and of one two
    """.split()  # noqa: SIM905
)
"""Words in fields of names that name nobody."""
_ADDRESS_WORDS = frozenset(
    """
    road street lane avenue close drive court house flat place crescent terrace gardens north south east west england
    scotland wales ireland kingdom united
    """.split()  # noqa: SIM905
)
_POSTCODE = re.compile(r"[A-Z]{1,2}\d[A-Z\d]?\s*\d[A-Z]{2}", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{3,}")
_LONGEST_IN_TEXT = 400


class Sample:
    """What was learnt from the messages."""

    def __init__(self, is_listed: IsListed) -> None:
        self._is_listed = is_listed
        self._leaders: dict[str, str] = {}
        self._words: set[str] = set()
        self._numbers: set[str] = set()
        self._seen: dict[tuple[str, int, int, str], set[str]] = {}
        self._kept: dict[tuple[str, int, int, str], bool] = {}
        self.numbers_found: set[str] = set()
        """Every identifier, as compared: no invented one may be any of them."""

    def learn(self, message: Message) -> None:
        """Read one message; all are read before anything is asked."""
        patient = self._patient(message)

        def note(part: Part, _: str) -> None:
            if part.holds is Holds.CODE:
                at = (part.segment, part.field, part.component, part.plain)
                self._seen.setdefault(at, set()).add(patient)
            else:
                self._note(part)

        for segment in message.segments:
            rewritten(segment, note)

    def _note(self, part: Part) -> None:
        text = part.plain
        if part.holds is Holds.NAME:
            self._words |= {word.casefold() for word in _WORD.findall(text)} - NO_NAMES
        elif part.holds is Holds.STREET:
            self._words |= {word for word in map(str.casefold, _WORD.findall(text)) if len(word) > 4} - _ADDRESS_WORDS
            self._numbers |= {compact(found) for found in _POSTCODE.findall(text)}
        elif part.holds in (Holds.ID, Holds.PHONE):
            number = compact(text)
            self.numbers_found.add(number)
            if not any(map(str.isdigit, number)):
                self._words |= {word.casefold() for word in _WORD.findall(text)} - NO_NAMES
            elif len(number) > 4:
                self._numbers.add(number)

    # --- patients

    def _patient(self, message: Message) -> str:
        """One of the numbers of the message's patient; all of them are joined."""
        numbers = [number for segment in message.segments for number in _patient_numbers(segment)]
        for number in numbers:
            first, second = self._leader(numbers[0]), self._leader(number)
            self._leaders[max(first, second)] = min(first, second)
        return numbers[0] if numbers else ""

    def _leader(self, number: str) -> str:
        while (above := self._leaders.setdefault(number, number)) != number:
            number = above
        return number

    def patient_of(self, message: Message) -> str:
        """The same for all messages of one patient; empty where none is named."""
        numbers = [number for segment in message.segments for number in _patient_numbers(segment)]
        return self._leader(numbers[0]) if numbers else ""

    # --- what may be kept

    def may_keep(self, part: Part) -> bool:
        """Whether this code, or these words of one, may be shown."""
        at = (part.segment, part.field, part.component, part.plain)
        found = self._kept.get(at)
        if found is None:
            found = self._kept[at] = self._is_code(part.plain) or self._is_common(at)
        return found

    def _is_code(self, text: str) -> bool:
        if text in _ALWAYS or self._is_listed(text):
            return True
        return _WRITTEN_AS_CODES.fullmatch(text) is not None and not self.identifies(text)

    def _is_common(self, at: tuple[str, int, int, str]) -> bool:
        patients = {self._leader(number) for number in self._seen.get(at, ()) if number}
        return len(patients) >= FEWEST_PATIENTS and not self.identifies(at[3])

    def is_number_of_somebody(self, text: str) -> bool:
        """Whether it is, as a whole, a number of anybody; of three signs or fewer nobody can say that."""
        return len(number := compact(text)) > 3 and number in self.numbers_found

    def identifies(self, text: str) -> bool:
        """Whether it holds a name, a number, or a piece of an address that the sample tells of anybody."""
        if len(text) > _LONGEST_IN_TEXT or not self._words.isdisjoint(map(str.casefold, _WORD.findall(text))):
            return True
        whole = compact(text)
        if whole in self._numbers:
            return True
        return any(number in whole for number in self._numbers if 5 < len(number) <= len(whole))

    def patients(self) -> int:
        """How many are named."""
        return len({self._leader(number) for number in list(self._leaders)})


def compact(text: str) -> str:
    """Letters and digits alone, in small letters."""
    return "".join(filter(str.isalnum, text)).casefold()


def _patient_numbers(segment: Segment) -> list[str]:
    fields = _PATIENT_NUMBERS.get(segment.name, ())
    mark = segment.message.delimiters.component
    firsts = (text.split(mark)[0] if mark else text for field in fields for text in segment.repetitions(field))
    return [number for number in map(compact, firsts) if number]
