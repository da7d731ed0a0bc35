"""The forms in which a chart is sealed: assertions, the content of a row, what settling decided about a person."""

import zlib
from decimal import Decimal
from typing import Any, Self

import msgspec

from adapter.assertion import Assertion
from adapter.errors import Problem

ASSERTION = b"assertion"
ROW = b"row"
PERSON = b"person"
IDENTIFIER = b"identifier"
MESSAGE = b"message"
NOTE = b"note"
REFUSED = b"refused"
DELIVERY = b"delivery"
VERDICT = b"verdict"
"""Purposes: what was sealed for one place cannot be opened as another."""


class Note(msgspec.Struct, frozen=True, array_like=True):
    """What a person is told of a parked message."""

    problems: list[tuple[str, str, str]]
    """Code, text, place."""
    length: int | None = None
    """Of the whole, where only its beginning was kept."""
    sha256: bytes = b""
    """Of the whole, where only its beginning was kept."""

    @classmethod
    def of(cls, *problems: Problem) -> Self:
        """The note of these problems."""
        return cls([(problem.code.value, problem.text, problem.at) for problem in problems])


class Refusal(msgspec.Struct, frozen=True, array_like=True):
    """Bytes that were not taken as a message, as they wait in the inbox."""

    note: Note
    body: bytes


class Content(msgspec.Struct, frozen=True, array_like=True):
    """What is sealed in a row."""

    fields: dict[str, Any]
    """By the names of the data dictionary."""
    assertion_ids: list[int]
    """The live assertions it was made from."""
    problems: list[tuple[str, str, str]]
    """Code, text, place."""
    made_by: str
    """Digest over adapter version, mappings, code lists, units, vendor and trust files."""


class Summary(msgspec.Struct, frozen=True):
    """What settling last decided about one person."""

    birth: str | None = None
    number: str = "none"
    """`none`, `test` or `real`: what the disclosure gate must know of the NHS number."""
    scope: bytes = b""
    """Keyed hash of pseudonym and birth: when it changes, every row leaves anew."""
    members: list[int] = []
    cases: list[tuple[str, str, str]] = []
    """Condition, state, and why in one sentence."""
    release_after: int | None = None
    """Results are being projected: those up to this assertion are done. None when all are."""
    is_included: bool = False
    """A condition is confirmed and nobody has to look first: the child has rows."""
    partners: list[int] = []
    """Persons who claim a visit under the same number as this one."""
    claims: bytes = b""
    """Keyed hash of which rows of visits and lists there are."""


ENCODER = msgspec.json.Encoder(decimal_format="number")
"""Decimals keep their digits."""
_FASTEST = 1
_ASSERTION = msgspec.json.Decoder(Assertion, float_hook=Decimal)
_CONTENT = msgspec.json.Decoder(Content, float_hook=Decimal)
_NOTE = msgspec.msgpack.Decoder(Note)
_REFUSAL = msgspec.msgpack.Decoder(Refusal)
_SUMMARY = msgspec.json.Decoder(Summary)


def encode_assertion(assertion: Assertion, *, stamp_us: int) -> bytes:
    """A clock that is the message's stamp is left out, because a resend may lower it.

    Compressed: twenty results say much the same, and each page of the store is written twice (to its log, and from
    there to its place), so an eighth of the bytes is worth more time than packing costs.
    """
    if stamp_us in {item.clock_us for item in assertion.items}:
        items = [msgspec.structs.replace(i, clock_us=0) if i.clock_us == stamp_us else i for i in assertion.items]
        assertion = Assertion(assertion.feed, assertion.subject, items, assertion.context)
    return zlib.compress(ENCODER.encode(assertion), _FASTEST)


def decode_assertion(plain: bytes, *, stamp_us: int) -> Assertion:
    """`stamp_us` is the least stamp under which this content came."""
    assertion = _ASSERTION.decode(zlib.decompress(plain))
    if all(item.clock_us for item in assertion.items):
        return assertion
    items = [msgspec.structs.replace(i, clock_us=stamp_us) if not i.clock_us else i for i in assertion.items]
    return Assertion(assertion.feed, assertion.subject, items, assertion.context)


def decode_content(plain: bytes) -> Content:
    """The content of a row."""
    return _CONTENT.decode(plain)


def decode_summary(plain: bytes) -> Summary:
    """What settling decided."""
    return _SUMMARY.decode(plain)


def encode_note(note: Note | Refusal) -> bytes:
    """Ready to be sealed."""
    return msgspec.msgpack.encode(note)


def decode_note(plain: bytes) -> Note:
    """What is wrong with a message."""
    return _NOTE.decode(plain)


def decode_refusal(plain: bytes) -> Refusal:
    """What was refused, and why."""
    return _REFUSAL.decode(plain)
