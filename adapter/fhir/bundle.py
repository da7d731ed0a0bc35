"""Splits a body into its resources, each with its own bytes: one resource, a Bundle, Bundles in Bundles, or NDJSON.

One invalid entry is a Problem with its JSON pointer; the others go on.
"""

import msgspec

from adapter.assertion import Resource
from adapter.errors import MessageError, Problem, ProblemCode, Unparsable
from adapter.fhir.pieces import Pieces
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
    key: str = ""
    """`Patient/123`; empty where the resource has no id."""
    is_sound: bool = False
    """Whether it is known to have the form of its kind."""


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
_SOUND_ENTRIES = msgspec.json.Decoder(list[_Entry])
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
    cutting = _Cutting()
    found = cutting.found
    lines = _ndjson_lines(body)
    if lines is None:
        cutting.whole(body, at="")
        return found
    for number, line in lines:
        try:
            cutting.whole(line, at=f"line {number} ")
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


class _Cutting:
    """Takes a body apart into what it finds."""

    def __init__(self) -> None:
        self.found = Cut()
        self._pieces = Pieces()

    def whole(self, raw: bytes, *, at: str) -> None:
        """One JSON text: a resource, or a Bundle of them; Unparsable if it is no JSON."""
        envelope = _envelope(raw, at=at)
        if _text(envelope.resourceType) == "Bundle":
            self._bundle(raw, envelope, at=at, depth=0)
        else:
            self._take(raw, at=at, depth=0)

    def _take(self, raw: bytes | msgspec.Raw, *, at: str, depth: int, full_url: str = "", timestamp: str = "") -> None:
        resource = self._pieces.sound(raw)
        is_sound = resource is not None
        if resource is None:
            envelope = _envelope(raw, at=at)
            if _text(envelope.resourceType) == "Bundle":
                self._bundle(raw, envelope, at=at, depth=depth)
                return
            resource = decode(bytes(raw), at=at.strip())
            if not isinstance(resource.get("resourceType"), str):
                self._reject("not a FHIR resource: it has no resourceType", raw=raw, at=at)
                return
        identity = resource.get("id")
        self.found.parts.append(
            Part(
                raw=bytes(raw),
                resource=resource,
                at=at,
                full_url=full_url,
                timestamp=timestamp,
                key=f"{resource['resourceType']}/{identity}" if identity and isinstance(identity, str) else "",
                is_sound=is_sound,
            )
        )

    def _bundle(self, whole: bytes | msgspec.Raw, envelope: _Envelope, *, at: str, depth: int) -> None:
        if depth == _MAX_DEPTH:
            self._reject("Bundles are nested too deeply", raw=whole, at=at)
            return
        timestamp = _text(envelope.timestamp)
        entries = _sound_entries(envelope.entry)
        if entries is not None:
            for index, entry in enumerate(entries):
                self._entry(entry, at=f"{at}/entry/{index}", depth=depth, timestamp=timestamp)
            return
        texts = _entry_list(envelope.entry)
        if texts is None:
            self.found.problems.append(_bad("Bundle.entry is not a list", at=f"{at}/entry"))
            self.found.rejected.append(Rejected(raw=bytes(whole), at=at))
            return
        for index, raw in enumerate(texts):
            place = f"{at}/entry/{index}"
            try:
                entry = _ENTRY.decode(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self._reject("not a Bundle entry", raw=raw, at=place)
                continue
            if _is_deletion(entry):
                self._reject("a deletion is not taken from a Bundle", raw=raw, at=place)
                continue
            self._entry(entry, at=place, depth=depth, timestamp=timestamp)

    def _entry(self, entry: _Entry, *, at: str, depth: int, timestamp: str) -> None:
        if entry.search is not None and entry.search.mode == "outcome":
            return
        raw = entry.resource
        place = f"{at}/resource"
        try:
            if raw is not _NOTHING and bytes(raw) != b"null":
                self._take(raw, at=place, depth=depth + 1, full_url=entry.fullUrl, timestamp=timestamp)
        except MessageError:
            self._reject("not a FHIR resource", raw=raw, at=place)

    def _reject(self, text: str, *, raw: bytes | msgspec.Raw, at: str) -> None:
        self.found.problems.append(_bad(text, at=at))
        self.found.rejected.append(Rejected(raw=bytes(raw), at=at))


def _envelope(raw: bytes | msgspec.Raw, *, at: str) -> _Envelope:
    try:
        return _ENVELOPE.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(not_json(error, at=at.strip())) from None


def _sound_entries(raw: msgspec.Raw) -> list[_Entry] | None:
    """The entries at once, where not one of them has anything wrong that must be told with its own bytes."""
    try:
        entries = _SOUND_ENTRIES.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return None if any(map(_is_deletion, entries)) else entries


def _is_deletion(entry: _Entry) -> bool:
    """Of a resource that the Bundle does not carry."""
    return entry.request is not None and entry.request.method == "DELETE" and bytes(entry.resource) == b"null"


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
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def _bad(text: str, *, at: str) -> Problem:
    return Problem(code=ProblemCode.BAD_RESOURCE, text=text, at=at)
