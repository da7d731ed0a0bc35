"""Splits a body into its resources, each with its own bytes: one resource, a Bundle, Bundles in Bundles, or NDJSON.

One invalid entry is a Problem with its JSON pointer; the others go on.
"""

import msgspec

from adapter.errors import MessageError, Problem, ProblemCode, Unparsable
from adapter.fhir.deletions import read_deletion
from adapter.fhir.part import Cut, Deletion, Part, Rejected
from adapter.fhir.pieces import Pieces
from adapter.fhir.plain import Assays, PlainResults
from adapter.fhir.resource import decode_tolerant, not_json

_MAX_DEPTH = 4
"""Bundles in Bundles: a document in a searchset in a batch. Deeper nesting is an attack or an accident."""

_NOTHING = msgspec.Raw(b"null")


class _Envelope(msgspec.Struct):
    """Of a body only what tells how to split it; the entries stay bytes."""

    resourceType: msgspec.Raw = _NOTHING
    timestamp: msgspec.Raw = _NOTHING
    meta: msgspec.Raw = _NOTHING
    entry: msgspec.Raw = _NOTHING


class _Search(msgspec.Struct, gc=False):
    mode: str = ""


class _Request(msgspec.Struct, gc=False):
    method: str = ""


class _Entry(msgspec.Struct, gc=False):
    fullUrl: str = ""
    resource: msgspec.Raw = _NOTHING
    search: _Search | None = None
    request: _Request | None = None


class _Sound(msgspec.Struct):
    """A Bundle of which not one entry has anything wrong that must be told with its own bytes."""

    resourceType: str
    entry: list[_Entry]
    timestamp: str = ""


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_ENTRIES = msgspec.json.Decoder(list[msgspec.Raw])
_ENTRY = msgspec.json.Decoder(_Entry)
_SOUND = msgspec.json.Decoder(_Sound)
_TEXT = msgspec.json.Decoder(str)


def split(body: bytes) -> tuple[list[Part], list[Problem]]:
    """The resources of a body and what was wrong with the others; Unparsable if it is no JSON at all."""
    found = cut(body)
    return found.parts, found.problems


