"""Goes through every part of a segment and lets it be changed in its place: delimiters, escapes and lengths stay."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from adapter.hl7v2.message import HEADERS, Message, Segment
from adapter.hl7v2.scrub_fields import FIELDS, KNOWN_SEGMENTS, PARTS, VALUE_TYPES, Form, Holds

UNKNOWN_SEGMENT = "XXX"


class Part(NamedTuple):
    """The smallest piece of a field, and where it stands."""

    segment: str
    field: int
    component: int
    subcomponent: int
    holds: Holds
    plain: str
    """Unescaped, trimmed."""


Change = Callable[[Part, str], str | None]
"""Gets the part and its characters without escape sequences; gives as many characters back, None to keep all."""


def rewritten(segment: Segment, change: Change) -> str:
    """The segment's line with every part changed."""
    message = segment.message
    separator = message.delimiters.field
    name, *fields = segment.line.split(separator)
    # MSH-1 is the separator itself and MSH-2 the other delimiters (HL7 v2.5.1 §2.14.9).
    first = 2 if segment.name in HEADERS else 1
    done = [_name(name, change, is_alone=not fields)]
    for number, text in enumerate(fields, start=first):
        if number == 2 and first == 2:
            done.append(text[:5] + "x" * len(text[5:]))
        elif not text:
            done.append(text)
        else:
            done.append(_field(_Place(message, segment.name, number), _form(segment, number), text, change))
    return separator.join(done)


def _name(name: str, change: Change, *, is_alone: bool) -> str:
    """A line that merely looks like a segment may be a piece of text."""
    is_known = name[:3] in KNOWN_SEGMENTS or (name[:1] == "Z" and not is_alone)
    known, rest = name[:3] if is_known else UNKNOWN_SEGMENT, name[3:]
    return known + (change(Part(known, 0, 0, 0, Holds.MASKED, rest), rest) or "" if rest else "")


def _form(segment: Segment, number: int) -> Form | None:
    form = FIELDS.get(segment.name, {}).get(number)
    if form is Form.RESULT:
        return VALUE_TYPES.get(segment.component(2).strip().upper(), form)
    return form


class _Place(NamedTuple):
    message: Message
    segment: str
    field: int


def _field(at: _Place, form: Form | None, text: str, change: Change) -> str:
    d = at.message.delimiters
    repetitions = []
    for repetition in _split(text, d.repetition):
        components = []
        for number, component in enumerate(_split(repetition, d.component), start=1):
            holds = _holds(form, number)
            pieces = _split(component, d.subcomponent)
            parts = (
                _part(at, (number, inner), _inside(form, holds, inner), piece, change)
                for inner, piece in enumerate(pieces, start=1)
            )
            components.append(d.subcomponent.join(parts))
        repetitions.append(d.component.join(components))
    return d.repetition.join(repetitions)


def _split(text: str, mark: str) -> list[str]:
    return text.split(mark) if mark else [text]


def _holds(form: Form | None, number: int) -> Holds:
    if form is None:
        return Holds.MASKED
    parts, further = PARTS[form]
    return parts[number - 1] if number <= len(parts) else further


def _inside(form: Form | None, holds: Holds, inner: int) -> Holds:
    """What a subcomponent holds: an identifier's namespace and the name of staff are one level down (EI, CNN)."""
    if holds is not Holds.ID or inner == 1:
        return holds
    return Holds.NAME if form is Form.STAFF_INSIDE and inner < 8 else Holds.CODE


def _part(at: _Place, number: tuple[int, int], holds: Holds, text: str, change: Change) -> str:
    if not text.strip() or text == '""':
        return text
    escape = at.message.delimiters.escape
    pieces = _escapes(escape).split(text) if escape and escape in text else [text]
    characters = "".join(pieces[::2])
    plain = at.message.unescape(text).strip()
    changed = change(Part(at.segment, at.field, *number, holds, plain), characters)
    if changed is None:
        return text
    if len(changed) != len(characters):
        raise AssertionError(f"{at.segment}-{at.field}: a scrubbed part has another length")
    done, start = [], 0
    for index, piece in enumerate(pieces):
        if index % 2:
            done.append(_harmless(piece, escape))
        else:
            done.append(changed[start : start + len(piece)])
            start += len(piece)
    return "".join(done)


@lru_cache(maxsize=32)
def _escapes(escape: str) -> re.Pattern[str]:
    mark = re.escape(escape)
    return re.compile(f"({mark}[^{mark}]{{1,200}}{mark})")


def _harmless(sequence: str, escape: str) -> str:
    r"""Delimiters and layout stay; what `\X…\` and sequences of their own hold could be a name."""
    inner = sequence[1:-1]
    if re.fullmatch(r"[FSTREPHN]|\.(?:br|ce|fi|nf|sp\+?\d{0,2}|sk\+?\d{1,2}|in[+-]?\d{1,2}|ti[+-]?\d{1,2})", inner):
        return sequence
    if re.fullmatch(r"X(?:[0-9A-Fa-f]{2})+", inner):
        return f"{escape}X{'78' * (len(inner) // 2)}{escape}"
    return escape + re.sub(r"\w", "x", inner) + escape
