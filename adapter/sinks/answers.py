"""What an HTTP answer of CSOR means: taken, surely not taken, perhaps taken, or refused for good.

Pure: status, headers and body in, Receipt or exception out. The meanings follow RFC 9110 and RFC 6585. A text made
here may repeat codes, JSON pointers and record ids of the answer, held to a strict grammar, and nothing else of it:
an answer may quote a value of a patient's field.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from adapter.errors import DeliveryError, Refused, TryLater, Unsure
from adapter.outbound import retry_after_s
from adapter.sinks.receipt import Receipt

MOST_NAMED = 5
_CODE = re.compile(r"[a-z][a-z-]{0,40}")
_POINTER = re.compile(r"/rows(/\d{1,6}(/[a-z_]{1,40}){0,2})?|/[a-z_]{1,40}|")
_RECORD_ID = re.compile(r"[A-Za-z0-9:_-]{16,80}")

_SURELY_NOT_TAKEN = {
    408: "did not get the whole request in time",  # RFC 9110 section 15.5.9
    425: "wants the request again later",  # RFC 8470 section 5.2
    429: "asks for fewer requests",  # RFC 6585 section 4
}
_NEVER_WILL = {501, 505}
"""5xx by number, yet the server says it does not know the method or the protocol (RFC 9110 15.6.2, 15.6.6)."""


class _Taken(BaseModel):
    """The body of a 200."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    idempotency_key: str
    applied: int = Field(ge=0, strict=True)
    unchanged: int = Field(ge=0, strict=True)


def judge(*, status: int, headers: Mapping[str, str], body: bytes, idempotency_key: str, now: datetime) -> Receipt:
    """The receipt, or the exception that says what is known."""
    if status == 200:
        return _receipt(body, idempotency_key=idempotency_key)
    raise _failure(status, body=body, retry_after_s=retry_after_s(headers.get("Retry-After"), now=now))


def _receipt(body: bytes, *, idempotency_key: str) -> Receipt:
    try:
        taken = _Taken.model_validate_json(body)
    except ValidationError:
        raise Unsure("CSOR answered 200 with something that is not a receipt; a proxy may have answered") from None
    if taken.idempotency_key != idempotency_key:
        raise Unsure("CSOR answered 200 with the receipt of another batch")
    return Receipt(applied=taken.applied, unchanged=taken.unchanged)


def _failure(status: int, *, body: bytes, retry_after_s: float | None) -> DeliveryError:
    if status in _SURELY_NOT_TAKEN:
        return TryLater(f"CSOR answered {status}: it {_SURELY_NOT_TAKEN[status]}", retry_after_s=retry_after_s)
    if status == 503 and retry_after_s is not None:
        return TryLater("CSOR answered 503: it is not available now", retry_after_s=retry_after_s)
    if 300 <= status < 400:
        return Refused(f"CSOR answered {status}, a redirect, which is never followed: correct the sink's url")
    if 400 <= status < 500 or status in _NEVER_WILL:
        return Refused(f"CSOR answered {status}{_reason(body)}")
    # Any other: 500 may stand for a fault after the commit; 502, 504 and a 503 without Retry-After are also what a
    # gateway says when it passed the request on and lost the answer; 202 and 204 promise nothing.
    return Unsure(f"CSOR answered {status}: it may have taken the batch")


def _reason(body: bytes) -> str:
    """The closed parts of an error body: its code, the places of the faults, the record ids."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(content, dict):
        return ""
    code = _texts([content.get("code")], _CODE)
    faults = _list(content.get("faults"))
    places = _texts([fault.get("at") for fault in faults if isinstance(fault, dict)], _POINTER)
    record_ids = _texts(_list(content.get("record_ids")), _RECORD_ID)
    parts = [*code, *(f"at {place}" for place in places), *(f"row {record_id}" for record_id in record_ids)]
    return ": " + ", ".join(parts) if parts else ""


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _texts(values: list[object], grammar: re.Pattern[str]) -> list[str]:
    return [value for value in values if isinstance(value, str) and grammar.fullmatch(value)][:MOST_NAMED]
