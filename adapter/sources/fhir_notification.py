"""What a server's notification says, as far as it is believed: which resources may have changed, and its counting.

R4 rest-hooks (FHIR R4, Subscription: an empty body, or the resource itself) and notification Bundles of the
Subscriptions R5 Backport (R4: Bundle of type history, first entry Parameters; R4B: SubscriptionStatus). Pure.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

_REFERENCE = re.compile(r"(?:(.+)/)?([A-Z][A-Za-z]{2,39})/([A-Za-z0-9.-]{1,64})(?:/_history/[^/]*)?")
_STATES = frozenset({"requested", "active", "error", "off", "entered-in-error"})
_NUMBER = re.compile(r"[0-9]{1,18}")


class Kind(StrEnum):
    """What it is for."""

    HINT = "hint"
    """A rest-hook that counts nothing: something has changed."""
    EVENT = "event-notification"
    HEARTBEAT = "heartbeat"
    HANDSHAKE = "handshake"
    """The Subscription begins, or begins again."""


class Reference(NamedTuple):
    """A resource of the server."""

    resource_type: str
    id: str


class Notification(NamedTuple):
    """One of them; of what it carries beside this nothing is kept."""

    kind: Kind
    references: frozenset[Reference] = frozenset()
    """Empty in a hint or an event: something has changed, and it is not said what."""
    state: str = ""
    """Of the Subscription, where it says so."""
    numbers: frozenset[int] = frozenset()
    """Of its events."""
    through: int | None = None
    """`eventsSinceSubscriptionStart`: how many there were in all, told of or not."""
    server_id: str = ""
    """Of the Subscription."""


def read_notification(body: bytes, *, named: Reference | None, base_url: str) -> Notification | None:
    """`named`: the resource in the address it was sent to. None where the body cannot be read and nothing is named."""
    if not body.strip():
        return Notification(Kind.HINT, frozenset([named] if named else []))
    try:
        said = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Notification(Kind.HINT, frozenset([named])) if named else None
    told = _of_bundle(said, base_url) if isinstance(said, dict) else None
    if told is not None:
        return told
    found = {named} if named else set()
    if isinstance(said, dict) and said.get("resourceType") != "Bundle":
        found |= set(_references([_name_of(said)], base_url))
    elif isinstance(said, dict):
        found |= _carried(_entries(said), base_url)
    return Notification(Kind.HINT, frozenset(found)) if found else None


def reference_in(text: str, base_url: str) -> Reference | None:
    """One that is relative or of this server; ids are unique only within one (behaviour 11)."""
    matched = _REFERENCE.fullmatch(text)
    if matched is None or (matched[1] is not None and matched[1] != base_url):
        return None
    return Reference(matched[2], matched[3])


def _of_bundle(said: Mapping[str, Any], base_url: str) -> Notification | None:
    """None where it is no notification Bundle."""
    entries = _entries(said)
    first = entries[0].get("resource") if entries else None
    if said.get("type") not in {"history", "subscription-notification"} or not isinstance(first, dict):
        return None
    if first.get("resourceType") == "Parameters":
        status = _Parameters.of(first)
    elif first.get("resourceType") == "SubscriptionStatus":
        status = _of_resource(first)
    else:
        return None
    try:
        kind = Kind(status.kind)
    except ValueError:
        return None
    told = [focus for _number, focus in status.events]
    references = set(_references(told, base_url))
    if not any(told):
        references |= _carried(entries[1:], base_url)
    return Notification(
        kind,
        frozenset(references),
        status.state if status.state in _STATES else "",
        frozenset(number for number, _focus in status.events if number is not None),
        status.through,
        status.server_id,
    )


class _Parameters(NamedTuple):
    """The status in its R4 form; names as the guide writes them or with hyphens, as HAPI and others do."""

    kind: str
    state: str
    through: int | None
    events: list[tuple[int | None, str]]
    server_id: str

    @classmethod
    def of(cls, resource: Mapping[str, Any]) -> "_Parameters":
        named: dict[str, Any] = {}
        events = []
        for each in _dicts(resource.get("parameter")):
            name = _plain(each.get("name"))
            if name == "notificationevent":
                part = {_plain(one.get("name")): _value(one) for one in _dicts(each.get("part"))}
                events.append((_number(part.get("eventnumber")), _focus(part.get("focus"))))
            else:
                named[name] = _value(each)
        kind, state = str(named.get("type") or ""), str(named.get("status") or "")
        through, subscription = _number(named.get("eventssincesubscriptionstart")), _focus(named.get("subscription"))
        return cls(kind, state, through, events, _id_in(subscription))


def _of_resource(resource: Mapping[str, Any]) -> _Parameters:
    """The same in its R4B form."""
    events = [
        (_number(each.get("eventNumber")), _focus(each.get("focus")))
        for each in _dicts(resource.get("notificationEvent"))
    ]
    kind, state = str(resource.get("type") or ""), str(resource.get("status") or "")
    subscription = _focus(resource.get("subscription"))
    return _Parameters(kind, state, _number(resource.get("eventsSinceSubscriptionStart")), events, _id_in(subscription))


def _carried(entries: Iterable[Mapping[str, Any]], base_url: str) -> set[Reference]:
    """What entries name: their request, their address, or the resource in them."""
    found: set[Reference] = set()
    for entry in entries:
        resource, request = entry.get("resource"), entry.get("request")
        texts = [str(request.get("url") or "")] if isinstance(request, dict) else []
        texts.append(str(entry.get("fullUrl") or ""))
        if isinstance(resource, dict):
            texts.append(_name_of(resource))
        found.update(list(_references(texts, base_url))[:1])
    return found


def _references(texts: Iterable[str], base_url: str) -> Iterator[Reference]:
    for text in texts:
        if (found := reference_in(text, base_url)) is not None:
            yield found


def _name_of(resource: Mapping[str, Any]) -> str:
    kind, identity = resource.get("resourceType"), resource.get("id")
    return f"{kind}/{identity}" if isinstance(kind, str) and isinstance(identity, str) else ""


def _entries(bundle: Mapping[str, Any]) -> list[dict[str, Any]]:
    return _dicts(bundle.get("entry"))


def _dicts(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _plain(name: object) -> str:
    return name.replace("-", "").lower() if isinstance(name, str) else ""


def _value(parameter: Mapping[str, Any]) -> object:
    return next((value for name, value in parameter.items() if name.startswith("value")), None)


def _focus(value: object) -> str:
    return str(value.get("reference") or "") if isinstance(value, dict) else ""


def _id_in(text: str) -> str:
    matched = _REFERENCE.fullmatch(text)
    return matched[3] if matched is not None and matched[2] == "Subscription" else ""


def _number(value: object) -> int | None:
    """An integer64 is written as text in JSON."""
    if isinstance(value, bool):
        return None
    text = str(value) if isinstance(value, str | int) else ""
    return int(text) if _NUMBER.fullmatch(text) else None
