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
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not body:
        raise Unparsable(Problem(code=ProblemCode.EMPTY, text="the body is empty"))
    problems: list[Problem] = []
    lines = _ndjson_lines(body)
    if lines is None:
        return list(_parts(body, at="", problems=problems, depth=0)), problems
    parts: list[Part] = []
    for number, line in lines:
        try:
            parts += _parts(line, at=f"line {number} ", problems=problems, depth=0)
        except MessageError as error:
            problems.append(error.problem)
    return parts, problems


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


def _parts(raw: bytes, *, at: str, problems: list[Problem], depth: int, **given: str) -> Iterator[Part]:
    try:
        envelope = _ENVELOPE.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(not_json(error, at=at.strip())) from None
    if _text(envelope.resourceType) == "Bundle":
        yield from _entries(envelope, at=at, problems=problems, depth=depth)
        return
    resource = decode(raw, at=at.strip())
    if not isinstance(resource.get("resourceType"), str):
        problems.append(_bad("not a FHIR resource: it has no resourceType", at=at))
        return
    yield Part(raw=bytes(raw), resource=resource, at=at, **given)


def _entries(envelope: _Envelope, *, at: str, problems: list[Problem], depth: int) -> Iterator[Part]:
    if depth == _MAX_DEPTH:
        problems.append(_bad("Bundles are nested too deeply", at=at))
        return
    timestamp = _text(envelope.timestamp)
    for index, raw in enumerate(_entry_list(envelope.entry, at=at, problems=problems)):
        place = f"{at}/entry/{index}"
        try:
            entry = _ENTRY.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            problems.append(_bad("not a Bundle entry", at=place))
            continue
        if bytes(entry.resource) == b"null":
            if entry.request is not None and entry.request.method == "DELETE":
                problems.append(_bad("a deletion is not taken from a Bundle", at=place))
            continue
        if entry.search is not None and entry.search.mode == "outcome":
            continue
        given = {"full_url": entry.fullUrl, "timestamp": timestamp}
        try:
            yield from _parts(
                bytes(entry.resource), at=f"{place}/resource", problems=problems, depth=depth + 1, **given
            )
        except MessageError:
            problems.append(_bad("not a FHIR resource", at=f"{place}/resource"))


def _entry_list(raw: msgspec.Raw, *, at: str, problems: list[Problem]) -> list[msgspec.Raw]:
    if bytes(raw) == b"null":
        return []
    try:
        return _ENTRIES.decode(raw)
    except msgspec.MsgspecError:
        problems.append(_bad("Bundle.entry is not a list", at=f"{at}/entry"))
        return []


def _text(raw: msgspec.Raw) -> str:
    try:
        return _TEXT.decode(raw)
    except msgspec.MsgspecError:
        return ""


def _bad(text: str, *, at: str) -> Problem:
    return Problem(code=ProblemCode.BAD_RESOURCE, text=text, at=at)
