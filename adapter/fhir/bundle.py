"""Splits a body into its resources, each with its own bytes: one resource, a Bundle, Bundles in Bundles, or NDJSON.

One invalid entry is a Problem with its JSON pointer; the others go on.
"""

from collections.abc import Iterator

import msgspec

from adapter.assertion import Resource
from adapter.errors import MessageError, Problem, ProblemCode, Unparsable
from adapter.fhir.resource import decode, not_json

_MAX_DEPTH = 4
"""Bundles in Bundles: a document in a searchset in a batch. Deeper nesting is an attack or an accident."""

_NOTHING = msgspec.Raw(b"null")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One resource of a body."""

    raw: bytes
    resource: Resource
    at: str
    """JSON pointer from the body (`/entry/3/resource`), for NDJSON after `line 2`."""
    full_url: str = ""
    timestamp: str = ""
    """`Bundle.timestamp` of the Bundle it came in."""


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """What of a body could not be used, with its own bytes, so that it can be kept for a person."""

    raw: bytes
    at: str
    """JSON pointer as in Part: of a resource, or of a whole entry."""


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A body in its pieces."""

    parts: list[Part] = []
    rejected: list[Rejected] = []
    problems: list[Problem] = []


class _Envelope(msgspec.Struct):
    """Of a body only what tells how to split it; the entries stay bytes."""

    resourceType: msgspec.Raw = _NOTHING
    timestamp: msgspec.Raw = _NOTHING
    entry: msgspec.Raw = _NOTHING


class _Search(msgspec.Struct):
    mode: str = ""


class _Request(msgspec.Struct):
    method: str = ""


class _Entry(msgspec.Struct):
    fullUrl: str = ""
    resource: msgspec.Raw = _NOTHING
    search: _Search | None = None
    request: _Request | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_ENTRIES = msgspec.json.Decoder(list[msgspec.Raw])
_ENTRY = msgspec.json.Decoder(_Entry)
_TEXT = msgspec.json.Decoder(str)


def split(body: bytes) -> tuple[list[Part], list[Problem]]:
    """The resources of a body and what was wrong with the others; Unparsable if it is no JSON at all."""
    found = cut(body)
    return found.parts, found.problems


def cut(body: bytes) -> Cut:
    """As `split`, with the bytes of what was wrong."""
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not body:
        raise Unparsable(Problem(code=ProblemCode.EMPTY, text="the body is empty"))
    found = Cut()
    lines = _ndjson_lines(body)
    if lines is None:
        found.parts.extend(_parts(body, at="", found=found, depth=0))
        return found
    for number, line in lines:
        try:
            found.parts.extend(_parts(line, at=f"line {number} ", found=found, depth=0))
        except MessageError as error:
            found.problems.append(error.problem)
            found.rejected.append(Rejected(raw=line, at=f"line {number} "))
    return found


def _ndjson_lines(body: bytes) -> list[tuple[int, bytes]] | None:
    """The numbered lines of an NDJSON body; None if it is one JSON text or nothing that can be read."""
    if b"\n" not in body or _is_json_object(body):
        return None
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip()]
    # A broken text of many lines is not taken for NDJSON: of that at least one line is a whole resource.
    return lines if any(_is_json_object(line) and b'"resourceType"' in line for _, line in lines) else None


def _is_json_object(text: bytes) -> bool:
    try:
        _ENVELOPE.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _parts(raw: bytes, *, at: str, found: Cut, depth: int, **given: str) -> Iterator[Part]:
    try:
        envelope = _ENVELOPE.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(not_json(error, at=at.strip())) from None
    if _text(envelope.resourceType) == "Bundle":
        yield from _entries(raw, envelope, at=at, found=found, depth=depth)
        return
    resource = decode(raw, at=at.strip())
    if not isinstance(resource.get("resourceType"), str):
        _reject(found, "not a FHIR resource: it has no resourceType", raw=raw, at=at)
        return
    yield Part(raw=bytes(raw), resource=resource, at=at, **given)


def _entries(whole: bytes, envelope: _Envelope, *, at: str, found: Cut, depth: int) -> Iterator[Part]:
    if depth == _MAX_DEPTH:
        _reject(found, "Bundles are nested too deeply", raw=whole, at=at)
        return
    timestamp = _text(envelope.timestamp)
    entries = _entry_list(envelope.entry)
    if entries is None:
        found.problems.append(_bad("Bundle.entry is not a list", at=f"{at}/entry"))
        found.rejected.append(Rejected(raw=bytes(whole), at=at))
        return
    for index, raw in enumerate(entries):
        place = f"{at}/entry/{index}"
        try:
            entry = _ENTRY.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            _reject(found, "not a Bundle entry", raw=raw, at=place)
            continue
        if bytes(entry.resource) == b"null":
            if entry.request is not None and entry.request.method == "DELETE":
                _reject(found, "a deletion is not taken from a Bundle", raw=raw, at=place)
            continue
        if entry.search is not None and entry.search.mode == "outcome":
            continue
        given = {"full_url": entry.fullUrl, "timestamp": timestamp}
        try:
            yield from _parts(bytes(entry.resource), at=f"{place}/resource", found=found, depth=depth + 1, **given)
        except MessageError:
            _reject(found, "not a FHIR resource", raw=entry.resource, at=f"{place}/resource")


def _entry_list(raw: msgspec.Raw) -> list[msgspec.Raw] | None:
    """None where it is no list."""
    if bytes(raw) == b"null":
        return []
    try:
        return _ENTRIES.decode(raw)
    except msgspec.MsgspecError:
        return None


def _text(raw: msgspec.Raw) -> str:
    try:
        return _TEXT.decode(raw)
    except msgspec.MsgspecError:
        return ""


def _reject(found: Cut, text: str, *, raw: bytes | msgspec.Raw, at: str) -> None:
    found.problems.append(_bad(text, at=at))
    found.rejected.append(Rejected(raw=bytes(raw), at=at))


def _bad(text: str, *, at: str) -> Problem:
    return Problem(code=ProblemCode.BAD_RESOURCE, text=text, at=at)
