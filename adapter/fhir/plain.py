"""Plain laboratory results: Observations that hold no more than a laboratory's server sends of most of them.

Each is decoded at one go. What the results of one panel share word for word (patient, order, sample) is decoded,
checked and judged once for a body; what those of one test share (code, category, range) once for all bodies. Whatever
is unusual, be it an element, its form or a null, makes a result no plain one: it goes the way of every resource. Both
ways give the same.
"""

from collections.abc import Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from adapter.assertion import Resource
from adapter.fhir.clock import clock_us, rank
from adapter.fhir.orders import test_key
from adapter.fhir.part import Assay, Cut, Page, Panel, Part, Stage
from adapter.fhir.pieces import Elements, Pieces
from adapter.fhir.sorting import Known, sort

_ABSENT = Raw(b"")
_NAMED = "Observation/"
_HINT = b'"Observation"'
_OF_PANEL = ("subject", "basedOn", "specimen", "encounter", "performer")
_OF_ASSAY = ("code", "category", "referenceRange", "interpretation")
_LARGEST = 2**53
_DIGITS = 300
"""Beyond these, numbers of other programs end: whether it is a number at all is asked the long way."""
_PATIENCE = 20
"""So many more that are not plain than are, and the others of the body are not tried."""
_PAUSE = 4
"""So many pages go the way of entry by entry after one that is not plain from end to end."""
_LIMIT = 5_000
"""Assays remembered, with their ranges: more than a laboratory has; beyond it all are forgotten."""
MODIFIER = b'"modifierExtension"'
"""What may turn the meaning round is judged the long way."""


class _NotPlain(Exception):
    """The long way, then."""


_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, _NotPlain)


