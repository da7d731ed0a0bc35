"""Copies of messages that can be handed over: their shape kept, whatever tells who somebody is replaced.

Replaced by an HMAC under a key that nobody keeps, so that the same number or name becomes the same one everywhere in
the sample and nothing leads back. Which field holds what stands in `scrub_fields`; what stands there is all that is
let through, the rest is masked. Knows no files and makes no key.
"""

import hashlib
import hmac
import re
from datetime import date, timedelta

from adapter.hl7v2.message import Message
from adapter.hl7v2.scrub_fields import Holds
from adapter.hl7v2.scrub_numbers import looks_like_nhs_number, nhs_number_of
from adapter.hl7v2.scrub_sample import NO_NAMES, IsListed, Sample, compact
from adapter.hl7v2.scrub_walk import Part, rewritten

_LETTERS = "bcdfghjklmnpqrstvwxz"
"""Without vowels no invented word is a name."""
_TIME = re.compile(r"(\d{4})(?:(\d{2})(?:(\d{2})(\d{2,6}(?:\.\d{0,6})?)?)?)?([+-]\d{4})?\Z", re.ASCII)
_WRITTEN_TIME = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})([ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?\Z", re.ASCII
)
_NUMBER = re.compile(r"[<>=]{0,2}[+-]?\d{1,6}(?:\.\d{1,4})?|[<>=:/+-]{1,2}")
# A telephone number begins with 0 and a digit, a result does not.
_PLAIN = r"(?!0\d)\d{1,5}(?:[.,]\d{1,4})?"
_RESULT = re.compile(rf"[<>=]{{0,2}}\s*[+-]?{_PLAIN}(?:\s*(?:-|to|/|\+)\s*{_PLAIN})?\s*[*HLhl]{{0,2}}")
_MESSAGE_TYPE = re.compile(r"[A-Z]{3}|[A-Z]\d{2}|[A-Z]{3}_[A-Z]\d{2}")
_DATA = re.compile(r"[A-Za-z0-9+/=\s]{64,}")
_POSTCODE = re.compile(r"[A-Za-z]{1,2}\d[A-Za-z\d]?\s*\d[A-Za-z]{2}")
_OLDEST_YEAR, _LATEST_YEAR = 1902, 2200
"""Earlier years stand for no date; the four digits of a time of day lie outside, too."""
_LONGEST_CODE = 20
_FEWEST_DAYS, _DAYS = 30, 1800


class Scrubber:
    """One sample under one key. First every message is learnt, then each is scrubbed."""

    def __init__(self, key: bytes, *, is_listed: IsListed) -> None:
        """`key` is random, of at least 32 bytes, and forgotten afterwards."""
        if len(key) < 32:
            raise ValueError("the key of a scrubbed sample has at least 32 bytes")
        self._key = key
        self.sample = Sample(is_listed)
        self._invented: dict[tuple[str, str, str], str] = {}
        self._taken: dict[str, set[str]] = {}

    def learn(self, message: Message) -> None:
        """The first look."""
        self.sample.learn(message)

    def scrub(self, message: Message) -> bytes:
        """The message with everything replaced; line ends and what stands between segments stay."""
        shift = self._shift(self.sample.patient_of(message))

        def change(part: Part, characters: str) -> str | None:
            return self._changed(part, characters, shift)

        pieces, at = [], 0
        for segment in message.segments:
            pieces += [message.text[at : segment.offset], rewritten(segment, change)]
            at = segment.offset + len(segment.line)
        text = "".join([*pieces, message.text[at:]])
        return text.encode(message.encoding, "replace")

    def _shift(self, patient: str) -> timedelta:
        """How far this patient's times move, always back: the same in every message."""
        return timedelta(days=-_FEWEST_DAYS - int.from_bytes(self._mac("shift", patient)[:4], "big") % _DAYS)

    def _mac(self, domain: str, text: str, attempt: int = 0) -> bytes:
        return hmac.digest(self._key, f"{domain}\0{attempt}\0{text}".encode("utf-8", "replace"), hashlib.sha512)

    # --- by what it holds

    def _changed(self, part: Part, characters: str, shift: timedelta) -> str | None:
        holds = part.holds
        if holds is Holds.CODE:
            return self._code(part, characters, shift)
        if holds is Holds.TIME:
            return self._time(part, characters, shift)
        if holds is Holds.NUMBER or holds is Holds.TEXT:
            return self._short(part, characters)
        if holds is Holds.MESSAGE_TYPE:
            return None if _MESSAGE_TYPE.fullmatch(part.plain) else masked(characters)
        if holds is Holds.ID:
            return self._number(characters)
        if holds is Holds.NAME:
            return re.sub(r"\w+", self._name, characters)
        if holds is Holds.STREET:
            return self._street(characters)
        if holds is Holds.PHONE:
            return self._phone(characters)
        return _document(characters) if holds is Holds.DATA else masked(characters)

    def _code(self, part: Part, characters: str, shift: timedelta) -> str | None:
        text = part.plain
        if self.sample.may_keep(part):
            return None
        if len(text) > 5 and (moved := _moved(characters, shift)) is not None:
            return moved
        if _DATA.fullmatch(text):
            return _document(characters)
        if len(text) > _LONGEST_CODE or " " in text:
            return masked(characters)
        return self._number(characters) if looks_like_nhs_number(text) else self._invent("code", characters)

    def _time(self, part: Part, characters: str, shift: timedelta) -> str | None:
        moved = _moved(characters, shift)
        if moved is None and not any(map(str.isdecimal, characters)) and self.sample.may_keep(part):
            return None
        return masked(characters) if moved is None else moved

    def _short(self, part: Part, characters: str) -> str | None:
        """A plain number, and in a text a plain result or range, if it is nobody's number."""
        text = part.plain
        grammar = _NUMBER if part.holds is Holds.NUMBER else _RESULT
        if (grammar.fullmatch(text) or _RESULT.fullmatch(text)) and not self.sample.is_number_of_somebody(text):
            return None
        return _document(characters) if _DATA.fullmatch(text) else masked(characters)

    def _number(self, characters: str) -> str:
        if not looks_like_nhs_number(characters):
            return self._invent("id", characters)
        key = ("nhs", compact(characters)[-10:], "")
        if key not in self._invented:
            taken = self._taken.setdefault("nhs", set())
            attempt = 0
            while (new := nhs_number_of(self._mac("nhs", key[1], attempt))) in taken | self.sample.numbers_found:
                attempt += 1
            taken.add(new)
            self._invented[key] = new
        digits = [at for at, sign in enumerate(characters) if sign.isdecimal()][-10:]
        return _dressed(characters, dict(zip(digits, self._invented[key], strict=True)))

    def _name(self, word: re.Match[str]) -> str:
        return word[0] if word[0].casefold() in NO_NAMES else self._invent("name", word[0])

    def _street(self, characters: str) -> str:
        invented = self._invent("street", characters)
        if _POSTCODE.fullmatch(characters.strip()):
            letters = [at for at, sign in enumerate(invented) if sign.isalpha()]
            # No postcode area begins with Z.
            return _dressed(invented, {letters[0]: "Z"})
        return invented

    def _phone(self, characters: str) -> str:
        invented = self._invent("phone", characters)
        digits = [at for at, sign in enumerate(invented) if sign.isdecimal()]
        # Ofcom keeps 07700 900000 to 900999 for drama; a shorter number is of no exchange.
        begin = "07700900" if len(digits) == 11 else "0000"[: len(digits) // 2]
        return _dressed(invented, dict(zip(digits, begin, strict=False)))

    # --- inventing

    def _invent(self, domain: str, characters: str) -> str:
        """As many letters and digits in the same places, the same for the same text, and for no other."""
        places = [at for at, sign in enumerate(characters) if sign.isalnum()]
        core = "".join(characters[at] for at in places)
        pattern = "".join("9" if sign.isdecimal() else "a" for sign in core)
        zeros = len(core) - len(core.lstrip("0")) if pattern.strip("9") == "" else 0
        key = (domain, core.casefold(), pattern)
        if key not in self._invented:
            self._invented[key] = self._fresh(domain, key[1], pattern, zeros)
        return _dressed(characters, dict(zip(places, self._invented[key], strict=True)))

    def _fresh(self, domain: str, core: str, pattern: str, zeros: int) -> str:
        taken = self._taken.setdefault(f"{domain} {pattern} {zeros}", set())
        for attempt in range(10_000):
            new = _spelt(self._mac(domain, core, attempt), pattern, zeros)
            is_somebodys = len(new) > 3 and (new in self.sample.numbers_found or looks_like_nhs_number(new))
            if new not in taken and not is_somebodys:
                break
        # Where all of so few characters are taken, two may become one.
        taken.add(new)
        return new


def _spelt(stream: bytes, pattern: str, zeros: int) -> str:
    number = int.from_bytes(stream, "big")
    signs = []
    for at, kind in enumerate(pattern):
        if at and at % 64 == 0:
            number = int.from_bytes(hashlib.sha512(stream + bytes([at // 64 % 256])).digest(), "big")
        choice = _LETTERS if kind == "a" else "0" if at < zeros else "123456789" if at == zeros else "0123456789"
        number, index = divmod(number, len(choice))
        signs.append(choice[index])
    return "".join(signs)


def _dressed(characters: str, new: dict[int, str]) -> str:
    """New signs in their places, capital where the old ones were."""
    signs = list(characters)
    for at, sign in new.items():
        signs[at] = sign.upper() if characters[at].isupper() else sign
    return "".join(signs)


def masked(characters: str) -> str:
    """Letters become x, digits 9; anything that is neither and no plain ASCII, too."""
    return "".join(map(_mask, characters))


def _mask(sign: str) -> str:
    if sign.isalpha():
        return "X" if sign.isupper() else "x"
    if sign.isnumeric():
        return "9"
    return sign if sign.isascii() else "x"


def _document(characters: str) -> str:
    kind = re.match(r"\s*JVBERi0", characters)
    start = kind.end() if kind else 0
    return characters[:start] + re.sub(r"[A-Za-z0-9+/]", "A", characters[start:])


def _moved(characters: str, shift: timedelta) -> str | None:
    """A time moved by whole days, its precision and form kept; None where it is none."""
    text = characters.strip()
    found = _TIME.match(text) or _WRITTEN_TIME.match(text)
    if found is None:
        return None
    year, month, day = int(found[1]), int(found[2] or 6), int(found[3] or 15)
    if not _OLDEST_YEAR <= year <= _LATEST_YEAR:
        return characters if year < _OLDEST_YEAR and len(text) in (4, 8) and text[4:] in ("", "0101") else None
    try:
        moved = date(year, month, day) + shift
    except ValueError:
        return None
    iso = moved.isoformat()
    parts = [iso[:4], *([iso[5:7]] if found[2] else []), *([iso[8:]] if found[3] else [])]
    mark = "-" if "-" in text[:8] and found[3] else ""
    written = mark.join(parts)
    return characters.replace(text, written + text[len(written) :], 1)
