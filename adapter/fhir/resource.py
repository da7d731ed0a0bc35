"""FHIR JSON to Python and back. A number with a point becomes Decimal, so that `72.50` stays `72.50`."""

from decimal import Decimal
from typing import Any

import msgspec

from adapter.assertion import Resource
from adapter.errors import Problem, ProblemCode, Unparsable

_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NULL = b"null"


def decode(body: bytes, *, at: str = "") -> Resource:
    """One JSON object; Unparsable if the bytes are none."""
    try:
        return _DECODER.decode(body.removeprefix(_BYTE_ORDER_MARK))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(not_json(error, at=at)) from None


def decode_tolerant(body: bytes, *, at: str = "") -> Resource:
    """The same without members that are null: FHIR JSON has none (R4, 2.6.2.2), some servers send them.

    In a list null keeps its place: there FHIR has it, beside what is told of a primitive.
    """
    resource = decode(body, at=at)
    if NULL not in body:
        return resource
    try:
        found: Resource = _without_nulls(resource)
    except RecursionError as error:
        raise Unparsable(not_json(error, at=at)) from None
    return found


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(child) for name, child in value.items() if child is not None}
    return [_without_nulls(child) for child in value] if isinstance(value, list) else value


def not_json(error: Exception, *, at: str = "") -> Problem:
    """The problem of bytes that are no JSON: the position is told, the text near it is not."""
    position = str(error).rpartition("(byte ")[2].rstrip(")")
    place = f" near byte {position}" if position.isdigit() else ""
    return Problem(code=ProblemCode.NOT_JSON, text=f"not a JSON object{place}; ask the sender", at=at)


def encode(resource: Resource) -> bytes:
    """JSON in the order of the keys; a Decimal is written with the digits it has."""
    return _ENCODER.encode(resource)
