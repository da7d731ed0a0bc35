"""From a value's place in a stored statement back to the bytes it was cut from: the body is read again with tracing."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from adapter import fhir
from adapter.chart import sealed
from adapter.chart.origins import Place
from adapter.envelope import Media
from adapter.fhir import ConvertedPart, Part
from adapter.identity.patients import MOTHER_CODES
from adapter.mapping.csor_outcome import Step
from adapter.mapping.trace import CONTEXT, RELATED, Origin
from adapter.settle.projection import Source
from adapter.store import messages
from adapter.store.database import Connection
from adapter.store.sealing import KeyRing

TraceV2 = Callable[[str, bytes], list[Origin]]
"""The origins of a message of that feed, under the mappings and the rules that this trust reads it by."""
PartsOf = Callable[[str, bytes], list[Part]]
"""The resources of a FHIR body of that feed, in the form of R4."""


class Cut(NamedTuple):
    """Where one source value stood, and the steps from there to the value in the canonical resource."""

    message: int
    """The inbox id."""
    feed: str
    media: str
    element: str
    """The element of the canonical resource, `valueQuantity.value`; of a referred one after `specimen>`."""
    position: str
    """`OBX[3]-5.1`, or a JSON pointer into the body; empty for a constant of a rule."""
    start: int
    """First byte in the raw message; with `end`, 0 for FHIR and for a constant."""
    end: int
    rule: str
    """`OBX.yaml:41`; empty for FHIR, which needs no translation."""
    steps: tuple[Step, ...]
    then: tuple[Step, ...] = ()
    """What the rule of the field does with this one of several cuts: a code in its normal form, a date in words."""
    then_rule: str = ""
    """Whose these are, where they are another rule's."""


class _Found(NamedTuple):
    position: str
    start: int
    end: int
    rule: str
    steps: tuple[Step, ...]


class _Body(Protocol):
    def find(self, place: Place, source: Source) -> _Found: ...
    def mother(self) -> "tuple[str, _Found] | None": ...


class Bodies:
    """The bodies of messages, opened when first asked for. Mappings changed since are seen: the place is not found."""

    def __init__(self, conn: Connection, ring: KeyRing, *, trace: TraceV2, parts: PartsOf) -> None:
        self._conn = conn
        self._ring = ring
        self._trace = trace
        self._parts = parts
        self._read: dict[int, _Body] = {}

    def cut(self, place: Place, source: Source, *, element: str) -> Cut:
        """Where the value at a place of this source's statement came from."""
        body = self._body(source)
        return _cut(body, source, element, body.find(place, source))

    def mother(self, source: Source) -> Cut | None:
        """What in the message of this source names the mother; her number itself is not told."""
        body = self._body(source)
        found = body.mother()
        return None if found is None else _cut(body, source, *found)

    def _body(self, source: Source) -> _Body:
        number = source.message_id
        if number not in self._read:
            self._read[number] = self._open(number)
        return self._read[number]

    def _open(self, number: int) -> _Body:
        row = messages.by_id(self._conn, number)
        if row is None or row.key_id is None or row.sealed is None:
            return _NoBody()
        body = self._ring.unseal(row.key_id, row.sealed, sealed.MESSAGE)
        if row.media == Media.FHIR:
            return _FhirBody(self._parts(row.feed, body))
        return _V2Body(self._trace(row.feed, body))


def _cut(body: _Body, source: Source, element: str, found: _Found) -> Cut:
    media = Media.FHIR if isinstance(body, _FhirBody) else Media.HL7V2
    return Cut(source.message_id, source.assertion.feed, media, element, *found)


class _NoBody:
    def find(self, place: Place, source: Source) -> _Found:
        return _nowhere("the body is not held any more")

    def mother(self) -> tuple[str, _Found] | None:
        return None


class _V2Body:
    def __init__(self, origins: list[Origin]) -> None:
        self._origins = {(each.item_index, each.resource_index, each.path): each for each in origins}

    def find(self, place: Place, source: Source) -> _Found:
        if place.path == "resourceType":
            return self._kind(place, source)
        origin = self._origins.get((place.item, place.resource, place.path))
        if origin is None:
            return _nowhere("the mappings of today do not give this value")
        return _Found(origin.position, origin.start, origin.end, origin.rule, origin.steps)

    def _kind(self, place: Place, source: Source) -> _Found:
        """By the rules that gave the resource; most of them stand in the file that makes it."""
        rules = [each.rule for key, each in self._origins.items() if key[:2] == (place.item, place.resource)]
        files = Counter(rule.partition(":")[0] for rule in rules).most_common(1)
        if not files:
            return _nowhere("the mappings of today do not give this resource")
        kind = source.assertion.items[place.item].resources[place.resource]["resourceType"]
        rule = next(rule for rule in rules if rule.startswith(f"{files[0][0]}:"))
        return _Found("", 0, 0, rule, (Step("constant", "", kind),))

    def mother(self) -> tuple[str, _Found] | None:
        for (item, number, path), origin in self._origins.items():
            is_code = item == RELATED and re.fullmatch(r"relationship\[\d+\]\.coding\[\d+\]\.code", path)
            if is_code and origin.steps[-1].result in MOTHER_CODES:
                if origin.end:
                    return path, _Found(origin.position, origin.start, origin.end, origin.rule, origin.steps)
                # PID-21 is hers by its place.
                at = self._origins.get((RELATED, number, "identifier[0].value"))
                if at is not None:
                    return path, _Found(at.position, at.start, at.end, origin.rule, (Step("present", "", "true"),))
        return None


class _FhirBody:
    """A snapshot is kept as it was sent, so the resource is found by its content."""

    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts

    def find(self, place: Place, source: Source) -> _Found:
        assertion = source.assertion
        if place.item == CONTEXT:
            reference, _, path = place.path.partition(">")
            resource: Mapping[str, Any] | None = assertion.context.get(reference)
        else:
            resource, path = assertion.items[place.item].resources[place.resource], place.path
        for part in self._parts:
            if part.resource == resource:
                return _pointed(part, path, fhir.Path(path).first(part.resource))
        return _nowhere("the body does not hold this resource in this form")

    def mother(self) -> tuple[str, _Found] | None:
        for part in self._parts:
            if part.resource["resourceType"] == "RelatedPerson":
                for path, code in fhir.Path("relationship.coding.code").located(part.resource):
                    if code in MOTHER_CODES:
                        return path, _pointed(part, path, code)
        return None


def _pointed(part: Part, path: str, value: Any) -> _Found:
    """Of a resource in another version where it stood in the bytes, and what R4 made of it."""
    if not isinstance(part, ConvertedPart):
        pointer = part.at + _pointer(path)
        return _Found(pointer, 0, 0, "", (Step("json", pointer, _text(value)),))
    before = part.received_at(path)
    converted = Step("stu3-to-r4", f"{before} → {path}" if before else path, _text(value))
    if not before:  # a system that R4 wants beside a word
        return _Found("", 0, 0, "", (converted,))
    pointer = part.at + _pointer(before)
    sent = fhir.Path(before).first(part.received)
    steps = (Step("json", pointer, _text(sent)),)
    return _Found(pointer, 0, 0, "", steps if before == path and sent == value else (*steps, converted))


def _pointer(path: str) -> str:
    return "".join(f"/{step}" for step in re.findall(r"[^.\[\]]+", path))


def _nowhere(why: str) -> _Found:
    return _Found("", 0, 0, "", (Step("not-found", why, ""),))


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
