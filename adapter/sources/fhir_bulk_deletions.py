"""What a server has deleted, out of the transaction Bundles of an export: told on in Bundles of our own making. Pure.

A deletion tells type and id, not whose it was. It goes to the inbox as it is, with its time and nothing else: whom it
concerns, and what it undoes, is found by those who hear of deletions from any FHIR source.
"""

from typing import NamedTuple

import msgspec

from adapter.sources.fhir_bulk import instant_of

DELETIONS_IN_BUNDLE = 500


class Deletions(NamedTuple):
    """Of one Bundle."""

    bodies: list[bytes]
    """The same bytes for the same Bundle, so that what is told again is known."""
    told: int
    """How many."""


class _Meta(msgspec.Struct):
    lastUpdated: str | None = None


class _Request(msgspec.Struct):
    method: str = ""
    url: str = ""


class _Response(msgspec.Struct, omit_defaults=True):
    lastModified: str | None = None


class _Entry(msgspec.Struct, omit_defaults=True):
    request: _Request | None = None
    response: _Response | None = None


class _Bundle(msgspec.Struct):
    resourceType: str
    timestamp: str | None = None
    meta: _Meta | None = None
    entry: list[_Entry] | None = None


_BUNDLE = msgspec.json.Decoder(_Bundle)


def deletions_of(raw: bytes, *, server_time: str) -> Deletions | None:
    """None where the line is no such Bundle. `server_time`: that of the export, for what does not say when."""
    try:
        bundle = _BUNDLE.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if bundle.resourceType != "Bundle":
        return None
    gone = [each for each in bundle.entry or () if each.request is not None and each.request.method == "DELETE"]
    at = _time_of(bundle) or server_time
    some = [gone[place : place + DELETIONS_IN_BUNDLE] for place in range(0, len(gone), DELETIONS_IN_BUNDLE)]
    return Deletions([_body(each, at=at) for each in some], len(gone))


def _time_of(bundle: _Bundle) -> str:
    for text in (bundle.timestamp, bundle.meta.lastUpdated if bundle.meta else None):
        if text and instant_of(text) is not None:
            return text
    return ""


def _body(entries: list[_Entry], *, at: str) -> bytes:
    return msgspec.json.encode({"resourceType": "Bundle", "type": "transaction", "timestamp": at, "entry": entries})
