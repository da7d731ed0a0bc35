"""Ways in which a message is spoiled: by a bad line, a careless engine, a hostile sender."""

from collections.abc import Callable
from random import Random

LONGEST = 256 * 1024
"""Bytes of a mutated message: beyond it only size is tried, which the listeners' limits are for."""
MARKS = b"|^~\\&#"
NASTY = (
    b'""', b'"', b"\\", b"\\\\", b"\\X", b"\\XZZ\\", b"\\X0D\\", b"\\.br\\", b"\\H", b"\\E\\\\E\\",
    b"^" * 40, b"&" * 40,
    b"~" * 200, b"~~~", b"^^^NHS^NH", b"9990000000^^^NHS^NH~9990000018^^^NHS^NH", b"1e9999", b"-0", b"NaN", b"Infinity",
    b"0x10", b"1,2,3", b"<", b"<<7", b">=5", b"7.0*", b"9" * 400, b"0." + b"0" * 400 + b"1", b"1^2^3^4^5", b"<^5^-^9",
    b"00000000", b"99999999", b"20260230", b"20261025013000", b"20260329013000", b"2026-10-25 01:30:00", b"202613",
    b"20260101+9999", b"2026010112.5", b"2026" * 50, b"MSH|^~\\&|", b"PID|", b"\r", b"\n", b"\r\n\r", b"\x00", b"\x0b",
    b"\x1c\r", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3\x28", b"\xed\xa0\x80", b"\xf0\x9f\x91\xb6", b"\xe2\x80\xae", b"P77",
    b"Q79.3", b"q793", b"Q79.3^^I10", b"P77X", b"ORU^R01^ORU_R01", b"ADT^A40", b"A17", b"?", b"*", b"%s", b"{0}",
    b"${x}",
    b"JVBERi0x" * 30, b"UNICODE UTF-16", b"8859/1", b"ISO IR87", b"2.9", b"2.1", b"9.9", b"T", b"D",
)  # fmt: skip
"""What stands in a field where it should not."""


UNITS = (b"A", b"~", b"^", b"&", b"\\", b"|", b"\r", b" ", b"\xc3\xa9", b"~1^^^NHS", b"\\T\\")
"""What is repeated thousands of times."""


class Mutator:
    """Spoils messages of a set; `seed` decides everything."""

    def __init__(self, messages: list[bytes], *, seed: int) -> None:
        self._messages = messages
        self._chance = Random(seed)
        self._ways: tuple[Callable[[bytes], bytes], ...] = (
            self._flip, self._insert, self._cut, self._repeat_slice, self._segments, self._field, self._field,
            self._field, self._long, self._marks, self._splice, self._ends, self._recode, self._truncate,
        )  # fmt: skip

    def next(self) -> bytes:
        """One message, spoiled in one to five ways."""
        chance = self._chance
        raw = chance.choice(self._messages)
        for _ in range(min(5, 1 + int(chance.expovariate(0.9)))):
            raw = chance.choice(self._ways)(raw)[:LONGEST]
        return raw

    def _place(self, raw: bytes) -> int:
        return self._chance.randrange(len(raw) + 1)

    def _flip(self, raw: bytes) -> bytes:
        place = self._place(raw)
        return raw[:place] + bytes([self._chance.randrange(256)]) + raw[place + 1 :]

    def _insert(self, raw: bytes) -> bytes:
        place = self._place(raw)
        if self._chance.random() < 0.5:
            more = bytes([self._chance.choice(MARKS)]) * self._chance.choice((1, 1, 2, 5, 50))
        else:
            more = self._chance.choice(NASTY)
        return raw[:place] + more + raw[place:]

    def _cut(self, raw: bytes) -> bytes:
        begin = self._place(raw)
        return raw[:begin] + raw[begin + int(self._chance.expovariate(1 / 12)) :]

    def _repeat_slice(self, raw: bytes) -> bytes:
        begin = self._place(raw)
        piece = raw[begin : begin + int(self._chance.expovariate(1 / 40))]
        return raw[:begin] + piece * self._chance.choice((2, 3, 30)) + raw[begin + len(piece) :]

    def _segments(self, raw: bytes) -> bytes:
        """Doubled, dropped, swapped, or moved before MSH."""
        lines = raw.split(b"\r")
        place, other = (self._chance.randrange(len(lines)) for _ in range(2))
        match self._chance.randrange(5):
            case 0:
                lines.insert(place, lines[other])
            case 1:
                del lines[place]
            case 2:
                lines[place], lines[other] = lines[other], lines[place]
            case 3:
                lines[place:place] = [lines[other]] * self._chance.choice((10, 100, 500))
            case _:
                lines.insert(0, lines.pop(place))
        return b"\r".join(lines)

    def _field(self, raw: bytes) -> bytes:
        """Another value in one field, or in one of its components."""
        lines = raw.split(b"\r")
        place = self._chance.randrange(len(lines))
        fields = lines[place].split(b"|")
        number = self._chance.randrange(len(fields) + 2)
        fields += [b""] * (number + 1 - len(fields))
        parts = fields[number].split(b"^")
        if self._chance.random() < 0.5:
            parts[self._chance.randrange(len(parts))] = self._chance.choice(NASTY)
            fields[number] = b"^".join(parts)
        else:
            fields[number] = self._chance.choice(NASTY)
        lines[place] = b"|".join(fields)
        return b"\r".join(lines)

    def _long(self, raw: bytes) -> bytes:
        place = self._place(raw)
        unit = self._chance.choice(
            (b"A", b"~", b"^", b"&", b"\\", b"|", b"\r", b" ", b"\xc3\xa9", b"~1^^^NHS", b"\\T\\")
        )
        return raw[:place] + unit * self._chance.choice((100, 3_000, 20_000)) + raw[place:]

    def _marks(self, raw: bytes) -> bytes:
        """Delimiters exchanged throughout, or in MSH-2 alone."""
        one, other = (self._chance.choice(MARKS) for _ in range(2))
        end = len(raw) if self._chance.random() < 0.5 else 9
        return raw[:end].translate(bytes.maketrans(bytes([one, other]), bytes([other, one]))) + raw[end:]

    def _splice(self, raw: bytes) -> bytes:
        """The beginning of one message and the end of another."""
        other = self._chance.choice(self._messages)
        return raw[: self._place(raw)] + other[self._place(other) :]

    def _ends(self, raw: bytes) -> bytes:
        return raw.replace(b"\r", self._chance.choice((b"\n", b"\r\n", b"\r\r", b"\n\r", b" \r", b"\x1c\r", b"")))

    def _recode(self, raw: bytes) -> bytes:
        text = raw.decode("utf-8", "replace")
        return text.encode(self._chance.choice(("utf-16", "utf-16-le", "cp1252", "utf-8-sig", "utf-7")), "replace")

    def _truncate(self, raw: bytes) -> bytes:
        return raw[: self._place(raw)]