class _Quantity(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    value: Any
    comparator: str | UnsetType = UNSET
    unit: str | UnsetType = UNSET
    system: str | UnsetType = UNSET
    code: str | UnsetType = UNSET


class _Result(msgspec.Struct, forbid_unknown_fields=True, gc=False, tag_field="resourceType", tag="Observation"):
    """Elements of other names are not decoded, nor are texts and quantities that are null."""

    id: str
    subject: Raw
    code: Raw
    meta: Raw = _ABSENT
    basedOn: Raw = _ABSENT
    specimen: Raw = _ABSENT
    encounter: Raw = _ABSENT
    performer: Raw = _ABSENT
    category: Raw = _ABSENT
    referenceRange: Raw = _ABSENT
    interpretation: Raw = _ABSENT
    identifier: Raw = _ABSENT
    status: str | UnsetType = UNSET
    effectiveDateTime: str | UnsetType = UNSET
    issued: str | UnsetType = UNSET
    valueQuantity: _Quantity | UnsetType = UNSET
    valueString: str | UnsetType = UNSET


_NOBODYS = _Result(id="", subject=Raw(b"0"), code=Raw(b"0"), meta=Raw(b"0"))
"""Equal to none that is an object."""
_NO_ONE: tuple[_Result, Any] = (_NOBODYS, None)


class _Sample(msgspec.Struct, forbid_unknown_fields=True, gc=False, tag_field="resourceType", tag="Specimen"):
    id: str
    meta: Raw = _ABSENT
    subject: Raw = _ABSENT
    type: Raw = _ABSENT
    status: Raw = _ABSENT
    identifier: Raw = _ABSENT
    accessionIdentifier: Raw = _ABSENT
    receivedTime: Raw = _ABSENT
    collection: Raw = _ABSENT


class _Order(msgspec.Struct, forbid_unknown_fields=True, gc=False, tag_field="resourceType", tag="ServiceRequest"):
    id: str
    meta: Raw = _ABSENT
    subject: Raw = _ABSENT
    code: Raw = _ABSENT
    category: Raw = _ABSENT
    status: Raw = _ABSENT
    intent: Raw = _ABSENT
    priority: Raw = _ABSENT
    identifier: Raw = _ABSENT
    encounter: Raw = _ABSENT
    requester: Raw = _ABSENT
    authoredOn: Raw = _ABSENT
    occurrenceDateTime: Raw = _ABSENT


class _Search(msgspec.Struct, gc=False):
    mode: Literal["match", "include"] = "match"


class _PageEntry(msgspec.Struct, gc=False):
    resource: _Result | _Sample | _Order
    fullUrl: str = ""
    search: _Search | None = None


class _Page(msgspec.Struct):
    resourceType: Literal["Bundle"]
    entry: list[_PageEntry]
    timestamp: str = ""


_DECODE = msgspec.json.Decoder(_Result, float_hook=Decimal).decode
_DECODE_PAGE = msgspec.json.Decoder(_Page, float_hook=Decimal).decode


class _Beside:
    """What stands beside results: elements that many of a kind share, and those that are its own."""

    def __init__(self, kind: str, *, often: tuple[str, ...], own: tuple[str, ...]) -> None:
        self.kind = kind
        self.often, self.own = often, own
        self.often_of, self.own_of = attrgetter(*often), attrgetter(*own)


_SAMPLE = _Beside(
    "Specimen",
    often=("meta", "subject", "type", "status"),
    own=("identifier", "accessionIdentifier", "receivedTime", "collection"),
)
_ORDER = _Beside(
    "ServiceRequest",
    often=("meta", "subject", "code", "category", "status", "intent", "priority"),
    own=("identifier", "encounter", "requester", "authoredOn", "occurrenceDateTime"),
)


class Assays:
    """The tests met, by the bytes of what says which one it is: no part of it is a patient's."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.met: dict[tuple[bytes, ...], Assay] = {}
        self._types: dict[bytes, Any] = {}
        self._pause = 0
        """How many pages more are read entry by entry."""

    def is_worth_a_page(self) -> bool:
        """Whether to try the next page at one go: after one that was not plain from end to end only now and then."""
        self._pause = max(0, self._pause - 1)
        return self._pause == 0

    def failed_a_page(self) -> None:
        """It was not."""
        self._pause = _PAUSE

    def type_of_sample(self, text: bytes, decoded: Any) -> Any:
        """One object for each text, for all bodies: what is known of it is known by its identity."""
        if len(self._types) >= _LIMIT:
            self._types.clear()
        return self._types.setdefault(text, decoded)

    def learn(self, key: tuple[bytes, ...]) -> Assay:
        """The test of these elements, in the order of `_OF_ASSAY`; with the errors of msgspec."""
        elements = _decoded(Pieces().elements("Observation"), _OF_ASSAY, key)
        assay = Assay(elements, sort({"resourceType": "Observation", **elements}, self._known), test_key(elements))
        if len(self.met) >= _LIMIT:
            self.met.clear()
        self.met[key] = assay
        return assay


class PlainResults:
    """Finds them in one body."""

    def __init__(self, pieces: Pieces, assays: Assays) -> None:
        self._pieces = pieces
        self._others: dict[str, dict[tuple[bytes, ...], Resource]] = {_SAMPLE.kind: {}, _ORDER.kind: {}}
        self._elements = pieces.elements("Observation")
        self._assays = assays
        self._assay_of = assays.met.get
        self._panels: dict[tuple[bytes, ...], Panel] = {}
        self._stages: dict[tuple[bytes, str | UnsetType, str], Stage] = {}
        self._panel_of, self._stage_of = self._panels.get, self._stages.get
        self._before: tuple[_Result, Any, Any, Any, str] = (_NOBODYS, None, None, None, "")
        self._after: dict[int, tuple[_Result, Any]] = {}
        """By a test (its identity): the result that came after it last, and its test. The tests of an order repeat."""
        self._surplus = _PATIENCE
        self._root = ""
        self.roots: set[str] = set()
        """What the full URLs of the parts begin with, before type and id."""

    def page(self, body: bytes) -> Cut | None:
        """All parts of a page of plain results with their samples and orders; None where it holds anything else."""
        if not self._assays.is_worth_a_page():
            return None
        try:
            return Cut(parts=self._parts(_DECODE_PAGE(body), Page(body)), roots=self.roots)
        except _UNREADABLE:
            self._assays.failed_a_page()
            return None

    def _parts(self, page: _Page, own: Page) -> list[Part]:
        timestamp = page.timestamp
        result, parts = self._result, list[Part]()
        append = parts.append
        for number, entry in enumerate(page.entry):
            sent = entry.resource
            if isinstance(sent, _Result):
                append(result(sent, own, "", number, entry.fullUrl, timestamp))
                continue
            if isinstance(sent, _Sample):
                resource, key = self._beside(sent, _SAMPLE), "Specimen/" + sent.id
            else:
                resource, key = self._beside(sent, _ORDER), "ServiceRequest/" + sent.id
            full_url = entry.fullUrl
            if not sent.id or (full_url and full_url != self._root + key):
                self._stands_below(full_url, key)
            append(Part(own, resource, "", number, entry.fullUrl, timestamp, key, True, True))
        return parts

    def _stands_below(self, full_url: str, key: str) -> None:
        """Learns another root; one that is no root by its form makes a part no plain one."""
        root = full_url.removesuffix(key)
        if key.endswith("/") or not root.endswith("/") or "/_history/" in full_url:
            raise _NotPlain
        self._root = root
        self.roots.add(root[:-1])

    def _beside(self, sent: _Sample | _Order, of: _Beside) -> Resource:
        """A sample or an order."""
        elements = self._pieces.elements(of.kind)
        texts = tuple(map(bytes, of.often_of(sent)))
        met = self._others[of.kind]
        shared = met.get(texts)
        if shared is None:
            shared = met[texts] = _decoded(elements, of.often, texts)
            if "type" in shared:
                shared["type"] = self._assays.type_of_sample(bytes(getattr(sent, "type", b"")), shared["type"])
        resource = {"resourceType": of.kind, "id": sent.id, **shared}
        for name, piece in zip(of.own, of.own_of(sent), strict=True):
            if piece is not _ABSENT:
                resource.update(_decoded(elements, (name,), (bytes(piece),)))
        return resource

    def take(self, raw: Raw, *, full_url: str, timestamp: str, place: str, entry: int) -> Part | None:
        """None where it is no plain result."""
        if self._surplus < 0 or (_NAMED not in full_url and _HINT not in bytes(raw)):
            return None
        try:
            part = self._result(_DECODE(raw), raw, place, entry, full_url, timestamp)
        except _UNREADABLE:
            self._surplus -= 1
            return None
        self._surplus += 1
        return part

    def _result(self, sent: _Result, own: Raw | Page, place: str, entry: int, full_url: str, timestamp: str) -> Part:
        key = _NAMED + sent.id
        if full_url and full_url != self._root + key:
            self._stands_below(full_url, key)
        if not sent.id:
            raise _NotPlain
        panel, stage, assay = self._shared(sent, timestamp)
        resource = {"resourceType": "Observation", "id": sent.id, **stage.elements, **panel.elements, **assay.elements}
        if sent.effectiveDateTime is not UNSET:
            resource["effectiveDateTime"] = sent.effectiveDateTime
        if sent.issued is not UNSET:
            resource["issued"] = sent.issued
        quantity = sent.valueQuantity
        if quantity is not UNSET:
            value, unit, system, code = quantity.value, quantity.unit, quantity.system, quantity.code
            is_number = type(value) is Decimal and -_DIGITS < value.adjusted() < _DIGITS
            if not is_number and not (type(value) is int and -_LARGEST < value < _LARGEST):
                raise _NotPlain
            if code is not UNSET and unit is not UNSET and system is not UNSET and quantity.comparator is UNSET:
                resource["valueQuantity"] = {"value": value, "unit": unit, "system": system, "code": code}
            else:
                resource["valueQuantity"] = _quantity(quantity)
        if sent.identifier is not _ABSENT or sent.valueString is not UNSET:
            self._add_rare(resource, sent)
        return Part(own, resource, place, entry, full_url, timestamp, key, True, True, panel, stage, assay)

    def _shared(self, sent: _Result, timestamp: str) -> tuple[Panel, Stage, Assay]:
        """What it has in common with others. Mostly that is what the one before it had, and what comes after its test.

        Texts are compared before they are looked up: that costs a tenth, and nothing is taken on trust.
        """
        before, panel, stage, assay, known_at = self._before
        if not (
            sent.subject == before.subject
            and sent.basedOn == before.basedOn
            and sent.specimen == before.specimen
            and sent.encounter == before.encounter
            and sent.performer == before.performer
        ):
            panel_key: tuple[bytes, ...] = (bytes(sent.subject), bytes(sent.basedOn), bytes(sent.specimen))
            if sent.encounter is not _ABSENT or sent.performer is not _ABSENT:
                panel_key += (bytes(sent.encounter), bytes(sent.performer))
            panel = self._panel_of(panel_key) or self._panel(panel_key)
        if not (sent.meta == before.meta and sent.status == before.status and timestamp == known_at):
            stage_key = (bytes(sent.meta), sent.status, timestamp)
            stage = self._stage_of(stage_key) or self._stage(stage_key)
        one, found = self._after.get(id(assay)) or _NO_ONE
        if not (
            sent.code == one.code
            and sent.category == one.category
            and sent.referenceRange == one.referenceRange
            and sent.interpretation == one.interpretation
        ):
            assay_key = (bytes(sent.code), bytes(sent.category), bytes(sent.referenceRange), bytes(sent.interpretation))
            found = self._assay_of(assay_key) or self._assays.learn(assay_key)
            self._after[id(assay)] = (sent, found)
        self._before = (sent, panel, stage, found, timestamp)
        return panel, stage, found

    def _add_rare(self, resource: Resource, sent: _Result) -> None:
        if sent.identifier is not _ABSENT:
            resource.update(_decoded(self._elements, ("identifier",), (bytes(sent.identifier),)))
        if sent.valueString is not UNSET:
            resource["valueString"] = sent.valueString

    def _panel(self, key: tuple[bytes, ...]) -> Panel:
        panel = self._panels[key] = Panel(_decoded(self._elements, _OF_PANEL, key))
        return panel

    def _stage(self, key: tuple[bytes, str | UnsetType, str]) -> Stage:
        meta, status, timestamp = key
        elements = _decoded(self._elements, ("meta",), (meta,))
        if status is not UNSET:
            elements["status"] = status
        stage = self._stages[key] = Stage(elements, clock_us(elements, otherwise=timestamp), rank(elements))
        return stage


def _decoded(elements: Elements, names: Sequence[str], texts: Sequence[bytes]) -> Resource:
    found: Resource = {}
    for name, text in zip(names, texts, strict=False):
        if text:
            if MODIFIER in text:
                raise _NotPlain
            found[name] = elements[name][text]
    return found


def _quantity(sent: _Quantity) -> Resource:
    return {name: part for name in sent.__struct_fields__ if (part := getattr(sent, name)) is not UNSET}