def cut(body: bytes, assays: Assays | None = None) -> Cut:
    """As `split`, with the bytes of what was wrong; with `assays`, plain laboratory results the quick way."""
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not body:
        raise Unparsable(Problem(code=ProblemCode.EMPTY, text="the body is empty"))
    cutting = _Cutting(assays)
    page = cutting.page(body)
    if page is not None:
        return page
    found = cutting.found
    sound = _sound(body)
    if sound is not None:
        cutting.entries(sound, at="", depth=0)
        return found
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

    def __init__(self, assays: Assays | None) -> None:
        self.found = Cut()
        self._pieces = Pieces()
        self._plain = None if assays is None else PlainResults(self._pieces, assays)

    def page(self, body: bytes) -> Cut | None:
        """All at one go, where there is nothing but plain results with what they refer to."""
        return None if self._plain is None else self._plain.page(body)

    def whole(self, raw: bytes, *, at: str) -> None:
        """One JSON text: a resource, or a Bundle of them; Unparsable if it is no JSON."""
        envelope = _envelope(raw, at=at)
        if _text(envelope.resourceType) == "Bundle":
            self._bundle(raw, envelope, at=at, depth=0)
        else:
            self._take(_Entry(resource=msgspec.Raw(raw)), at, depth=0)

    def entries(self, bundle: _Sound, *, at: str, depth: int) -> None:
        """Those of a Bundle in which nothing is wrong."""
        timestamp = bundle.timestamp
        append = self.found.parts.append
        if self._plain is None:
            for number, entry in enumerate(bundle.entry):
                self._entry(entry, number, at=at, depth=depth, timestamp=timestamp)
            return
        take = self._plain.take
        for number, entry in enumerate(bundle.entry):
            part = take(entry.resource, full_url=entry.fullUrl, timestamp=timestamp, place=at, entry=number)
            if part is None or _is_outcome(entry):
                self._entry(entry, number, at=at, depth=depth, timestamp=timestamp)
            else:
                append(part)

    def _take(self, entry: _Entry, at: str, *, number: int = -1, depth: int, timestamp: str = "") -> None:
        raw = entry.resource
        resource = self._pieces.sound(raw)
        is_sound = resource is not None
        if resource is None:
            place = at if number < 0 else _resource_at(at, number)
            envelope = _envelope(raw, at=place)
            if _text(envelope.resourceType) == "Bundle":
                self._bundle(raw, envelope, at=place, depth=depth)
                return
            resource = decode_tolerant(bytes(raw), at=place.strip())
            if not isinstance(resource.get("resourceType"), str):
                self._reject("not a FHIR resource: it has no resourceType", raw=raw, at=place)
                return
        identity = resource.get("id")
        key = f"{resource['resourceType']}/{identity}" if identity and isinstance(identity, str) else ""
        self.found.parts.append(Part(raw, resource, at, number, entry.fullUrl, timestamp, key, is_sound))

    def _bundle(self, whole: bytes | msgspec.Raw, envelope: _Envelope, *, at: str, depth: int) -> None:
        if depth == _MAX_DEPTH:
            self._reject("Bundles are nested too deeply", raw=whole, at=at)
            return
        sound = _sound(whole)
        if sound is not None:
            self.entries(sound, at=at, depth=depth)
            return
        timestamp = _text(envelope.timestamp)
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
                self._delete(raw, at=place, otherwise=timestamp or _updated(envelope.meta))
                continue
            self._entry(entry, index, at=at, depth=depth, timestamp=timestamp)

    def _delete(self, raw: msgspec.Raw, *, at: str, otherwise: str) -> None:
        found = read_deletion(raw, otherwise=otherwise)
        if isinstance(found, Deletion):
            self.found.deletions.append(found)
        else:
            self._reject(found, raw=raw, at=at)

    def _entry(self, entry: _Entry, number: int, *, at: str, depth: int, timestamp: str) -> None:
        if _is_outcome(entry):
            return
        raw = entry.resource
        try:
            if raw is not _NOTHING and bytes(raw) != b"null":
                self._take(entry, at, number=number, depth=depth + 1, timestamp=timestamp)
        except MessageError:
            self._reject("not a FHIR resource", raw=raw, at=_resource_at(at, number))

    def _reject(self, text: str, *, raw: bytes | msgspec.Raw, at: str) -> None:
        self.found.problems.append(_bad(text, at=at))
        self.found.rejected.append(Rejected(raw=bytes(raw), at=at))


def _envelope(raw: bytes | msgspec.Raw, *, at: str) -> _Envelope:
    try:
        return _ENVELOPE.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unparsable(not_json(error, at=at.strip())) from None


def _sound(body: bytes | msgspec.Raw) -> _Sound | None:
    """A Bundle at one go; None where it is none, or where something of it must be told with its own bytes."""
    try:
        bundle = _SOUND.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    is_sound = bundle.resourceType == "Bundle" and not any(map(_is_deletion, bundle.entry))
    return bundle if is_sound else None


def _resource_at(at: str, number: int) -> str:
    return f"{at}/entry/{number}/resource"


def _is_outcome(entry: _Entry) -> bool:
    return entry.search is not None and entry.search.mode == "outcome"


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


class _Meta(msgspec.Struct):
    lastUpdated: str = ""


def _updated(meta: msgspec.Raw) -> str:
    try:
        return msgspec.json.decode(meta, type=_Meta).lastUpdated
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def _text(raw: msgspec.Raw) -> str:
    try:
        return _TEXT.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def _bad(text: str, *, at: str) -> Problem:
    return Problem(code=ProblemCode.BAD_RESOURCE, text=text, at=at)
